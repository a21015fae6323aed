import { afterAll, describe, expect, test } from "bun:test";
import { CertificateMaker } from "../../../test/support/certificates.ts";
import { loadConfigText } from "../../config/load.ts";
import { loadRuntime } from "../../runtime/mod.ts";
import { linkContextPlans, TlsContexts, usesTls } from "./tls_contexts.ts";

const runtime = await loadRuntime();
const opened = runtime.openPosix();
if (!opened.ok) throw new Error(opened.reason);
const { posix } = opened;

const certificates = new CertificateMaker();
const { certFile, keyFile } = certificates.makeAuthority("own");
afterAll(() => certificates.remove());

const TLS = `tls { cert_file: "${certFile}", key_file: "${keyFile}", ca_file: "${certFile}" }`;
const EVERY_KIND = `
  cluster { port: 6222, ${TLS} }
  gateway { name: A, port: 7222, ${TLS}
    gateways: [ { name: B, url: "nats://b:7222", ${TLS} }, { name: C, url: "nats://c:7222" } ] }
  leafnodes { port: 7422, ${TLS}
    remotes: [ { url: "tls://hub" }, { url: "nats://other" } ] }
`;

function options(text: string) {
  const loaded = loadConfigText(text, "test", { readFile: () => "", environment: {} });
  if (!loaded.ok) throw new Error(loaded.lines.join("\n"));
  return loaded.options;
}

describe("linkContextPlans()", () => {
  test("names a context for each block, and a remote's own", () => {
    const plans = linkContextPlans(options(EVERY_KIND));
    expect(plans.map(({ name, roles }) => `${name}: ${roles.join(", ")}`)).toEqual([
      "cluster: server, client",
      "gateway: server, client",
      "gateway:B: client",
      "leafnodes: server",
      "leaf:0: client",
      "leaf:1: client",
    ]);
    expect(plans.filter(({ isOptional }) => isOptional).map(({ name }) => name)).toEqual(["leaf:1"]);
    expect(plans[0]!.options.verify).toBe(true);
  });

  test("has none for a server by itself", () => {
    expect(linkContextPlans(options("port: 4222"))).toEqual([]);
    expect(usesTls(options("port: 4222"))).toBe(false);
  });
});

test("usesTls() is about what is asked for, not about what a hub may want", () => {
  expect(usesTls(options("leafnodes { remotes: [ { url: nats://hub } ] }"))).toBe(false);
  expect(usesTls(options("leafnodes { remotes: [ { url: tls://hub } ] }"))).toBe(true);
  expect(usesTls(options(`cluster { port: 6222, ${TLS} }`))).toBe(true);
});

describe("TlsContexts", () => {
  test("create() makes the sides that each is for, of OpenSSL", () => {
    const contexts = new TlsContexts(runtime, posix);
    const created = contexts.create(options(EVERY_KIND));
    if (!created.ok) throw new Error(created.reason);
    const sides = Object.entries(created.contexts.links).map(([name, { context }]) => {
      if (context.kind !== "openssl") throw new Error(`${name} is not OpenSSL's`);
      return [name, context.contexts.length, context.clientContext !== null];
    });
    expect(sides).toEqual([
      ["cluster", 1, true],
      ["gateway", 1, true],
      ["gateway:B", 0, true],
      ["leafnodes", 1, false],
      ["leaf:0", 0, true],
      ["leaf:1", 0, true],
    ]);
    contexts.release(created.contexts);
  });

  test("create() says what OpenSSL cannot do, unless nobody asked for it", () => {
    const contexts = new TlsContexts(runtime, posix);
    const weak = 'cipher_suites: ["TLS_RSA_WITH_RC4_128_SHA"], allow_insecure_cipher_suites: true';
    const created = contexts.create(options(`leafnodes { remotes: [ { url: h, tls { ${weak} } } ] }`));
    expect(created.ok ? "" : created.reason).toContain("does not offer TLS_RSA_WITH_RC4_128_SHA");
    const withoutLibrary = new TlsContexts(
      { ...runtime, openOpenSsl: () => ({ ok: false, reason: "no" }) },
      posix,
    );
    const untold = withoutLibrary.create(options("leafnodes { remotes: [ { url: nats://h } ] }"));
    expect(untold).toEqual({
      ok: true,
      contexts: { client: null, webSocket: null, links: {}, clientDigest: "" },
    });
    expect(withoutLibrary.create(options(EVERY_KIND)).ok).toBe(false);
  });
});
