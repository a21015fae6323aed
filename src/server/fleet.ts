/**
 * The threads of a server, as main sees them: starts shards and the acceptor, talks to them, replaces a shard that
 * died, stops them all.
 *
 *   main ──ring──▶ shard      commands (a shard in epoll_wait hears nothing else)
 *   main ◀─postMessage─ shard log lines, closed connections, answers
 */
import { createEngine, type Engine } from "../engine/engine.ts";
import { NO_HOST } from "../engine/no_host.ts";
import type { AcceptorReport, AcceptorStart } from "../fabric/acceptor_messages.ts";
import { sendControl } from "../fabric/control.ts";
import { Wake } from "../fabric/wake.ts";
import { createInterestIndex, type InterestIndex } from "../interest/interest_index.ts";
import {
  AREA_IN_BYTES,
  AREA_IN_MESSAGES,
  AREA_IN_RINGS,
  AREA_OUT_BYTES,
  AREA_OUT_MESSAGES,
  AREA_OUT_RINGS,
  AREA_SLOW_CONSUMERS,
  AREA_STALE_CONNECTIONS,
  AREA_STALLS,
  AREA_SUBSCRIPTIONS_ADDED,
  AREA_SUBSCRIPTIONS_REMOVED,
  CONNECTION_BYTES,
  CONNECTION_FD,
  RING_END_BYTES,
  RING_END_POSITION,
  RING_HEAD,
  RING_TAIL,
} from "../memory/layout.ts";
import {
  CONNECTIONS_PER_SHARD_MAX,
  HEADER_ACCEPTOR_STOP,
  HEADER_CLIENT_ID,
  HEADER_CONNECTION_COUNT,
  NODE_IS_ASLEEP,
  NODE_IS_DEAD,
  NODE_IS_UP,
  NODE_LOAD,
  NODE_MAIN,
  NODE_SHARD_FIRST,
  NODE_STATE,
} from "../memory/map.ts";
import {
  counterValue,
  createSharedMemory,
  layOutArea,
  nodeWord,
  type SharedMemory,
} from "../memory/shared_memory.ts";
import type { ServerInfo } from "../protocol/info.ts";
import { wakeEpollPoller } from "../runtime/epoll_poller.ts";
import { listenTcp } from "../runtime/posix/listen.ts";
import type { Posix } from "../runtime/posix/posix.ts";
import { wakeSocketPoller } from "../runtime/socket_poller.ts";
import type {
  ConnectionRecord,
  ShardControl,
  ShardLogLevel,
  ShardOptions,
  ShardQuery,
  ShardReport,
  ShardStart,
} from "../shard/shard_options.ts";

const BACKLOG = 4096;
/** How long a shard looks for work before it sleeps; less where threads outnumber cores. */
const SPIN_MS = 0.05;
const SPIN_CROWDED_MS = 0.01;
const SHARD_WORKER = new URL("../../workers/shard.ts", import.meta.url);
const ACCEPTOR_WORKER = new URL("../../workers/acceptor.ts", import.meta.url);

export interface FleetOptions {
  readonly shardCount: number;
  readonly cpuCount: number;
  /** libc, for the epoll transport; null for the runtime's sockets. */
  readonly posix: Posix | null;
  readonly host: string;
  /** 0 for a free port. */
  readonly port: number;
}

export interface FleetEvents {
  log(level: ShardLogLevel, text: string): void;
  closed(connection: ConnectionRecord): void;
  /** Something that main cannot mend: the server stops. */
  fatal(text: string): void;
}

/** Sums over the shards' counters. */
export interface FleetCounters {
  readonly inMessages: number;
  readonly inBytes: number;
  readonly outMessages: number;
  readonly outBytes: number;
  readonly connections: number;
  readonly connectionsEver: number;
  /** Held now. */
  readonly subscriptions: number;
  readonly subscriptionsAdded: number;
  readonly subscriptionsRemoved: number;
  readonly slowConsumers: number;
  readonly staleConnections: number;
  /** How often a producer was kept waiting. */
  readonly stalls: number;
}

interface ShardThread {
  readonly node: number;
  worker: Worker;
  /** Resolves when it serves; with the port it listens on, if it does by itself. */
  ready: PromiseWithResolvers<number>;
  stopped: PromiseWithResolvers<void>;
}

export class Fleet {
  readonly #options: FleetOptions;
  readonly #events: FleetEvents;
  readonly #shared: SharedMemory;
  readonly #seeds: Uint32Array;
  readonly #engine: Engine;
  readonly #index: InterestIndex;
  readonly #wake: Wake;
  readonly #shards: ShardThread[] = [];
  #acceptor: { worker: Worker; wakeHandle: number; stopped: PromiseWithResolvers<void> } | null = null;
  #shardOptions: ShardOptions;
  #info: ServerInfo;
  #port = 0;
  #isListening = false;
  #isStopping = false;
  #lastQuery = 0;
  readonly #answers = new Map<number, (data: unknown) => void>();

  constructor(options: FleetOptions, shardOptions: ShardOptions, info: ServerInfo, events: FleetEvents) {
    this.#options = options;
    this.#shardOptions = shardOptions;
    this.#info = info;
    this.#events = events;
    this.#seeds = crypto.getRandomValues(new Uint32Array(4));
    this.#shared = createSharedMemory(options.shardCount, this.#seeds);
    this.#engine = createEngine(this.#shared.memory, this.#shared.map.area(NODE_MAIN).area, NO_HOST);
    this.#index = createInterestIndex(
      { buffer: this.#shared.buffer, ...this.#shared.map.index },
      { hashSeed: [...crypto.getRandomValues(new Uint32Array(4))].map((seed) => seed | 0) },
    );
    const { posix } = options;
    this.#wake = new Wake(this.#shared.words, (handle) => {
      if (posix !== null) wakeEpollPoller(posix, handle);
      else wakeSocketPoller(this.#shared.words, handle);
    });
    Atomics.store(this.#shared.words, nodeWord(NODE_MAIN, NODE_STATE), NODE_IS_UP);
  }

  /** Interest of the whole process, for monitoring. */
  get index(): InterestIndex {
    return this.#index;
  }

  get shardCount(): number {
    return this.#options.shardCount;
  }

  /** How sockets are served. */
  get transport(): "epoll" | "runtime" {
    return this.#options.posix === null ? "runtime" : "epoll";
  }

  /** Threads that run server code, main's own included. */
  get threadCount(): number {
    return 1 + this.threadNames.length;
  }

  /** All but main. */
  get threadNames(): readonly string[] {
    return [
      ...this.#shards.map((_, index) => `shard ${index}`),
      ...(this.#acceptor === null ? [] : ["acceptor"]),
    ];
  }

  get isListening(): boolean {
    return this.#isListening;
  }

  /** Starts the shards; they serve nobody before listen(). */
  async start(): Promise<void> {
    if (this.#options.posix === null) return;
    for (let i = 0; i < this.#options.shardCount; i++) this.#shards.push(this.#startShard(i, null));
    await Promise.all(this.#shards.map(({ ready }) => ready.promise));
  }

  /** Opens the client port and returns it. `onPort` hears of it before anybody can connect. */
  async listen(
    onPort: (port: number) => ServerInfo,
  ): Promise<{ ok: true; port: number } | { ok: false; error: string }> {
    const { posix, host, port } = this.#options;
    if (posix === null) return this.#listenByShards(onPort);
    const result = await listenTcp(posix, host, port, BACKLOG);
    if (!result.ok) return result;
    this.#port = result.port;
    this.#info = onPort(result.port);
    this.#broadcast({ type: "options", options: this.#shardOptions, info: this.#info });
    await this.#startAcceptor(result.fd);
    this.#isListening = true;
    return { ok: true, port: result.port };
  }

  /** No new clients from now on. */
  async stopListening(): Promise<void> {
    if (!this.#isListening) return;
    this.#isListening = false;
    if (this.#acceptor === null) {
      this.#broadcast({ type: "stopListening" });
      return;
    }
    Atomics.store(this.#shared.words, HEADER_ACCEPTOR_STOP, 1);
    this.#options.posix!.signalEventfd(this.#acceptor.wakeHandle);
    await this.#acceptor.stopped.promise;
    this.#acceptor.worker.terminate();
  }

  /** Closes every connection and ends the threads. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.stopListening();
    this.#broadcast({ type: "stop" });
    await Promise.all(this.#shards.map(({ stopped }) => stopped.promise));
    for (const { worker } of this.#shards) worker.terminate();
  }

  /** Gives every shard new options; what clients are told changes with them. */
  changeOptions(options: ShardOptions, info: ServerInfo): void {
    this.#shardOptions = options;
    this.#info = info;
    this.#broadcast({ type: "options", options, info });
  }

  /** Sends INFO to the clients that take it at any time. */
  sendInfo(info: ServerInfo): void {
    this.#info = info;
    this.#broadcast({ type: "info", info });
  }

  /** Closes `count` connections for `reason`, taken from the shards in turn. */
  closeSome(count: number, reason: number): void {
    for (const [node, share] of this.#shares(count))
      this.#send(node, { type: "closeSome", count: share, reason });
  }

  /** Closes `count` connections because there are too many. */
  shrink(count: number): void {
    for (const [node, share] of this.#shares(count)) this.#send(node, { type: "shrink", count: share });
  }

  /** Asks every shard; its answers in the order of the shards. A shard that dies meanwhile answers nothing. */
  async query<T>(query: ShardQuery): Promise<T[]> {
    const answers = this.#shards.map(({ node }) => {
      const id = ++this.#lastQuery;
      const answer = new Promise<T>((resolve) => this.#answers.set(id, resolve as (data: unknown) => void));
      this.#send(node, { type: "query", id, query });
      return answer;
    });
    return await Promise.all(answers);
  }

  counters(): FleetCounters {
    const { words, map } = this.#shared;
    const sum = (offset: number) => {
      let total = 0;
      for (const { node } of this.#shards) total += counterValue(words, map.area(node).area + offset);
      return total;
    };
    const subscriptionsAdded = sum(AREA_SUBSCRIPTIONS_ADDED);
    const subscriptionsRemoved = sum(AREA_SUBSCRIPTIONS_REMOVED);
    return {
      inMessages: sum(AREA_IN_MESSAGES),
      inBytes: sum(AREA_IN_BYTES),
      outMessages: sum(AREA_OUT_MESSAGES),
      outBytes: sum(AREA_OUT_BYTES),
      connections: Atomics.load(words, HEADER_CONNECTION_COUNT),
      connectionsEver: Atomics.load(words, HEADER_CLIENT_ID) >>> 0,
      subscriptions: subscriptionsAdded - subscriptionsRemoved,
      subscriptionsAdded,
      subscriptionsRemoved,
      slowConsumers: sum(AREA_SLOW_CONSUMERS),
      staleConnections: sum(AREA_STALE_CONNECTIONS),
      stalls: sum(AREA_STALLS),
    };
  }

  /** Makes one shard throw; for the test of what happens then. */
  failShard(index: number): void {
    this.#send(NODE_SHARD_FIRST + index, { type: "fail" });
  }

  async #listenByShards(
    onPort: (port: number) => ServerInfo,
  ): Promise<{ ok: true; port: number } | { ok: false; error: string }> {
    const { host, port, shardCount } = this.#options;
    // Only Linux spreads connections over several listeners of one port.
    const reusePort = process.platform === "linux" && shardCount > 1;
    const listening = reusePort ? shardCount : 1;
    try {
      for (let i = 0; i < shardCount; i++) {
        const listen = i < listening ? { host, port: i === 0 ? port : this.#port, reusePort } : null;
        const shard = this.#startShard(i, listen);
        this.#shards.push(shard);
        const listened = await shard.ready.promise;
        if (i === 0) {
          this.#port = listened;
          this.#info = onPort(listened);
          this.#send(shard.node, { type: "options", options: this.#shardOptions, info: this.#info });
        }
      }
    } catch (error) {
      return { ok: false, error: (error as Error).message };
    }
    this.#isListening = true;
    return { ok: true, port: this.#port };
  }

  #startShard(index: number, listen: ShardStart["listen"]): ShardThread {
    const node = NODE_SHARD_FIRST + index;
    const { posix, shardCount, cpuCount } = this.#options;
    const shard: ShardThread = {
      node,
      worker: new Worker(SHARD_WORKER, { type: "module" }),
      ready: Promise.withResolvers(),
      stopped: Promise.withResolvers(),
    };
    shard.worker.onmessage = ({ data }: MessageEvent<ShardReport>) =>
      this.#onReport(shard, index, listen, data);
    shard.worker.onerror = (event) => {
      event.preventDefault();
      this.#onFailure(shard, index, listen, event.message);
    };
    const start: ShardStart = {
      node,
      memory: this.#shared.memory,
      transport: posix === null ? "runtime" : "epoll",
      listen,
      info: this.#info,
      options: this.#shardOptions,
      spinMs: shardCount < cpuCount ? SPIN_MS : SPIN_CROWDED_MS,
      hashSeed: crypto.getRandomValues(new Int32Array(1))[0]!,
    };
    Atomics.store(this.#shared.words, nodeWord(node, NODE_STATE), NODE_IS_UP);
    shard.worker.postMessage(start);
    return shard;
  }

  #onReport(shard: ShardThread, index: number, listen: ShardStart["listen"], report: ShardReport): void {
    switch (report.type) {
      case "ready":
        shard.ready.resolve(report.port);
        break;
      case "log":
        this.#events.log(report.level, report.text);
        break;
      case "closed":
        this.#events.closed(report.connection);
        break;
      case "answer":
        this.#answers.get(report.id)?.(report.data);
        this.#answers.delete(report.id);
        break;
      case "stopped":
        shard.stopped.resolve();
        break;
      case "failed":
        this.#onFailure(shard, index, listen, report.error);
        break;
    }
  }

  /** A shard died: its clients are disconnected and find another one, and a new thread takes its place. */
  #onFailure(shard: ShardThread, index: number, listen: ShardStart["listen"], error: string): void {
    shard.ready.reject(new Error(error));
    shard.stopped.resolve();
    if (this.#isStopping || !this.#isListening) return;
    const { words, map } = this.#shared;
    Atomics.store(words, nodeWord(shard.node, NODE_STATE), NODE_IS_DEAD);
    shard.worker.terminate();
    const lost = this.#closeSockets(shard.node);
    this.#events.log("error", `Shard ${index} failed, its ${lost} connections are closed: ${error}`);
    if (this.#index.lockOwner() === shard.node) {
      this.#events.fatal(`Shard ${index} failed while it changed the interest index`);
      return;
    }
    this.#index.removeNode(shard.node);
    layOutArea(this.#shared, shard.node, this.#seeds);
    this.#skipRings(shard.node);
    Atomics.sub(words, HEADER_CONNECTION_COUNT, lost);
    Atomics.store(words, nodeWord(shard.node, NODE_LOAD), 0);
    Atomics.store(words, nodeWord(shard.node, NODE_IS_ASLEEP), 0);
    words.fill(0, map.area(shard.node).planSets >> 2, map.area(shard.node).planArena >> 2);
    const again = listen === null ? null : { ...listen, port: this.#port };
    this.#shards[index] = this.#startShard(index, again);
    this.#events.log("info", `Shard ${index} is replaced`);
  }

  /** Closes what a dead shard left open; returns how many connections that were. */
  #closeSockets(node: number): number {
    const { words, map } = this.#shared;
    const lost = Atomics.load(words, nodeWord(node, NODE_LOAD));
    if (this.#options.posix === null) return lost;
    const first = map.area(node).connections;
    for (let slot = 1; slot < CONNECTIONS_PER_SHARD_MAX; slot++) {
      const fd = words[(first + slot * CONNECTION_BYTES + CONNECTION_FD) >> 2]!;
      // A slot that was never used holds zeroes; descriptor 0 is never a client's.
      if (fd > 0) this.#options.posix.close(fd);
      words.fill(0, (first + slot * CONNECTION_BYTES) >> 2, (first + (slot + 1) * CONNECTION_BYTES) >> 2);
    }
    return lost;
  }

  /** A new shard starts where the rings of its predecessor stand: what was in them is gone with its clients. */
  #skipRings(node: number): void {
    const { words, map } = this.#shared;
    const { area } = map.area(node);
    for (let other = 0; other < map.nodeCount; other++) {
      const inward = map.ring(other, node);
      if (inward !== 0) {
        const head = Atomics.load(words, (inward + RING_HEAD) >> 2);
        words[(area + AREA_IN_RINGS + other * RING_END_BYTES + RING_END_POSITION) >> 2] = head;
        Atomics.store(words, (inward + RING_TAIL) >> 2, head);
      }
      const outward = map.ring(node, other);
      if (outward !== 0) {
        const head = Atomics.load(words, (outward + RING_HEAD) >> 2);
        words[(area + AREA_OUT_RINGS + other * RING_END_BYTES + RING_END_POSITION) >> 2] = head;
      }
    }
  }

  #startAcceptor(listenFd: number): Promise<void> {
    const worker = new Worker(ACCEPTOR_WORKER, { type: "module" });
    const stopped = Promise.withResolvers<void>();
    const start: AcceptorStart = { memory: this.#shared.memory, listenFd };
    const ready = new Promise<void>((resolve, reject) => {
      worker.onmessage = ({ data }: MessageEvent<AcceptorReport>) => {
        if (data.type === "ready") {
          this.#acceptor = { worker, wakeHandle: data.wakeHandle, stopped };
          resolve();
        } else if (data.type === "paused") this.#events.log("error", data.text);
        else stopped.resolve();
      };
      worker.onerror = (event) => {
        event.preventDefault();
        reject(new Error(event.message));
        if (!this.#isStopping) this.#events.fatal(`The acceptor failed: ${event.message}`);
      };
    });
    worker.postMessage(start);
    return ready;
  }

  #broadcast(message: ShardControl): void {
    for (const { node } of this.#shards) this.#send(node, message);
  }

  /** Main's rings to shards are large against what main says; a full one means that the shard is stuck. */
  #send(node: number, message: ShardControl): void {
    if (!sendControl(this.#engine, this.#shared, node, message)) {
      this.#events.log(
        "error",
        `Shard ${node - NODE_SHARD_FIRST} does not take commands: ${message.type} is lost`,
      );
      return;
    }
    this.#wake.ifAsleep(node);
  }

  /** Splits a number over the shards by the connections they have. */
  #shares(count: number): [node: number, share: number][] {
    const loads = this.#shards.map(({ node }): [number, number] => [
      node,
      Atomics.load(this.#shared.words, nodeWord(node, NODE_LOAD)),
    ]);
    const shares: [number, number][] = loads.map(([node]) => [node, 0]);
    for (let left = count; left > 0; left--) {
      let most = 0;
      for (let i = 1; i < loads.length; i++) if (loads[i]![1] > loads[most]![1]) most = i;
      if (loads[most] === undefined || loads[most]![1] <= 0) break;
      loads[most]![1]--;
      shares[most]![1]++;
    }
    return shares.filter(([, share]) => share > 0);
  }
}
