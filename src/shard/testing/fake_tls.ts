import { type Poller, READ_FAILED, WOULD_BLOCK } from "../../runtime/poller.ts";
import {
  HANDSHAKE_DONE,
  HANDSHAKE_FAILED,
  type HandshakeError,
  type TlsContext,
  type TlsLayer,
  type TlsSession,
} from "../../runtime/tls.ts";
import type { FakePoller } from "./fake_poller.ts";

/** What a client sends for a handshake: one piece that begins like TLS. What follows it is plain, as if decrypted. */
export const HELLO = "\x16hello";
/** What a client sends for a handshake that fails. */
export const BAD_HELLO = "\x16bad";

/** TLS without cryptography: the handshake is one piece. */
export class FakeTls implements TlsLayer {
  /** Contexts given to useContext(). */
  readonly contexts: (TlsContext | null)[] = [];
  /** Slots whose handshake has begun, and the names of their contexts. */
  readonly begun: number[] = [];
  readonly begunBy: string[] = [];
  /** Calls of handshake() that took a piece. */
  steps = 0;
  /** Whether useContext() throws, for example because the files are gone. */
  static isBroken = false;
  peerCertificates: readonly Uint8Array[] = [];
  readonly #poller: FakePoller;
  readonly #byName = new Map<string, TlsContext | null>();

  constructor(poller: FakePoller) {
    this.#poller = poller;
  }

  useContext(name: string, context: TlsContext | null): void {
    if (FakeTls.isBroken) throw new Error("no such file");
    this.contexts.push(context);
    this.#byName.set(name, context);
  }

  hasContext(name: string): boolean {
    return (this.#byName.get(name) ?? null) !== null;
  }

  peek(slot: number): number {
    const socket = this.#poller.sockets.get(slot);
    return socket?.toServer[0]?.[0] ?? (socket?.isEnded ? READ_FAILED : WOULD_BLOCK);
  }

  startTls(slot: number, name: string): void {
    this.begun.push(slot);
    this.begunBy.push(name);
  }

  handshake(slot: number): number {
    const piece = this.#poller.sockets.get(slot)!.toServer.shift();
    if (piece === undefined) return WOULD_BLOCK;
    this.steps++;
    return new TextDecoder().decode(piece) === HELLO ? HANDSHAKE_DONE : HANDSHAKE_FAILED;
  }

  handshakeError(): HandshakeError {
    return { text: "tls: bad", isNoise: false };
  }

  session(): TlsSession {
    const { peerCertificates } = this;
    return { version: "1.3", cipherSuite: "TLS_FAKE", peerCertificates, verifiedChain: peerCertificates };
  }
}

/** One object that is both poller and TLS layer, as a thread's poller with TLS is. */
export function securedPoller(poller: FakePoller, tls: FakeTls): Poller & TlsLayer {
  return new Proxy(poller, {
    get(target, name) {
      const owner = name in target ? target : tls;
      const value: unknown = Reflect.get(owner, name, owner);
      return typeof value === "function" ? value.bind(owner) : value;
    },
  }) as unknown as Poller & TlsLayer;
}
