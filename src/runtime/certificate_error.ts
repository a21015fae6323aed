import { sha256Hex } from "../base/sha256.ts";
import { nameText, parseCertificate } from "../base/x509.ts";
import { serverIdentityProblem } from "./server_identity.ts";

/** What is wrong with a certificate. */
export type CertificateFault =
  | "outside its time"
  | "wrong purpose"
  | "path too long"
  | "unfit authority"
  | "unknown authority"
  | "wrong name";

/**
 * Why a peer's certificate is refused, in the words of nats-server's log, which name it and its chain. `certificates`
 * are these in DER, the peer's own first; empty if they are not known. Go looks at the time first, then whether a
 * server has `serverName`, then for an authority. Source: Go crypto/x509 `CertificateInvalidError`; nats-server
 * `doTLSHandshake`.
 */
export function certificateErrorText(
  fault: CertificateFault,
  certificates: readonly Uint8Array[],
  serverName: string | undefined = undefined,
  nowMs = Date.now(),
): string {
  const [parsed = null] = certificates.map(parseCertificate);
  const named = certificates.map((certificate) => {
    const subject = parseCertificate(certificate)?.subject ?? [];
    return `${nameText(subject)} SHA-256: ${sha256Hex(certificate)}`;
  });
  const detail = named.length === 0 ? "" : ` (${named.join("; ")})`;
  const wrongName =
    parsed === null || serverName === undefined ? undefined : serverIdentityProblem(parsed, serverName);
  const text = timeText() !== "" ? faultText("outside its time") : (wrongName ?? faultText(fault));
  return `tls: failed to verify certificate: x509: ${text}${detail}`;

  function faultText(what: CertificateFault): string {
    switch (what) {
      case "outside its time":
        return `certificate has expired or is not yet valid${timeText()}`;
      case "wrong purpose":
        return "certificate specifies an incompatible key usage";
      case "path too long":
        return "too many intermediates for path length constraint";
      case "unfit authority":
        return "invalid signature: parent certificate cannot sign this kind of certificate";
      case "unknown authority":
        return "certificate signed by unknown authority";
      case "wrong name":
        return `certificate is not valid for ${serverName}`;
    }
  }

  /** Says if the time of the peer's own certificate is wrong; "" if it is another certificate's. */
  function timeText(): string {
    if (parsed !== null && nowMs > parsed.notAfterMs) {
      return `: current time ${goTime(nowMs)} is after ${goTime(parsed.notAfterMs)}`;
    }
    if (parsed !== null && nowMs < parsed.notBeforeMs) {
      return `: current time ${goTime(nowMs)} is before ${goTime(parsed.notBeforeMs)}`;
    }
    return "";
  }
}

/** The time in RFC 3339, to the second. */
function goTime(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}
