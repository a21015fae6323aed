import { type CertificateFault, certificateErrorText } from "../certificate_error.ts";
import type { HandshakeError } from "../tls.ts";
import { ERR_REASON_MASK } from "./libssl.ts";

/**
 * Go's words for what OpenSSL finds wrong with a handshake, by its reason codes (sslerr.h). Operators look for these
 * lines. Source: Go crypto/tls, crypto/x509; the log of nats-server 2.15.2.
 */
const TEXTS: ReadonlyMap<number, string> = new Map([
  [101, "tls: no ECDHE curve supported by both the client and server"],
  [118, "tls: peer doesn't support any of the certificate's signature algorithms"],
  [146, "tls: oversized record received"],
  [150, "tls: oversized record received"],
  [193, "tls: no cipher suite supported by both client and server"],
  [198, "tls: oversized record received"],
  [199, "tls: client didn't provide a certificate"],
  [258, "tls: client offered only unsupported versions"],
  [281, "local error: tls: bad record MAC"],
  [373, "tls: client using inappropriate protocol fallback"],
  [396, "tls: client offered only unsupported versions"],
  [410, "tls: no ECDHE curve supported by both the client and server"],
]);

/** Malformed messages of all kinds. */
const DECODING_REASONS: ReadonlySet<number> = new Set([110, 159, 160, 213, 240, 271]);
const UNEXPECTED_REASONS: ReadonlySet<number> = new Set([244, 245, 443]);
/** No TLS record at all. */
const NOISE_REASONS: ReadonlySet<number> = new Set([155, 156, 252, 266, 267]);
const UNEXPECTED_EOF = 294;
const VERIFY_FAILED = 134;
/** From here on the peer's alert number is added. */
const ALERT_BASE = 1000;

const ALERTS: ReadonlyMap<number, string> = new Map([
  [10, "unexpected message"],
  [20, "bad record MAC"],
  [21, "decryption failed"],
  [22, "record overflow"],
  [30, "decompression failure"],
  [40, "handshake failure"],
  [42, "bad certificate"],
  [43, "unsupported certificate"],
  [44, "revoked certificate"],
  [45, "expired certificate"],
  [46, "unknown certificate"],
  [47, "illegal parameter"],
  [48, "unknown certificate authority"],
  [49, "access denied"],
  [50, "error decoding message"],
  [51, "error decrypting message"],
  [60, "export restriction"],
  [70, "protocol version not supported"],
  [71, "insufficient security level"],
  [80, "internal error"],
  [86, "inappropriate fallback"],
  [90, "user canceled"],
  [100, "no renegotiation"],
  [109, "missing extension"],
  [110, "unsupported extension"],
  [111, "certificate unobtainable"],
  [112, "unrecognized name"],
  [113, "bad certificate status response"],
  [114, "bad certificate hash value"],
  [115, "unknown PSK identity"],
  [116, "certificate required"],
  [120, "no application protocol"],
]);

/** X509_V_ERR_… of certificates that are refused for another reason than who signed them. */
const FAULTS: ReadonlyMap<number, CertificateFault> = new Map([
  [9, "outside its time"],
  [10, "outside its time"],
  [24, "unfit authority"],
  [25, "path too long"],
  [26, "wrong purpose"],
  [37, "unfit authority"],
  [62, "wrong name"],
  [64, "wrong name"],
  [79, "unfit authority"],
]);

/**
 * Why a handshake failed, by OpenSSL's error `code`. If a certificate is refused, `verifyResult` is X509_V_…,
 * `certificates` are the peer's own and what else is known of its chain, DER, and `serverName` is the name of a server.
 * `reasonText` gives OpenSSL's own words.
 */
export function handshakeErrorOf(
  code: number,
  verifyResult: number,
  certificates: readonly Uint8Array[],
  serverName: string | undefined,
  reasonText: (code: number) => string,
): HandshakeError {
  const reason = code & ERR_REASON_MASK;
  if (NOISE_REASONS.has(reason)) {
    return { text: "tls: first record does not look like a TLS handshake", isNoise: true };
  }
  const known = (text: string): HandshakeError => ({ text, isNoise: false });
  if (reason === VERIFY_FAILED) {
    return known(
      certificateErrorText(FAULTS.get(verifyResult) ?? "unknown authority", certificates, serverName),
    );
  }
  if (reason === UNEXPECTED_EOF) return known("EOF");
  if (DECODING_REASONS.has(reason)) return known("local error: tls: error decoding message");
  if (UNEXPECTED_REASONS.has(reason)) return known("local error: tls: unexpected message");
  const alert = ALERTS.get(reason - ALERT_BASE);
  if (alert !== undefined) return known(`remote error: tls: ${alert}`);
  return known(TEXTS.get(reason) ?? `tls: ${reasonText(code)}`);
}
