/**
 * The shards of a server, the one for links among them: started, told and asked; replaced where one died.
 *
 *   main ──ring──▶ shard      commands (a shard in epoll_wait hears nothing else)
 *   main ◀─postMessage─ shard log lines, closed connections, answers
 */
import type { ListenerKind } from "../../fabric/listeners.ts";
import type { RecordQueue } from "../../fabric/record_queue.ts";
import type { InterestIndex } from "../../interest/interest_index.ts";
import { NODE_IS_UP, NODE_SHARD_FIRST, NODE_STATE } from "../../memory/map.ts";
import { nodeWord, type SharedMemory } from "../../memory/shared_memory.ts";
import type { ServerInfo } from "../../protocol/info.ts";
import type { Posix } from "../../runtime/posix/posix.ts";
import type { LinksSetup } from "../../shard/links/links_setup.ts";
import type { LinkControl, ShardControl, ShardReport } from "../../shard/shard_messages.ts";
import type { OwnListener, ShardOptions } from "../../shard/shard_options.ts";
import type { ShardQuery } from "../../shard/watch/shard_queries.ts";
import { dropInterest, leaveNode } from "./dead_node.ts";
import { resetNode } from "./node_reset.ts";
import { RestartPolicy } from "./restart_policy.ts";
import { ShardQueries } from "./shard_queries.ts";
import { CannotListen, ShardThread } from "./shard_thread.ts";

/** How long a shard looks for work before it sleeps; less where threads outnumber cores. */
const SPIN_MS = 0.05;
const SPIN_CROWDED_MS = 0.01;

/** What does not change while the server runs. */
export interface ShardsSettings {
  readonly shared: SharedMemory;
  readonly index: InterestIndex;
  /** What the memory's areas were laid out from, and are again for a successor. */
  readonly seeds: Uint32Array;
  readonly engineCode: WebAssembly.Module;
  /** For the shard of links; null where there never is one. */
  readonly s2Code: WebAssembly.Module | null;
  /** For shards with WebSockets; null where there are none. */
  readonly deflateCode: WebAssembly.Module | null;
  /** Null for the runtime's sockets. */
  readonly posix: Posix | null;
  readonly cpuCount: number;
  /** There is one for links from the start. */
  readonly hasLinks: boolean;
  /** Takes commands to the shards. */
  readonly queue: RecordQueue;
}

/** Reports of a shard that are not about its own thread. */
export type ShardNews = Exclude<
  ShardReport,
  { readonly type: "ready" | "answer" | "stopped" | "disposed" | "cannotListen" | "failed" }
>;

export interface ShardsEvents {
  onNews(node: number, news: ShardNews): void;
  /** A shard is about to start; the port is its line to the logins thread. */
  connectLogins(node: number, port: MessagePort): void;
  /** The links shard's setup at the moment. */
  linksSetup(): LinksSetup;
  /** Whether the server takes connections of a kind. */
  isOpen(kind: ListenerKind): boolean;
  log(level: "info" | "error", text: string): void;
  /** Something that main cannot mend: the server stops. */
  fatal(text: string): void;
}

export class Shards {
  /** The options of shards that start from now on. */
  options: ShardOptions;
  info: ServerInfo;
  otherClusters: readonly string[] = [];

  readonly #settings: ShardsSettings;
  readonly #events: ShardsEvents;
  /** By their index. */
  readonly #threads = new Map<number, ShardThread>();
  readonly #queries = new ShardQueries();
  readonly #restarts = new Map<number, RestartPolicy>();
  readonly #restartTimers = new Set<ReturnType<typeof setTimeout>>();
  /** Whether the links shard has been given its setup; a successor is then given it, too. */
  #hasLinksSetup = false;
  #isReplacing = false;
  /** Whether the server serves, or has served. */
  #hasServed = false;
  #isStopping = false;

  constructor(settings: ShardsSettings, options: ShardOptions, info: ServerInfo, events: ShardsEvents) {
    this.#settings = settings;
    this.options = options;
    this.info = info;
    this.#events = events;
  }

  /** How many there are from the start, the one for links among them. */
  get count(): number {
    const { shared, hasLinks } = this.#settings;
    return shared.map.shardCount + (hasLinks ? 1 : 0);
  }

  /** Their threads in the order of their nodes, the one for links last. */
  get threads(): readonly ShardThread[] {
    return [...this.#threads.values()].sort((a, b) => a.index - b.index);
  }

  /** Nodes of those that serve clients. */
  get clientNodes(): readonly number[] {
    const { map } = this.#settings.shared;
    return this.threads.map(({ node }) => node).filter((node) => map.isShard(node));
  }

  start(index: number, listen: readonly OwnListener[]): ShardThread {
    const { shared, engineCode, s2Code, deflateCode, posix, cpuCount } = this.#settings;
    const node = NODE_SHARD_FIRST + index;
    const { port1, port2 } = new MessageChannel();
    Atomics.store(shared.words, nodeWord(node, NODE_STATE), NODE_IS_UP);
    const shard = new ShardThread(
      index,
      shared.map.isShard(node) ? `shard ${index}` : "links shard",
      {
        node,
        memory: shared.memory,
        engineCode,
        s2Code: shared.map.isShard(node) ? null : s2Code,
        deflateCode,
        transport: posix === null ? "runtime" : "epoll",
        listen,
        info: this.info,
        otherClusters: this.otherClusters,
        options: this.options,
        spinMs: this.count < cpuCount ? SPIN_MS : SPIN_CROWDED_MS,
        hashSeed: crypto.getRandomValues(new Int32Array(1))[0]!,
        logins: port1,
      },
      {
        onReport: (thread, report) => this.#onReport(thread, report),
        onFailure: (thread, error) => this.#onFailure(thread, error),
      },
    );
    this.#threads.set(index, shard);
    this.#events.connectLogins(node, port2);
    return shard;
  }

  /** The server serves: from now on a shard that dies is replaced, and so is one that has died by now. */
  beginReplacing(): void {
    this.#isReplacing = true;
    this.#hasServed = true;
    for (const shard of this.threads) if (shard.hasFailed) this.#scheduleRestart(shard);
  }

  endReplacing(): void {
    this.#isReplacing = false;
  }

  /** Starts nobody any more, and asks nobody. */
  beginStopping(): void {
    this.#isStopping = true;
    this.#isReplacing = false;
    this.#queries.sendAll();
    for (const timer of this.#restartTimers) clearTimeout(timer);
  }

  /** Starts the links shard, if it is not there yet: what it is to do comes with the next options. */
  async startLinks(): Promise<void> {
    const { shared, seeds } = this.#settings;
    const { linksNode } = shared.map;
    const index = linksNode - NODE_SHARD_FIRST;
    if (linksNode === 0 || this.#threads.has(index)) return;
    // Other threads may have sent something to where it will be.
    resetNode(shared, linksNode, seeds);
    // If it fails, another one takes its place.
    await this.start(index, []).ready.promise.catch(() => {});
  }

  /** Tells the links shard what it is to do, where there is one, and tells it again when it is replaced. */
  setUpLinks(): void {
    if (!this.#threads.has(this.#settings.shared.map.linksNode - NODE_SHARD_FIRST)) return;
    this.#hasLinksSetup = true;
    this.tellLinks({ type: "link", what: "start", setup: this.#events.linksSetup() });
  }

  /** Commands to one that is dead come to nothing. */
  send(node: number, message: ShardControl): void {
    if (this.#isAlive(node)) this.#settings.queue.sendControl(node, message);
  }

  broadcast(message: ShardControl): void {
    for (const { node } of this.threads) this.send(node, message);
  }

  /** Tells the links shard something, where there is one. */
  tellLinks(message: LinkControl): void {
    const { linksNode } = this.#settings.shared.map;
    if (linksNode !== 0) this.send(linksNode, message);
  }

  /** The links shard's thread; undefined where there is none, or it is dead. */
  get links(): ShardThread | undefined {
    const { linksNode } = this.#settings.shared.map;
    return this.threads.find(({ node, hasFailed }) => node === linksNode && !hasFailed);
  }

  /** Asks every shard; its answers in the order of the shards. One that is dead, or dies meanwhile, answers nothing. */
  async query<T>(query: ShardQuery): Promise<T[]> {
    const answers = this.clientNodes.map((node) => this.#ask<T>(node, query));
    return (await Promise.all(answers)).filter((answer) => answer !== undefined);
  }

  /** Asks the links shard; undefined where there is none, or it is dead. */
  async queryLinks<T>(query: ShardQuery): Promise<T | undefined> {
    const { linksNode } = this.#settings.shared.map;
    return linksNode === 0 ? undefined : this.#ask<T>(linksNode, query);
  }

  /** Resolves when all have carried out what they were told before. */
  async settle(): Promise<void> {
    await Promise.all([this.query({ what: "done" }), this.queryLinks({ what: "done" })]);
  }

  #ask<T>(node: number, query: ShardQuery): Promise<T | undefined> {
    if (this.#isStopping || !this.#isAlive(node)) return Promise.resolve(undefined);
    return this.#queries.ask<T>(node, (id) => this.send(node, { type: "query", id, query }));
  }

  #isAlive(node: number): boolean {
    return this.#threads.get(node - NODE_SHARD_FIRST)?.hasFailed === false;
  }

  #onReport(shard: ShardThread, report: ShardReport): void {
    switch (report.type) {
      case "ready":
        shard.ready.resolve(report.ports);
        break;
      case "answer":
        this.#queries.answer(shard.node, report.id, JSON.parse(report.json));
        break;
      case "stopped":
        shard.stopped.resolve();
        break;
      case "disposed":
        shard.disposed.resolve();
        break;
      case "cannotListen":
        // At the start the operator has to mend that; a successor that does not get the port back has failed.
        if (this.#hasServed) this.#onFailure(shard, report.error);
        else shard.ready.reject(new CannotListen(report.listener, report.error));
        break;
      case "failed":
        this.#onFailure(shard, report.error);
        break;
      default:
        this.#events.onNews(shard.node, report);
    }
  }

  /** A shard died: its clients are disconnected and find another one, and a new thread takes its place. */
  #onFailure(shard: ShardThread, error: string): void {
    if (shard.hasFailed) return;
    shard.fail(error);
    const { shared, index, seeds, posix, queue } = this.#settings;
    const { node } = shard;
    const lost = leaveNode(shared, node, posix === null ? null : (fd) => posix.close(fd));
    queue.forget(node);
    this.#queries.forget(node);
    if (this.#isStopping) return;
    const name = capitalised(shard.name);
    this.#events.log("error", `${name} failed, its ${lost} connections are closed: ${error}`);
    if (!dropInterest(index, node, shared)) {
      this.#events.fatal(`${name} failed while it changed the interest index`);
      return;
    }
    resetNode(shared, node, seeds);
    // In lame duck mode clients are not taken any more, while those that are still there want their links.
    const isLinks = node === shared.map.linksNode && this.#hasLinksSetup;
    if (this.#isReplacing || isLinks) this.#scheduleRestart(shard);
  }

  #scheduleRestart({ index, node, name, listen }: ShardThread): void {
    const policy = this.#restarts.getOrInsertComputed(index, () => new RestartPolicy());
    const pauseMs = policy.onFailure(performance.now());
    if (pauseMs === null) {
      this.#events.fatal(`${capitalised(name)} failed ${policy.failureCount} times within a minute`);
      return;
    }
    const timer = setTimeout(() => {
      this.#restartTimers.delete(timer);
      const { shared, seeds } = this.#settings;
      // Other threads went on sending while they thought it alive.
      resetNode(shared, node, seeds);
      const open = listen.filter(({ kind }) => this.#events.isOpen(kind));
      const successor = this.start(index, open);
      if (this.#hasLinksSetup && node === shared.map.linksNode) this.setUpLinks();
      successor.ready.promise.then(
        () => this.#events.log("info", `${capitalised(name)} is replaced`),
        () => {},
      );
    }, pauseMs);
    this.#restartTimers.add(timer);
  }
}

function capitalised(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}`;
}
