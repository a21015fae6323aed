/**
 * What a certificate says that matters for its revocation. Nothing is checked here. Source: RFC 5280, 6960 and 7633.
 */
import {
  DER_BOOLEAN,
  DER_INTEGER,
  type DerValue,
  derChildren,
  derContent,
  derObjectIdentifier,
  derText,
  derTimeMs,
  derWhole,
} from "./der.ts";
import { certificateFields, type DistinguishedName, distinguishedName, extensionValue } from "./x509.ts";

export interface RevocationFields {
  /** The content of the INTEGER. */
  readonly serialNumber: Uint8Array<ArrayBuffer>;
  readonly subject: DistinguishedName;
  readonly issuer: DistinguishedName;
  /** The two names as they are encoded. */
  readonly subjectDer: Uint8Array<ArrayBuffer>;
  readonly issuerDer: Uint8Array<ArrayBuffer>;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** The DER of SubjectPublicKeyInfo, and the key alone, from which identifiers are made. */
  readonly publicKeyInfo: Uint8Array<ArrayBuffer>;
  readonly publicKey: Uint8Array<ArrayBuffer>;
  /** Where its issuer says whether it is revoked, in the order of the certificate. */
  readonly responderUrls: readonly string[];
  /** A server that presents it must add a fresh OCSP response. */
  readonly mustStaple: boolean;
  /** It may sign certificates. */
  readonly isAuthority: boolean;
  /** Its issuer lets it sign OCSP responses. */
  readonly signsResponses: boolean;
}

const AUTHORITY_INFORMATION_ACCESS = "1.3.6.1.5.5.7.1.1";
const ACCESS_BY_OCSP = "1.3.6.1.5.5.7.48.1";
const TLS_FEATURE = "1.3.6.1.5.5.7.1.24";
/** The TLS extension `status_request`. */
const FEATURE_STATUS_REQUEST = 5;
const BASIC_CONSTRAINTS = "2.5.29.19";
const EXTENDED_KEY_USAGE = "2.5.29.37";
const USAGE_OCSP_SIGNING = "1.3.6.1.5.5.7.3.9";
const URI_TAG = 0x86;

/** Reads a DER certificate; null if it is none. */
export function parseRevocationFields(der: Uint8Array): RevocationFields | null {
  const fields = certificateFields(der);
  if (fields === null) return null;
  const { serialNumber, subject, issuer, validity, publicKeyInfo, extensions } = fields;
  const [notBefore, notAfter] = [...derChildren(der, validity)];
  const [, publicKey] = [...derChildren(der, publicKeyInfo)];
  if (notBefore === undefined || notAfter === undefined || publicKey === undefined) return null;
  const partsOf = (objectIdentifier: string): DerValue[] => {
    const value = extensionValue(der, extensions, objectIdentifier);
    return value === null ? [] : [...derChildren(der, value)];
  };
  return {
    serialNumber: derContent(der, serialNumber),
    subject: distinguishedName(der, subject),
    issuer: distinguishedName(der, issuer),
    subjectDer: derWhole(der, subject),
    issuerDer: derWhole(der, issuer),
    notBeforeMs: derTimeMs(der, notBefore),
    notAfterMs: derTimeMs(der, notAfter),
    publicKeyInfo: derWhole(der, publicKeyInfo),
    // A bit string begins with the number of bits that its last byte leaves unused.
    publicKey: derContent(der, publicKey).slice(1),
    responderUrls: partsOf(AUTHORITY_INFORMATION_ACCESS).flatMap((access) => responderUrl(der, access)),
    mustStaple: partsOf(TLS_FEATURE).some((feature) => isStatusRequest(der, feature)),
    isAuthority: partsOf(BASIC_CONSTRAINTS).some(
      (part) => part.tag === DER_BOOLEAN && der[part.contentStart] !== 0,
    ),
    signsResponses: partsOf(EXTENDED_KEY_USAGE).some(
      (usage) => derObjectIdentifier(der, usage) === USAGE_OCSP_SIGNING,
    ),
  };
}

function responderUrl(der: Uint8Array, access: DerValue): readonly string[] {
  const [method, location] = [...derChildren(der, access)];
  if (method === undefined || location?.tag !== URI_TAG) return [];
  return derObjectIdentifier(der, method) === ACCESS_BY_OCSP ? [derText(der, location)] : [];
}

function isStatusRequest(der: Uint8Array, feature: DerValue): boolean {
  const { tag, contentStart, end } = feature;
  return tag === DER_INTEGER && end - contentStart === 1 && der[contentStart] === FEATURE_STATUS_REQUEST;
}
