/**
 * The loop of a shard. Each turn takes what other nodes sent, reads what the sockets have, and writes the results.
 *
 *   wait → drain rings → read, scan, deliver → fire timers → publish rings → write outboxes → close → both once more
 *
 * Rings are published before outboxes are written: a client that sees a PONG may rely on the other shards having what
 * was published before it. Hot: once per batch of events.
 */
import type { GrowthWatch } from "../base/growth_watch.ts";
import { NODE_IS_ASLEEP } from "../memory/map.ts";
import { nodeWord } from "../memory/shared_memory.ts";
import { HANGUP, READABLE, WRITABLE } from "../runtime/poller.ts";
import type { Handshakes } from "./client/handshakes.ts";
import type { Upgrades } from "./client/upgrades.ts";
import type { Closings } from "./closings.ts";
import type { Commands } from "./commands.ts";
import { PHASE_SETTLED, STATE_CLOSING } from "./connection.ts";
import type { ShardContext } from "./context.ts";
import type { Input } from "./input/input.ts";
import type { LinkHost } from "./links/link_host.ts";
import type { PausedProducers } from "./output/paused_producers.ts";
import type { Rings } from "./rings.ts";
import type { Services } from "./services/services.ts";
import { Spinning } from "./spinning.ts";
import type { Tracing } from "./tracing/tracing.ts";

/**
 * Connections that may hold an outbox when the next one is served: every outbox that has ever been lent is memory
 * touched.
 */
const OUTBOXES_HELD_MAX = 64;
/** A shard that has been idle for this long after work collects its garbage. */
const TIDY_AFTER_MS = 1000;

type TurningShard = Pick<
  ShardContext,
  "node" | "shared" | "engine" | "poller" | "connections" | "outbound" | "timers" | "nowMs"
>;

/** The parts of the shard that have work in a turn. */
export interface TurnParts {
  readonly rings: Rings;
  readonly commands: Commands;
  readonly services: Services;
  readonly tracing: Tracing;
  readonly handshakes: Handshakes;
  readonly input: Input;
  readonly closings: Closings;
  readonly paused: PausedProducers;
  /** Null for shards of clients. */
  readonly links: LinkHost | null;
  /** Null without WebSockets. */
  readonly upgrades: Upgrades | null;
  readonly growth: GrowthWatch;
  onTimer(id: number): void;
  /**
   * Frees garbage. A thread that never returns to its event loop would otherwise keep its garbage until it needs the
   * room.
   */
  collectGarbage(): void;
}

export class Turns {
  readonly #shard: TurningShard;
  readonly #parts: TurnParts;
  readonly #spinning: Spinning;
  readonly #onTimer: (id: number) => void;
  readonly #asleepWord: number;
  #lastBusyMs = 0;
  #isTidy = true;
  #failure: Error | null = null;

  /** The shard looks for work for `spinMs` before it sleeps. */
  constructor(shard: TurningShard, spinMs: number, parts: TurnParts) {
    this.#shard = shard;
    this.#parts = parts;
    this.#spinning = new Spinning(spinMs);
    this.#onTimer = (id) => parts.onTimer(id);
    this.#asleepWord = nodeWord(shard.node, NODE_IS_ASLEEP);
    // A poller of the runtime's sockets sleeps outside the shard's turns, so it must be woken whenever there is
    // something.
    if (shard.poller.kind === "runtime") Atomics.store(shard.shared.words, this.#asleepWord, 1);
  }

  /** Takes turns until the poller is stopped. Rejects with whatever a turn threw. */
  async run(): Promise<void> {
    const { poller } = this.#shard;
    await poller.run(() => {
      try {
        this.#turn();
      } catch (error) {
        this.#failure = error instanceof Error ? error : new Error(String(error));
        poller.stop();
      }
    });
    if (this.#failure !== null) throw this.#failure;
  }

  #turn(): void {
    const shard = this.#shard;
    const { poller, connections, outbound, timers } = shard;
    const { rings, services, handshakes, input, closings, paused, upgrades, growth } = this.#parts;
    const events = this.#wait();
    shard.nowMs = performance.now();
    outbound.startTurn(shard.nowMs);
    handshakes.startTurn();
    input.startTurn();
    services.startTurn();
    let isBusy = rings.drainAll();
    this.doLeftovers();
    if (input.hasResumable) input.takeHeld();
    for (let i = 0; i < events; i++) {
      const flags = poller.eventFlags(i);
      const slot = poller.eventSlot(i);
      const connection = connections[slot];
      if (flags === 0) continue;
      isBusy = true;
      if (connection == null) {
        upgrades?.serve(slot);
        continue;
      }
      if (connection.isLink && connection.phase !== PHASE_SETTLED && !input.proceed(connection)) continue;
      if ((flags & WRITABLE) !== 0) {
        outbound.onWritable(connection);
        if (connection.state === STATE_CLOSING && connection.pending === null) closings.end(connection);
      }
      if (connection.state < STATE_CLOSING) {
        if ((flags & (READABLE | HANGUP)) !== 0) input.read(connection, flags);
      } else if ((flags & HANGUP) !== 0) closings.end(connection);
      this.shareOutboxes();
    }
    if (isBusy) {
      this.#lastBusyMs = shard.nowMs;
      this.#spinning.worked(shard.nowMs, input.receivedBytes + outbound.framedInTurn);
      this.#isTidy = false;
      growth.check(shard.nowMs);
    }
    services.watch();
    timers.advance(shard.nowMs, this.#onTimer);
    paused.resumeDue();
    rings.publishAll();
    if (outbound.dirtyCount > 0) outbound.flushAll();
    this.finishClosings();
  }

  /**
   * Does what drains have left for later, since a message of this shard may have been under way. Must not be called
   * from within a drain.
   */
  doLeftovers(): void {
    const { rings, links, commands, services, tracing } = this.#parts;
    const { stalledBy } = rings;
    rings.settleLeftovers();
    links?.announce();
    commands.doWork();
    services.doWork();
    tracing.doWork();
    rings.stalledBy = stalledBy;
  }

  /**
   * Ends the connections that were told to close; then publishes and writes what follows from it: the interest that
   * went with them, and what other servers are told of that. Meanwhile more connections may have been told to close,
   * and nothing would wake the shard for those, so this repeats until there are none.
   */
  finishClosings(): void {
    const { closings, rings } = this.#parts;
    while (closings.hasBegun) {
      closings.finish();
      rings.publishAll();
      this.#shard.outbound.flushAll();
    }
  }

  /**
   * Whether a drain in the middle of a turn left something for the next turn: no socket and no ring will tell of it.
   */
  get #hasWork(): boolean {
    const { input, commands, services, tracing, rings, links } = this.#parts;
    if (input.hasResumable || rings.hasLeftovers || commands.hasWork) return true;
    return services.hasWork || tracing.hasWork || (links?.hasNews ?? false);
  }

  /** Whether another node has something for this one. */
  get #hasNews(): boolean {
    return this.#shard.engine.hasInbound() !== 0 || (this.#parts.links?.hasNews ?? false);
  }

  /** Writes all outboxes if so many connections hold one that the next connection is not to take another. */
  shareOutboxes(): void {
    if (this.#shard.outbound.dirtyCount < OUTBOXES_HELD_MAX) return;
    this.#parts.rings.publishAll();
    this.#shard.outbound.flushAll();
  }

  /**
   * Waits for sockets, rings or timers. May look for work for a while before it sleeps. Returns the number of socket
   * events.
   */
  #wait(): number {
    const { poller, shared, timers } = this.#shard;
    const now = performance.now();
    if (this.#spinning.isDue(now) || this.#hasWork) return poller.wait(0);
    let timeoutMs = timers.waitMs(now);
    if (!this.#isTidy) {
      const leftMs = this.#lastBusyMs + TIDY_AFTER_MS - now;
      if (leftMs > 0) timeoutMs = Math.min(timeoutMs, leftMs);
      else {
        this.#isTidy = true;
        this.#parts.collectGarbage();
      }
    }
    if (!this.#parts.paused.isEmpty) timeoutMs = Math.min(timeoutMs, 1);
    const wholeMs = timeoutMs === Number.POSITIVE_INFINITY ? -1 : Math.ceil(timeoutMs);
    if (poller.kind === "runtime") return poller.wait(this.#hasNews ? 0 : wholeMs);
    // Announce the sleep first, then look once more: a node that publishes does it the other way round.
    Atomics.store(shared.words, this.#asleepWord, 1);
    const events = poller.wait(this.#hasNews ? 0 : wholeMs);
    Atomics.store(shared.words, this.#asleepWord, 0);
    return events;
  }
}
