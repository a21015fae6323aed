/** TLS as a shard sees it, whichever library does it. */
import type { TlsMaterial } from "./tls_material.ts";

/** The connection is encrypted from now on. */
export const HANDSHAKE_DONE = 1;
/** The handshake is lost, an alert is sent where there is one; `handshakeError()` says why. */
export const HANDSHAKE_FAILED = -2;

/** The client of a handshake is who opened the connection. */
export type HandshakeRole = "server" | "client";

/** Whom we opened a connection to. */
export interface DialledServer {
  /** The host name or IP address that its certificate is to have. */
  readonly serverName: string;
}

/** Name of the context, and of the TLS block, for clients. */
export const CLIENT_CONTEXT = "client";
/** The same for clients that come by WebSocket. */
export const WEBSOCKET_CONTEXT = "websocket";

/** What handshakes are made with. Plain data: it crosses threads. */
export type TlsContext =
  /** `SSL_CTX`s of this process. Whoever made them frees them once no thread uses them for new connections. */
  | {
      readonly kind: "openssl";
      /** As the server: one for each certificate, the first for who asks for none of them; empty for who only dials. */
      readonly contexts: readonly OpenSslContext[];
      /** As the client: the address of an `SSL_CTX`, null for who only listens. */
      readonly clientContext: number | null;
    }
  | { readonly kind: "runtime"; readonly material: TlsMaterial };

export interface OpenSslContext {
  /** Of the `SSL_CTX`. */
  readonly address: number;
  /** DNS names of its certificate. */
  readonly names: readonly string[];
  /** The OCSP response that goes with its certificate to clients that ask for one, DER in base64; null for none. */
  readonly staple: string | null;
}

/** Why a handshake failed, in Go's words as nats-server logs them. */
export interface HandshakeError {
  readonly text: string;
  /** Whoever connected does not speak TLS at all: a scanner, or a plain client. */
  readonly isNoise: boolean;
}

/** What the two sides agreed on. */
export interface TlsSession {
  /** `1.2` or `1.3`. */
  readonly version: string;
  /** The IANA name. */
  readonly cipherSuite: string;
  /** The peer's certificate and those it sent with it, DER; empty where it sent none. */
  readonly peerCertificates: readonly Uint8Array[];
  /** From its certificate to that of an authority, where that was verified; else `peerCertificates`. */
  readonly verifiedChain: readonly Uint8Array[];
}

/** The TLS of a poller: puts it on streams that the poller serves. Afterwards reads and writes are of plain text. */
export interface TlsLayer {
  /**
   * Handshakes begun from now on under this name use the context; with null there are none, and what was used before is
   * not touched again. Throws where it cannot be used; what was used before stays.
   */
  useContext(name: string, context: TlsContext | null): void;
  /** Whether there is something to make handshakes with under this name. */
  hasContext(name: string): boolean;
  /** The first byte that waits to be read, which stays; WOULD_BLOCK, or READ_FAILED where there will be none. */
  peek(slot: number): number;
  /**
   * Begins a handshake with the context of this name, on a stream that is read and whose written bytes are out: as the
   * server, or as the client of the one that we dialled, be it inside of TLS with who passes it on. The client has the
   * first word: `handshake` is to be called at once then.
   */
  startTls(slot: number, name: string, dialled: DialledServer | null): void;
  /**
   * Goes on with the handshake whenever the stream has an event: HANDSHAKE_DONE, WOULD_BLOCK or HANDSHAKE_FAILED.
   * After HANDSHAKE_DONE there may be something to read without a further event.
   */
  handshake(slot: number): number;
  /** Why the last handshake failed. */
  handshakeError(): HandshakeError;
  /** Of a stream whose handshake is done. */
  session(slot: number): TlsSession;
}
