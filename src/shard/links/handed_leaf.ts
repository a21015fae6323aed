/**
 * A leaf node that came by the WebSocket port, on its way from the shard that took its request to the links shard.
 * Plain data, except for the port of a stream that cannot change threads.
 */
import type { FrameTerms } from "../../protocol/websocket/extensions.ts";
import type { Upgrade } from "../../protocol/websocket/upgrade.ts";
import type { HandedStream } from "../../runtime/poller.ts";
import type { TlsSession } from "../../runtime/tls.ts";
import type { Arrival } from "../connection.ts";

type Certificates = "peerCertificates" | "verifiedChain";

export interface HandedLeaf {
  readonly type: "handedLeaf";
  readonly stream: HandedStream;
  readonly ip: string;
  readonly port: number;
  readonly terms: FrameTerms;
  /** See `WebSocketPeer`. */
  readonly forwardedFor: string;
  /** What the TLS handshake agreed on, with certificates in base64; null without TLS. */
  readonly tls:
    | (Omit<TlsSession, Certificates> & { readonly [Chain in Certificates]: readonly string[] })
    | null;
}

export function handedLeaf(
  stream: HandedStream,
  { ip, port, tls }: Arrival,
  { terms, forwardedFor }: Pick<Upgrade, "terms" | "forwardedFor">,
): HandedLeaf {
  const texts = (chain: readonly Uint8Array[] = []) => chain.map((certificate) => certificate.toBase64());
  const [peerCertificates, verifiedChain] = [texts(tls?.peerCertificates), texts(tls?.verifiedChain)];
  return {
    type: "handedLeaf",
    stream,
    ip,
    port,
    terms,
    forwardedFor,
    tls: tls && { ...tls, peerCertificates, verifiedChain },
  };
}

/** The arrival, as the shard needs it that takes the leaf node over. */
export function arrivalOf({ ip, port, tls }: HandedLeaf): Arrival {
  const bytes = (chain: readonly string[] = []) => chain.map((text) => Uint8Array.fromBase64(text));
  const [peerCertificates, verifiedChain] = [bytes(tls?.peerCertificates), bytes(tls?.verifiedChain)];
  return { ip, port, tls: tls && { ...tls, peerCertificates, verifiedChain } };
}
