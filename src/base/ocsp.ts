/**
 * OCSP (RFC 6960): the request to a responder, and what its response says of one certificate. Certificates are DER.
 * Source for what is accepted: golang.org/x/crypto/ocsp, with which nats-server reads responses.
 */
import { createHash, createPublicKey, verify } from "node:crypto";
import {
  DER_INTEGER,
  DER_NULL,
  DER_OBJECT_IDENTIFIER,
  DER_OCTET_STRING,
  DER_SEQUENCE,
  type DerValue,
  derChildren,
  derContent,
  derObjectIdentifier,
  derTimeMs,
  derWhole,
  encodeDer,
  readDer,
} from "./der.ts";
import { parseRevocationFields, type RevocationFields } from "./x509_revocation.ts";

export type CertificateStatus = "good" | "revoked" | "unknown";

/** What a response with a valid signature says of a certificate. Times are milliseconds since 1970. */
export interface OcspResponse {
  readonly status: CertificateStatus;
  readonly thisUpdateMs: number;
  /** When there will be a newer response; null if the responder does not say. */
  readonly nextUpdateMs: number | null;
  /**
   * Not null if the response is signed by another key, whose certificate the issuer signed. `isAllowed` if that
   * certificate permits signing responses and is valid now.
   */
  readonly delegate: { readonly isAllowed: boolean } | null;
}

export type OcspResult =
  | { readonly ok: true; readonly response: OcspResponse }
  | { readonly ok: false; readonly reason: string };

const SHA1 = Uint8Array.of(0x2b, 0x0e, 0x03, 0x02, 0x1a);
const BASIC_RESPONSE = "1.3.6.1.5.5.7.48.1.1";

const SUCCESSFUL = 0;
const ERROR_STATUSES: readonly string[] = [
  "",
  "malformed",
  "internal error",
  "try later",
  "",
  "signature required",
  "unauthorized",
];

const EXPLICIT_0 = 0xa0;
const STATUSES: ReadonlyMap<number, CertificateStatus> = new Map([
  [0x80, "good"],
  [0xa1, "revoked"],
  [0x82, "unknown"],
]);

/** Signature algorithms and their hashes; null for an algorithm that has its own. Older hashes are not trusted. */
const SIGNATURE_HASHES: ReadonlyMap<string, string | null> = new Map([
  ["1.2.840.113549.1.1.11", "sha256"],
  ["1.2.840.113549.1.1.12", "sha384"],
  ["1.2.840.113549.1.1.13", "sha512"],
  ["1.2.840.10045.4.3.2", "sha256"],
  ["1.2.840.10045.4.3.3", "sha384"],
  ["1.2.840.10045.4.3.4", "sha512"],
  ["1.3.101.112", null],
]);

/** A request for the status of a certificate of this issuer, DER. */
export function encodeOcspRequest(certificate: RevocationFields, issuer: RevocationFields): Uint8Array {
  const sequence = (...content: readonly Uint8Array[]) => encodeDer(DER_SEQUENCE, ...content);
  // The hash only names the issuer. Every responder knows SHA-1.
  const hashOf = (bytes: Uint8Array) =>
    encodeDer(DER_OCTET_STRING, createHash("sha1").update(bytes).digest());
  const certificateId = sequence(
    sequence(encodeDer(DER_OBJECT_IDENTIFIER, SHA1), encodeDer(DER_NULL)),
    hashOf(issuer.subjectDer),
    hashOf(issuer.publicKey),
    encodeDer(DER_INTEGER, certificate.serialNumber),
  );
  const requests = sequence(sequence(certificateId));
  return sequence(sequence(requests));
}

/**
 * What a response says of a certificate of this issuer. The response must be signed by the issuer, or by a key whose
 * certificate the response carries and the issuer signed. `delegate` says whether that key may sign. The times of the
 * response are not looked at.
 */
export function parseOcspResponse(
  der: Uint8Array,
  certificate: RevocationFields,
  issuerDer: Uint8Array,
  nowMs: number,
): OcspResult {
  const refuse = (reason: string): OcspResult => ({ ok: false, reason });
  const whole = readDer(der, 0, der.length);
  const [status, responseBytes] = childrenOf(der, whole);
  const code = status === undefined ? SUCCESSFUL : der[status.contentStart];
  if (status !== undefined && code !== SUCCESSFUL) {
    return refuse(`ocsp: error from server: ${ERROR_STATUSES[code!] || `unknown OCSP status: ${code}`}`);
  }
  const [typed] = childrenOf(der, responseBytes);
  const [type, octets] = childrenOf(der, typed);
  if (type === undefined || octets === undefined) return refuse("ocsp: malformed response");
  if (derObjectIdentifier(der, type) !== BASIC_RESPONSE) return refuse("ocsp: bad OCSP response type");
  const basic = readDer(der, octets.contentStart, octets.end);
  const [data, , , certificates] = childrenOf(der, basic);
  const issuer = parseRevocationFields(issuerDer);
  if (basic === null || data === undefined || issuer === null) return refuse("ocsp: malformed response");

  const [list] = childrenOf(der, certificates);
  const [embedded] = childrenOf(der, list).map((value) => derWhole(der, value));
  let delegate: OcspResponse["delegate"] = null;
  if (embedded === undefined || sameBytes(embedded, issuerDer)) {
    if (!isSignedBy(der, basic, issuer.publicKeyInfo)) return refuse("ocsp: bad OCSP signature");
  } else {
    const signer = parseRevocationFields(embedded);
    const signed = readDer(embedded, 0, embedded.length);
    if (signer === null || signed === null) return refuse("ocsp: malformed certificate of the signer");
    if (!isSignedBy(der, basic, signer.publicKeyInfo)) {
      return refuse("ocsp: bad signature on embedded certificate");
    }
    if (!isSignedBy(embedded, signed, issuer.publicKeyInfo)) return refuse("ocsp: bad OCSP signature");
    const holds = signer.notBeforeMs <= nowMs && nowMs <= signer.notAfterMs;
    delegate = { isAllowed: signer.signsResponses && holds };
  }
  const said = findStatement(der, data, certificate);
  return said === null
    ? refuse("ocsp: the response is about another certificate")
    : { ok: true, response: { ...said, delegate } };
}

/** What ResponseData says of the certificate; null if it says nothing. */
function findStatement(
  der: Uint8Array,
  data: DerValue,
  { serialNumber }: RevocationFields,
): Omit<OcspResponse, "delegate"> | null {
  const fields = childrenOf(der, data).filter(({ tag }) => tag !== EXPLICIT_0);
  const [, , responses] = fields;
  for (const single of childrenOf(der, responses)) {
    const [id, status, thisUpdate, ...optional] = childrenOf(der, single);
    const serial = childrenOf(der, id).at(-1);
    if (serial === undefined || status === undefined || thisUpdate === undefined) continue;
    if (!sameBytes(derContent(der, serial), serialNumber)) continue;
    const [nextUpdate] = childrenOf(
      der,
      optional.find(({ tag }) => tag === EXPLICIT_0),
    );
    return {
      status: STATUSES.get(status.tag) ?? "unknown",
      thisUpdateMs: derTimeMs(der, thisUpdate),
      nextUpdateMs: nextUpdate === undefined ? null : derTimeMs(der, nextUpdate),
    };
  }
  return null;
}

/** Whether a key (DER of SubjectPublicKeyInfo) signed a sequence of content, signature algorithm and signature. */
function isSignedBy(der: Uint8Array, signed: DerValue, publicKeyInfo: Uint8Array<ArrayBuffer>): boolean {
  const [content, algorithm, signature] = childrenOf(der, signed);
  const [algorithmId] = childrenOf(der, algorithm);
  if (content === undefined || algorithmId === undefined || signature === undefined) return false;
  const hash = SIGNATURE_HASHES.get(derObjectIdentifier(der, algorithmId));
  if (hash === undefined) return false;
  try {
    const key = createPublicKey({ key: Buffer.from(publicKeyInfo), format: "der", type: "spki" });
    return verify(hash, derWhole(der, content), key, derContent(der, signature).slice(1));
  } catch {
    // The key is of another kind than the signature, or the library does not know it.
    return false;
  }
}

function childrenOf(der: Uint8Array, parent: DerValue | null | undefined): DerValue[] {
  return parent == null ? [] : [...derChildren(der, parent)];
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
