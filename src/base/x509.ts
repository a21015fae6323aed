/**
 * What a certificate says of its subject. Nothing is checked here: the code that accepted the certificate has done so.
 */
import {
  DER_OCTET_STRING,
  DER_PRINTABLE_STRING,
  DER_SEQUENCE,
  DER_UTF8_STRING,
  type DerValue,
  derChildren,
  derObjectIdentifier,
  derText,
  derTimeMs,
  encodeDer,
  readDer,
} from "./der.ts";

export interface NameAttribute {
  /** The object identifier, such as `2.5.4.3` for CN. */
  readonly type: string;
  readonly value: string;
}

/** A distinguished name: relative names in the order of the certificate, each of one or more attributes. */
export type DistinguishedName = readonly (readonly NameAttribute[])[];

export interface Certificate {
  readonly subject: DistinguishedName;
  /** Subject alternative names, in the order of the certificate. */
  readonly emails: readonly string[];
  readonly dnsNames: readonly string[];
  readonly uris: readonly string[];
  readonly ipAddresses: readonly string[];
  /** When the certificate is valid, in milliseconds since 1970. */
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** The DER of SubjectPublicKeyInfo, from which pins are made. */
  readonly publicKeyInfo: Uint8Array;
}

const VERSION_TAG = 0xa0;
const EXTENSIONS_TAG = 0xa3;
const SUBJECT_ALTERNATIVE_NAME = "2.5.29.17";
const EMAIL_TAG = 0x81;
const DNS_TAG = 0x82;
const URI_TAG = 0x86;
const IP_TAG = 0x87;

/** Reads a DER certificate (RFC 5280, section 4.1); null if it is none. */
export function parseCertificate(der: Uint8Array): Certificate | null {
  const fields = certificateFields(der);
  if (fields === null) return null;
  const { validity, subject, publicKeyInfo, extensions } = fields;
  const [notBefore, notAfter] = [...derChildren(der, validity)];
  if (notBefore === undefined || notAfter === undefined) return null;
  const names = alternativeNames(der, extensions);
  const texts = (tag: number) => names.filter((name) => name.tag === tag).map((name) => derText(der, name));
  return {
    subject: distinguishedName(der, subject),
    emails: texts(EMAIL_TAG),
    dnsNames: texts(DNS_TAG),
    uris: texts(URI_TAG),
    ipAddresses: names
      .filter(({ tag }) => tag === IP_TAG)
      .map((name) => ipText(der.subarray(name.contentStart, name.end))),
    notBeforeMs: derTimeMs(der, notBefore),
    notAfterMs: derTimeMs(der, notAfter),
    publicKeyInfo: der.slice(publicKeyInfo.start, publicKeyInfo.end),
  };
}

export function distinguishedName(der: Uint8Array, name: DerValue): DistinguishedName {
  return [...derChildren(der, name)].map((relative) =>
    [...derChildren(der, relative)].flatMap((attribute) => {
      const [type, value] = [...derChildren(der, attribute)];
      if (type === undefined || value === undefined) return [];
      return { type: derObjectIdentifier(der, type), value: derText(der, value) };
    }),
  );
}

function alternativeNames(der: Uint8Array, extensions: DerValue | undefined): DerValue[] {
  const value = extensionValue(der, extensions, SUBJECT_ALTERNATIVE_NAME);
  return value === null ? [] : [...derChildren(der, value)];
}

/** The fields of a certificate, as they are encoded. */
export interface CertificateFields {
  readonly serialNumber: DerValue;
  readonly issuer: DerValue;
  readonly validity: DerValue;
  readonly subject: DerValue;
  readonly publicKeyInfo: DerValue;
  /** Undefined if it has none. */
  readonly extensions: DerValue | undefined;
}

/** The fields of a DER certificate; null if it is none. */
export function certificateFields(der: Uint8Array): CertificateFields | null {
  const certificate = readDer(der, 0, der.length);
  const body = certificate === null ? null : readDer(der, certificate.contentStart, certificate.end);
  if (body === null || body.tag !== DER_SEQUENCE) return null;
  const fields = [...derChildren(der, body)].filter(({ tag }) => tag !== VERSION_TAG);
  const [serialNumber, , issuer, validity, subject, publicKeyInfo, ...optional] = fields;
  if (serialNumber === undefined || issuer === undefined || validity === undefined) return null;
  if (subject === undefined || publicKeyInfo === undefined) return null;
  const extensions = optional.find(({ tag }) => tag === EXTENSIONS_TAG);
  return { serialNumber, issuer, validity, subject, publicKeyInfo, extensions };
}

/** The value of an extension, which lies in its octet string; null if there is no such extension. */
export function extensionValue(
  der: Uint8Array,
  extensions: DerValue | undefined,
  objectIdentifier: string,
): DerValue | null {
  const list = extensions === undefined ? null : readDer(der, extensions.contentStart, extensions.end);
  for (const extension of list === null ? [] : derChildren(der, list)) {
    const parts = [...derChildren(der, extension)];
    const value = parts.at(-1);
    if (parts[0] === undefined || value?.tag !== DER_OCTET_STRING) continue;
    if (derObjectIdentifier(der, parts[0]) !== objectIdentifier) continue;
    return readDer(der, value.contentStart, value.end);
  }
  return null;
}

/** An address of 4 or 16 bytes as text, "" for any other. */
function ipText(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join(".");
  if (bytes.length !== 16) return "";
  const words = Array.from({ length: 8 }, (_, i) => (bytes[2 * i]! * 256 + bytes[2 * i + 1]!).toString(16));
  return new URL(`http://[${words.join(":")}]/`).hostname.slice(1, -1);
}

/** The attributes that Go knows by name, in Go's order. Attributes of one name stand together. */
export const ATTRIBUTE_NAMES: ReadonlyMap<string, string> = new Map([
  ["2.5.4.6", "C"],
  ["2.5.4.8", "ST"],
  ["2.5.4.7", "L"],
  ["2.5.4.9", "STREET"],
  ["2.5.4.17", "POSTALCODE"],
  ["2.5.4.10", "O"],
  ["2.5.4.11", "OU"],
  ["2.5.4.3", "CN"],
  ["2.5.4.5", "SERIALNUMBER"],
]);
/** Attributes of which Go keeps only the last. */
const SINGLE_ATTRIBUTES: ReadonlySet<string> = new Set(["2.5.4.3", "2.5.4.5"]);

/**
 * A distinguished name without the attributes that Go has no name for: `CN=x,OU=a+OU=b,C=US`. The order is Go's, not
 * that of the certificate. Source: Go crypto/x509/pkix `Name.ToRDNSequence`, `RDNSequence.String`.
 */
export function knownNameText(name: DistinguishedName): string {
  const attributes = name.flat();
  const parts = [...ATTRIBUTE_NAMES].flatMap(([type, shortName]) => {
    const values = attributes.filter((attribute) => attribute.type === type).map(({ value }) => value);
    const kept = SINGLE_ATTRIBUTES.has(type) ? values.slice(-1).filter((value) => value !== "") : values;
    return kept.length === 0 ? [] : kept.map((value) => `${shortName}=${escapeValue(value)}`).join("+");
  });
  return parts.reverse().join(",");
}

/**
 * A distinguished name as nats-server shows it, `CN=x,OU=Eng,O=Acme,C=US`. Attributes that Go has no name for come at
 * the end, as `0.9.2342.19200300.100.1.25=#130461636d65`. Source: Go crypto/x509/pkix `Name.String`.
 */
export function nameText(name: DistinguishedName): string {
  const others = name
    .flat()
    .filter(({ type }) => !ATTRIBUTE_NAMES.has(type))
    .map(({ type, value }) => `${type}=#${encodedHex(value)}`);
  return [knownNameText(name), ...others.reverse()].filter((text) => text !== "").join(",");
}

function escapeValue(value: string): string {
  return value.replace(/[,+"\\<>;]|^[ #]|(?!^) $/g, (character) => `\\${character}`);
}

/** The DER of a string as Go writes it, in hex: a PrintableString if possible, else a UTF8String. */
function encodedHex(value: string): string {
  const tag = /^[A-Za-z0-9 '()+,\-./:=?]*$/.test(value) ? DER_PRINTABLE_STRING : DER_UTF8_STRING;
  return encodeDer(tag, new TextEncoder().encode(value)).toHex();
}
