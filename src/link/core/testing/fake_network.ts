import { CloseReason } from "../../../protocol/close_reason.ts";
import { byteStringOf, bytesOf } from "../../../subject/byte_string.ts";
import type { DialTarget, LinkClock, LinkConnection, LinkDialer, LinkPeer, LinkTls } from "../link.ts";
import { parseOperation } from "../operation_parser.ts";

type Accept = (connection: LinkConnection) => LinkPeer;

/** The latency of bytes and hang-ups; those of one direction stay in order. */
export interface Latency {
  readonly clock: LinkClock;
  readonly nextMs: () => number;
}

/** Connections in memory. What is sent arrives when `settle()` is called, in order, or after its latency. */
export class FakeNetwork {
  readonly #listeners = new Map<string, Accept>();
  #queue: (() => void)[] = [];
  #connectionCount = 0;
  /** Addresses that were dialled, in order. */
  readonly dialled: string[] = [];
  readonly #latency: Latency | null;
  readonly #ends = new Set<FakeEnd>();

  constructor(latency: Latency | null = null) {
    this.#latency = latency;
  }

  /** Breaks one connection for both its ends, the `index`th of those that are open; does nothing if there are none. */
  cut(index: number): void {
    const ends = [...this.#ends];
    ends[index % ends.length]?.break();
  }

  listen(port: number, accept: Accept): void {
    this.#listeners.set(`127.0.0.1:${port}`, accept);
  }

  readonly dialer: LinkDialer = {
    dial: ({ host, port }: DialTarget, opened, failed) => {
      const address = `${host}:${port}`;
      this.dialled.push(address);
      const accept = this.#listeners.get(address);
      if (accept === undefined) {
        this.later(() => failed(`dial tcp ${address}: connect: connection refused`, false));
        return;
      }
      const here = new FakeEnd(this, ++this.#connectionCount, host, port);
      const there = new FakeEnd(this, ++this.#connectionCount, "127.0.0.1", 50_000 + this.#connectionCount);
      here.join(there);
      this.#ends.add(here);
      here.onEnd = () => this.#ends.delete(here);
      this.later(() => {
        there.begin(accept(there));
        here.begin(opened(here));
      });
    },
  };

  /** A scripted peer that connects. */
  raw(port: number): RawPeer {
    let end: FakeEnd | null = null;
    const peer = new RawPeer(this);
    this.dialer.dial(
      { kind: "route", host: "127.0.0.1", port, timeoutMs: 1000 },
      (connection) => {
        end = connection as FakeEnd;
        end.raw = peer;
        peer.end = end;
        return peer;
      },
      (reason) => {
        throw new Error(reason);
      },
    );
    this.settle();
    return peer;
  }

  /** Accepts connections with scripted peers; each connection is added to the list that is returned. */
  listenRaw(port: number): RawPeer[] {
    const peers: RawPeer[] = [];
    this.listen(port, (connection) => {
      const peer = new RawPeer(this);
      const end = connection as FakeEnd;
      end.raw = peer;
      peer.end = end;
      peers.push(peer);
      return peer;
    });
    return peers;
  }

  later(event: () => void): void {
    this.#queue.push(event);
  }

  /** Makes an event happen at the other end, after those sent before it. Returns when it happens. */
  arrive(event: () => void, notBeforeMs: number): number {
    if (this.#latency === null) {
      this.later(event);
      return 0;
    }
    const { clock, nextMs } = this.#latency;
    const atMs = Math.max(notBeforeMs, clock.nowMs() + nextMs());
    clock.after(atMs - clock.nowMs(), event);
    return atMs;
  }

  settle = (): void => {
    while (this.#queue.length > 0) {
      const queue = this.#queue;
      this.#queue = [];
      for (const event of queue) event();
    }
  };
}

class FakeEnd implements LinkConnection {
  readonly id: number;
  readonly remoteIp: string;
  readonly remotePort: number;
  raw: RawPeer | null = null;
  readonly #network: FakeNetwork;
  #other: FakeEnd | null = null;
  #peer: LinkPeer | null = null;
  #kept: Uint8Array = new Uint8Array(0);
  #isClosed = false;
  #hasEnded = false;
  #tls: (() => void) | null = null;
  /** Whether this end compresses what it sends; it then takes nothing uncompressed. */
  #isCompressed = false;
  tlsOptions: LinkTls | null = null;
  onEnd = () => {};
  /** The time when the last bytes sent arrive. */
  #lastArrivalMs = 0;

  constructor(network: FakeNetwork, id: number, remoteIp: string, remotePort: number) {
    this.#network = network;
    this.id = id;
    this.remoteIp = remoteIp;
    this.remotePort = remotePort;
  }

  join(other: FakeEnd): void {
    this.#other = other;
    other.#other = this;
  }

  begin(peer: LinkPeer): void {
    this.#peer = peer;
    peer.begin();
  }

  send(sent: Uint8Array | string): void {
    if (this.#isClosed) throw new Error("sent after close");
    const bytes = typeof sent === "string" ? bytesOf(sent) : sent.slice();
    // The other side may have switched to S2 while a refusal was on its way.
    const isCompressed = byteStringOf(bytes).startsWith("-ERR") ? null : this.#isCompressed;
    this.#arrive(() => this.#other!.#receive(bytes, isCompressed));
  }

  close(reason: CloseReason): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#network.later(() => this.#end(reason));
    this.#arrive(() => this.#other!.#end(CloseReason.ClientClosed));
  }

  /** The connection is lost. This end learns of it now, the other one later. */
  break(): void {
    this.#end(CloseReason.ReadError);
    this.#arrive(() => this.#other!.#end(CloseReason.ReadError));
  }

  startTls(options: LinkTls, then: () => void): void {
    this.tlsOptions = options;
    this.#tls = then;
    const other = this.#other!;
    if (other.#tls === null) return;
    this.#network.later(other.#tls);
    this.#network.later(then);
  }

  compress(): void {
    this.#isCompressed = true;
  }

  startWebSocket(): void {
    throw new Error("no leaf node connects by WebSocket here");
  }

  #arrive(event: () => void): void {
    this.#lastArrivalMs = this.#network.arrive(event, this.#lastArrivalMs);
  }

  #receive(bytes: Uint8Array, isCompressed: boolean | null): void {
    if (this.#isClosed || this.#hasEnded) return;
    if (this.raw !== null) {
      this.raw.receive(byteStringOf(bytes));
      return;
    }
    if (isCompressed !== null && isCompressed !== this.#isCompressed)
      throw new Error("the two ends do not agree on compression");
    const peer = this.#peer!;
    const all = Uint8Array.of(...this.#kept, ...bytes);
    let next = 0;
    while (!this.#isClosed) {
      const parsed = parseOperation(all, next, all.length, peer.rules);
      if (parsed.state === "error") {
        peer.refuse(parsed.fault);
        return;
      }
      next = parsed.next;
      if (parsed.state === "incomplete") break;
      peer.take(parsed.operation);
    }
    this.#kept = all.slice(next);
  }

  #end(reason: CloseReason): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#isClosed = true;
    this.onEnd();
    if (this.raw !== null) this.raw.isClosed = true;
    else this.#peer?.ended(reason);
  }
}

/** One end of a connection in the hands of a test. */
export class RawPeer implements LinkPeer {
  readonly rules = {
    kind: "route",
    controlLineBytesMax: 1,
    payloadBytesMax: null,
    unsubscribeHasOrigin: true,
    firstLetters: "",
  } as const;
  end: FakeEnd | null = null;
  isClosed = false;
  /** What has come but was not taken by `heard()` yet. */
  received = "";
  readonly #network: FakeNetwork;

  constructor(network: FakeNetwork) {
    this.#network = network;
  }

  begin(): void {}
  take(): void {}
  refuse(): void {}
  ended(): void {}

  receive(text: string): void {
    this.received += text;
  }

  /** Sends each line, and settles the network. */
  say(...lines: string[]): void {
    this.end!.send(lines.map((line) => `${line}\r\n`).join(""));
    this.#network.settle();
  }

  close(): void {
    this.end!.close(CloseReason.ClientClosed);
    this.#network.settle();
  }

  /** From here on this end compresses what it sends. */
  compress(): void {
    this.end!.compress();
  }

  startTls(): void {
    this.end!.startTls({ context: "", timeoutMs: 0 }, () => {});
    this.#network.settle();
  }

  /** The lines received since the last call, without pings; "(closed)" at the end of them all. */
  heard(): string[] {
    this.#network.settle();
    const lines = this.received.split("\r\n").filter((line) => line !== "" && line !== "PING");
    this.received = "";
    return this.isClosed ? [...lines, "(closed)"] : lines;
  }
}
