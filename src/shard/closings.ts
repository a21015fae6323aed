/**
 * How connections of a shard end. One that is told to close is reported and loses its subscriptions at the end of the
 * turn; it is gone once what is queued for it has left, or has had its time.
 */
import { CONNECTION_CLIENT, CONNECTION_FLAGS, CONNECTION_IS_CLOSED } from "../memory/layout.ts";
import { HEADER_CONNECTION_COUNT } from "../memory/map.ts";
import { CloseReason, closeReasonEntry } from "../protocol/close_reason.ts";
import type { WebSocketLayer } from "../runtime/websocket/websocket_layer.ts";
import type { ClientEvents } from "./client/client_events.ts";
import type { ClientProtocol } from "./client/client_protocol.ts";
import { type Connection, STATE_CLOSED, STATE_CLOSING } from "./connection.ts";
import type { ShardContext } from "./context.ts";
import type { KeptInput } from "./input/kept_input.ts";
import { NO_SUBSCRIPTION } from "./interest/subscription_table.ts";
import type { LinkHost } from "./links/link_host.ts";
import type { ShardReport } from "./shard_messages.ts";
import type { Slots } from "./slots.ts";
import { TIMER_WRITE, TIMERS_PER_CONNECTION, timerId } from "./timers.ts";
import { addTraffic, type Growing, NO_COUNTERS } from "./watch/account_counters.ts";
import type { AccountCounters, ConnectionRecord } from "./watch/records.ts";
import { connectionRecord } from "./watch/snapshot.ts";

/** Time that what is queued for a closing connection has to leave. */
const CLOSING_MS = 1000;
/** A closed connection with more subscriptions than this is shown without them in monitoring. */
const CLOSED_SUBSCRIPTIONS_MAX = 256;
/**
 * Closed connections that main is told of at once: telling it of each one takes as long as everything else about its
 * end.
 */
const TOLD_AT_ONCE_MAX = 64;

export class Closings {
  readonly #shard: ShardContext;
  readonly #slots: Slots;
  readonly #kept: KeptInput;
  readonly #protocol: ClientProtocol;
  readonly #links: LinkHost | null;
  /** Null if no connection uses WebSocket frames. */
  readonly #frames: WebSocketLayer | null;
  readonly #report: (report: ShardReport) => void;
  readonly #events: ClientEvents;
  /** Connections told to close since the last finish(). */
  readonly #begun: Connection[] = [];
  /** Closed connections that main has not been told of; it never is told if this thread dies. */
  #untold: ConnectionRecord[] = [];
  /** What closed connections had counted, by account. */
  readonly #goneCounters = new Map<string, Growing<AccountCounters>>();
  /** Whether clients' sockets stay open when their connections end: the end of the process will close them. */
  leavesSockets = false;

  constructor(
    shard: ShardContext,
    slots: Slots,
    kept: KeptInput,
    protocol: ClientProtocol,
    events: ClientEvents,
    links: LinkHost | null,
    frames: WebSocketLayer | null,
    report: (report: ShardReport) => void,
  ) {
    this.#shard = shard;
    this.#slots = slots;
    this.#kept = kept;
    this.#protocol = protocol;
    this.#events = events;
    this.#links = links;
    this.#frames = frames;
    this.#report = report;
  }

  /** What closed connections had counted, by account. */
  get goneCounters(): ReadonlyMap<string, AccountCounters> {
    return this.#goneCounters;
  }

  /** Begins to close a connection: from now on no input is taken from it and nothing new is queued for it. */
  begin(connection: Connection, reason: CloseReason): void {
    if (connection.state >= STATE_CLOSING) return;
    connection.state = STATE_CLOSING;
    connection.closeReason = reason;
    const { words } = this.#shard.shared;
    words[(connection.address + CONNECTION_FLAGS) >> 2]! |= CONNECTION_IS_CLOSED;
    Atomics.store(words, (connection.address + CONNECTION_CLIENT) >> 2, 0);
    this.#begun.push(connection);
  }

  get hasBegun(): boolean {
    return this.#begun.length > 0;
  }

  /** Removes the subscriptions of connections that were told to close. What is queued for them may still leave. */
  finish(): void {
    const { nowMs, poller, timers } = this.#shard;
    for (const connection of this.#begun.splice(0)) {
      if (connection.state === STATE_CLOSED) continue;
      if (connection.isLink) this.#links!.ended(connection);
      else {
        this.#reportClosed(connection);
        while (connection.firstSubscription !== NO_SUBSCRIPTION) {
          this.#protocol.removeSubscription(connection, connection.firstSubscription);
        }
      }
      const reason = connection.closeReason as CloseReason;
      const isFlushed = closeReasonEntry(reason).flushesPending && connection.pending !== null;
      if (!isFlushed || reason === CloseReason.ClientClosed) this.end(connection);
      else {
        timers.set(timerId(connection, TIMER_WRITE), nowMs + CLOSING_MS);
        poller.setInterest(connection.slot, false, true);
      }
    }
  }

  /**
   * Closes the socket and gives up everything that the connection held. A connection that was told to close in this
   * turn still has subscriptions and an outbox: finish() will end it.
   */
  end(connection: Connection): void {
    if (connection.state === STATE_CLOSED || this.#begun.includes(connection)) return;
    connection.state = STATE_CLOSED;
    const { slot, isLink } = connection;
    const { outbound, plans, poller, shared, timers } = this.#shard;
    outbound.discard(connection);
    this.#kept.forget(connection);
    for (let timer = 0; timer < TIMERS_PER_CONNECTION; timer++) timers.clear(timerId(connection, timer));
    if (!isLink) this.#protocol.memberships.leave(connection);
    plans.forgetConnection(connection.address);
    this.#slots.disownSocket(slot);
    if (connection.hasFrames) this.#sayGoodbye(connection);
    if (connection.hasStream && !this.#leavesSocket(connection)) poller.close(slot);
    if (!isLink) Atomics.sub(shared.words, HEADER_CONNECTION_COUNT, 1);
    this.#slots.release(slot);
  }

  /** Tells main of all connections that are closed by now. */
  tellAll(): void {
    const records = this.#untold;
    if (records.length === 0) return;
    this.#untold = [];
    this.#report({ type: "closed", json: JSON.stringify(records), count: records.length });
  }

  /**
   * Whether the socket is left open. Only clients' are: other servers must hear of the end now and tell theirs, and TLS
   * has a last word to say.
   */
  #leavesSocket({ isLink, tls }: Connection): boolean {
    return this.leavesSockets && !isLink && tls === null;
  }

  #sayGoodbye({ slot, closeReason }: Connection): void {
    const { text, webSocketStatus, flushesPending } = closeReasonEntry(closeReason as CloseReason);
    this.#frames!.endFrames(slot, flushesPending ? webSocketStatus : 0, text);
  }

  #reportClosed(connection: Connection): void {
    const shard = this.#shard;
    const isListed = connection.subscriptionCount <= CLOSED_SUBSCRIPTIONS_MAX;
    const record = connectionRecord(shard, connection, isListed);
    const gone = this.#goneCounters.getOrInsertComputed(record.account, () => ({ ...NO_COUNTERS }));
    addTraffic(gone, record);
    const isSlow =
      connection.closeReason === CloseReason.SlowConsumerPendingBytes ||
      connection.closeReason === CloseReason.SlowConsumerWriteDeadline;
    if (isSlow) gone.slowConsumers++;
    const event = this.#events.closed(connection, record);
    if (event !== null) this.#report({ type: "client", event });
    this.#untold.push(record);
    if (this.#untold.length === TOLD_AT_ONCE_MAX) this.tellAll();
    if (shard.options.logsDebug) {
      shard.log("debug", `${connection.label} - Client connection closed: ${record.reason}`);
    }
  }
}
