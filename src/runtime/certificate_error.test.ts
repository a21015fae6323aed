import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { parseCertificate } from "../base/x509.ts";
import { certificateErrorText } from "./certificate_error.ts";

const path = new URL("../../test/conformance/fixtures/server_cert.pem", import.meta.url);
const base64 = readFileSync(path, "utf8").replace(/-----[A-Z ]+-----|\s/g, "");
const der = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
const { notBeforeMs, notAfterMs } = parseCertificate(der)!;
const BEGIN = "tls: failed to verify certificate: x509: ";

test("certificateErrorText() names the certificate and its hash", () => {
  expect(certificateErrorText("unknown authority", [der])).toMatch(
    /^tls: failed to verify certificate: x509: certificate signed by unknown authority \(CN=localhost SHA-256: [0-9a-f]{64}\)$/,
  );
});

test("certificateErrorText() names the rest of the chain, too", () => {
  expect(certificateErrorText("unknown authority", [der, der])).toMatch(
    / \(CN=localhost SHA-256: [0-9a-f]{64}; CN=localhost SHA-256: [0-9a-f]{64}\)$/,
  );
});

test("certificateErrorText() says on which side of its time a certificate is", () => {
  const text = (nowMs: number) => certificateErrorText("outside its time", [der], undefined, nowMs);
  expect(text(notAfterMs + 1000)).toContain(
    "is not yet valid: current time 2126-10-29T11:07:13Z is after 2126-10-29T11:07:12Z (CN=localhost ",
  );
  expect(text(notBeforeMs - 1000)).toContain(
    "is not yet valid: current time 2026-11-22T11:07:11Z is before 2026-11-22T11:07:12Z (CN=localhost ",
  );
  // Then another certificate of the chain is outside its time.
  expect(text(notBeforeMs + 1000)).toContain("certificate has expired or is not yet valid (CN=localhost ");
});

test("certificateErrorText() does without a certificate", () => {
  expect(certificateErrorText("wrong purpose", [])).toBe(
    `${BEGIN}certificate specifies an incompatible key usage`,
  );
  expect(certificateErrorText("path too long", [])).toContain("path length");
  expect(certificateErrorText("unfit authority", [])).toContain("cannot sign");
  expect(certificateErrorText("outside its time", [])).toBe(
    `${BEGIN}certificate has expired or is not yet valid`,
  );
});
