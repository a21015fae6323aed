/**
 * A leaf node that came by the WebSocket port, on its way from the shard that took its request to the links shard. Plain data
 * but for the port of a stream that cannot change threads.
 */
import type { FrameTerms } from "../../protocol/websocket/extensions.ts";
import type { Upgrade } from "../../protocol/websocket/upgrade.ts";
import type { HandedStream } from "../../runtime/poller.ts";
import type { TlsSession } from "../../runtime/tls.ts";
import type { Arrival } from "../connection.ts";

export interface HandedLeaf {
  readonly type: "handedLeaf";
  readonly stream: HandedStream;
  readonly ip: string;
  readonly port: number;
  readonly terms: FrameTerms;
  /** See `WebSocketPeer`. */
  readonly forwardedFor: string;
  /** What the handshake agreed on, certificates in base64; null without TLS. */
  readonly tls:
    | (Omit<TlsSession, "peerCertificates"> & { readonly peerCertificates: readonly string[] })
    | null;
}

export function handedLeaf(
  stream: HandedStream,
  { ip, port, tls }: Arrival,
  { terms, forwardedFor }: Pick<Upgrade, "terms" | "forwardedFor">,
): HandedLeaf {
  const peerCertificates = tls?.peerCertificates.map((certificate) => certificate.toBase64()) ?? [];
  return {
    type: "handedLeaf",
    stream,
    ip,
    port,
    terms,
    forwardedFor,
    tls: tls && { ...tls, peerCertificates },
  };
}

/** Who came, as the shard that takes it over knows it. */
export function arrivalOf({ ip, port, tls }: HandedLeaf): Arrival {
  const peerCertificates = tls?.peerCertificates.map((text) => Uint8Array.fromBase64(text)) ?? [];
  return { ip, port, tls: tls && { ...tls, peerCertificates } };
}
