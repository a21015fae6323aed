/** The bodies of events about certificates that were revoked or cannot be checked. Source: nats-server events.go. */
import { knownNameText } from "../base/x509.ts";
import type { RevocationFields } from "../base/x509_revocation.ts";
import { type EventHead, eventHead } from "./events.ts";

const PEER_REJECTED = "io.nats.server.advisory.v1.ocsp_peer_reject";
const LINK_INVALID = "io.nats.server.advisory.v1.ocsp_peer_link_invalid";

/** A certificate that an event is about. */
export interface ToldCertificate extends Pick<RevocationFields, "issuer"> {
  readonly name: string;
  /** SHA-256 of all of it, base64. */
  readonly fingerprint: string;
  readonly der: Uint8Array<ArrayBuffer>;
}

/** A peer is turned away. Here `server` stands behind the event's own keys. */
export function peerRejectedEvent(event: EventHead, kind: string, peer: ToldCertificate, reason: string) {
  const { server, ...head } = eventHead(PEER_REJECTED, event);
  return { ...head, kind, peer: members(peer), server, reason };
}

/** One certificate of a peer's chain failed the check: the peer's own, or that of an authority. */
export function invalidLinkEvent(
  event: EventHead,
  peer: ToldCertificate,
  link: ToldCertificate,
  reason: string,
) {
  const { server, ...head } = eventHead(LINK_INVALID, event);
  return { ...head, link: members(link), peer: members(peer), server, reason };
}

function members({ name, issuer, fingerprint, der }: ToldCertificate) {
  return { subject: name, issuer: knownNameText(issuer), fingerprint, raw: der.toBase64() };
}
