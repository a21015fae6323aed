import { describe, expect, test } from "bun:test";
import { fileURLToPath } from "node:url";
import { TLS_DEFAULTS, type TlsOptions } from "../../config/tls.ts";
import { openSslForTests } from "../testing/poller_subjects.ts";
import { openSslCipherNames } from "./cipher_names.ts";
import { createServerContexts, freeContexts } from "./server_context.ts";

const FIXTURES = fileURLToPath(new URL("../../../test/conformance/fixtures/", import.meta.url));
const openSsl = openSslForTests();
const pair = { certFile: `${FIXTURES}server_cert.pem`, keyFile: `${FIXTURES}server_key.pem` };

function reasonFor(options: Partial<TlsOptions>): string {
  const created = createServerContexts(openSsl, { ...TLS_DEFAULTS, ...pair, ...options });
  if (!created.ok) return created.reason;
  freeContexts(openSsl, created.contexts);
  return "";
}

describe("createServerContexts()", () => {
  test("makes one of a certificate with its key, of several, and of none", () => {
    expect(reasonFor({})).toBe("");
    expect(reasonFor({ certFile: undefined, keyFile: undefined, certs: [pair] })).toBe("");
    expect(reasonFor({ certFile: undefined, keyFile: undefined })).toBe("");
  });

  test("takes suites, groups, versions and authorities", () => {
    expect(
      reasonFor({
        cipherSuites: ["TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"],
        curvePreferences: ["X25519", "CurveP256", "CurveP384", "CurveP521"],
        minVersion: "1.3",
        verify: true,
        caFile: pair.certFile,
      }),
    ).toBe("");
    expect(reasonFor({ verify: true })).toBe("");
  });

  test("names a suite that this OpenSSL does not offer", () => {
    expect(reasonFor({ cipherSuites: ["TLS_RSA_WITH_RC4_128_SHA"] })).toBe(
      `cipher_suites: OpenSSL ${openSsl.version} does not offer TLS_RSA_WITH_RC4_128_SHA; leave it out`,
    );
  });

  test("says what is wrong with files, and leaves no error behind", () => {
    expect(reasonFor({ certFile: "/missing.pem" })).toContain("/missing.pem");
    expect(reasonFor({ keyFile: pair.certFile })).toContain("error parsing X509 certificate/key pair: ");
    expect(reasonFor({ verify: true, caFile: pair.keyFile })).toContain(
      "failed to parse root ca certificate",
    );
    expect(openSsl.takeErrors()).toEqual([]);
  });
});

describe("openSslCipherNames()", () => {
  test("translates, in Go's order", () => {
    expect(
      openSslCipherNames(["TLS_RSA_WITH_AES_128_CBC_SHA", "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"]),
    ).toEqual(["ECDHE-RSA-AES256-GCM-SHA384", "AES128-SHA"]);
  });

  test("has defaults where nothing is named, and none where nothing of TLS 1.2 is", () => {
    const defaults = openSslCipherNames([]);
    expect([defaults.length, defaults.at(-1)]).toEqual([10, "ECDHE-RSA-AES256-SHA"]);
    expect(openSslCipherNames(["TLS_AES_128_GCM_SHA256"])).toEqual([]);
  });
});
