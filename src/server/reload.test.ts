import { afterAll, expect, test } from "bun:test";
import { CertificateMaker } from "../../test/support/certificates.ts";
import { defaultOptions, type Options } from "../config/option_table.ts";
import { TLS_DEFAULTS } from "../config/tls.ts";
import { Logger } from "../log/logger.ts";
import { loadRuntime } from "../runtime/mod.ts";
import { OcspService } from "./ocsp/ocsp_service.ts";
import { prepareReload, type ReloadedServer } from "./reload.ts";
import { Server } from "./server.ts";
import type { ConfigOrigin } from "./server_settings.ts";
import { OptionResolver } from "./settings/option_resolver.ts";
import { TlsContexts } from "./settings/tls_contexts.ts";

const maker = new CertificateMaker();
afterAll(() => maker.remove());
const pair = maker.makeServer("localhost", maker.makeAuthority("CA"));

const BEFORE: Options = { ...defaultOptions(), host: "127.0.0.1", port: -1 };
const AFTER: Options = {
  ...BEFORE,
  maxPayloadBytes: 1000,
  tls: { ...TLS_DEFAULTS, certFile: pair.certFile, keyFile: pair.keyFile },
};

function origin(read: ConfigOrigin["read"]): ConfigOrigin {
  return { file: "x.conf", digest: "", read };
}

/** Prepares a reload to `AFTER`, with some parts of the server replaced; the contexts that were given back are counted. */
async function prepare(parts: Partial<ReloadedServer>) {
  const logger = new Logger({ write() {}, close() {} }, { debug: false, trace: false });
  const runtime = await loadRuntime();
  const tls = new TlsContexts(runtime, null);
  let released = 0;
  tls.release = () => void released++;
  const prepared = await prepareReload({
    settings: { openLog: null, runtime },
    config: origin(() => ({ ok: true, options: AFTER, digest: "" })),
    options: BEFORE,
    port: 4222,
    resolver: new OptionResolver(BEFORE, "hash"),
    operators: [],
    tls,
    contexts: { client: null, webSocket: null, links: {}, clientDigest: "" },
    ocsp: new OcspService(logger, {
      restaple() {},
      stop() {},
      linkInvalid() {},
      peerRejected() {},
    }),
    monitoring: { prepare: () => () => {} },
    findStop: () => undefined,
    ...parts,
  });
  return { prepared, released };
}

test("prepareReload() has read everything that is to be applied", async () => {
  const { prepared, released } = await prepare({});
  expect(prepared).toMatchObject({ ok: true, options: { maxPayloadBytes: 1000 } });
  expect(prepared.ok && prepared.certificates.client).toBeGreaterThan(Date.now());
  expect(released).toBe(0);
});

test("prepareReload() refuses what cannot be read after all, and gives the contexts back", async () => {
  const unreadable = () => {
    throw new Error("open x.pem: no such file or directory");
  };
  const ocsp = { open: unreadable } as unknown as OcspService;
  for (const parts of [{ monitoring: { prepare: unreadable } }, { ocsp }]) {
    const { prepared, released } = await prepare(parts);
    expect(prepared).toEqual({ ok: false, reason: "open x.pem: no such file or directory" });
    expect(released).toBe(1);
  }
});

test("Server.reload() never rejects: whatever it fails of is in the log, and the server serves on", async () => {
  const log: string[] = [];
  let failsWith = "";
  const server = await Server.start({
    options: BEFORE,
    runtime: await loadRuntime(),
    logger: new Logger(
      { write: (level, text) => log.push(`${level} ${text}`), close() {} },
      { debug: false, trace: false },
    ),
    openLog: null,
    config: origin(() => {
      if (failsWith !== "") throw new Error(failsWith);
      return { ok: true, options: { ...BEFORE, maxPayloadBytes: 1000 }, digest: "sha256:0" };
    }),
    executableName: "nats-server",
    commandLine: [],
    endsProcess: false,
  });
  failsWith = "a mistake of ours";
  expect(await server.reload()).toEqual({ ok: false, reason: failsWith });
  expect(log).toContain(`error Failed to reload server configuration: ${failsWith}`);
  failsWith = "";
  expect(await server.reload()).toEqual({ ok: true });
  await server.stop();
  expect(await server.ended).toBe("stopped");
});
