import { createHash } from "node:crypto";
import { knownNameText } from "../../base/x509.ts";
import { parseRevocationFields, type RevocationFields } from "../../base/x509_revocation.ts";

/** A certificate whose status is asked for. */
export interface CheckedCertificate extends RevocationFields {
  readonly der: Uint8Array<ArrayBuffer>;
  /** As logs and events name it. */
  readonly name: string;
  /** SHA-256 of all of it, base64: what responses are cached by. */
  readonly fingerprint: string;
}

/** Reads a DER certificate; null where it is none. */
export function checkedCertificate(der: Uint8Array<ArrayBuffer>): CheckedCertificate | null {
  const fields = parseRevocationFields(der);
  if (fields === null) return null;
  const fingerprint = createHash("sha256").update(der).digest("base64");
  return { ...fields, der, name: knownNameText(fields.subject), fingerprint };
}

/** The responders that can be asked: those with an HTTP or HTTPS URL. */
export function webResponders({ responderUrls }: RevocationFields): readonly string[] {
  return responderUrls.filter((url) => /^https?:\/\//i.test(url) && URL.canParse(url));
}
