/** TLS as a shard sees it, with any library. */
import type { TlsMaterial } from "./tls_material.ts";

/** From now on the connection is encrypted. */
export const HANDSHAKE_DONE = 1;
/** The handshake has failed, and an alert was sent if there is one for it. `handshakeError()` says why. */
export const HANDSHAKE_FAILED = -2;

/** The client of a handshake is the side that opened the connection. */
export type HandshakeRole = "server" | "client";

/** The server that we opened a connection to. */
export interface DialledServer {
  /** The host name or IP address that its certificate is to have. */
  readonly serverName: string;
}

/** Name of the context, and of the TLS block, for clients. */
export const CLIENT_CONTEXT = "client";
/** The same for clients on the WebSocket port. */
export const WEBSOCKET_CONTEXT = "websocket";

/** What handshakes are made with. It is plain data, because it crosses threads. */
export type TlsContext =
  /** `SSL_CTX`s of this process. Their maker frees them once no thread uses them for new connections. */
  | {
      readonly kind: "openssl";
      /**
       * As the server: one for each certificate. The first is for clients that ask for none of them. Empty for a
       * context that only dials.
       */
      readonly contexts: readonly OpenSslContext[];
      /** As the client: the address of an `SSL_CTX`; null for a context that only listens. */
      readonly clientContext: number | null;
    }
  | { readonly kind: "runtime"; readonly material: TlsMaterial };

export interface OpenSslContext {
  /** The address of the `SSL_CTX`. */
  readonly address: number;
  /** The DNS names of its certificate. */
  readonly names: readonly string[];
  /** The OCSP response that clients get with its certificate if they ask for one: DER in base64, null for none. */
  readonly staple: string | null;
}

/** Why a handshake failed, in Go's words as nats-server logs them. */
export interface HandshakeError {
  readonly text: string;
  /** The peer does not speak TLS at all: it is a scanner, or a plain client. */
  readonly isNoise: boolean;
}

/** What the two sides have agreed on. */
export interface TlsSession {
  /** `1.2` or `1.3`. */
  readonly version: string;
  /** The IANA name. */
  readonly cipherSuite: string;
  /** The peer's certificate and those that it sent with it, DER; empty if it sent none. */
  readonly peerCertificates: readonly Uint8Array[];
  /** The chain from its certificate to that of an authority, if it was verified; else `peerCertificates`. */
  readonly verifiedChain: readonly Uint8Array[];
}

/** The TLS of a poller, which can be put on its streams. Afterwards, reads and writes are of plain text. */
export interface TlsLayer {
  /**
   * From now on, handshakes under this name use the context. With null there can be none any more. The context that was
   * used before is not touched again, unless this throws because the new one cannot be used: then the old one stays.
   */
  useContext(name: string, context: TlsContext | null): void;
  /** Whether there is a context under this name. */
  hasContext(name: string): boolean;
  /** The first byte that waits to be read, which stays there; WOULD_BLOCK, or READ_FAILED if there will be none. */
  peek(slot: number): number;
  /**
   * Begins a handshake with the context of this name, on a stream whose bytes were all read and whose written bytes are
   * out. We are the server, or the client of the server that we dialled; then this TLS may be inside of TLS with a
   * proxy. The client speaks first, so it must call `handshake` at once.
   */
  startTls(slot: number, name: string, dialled: DialledServer | null): void;
  /**
   * Goes on with the handshake, at each event of the stream. Returns HANDSHAKE_DONE, WOULD_BLOCK or HANDSHAKE_FAILED.
   * After HANDSHAKE_DONE there may be something to read without a further event.
   */
  handshake(slot: number): number;
  /** Why the last handshake failed. */
  handshakeError(): HandshakeError;
  /** What was agreed on, on a stream whose handshake is done. */
  session(slot: number): TlsSession;
}
