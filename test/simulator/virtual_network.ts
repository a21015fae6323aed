/**
 * Connections between simulated servers: bytes arrive in order, after a delay that varies, cut into pieces anywhere. A
 * connection may be slow, break, or be silent for a while; a server may be unreachable.
 */
import type {
  DialTarget,
  LinkConnection,
  LinkDialer,
  LinkKind,
  LinkPeer,
  LinkTls,
} from "../../src/link/core/link.ts";
import { parseOperation } from "../../src/link/core/operation_parser.ts";
import { CloseReason } from "../../src/protocol/close_reason.ts";
import { byteStringOf, bytesOf } from "../../src/subject/byte_string.ts";
import type { SeededRandom } from "./random.ts";
import type { VirtualTime } from "./virtual_time.ts";

/** What a server must offer to be on the network. */
export interface NetworkHost {
  readonly name: string;
  readonly isUp: boolean;
  accept(kind: LinkKind, connection: LinkConnection): LinkPeer;
}

const FAR_CUT_MS = 3;

/** One end of a connection. */
class End implements LinkConnection {
  readonly id: number;
  readonly remoteIp: string;
  readonly remotePort: number;
  readonly host: NetworkHost;
  readonly #network: VirtualNetwork;
  other: End | null = null;
  peer: LinkPeer | null = null;
  isClosed = false;
  /** It compresses what it sends, and takes nothing else. */
  isCompressed = false;
  #hasEnded = false;
  /** Bytes that came and are not a whole operation yet. */
  #kept = new Uint8Array(0);
  /** When the last of what was sent arrives: nothing overtakes. */
  #lastArrivalMs = 0;

  constructor(network: VirtualNetwork, id: number, host: NetworkHost, remote: string, remotePort: number) {
    this.#network = network;
    this.id = id;
    this.host = host;
    this.remoteIp = remote;
    this.remotePort = remotePort;
  }

  send(bytes: Uint8Array | string): void {
    if (this.isClosed) return;
    const copy = typeof bytes === "string" ? bytesOf(bytes) : bytes.slice();
    const { time, random } = this.#network;
    const at = Math.max(time.nowMs + this.#network.delayMs(this.host, this.other!.host), this.#lastArrivalMs);
    this.#lastArrivalMs = at;
    // A refusal may cross what the other side has switched to.
    const isCompressed = byteStringOf(copy.subarray(0, 4)) === "-ERR" ? null : this.isCompressed;
    const cut = random.oneIn(4) ? random.below(copy.length + 1) : copy.length;
    this.#network.time.after(at - time.nowMs, () => this.other!.arrive(copy.subarray(0, cut), isCompressed));
    if (cut < copy.length)
      this.#network.time.after(at - time.nowMs, () => this.other!.arrive(copy.subarray(cut), isCompressed));
  }

  close(reason: CloseReason): void {
    if (this.isClosed) return;
    this.isClosed = true;
    const { time } = this.#network;
    // What was sent still arrives before the end of the stream does.
    const at = Math.max(time.nowMs + FAR_CUT_MS, this.#lastArrivalMs);
    time.after(at - time.nowMs, () => this.other!.endOfStream());
    time.after(0, () => this.end(reason));
  }

  startTls(_options: LinkTls, then: () => void): void {
    this.#network.time.after(0, then);
  }

  startWebSocket(): void {
    throw new Error("no leaf node of the simulation connects by WebSocket");
  }

  compress(): void {
    this.isCompressed = true;
  }

  arrive(bytes: Uint8Array, isCompressed: boolean | null): void {
    if (this.isClosed || bytes.length === 0 || !this.host.isUp || this.peer === null) return;
    if (isCompressed !== null && isCompressed !== this.isCompressed)
      throw new Error(`${this.host.name} was sent ${isCompressed ? "S2" : "lines"} and expects it otherwise`);
    const all = new Uint8Array(this.#kept.length + bytes.length);
    all.set(this.#kept);
    all.set(bytes, this.#kept.length);
    let at = 0;
    while (at < all.length && !this.isClosed) {
      const parsed = parseOperation(all, at, all.length, this.peer.rules);
      if (parsed.state === "error") {
        this.peer.refuse(parsed.fault);
        return;
      }
      at = parsed.next;
      if (parsed.state === "incomplete") break;
      this.peer.take(parsed.operation);
    }
    this.#kept = all.slice(at);
  }

  endOfStream(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.end(CloseReason.ClientClosed);
  }

  end(reason: CloseReason): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#network.forget(this);
    if (this.host.isUp) this.peer?.ended(reason);
  }
}

export class VirtualNetwork {
  readonly time: VirtualTime;
  readonly random: SeededRandom;
  /** By `host:port`. */
  readonly #listeners = new Map<string, { readonly host: NetworkHost; readonly kind: LinkKind }>();
  readonly #ends = new Set<End>();
  /** Extra delay of bytes between two servers, by their names. */
  readonly #slow = new Map<string, number>();
  /** Pairs of servers that cannot connect. */
  readonly #cut = new Set<string>();
  #lastId = 0;

  constructor(time: VirtualTime, random: SeededRandom) {
    this.time = time;
    this.random = random;
  }

  listen(host: NetworkHost, kind: LinkKind, address: string, port: number): void {
    this.#listeners.set(`${address}:${port}`, { host, kind });
  }

  dialerOf(host: NetworkHost): LinkDialer {
    return { dial: (target, opened, failed) => this.#dial(host, target, opened, failed) };
  }

  delayMs(from: NetworkHost, to: NetworkHost): number {
    return this.random.between(0.1, 2) + (this.#slow.get(pair(from, to)) ?? 0);
  }

  slow(a: NetworkHost, b: NetworkHost, ms: number): void {
    this.#slow.set(pair(a, b), ms);
  }

  /** Breaks the connections between two servers; none can be made until heal(). */
  cut(a: NetworkHost, b: NetworkHost): void {
    this.#cut.add(pair(a, b));
    this.breakConnections(a, b);
  }

  heal(a: NetworkHost, b: NetworkHost): void {
    this.#cut.delete(pair(a, b));
  }

  healAll(): void {
    this.#cut.clear();
    this.#slow.clear();
  }

  /** Breaks the connections between two servers, bytes under way and all. */
  breakConnections(a: NetworkHost, b: NetworkHost): void {
    for (const end of [...this.#ends]) {
      if (pair(end.host, end.other!.host) !== pair(a, b) || end.isClosed) continue;
      end.isClosed = true;
      this.time.after(this.random.between(0, 2), () => end.end(CloseReason.ReadError));
    }
  }

  /** A server is gone at once: its ends say nothing, the others find out. */
  crash(host: NetworkHost): void {
    for (const end of [...this.#ends]) {
      if (end.host !== host) continue;
      end.isClosed = true;
      this.#ends.delete(end);
      this.time.after(this.random.between(0, 2), () => end.other!.endOfStream());
    }
  }

  forget(end: End): void {
    this.#ends.delete(end);
  }

  #dial(
    from: NetworkHost,
    target: DialTarget,
    opened: (connection: LinkConnection) => LinkPeer,
    failed: (reason: string, isSelf: boolean) => void,
  ): void {
    const delayMs = this.random.between(0.1, 3);
    this.time.after(delayMs, () => {
      if (!from.isUp) return;
      const found = this.#listeners.get(`${target.host}:${target.port}`);
      if (found?.host === from) {
        failed("", true);
        return;
      }
      if (found === undefined || !found.host.isUp || this.#cut.has(pair(from, found.host))) {
        failed(`dial tcp ${target.host}:${target.port}: connect: connection refused`, false);
        return;
      }
      const near = new End(this, ++this.#lastId, from, target.host, target.port);
      const far = new End(this, ++this.#lastId, found.host, from.name, 40_000 + this.#lastId);
      near.other = far;
      far.other = near;
      this.#ends.add(near).add(far);
      far.peer = found.host.accept(found.kind, far);
      far.peer.begin();
      near.peer = opened(near);
      near.peer.begin();
    });
  }
}

function pair(a: NetworkHost, b: NetworkHost): string {
  return [a.name, b.name].sort().join(" ");
}
