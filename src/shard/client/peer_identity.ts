/** The identity of a TLS peer according to its certificate. Cold: at login, for pins, for monitoring. */
import type { ClientTls } from "../../auth/jwt/claims.ts";
import type { PeerIdentity } from "../../auth/login.ts";
import { sha256Hex } from "../../base/sha256.ts";
import { nameText, parseCertificate } from "../../base/x509.ts";
import type { Connection } from "../connection.ts";
import type { ConnectionTlsRecord } from "../watch/records.ts";

/** The identities in the peer's certificate, which is verified; null if it sent none. */
export function peerIdentity({ tls }: Connection): PeerIdentity | null {
  const [leaf] = tls?.peerCertificates ?? [];
  const certificate = leaf === undefined ? null : parseCertificate(leaf);
  if (certificate === null) return null;
  const { emails, dnsNames, uris, subject } = certificate;
  return { emails, dnsNames, uris, subject, rfc2253: nameText(subject) };
}

/**
 * What an auth callout service is told about TLS; null without TLS. A server asks for certificates only to verify them.
 */
export function clientTls({ tls }: Connection): ClientTls | null {
  if (tls === null) return null;
  const { version, cipherSuite, verifiedChain } = tls;
  const verifiedChains = verifiedChain.length === 0 ? [] : [verifiedChain.map(pemOf)];
  return { version, cipher: cipherSuite, certificates: [], verifiedChains };
}

/** Whether a peer's key is pinned, or no keys are. */
export function isPinned(connection: Pick<Connection, "tls">, pinnedCerts: readonly string[]): boolean {
  return pinnedCerts.length === 0 || pinnedCerts.includes(peerKeyId(connection));
}

/** SHA-256 of the peer's public key, lower-case hex; "" if it has no certificate. Source: `pinned_certs`. */
export function peerKeyId({ tls }: Pick<Connection, "tls">): string {
  const [leaf] = tls?.peerCertificates ?? [];
  return leaf === undefined ? "" : keyIdOf(leaf);
}

export function tlsRecord({ tls, isTlsFirst }: Connection): ConnectionTlsRecord | null {
  if (tls === null) return null;
  return {
    version: tls.version,
    cipherSuite: tls.cipherSuite,
    isFirst: isTlsFirst,
    peerCertificates: tls.peerCertificates.map((certificate) => ({
      subject: nameText(parseCertificate(certificate)?.subject ?? []),
      publicKeySha256Hex: keyIdOf(certificate),
      certificateSha256Hex: sha256Hex(certificate),
    })),
  };
}

/** SHA-256 of the public key in a certificate, lower-case hex; "" if the certificate cannot be read. */
export function keyIdOf(certificate: Uint8Array): string {
  const parsed = parseCertificate(certificate);
  return parsed === null ? "" : sha256Hex(parsed.publicKeyInfo);
}

function pemOf(certificate: Uint8Array): string {
  const lines = certificate.toBase64().replace(/.{1,64}/g, "$&\n");
  return `-----BEGIN CERTIFICATE-----\n${lines}-----END CERTIFICATE-----\n`;
}
