import { afterAll, describe, expect, test } from "bun:test";
import { Buffer } from "node:buffer";
import { X509Certificate } from "node:crypto";
import { CertificateMaker, type KeyPair } from "../../test/support/certificates.ts";
import { OcspResponder, type ResponseOptions } from "../../test/support/ocsp_responder.ts";
import { encodeOcspRequest, type OcspResult, parseOcspResponse } from "./ocsp.ts";
import { parseRevocationFields } from "./x509_revocation.ts";

const maker = new CertificateMaker();
const authority = maker.makeAuthority("Test CA");
const responder = await OcspResponder.start(maker, authority);
const make = (more: readonly string[] = [], issuer = authority) =>
  maker.make({ subject: "/CN=x", extensions: [responder.extension, ...more], issuer });
const certificate = make();
const other = make();
afterAll(async () => {
  await responder.stop();
  maker.remove();
});

const der = ({ cert }: KeyPair) => new Uint8Array(new X509Certificate(cert).raw);
const fields = (pair: KeyPair) => parseRevocationFields(der(pair))!;

/** What a response of the authority, made with these options, says of a certificate. */
function ask(options: ResponseOptions, about = certificate, nowMs = Date.now()): OcspResult {
  responder.options = options;
  const response = responder.answer(encodeOcspRequest(fields(about), fields(authority)));
  return parseOcspResponse(response, fields(certificate), der(authority), nowMs);
}

const refusal = (result: OcspResult) => (result.ok ? "" : result.reason);

describe("parseRevocationFields()", () => {
  test("reads where to ask, and what the certificate may do", () => {
    const { responderUrls, mustStaple, isAuthority, signsResponses } = fields(certificate);
    expect(responderUrls).toEqual([responder.url]);
    expect([mustStaple, isAuthority, signsResponses]).toEqual([false, false, false]);
    expect(fields(make(["tlsfeature=status_request"])).mustStaple).toBe(true);
    expect(fields(make(["extendedKeyUsage=OCSPSigning"])).signsResponses).toBe(true);
    expect(fields(authority).isAuthority).toBe(true);
  });

  test("has no fields for what is no certificate, whatever is missing of one", () => {
    const whole = der(certificate);
    for (let end = 0; end < 200; end++) expect(parseRevocationFields(whole.subarray(0, end))).toBeNull();
  });
});

describe("parseOcspResponse()", () => {
  test("tells each status, and the times", () => {
    for (const state of ["good", "revoked", "unknown"] as const) {
      responder.setState(certificate, state);
      const result = ask({ minutes: 90 });
      if (!result.ok) throw new Error(result.reason);
      const { status, thisUpdateMs, nextUpdateMs, delegate } = result.response;
      expect(status).toBe(state);
      expect(Math.abs(thisUpdateMs - Date.now())).toBeLessThan(60_000);
      expect(nextUpdateMs! - thisUpdateMs).toBe(90 * 60_000);
      expect(delegate).toBeNull();
    }
    const result = ask({ minutes: 0 });
    expect(result.ok && result.response.nextUpdateMs).toBeNull();
  });

  test("takes a delegate of the issuer, and tells whether it may sign and holds", () => {
    responder.setState(certificate, "good");
    const delegate = make(["extendedKeyUsage=OCSPSigning"]);
    const isAllowed = (signer: KeyPair, nowMs: number) => {
      const result = ask({ signer }, certificate, nowMs);
      return result.ok ? result.response.delegate?.isAllowed : result.reason;
    };
    expect(isAllowed(delegate, Date.now())).toBe(true);
    expect(isAllowed(delegate, Date.now() + 365 * 86_400_000)).toBe(false);
    // Otherwise every certificate of the issuer could speak for it.
    expect(isAllowed(other, Date.now())).toBe(false);
  });

  test("refuses a response that the issuer did not sign", () => {
    const stranger = maker.makeAuthority("Test CA");
    expect(refusal(ask({ signer: stranger }))).toBe("ocsp: bad OCSP signature");
  });

  test("refuses a good response about another certificate", () => {
    responder.setState(other, "good");
    expect(refusal(ask({}, other))).toBe("ocsp: the response is about another certificate");
  });

  test("refuses a response of which any byte of what is signed has changed", () => {
    responder.options = {};
    const response = responder.answer(encodeOcspRequest(fields(certificate), fields(authority)));
    const serial = Buffer.from(response).indexOf(Buffer.from(fields(certificate).serialNumber));
    for (const at of [serial - 20, serial, serial + 25]) {
      const changed = Uint8Array.from(response);
      changed[at]! ^= 1;
      expect(parseOcspResponse(changed, fields(certificate), der(authority), Date.now()).ok).toBe(false);
    }
  });

  test("tells what a responder that refuses says, and refuses what is no response", () => {
    const parse = (bytes: Uint8Array) =>
      refusal(parseOcspResponse(bytes, fields(certificate), der(authority), Date.now()));
    expect(parse(Uint8Array.of(0x30, 3, 0x0a, 1, 6))).toBe("ocsp: error from server: unauthorized");
    expect(parse(Uint8Array.of(0x30, 3, 0x0a, 1, 9))).toBe("ocsp: error from server: unknown OCSP status: 9");
    expect(parse(new TextEncoder().encode("<html>"))).toBe("ocsp: malformed response");
    expect(parse(new Uint8Array(0))).toBe("ocsp: malformed response");
  });
});
