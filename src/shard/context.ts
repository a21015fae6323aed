/** What the parts of a shard share. `shard.ts` builds it once. */
import type { TimerWheel } from "../base/timer_wheel.ts";
import type { Engine } from "../engine/engine.ts";
import type { MappedReplies } from "../fabric/mapped_replies.ts";
import type { InterestIndex } from "../interest/interest_index.ts";
import type { LineLimit } from "../log/line_limit.ts";
import type { SharedMemory } from "../memory/shared_memory.ts";
import type { ClientFault } from "../protocol/client_fault.ts";
import type { CloseReason } from "../protocol/close_reason.ts";
import type { ServerInfo } from "../protocol/info.ts";
import type { Poller } from "../runtime/poller.ts";
import type { ShardAccounts } from "./accounts.ts";
import type { TraceLog } from "./client/trace_log.ts";
import type { Connection } from "./connection.ts";
import type { Contexts } from "./contexts.ts";
import type { ReceiveBuffers } from "./input/receive_buffers.ts";
import type { LocalInterest } from "./interest/local_interest.ts";
import type { SubscriptionTable } from "./interest/subscription_table.ts";
import type { Outbound } from "./output/outbound.ts";
import type { PlanCache } from "./plans/plan_cache.ts";
import type { ReplySubjects } from "./services/reply_subjects.ts";
import type { LoginQuestion, ShardLogLevel } from "./shard_messages.ts";
import type { ShardOptions } from "./shard_options.ts";

/** The connection that a question to main is about, so that the answer finds it. */
export type AskedAbout = Pick<Connection, "slot" | "clientId">;

export interface ShardContext {
  readonly node: number;
  readonly shared: SharedMemory;
  readonly engine: Engine;
  readonly poller: Poller;
  readonly index: InterestIndex;
  readonly table: SubscriptionTable;
  readonly interest: LocalInterest;
  readonly plans: PlanCache;
  readonly replies: MappedReplies;
  readonly accounts: ShardAccounts;
  readonly contexts: Contexts;
  readonly replySubjects: ReplySubjects;
  /** The buffers that sockets are read into. */
  readonly receiveBuffers: ReceiveBuffers;
  readonly outbound: Outbound;
  readonly timers: TimerWheel;
  /** The connections by slot. */
  readonly connections: readonly (Connection | null)[];
  /** The connection whose record is at an address. */
  connectionAt(address: number): Connection | null;
  options: ShardOptions;
  info: ServerInfo;
  /** Names of the clusters that gateways lead to, nearest first. */
  otherClusters: readonly string[];
  /** Steady clock in milliseconds, as of this turn. */
  nowMs: number;
  /** Time of day in milliseconds since 1970, with a fraction. */
  wallMs(): number;
  /**
   * Ends a connection because of one of the protocol's errors: sends -ERR if the error has one, then what is queued,
   * then closes. With `fault` the log tells that instead of what the peer is told.
   */
  fail(connection: Connection, code: number, fault?: ClientFault): void;
  close(connection: Connection, reason: CloseReason): void;
  /** Tells main that a client has logged in, if somebody listens for that. */
  reportOpened(connection: Connection): void;
  /**
   * Removes the subscriptions whose last message was just delivered. Must be called before anything else may touch
   * them.
   */
  removeExpired(): void;
  /** Asks the logins thread for a verdict on a login. The verdict comes back as a command. */
  ask(question: LoginQuestion): void;
  /**
   * Asks main whether the certificates of a verified chain hold. The chain is DER, the peer's own certificate first;
   * `block` is the name of the TLS block that demands the check. The answer comes back as a command.
   */
  askAboutPeer(connection: AskedAbout, block: string, chain: readonly Uint8Array[]): void;
  /** Stops taking input until resumeInput(). */
  holdInput(connection: Connection): void;
  /** Takes what the connection sent meanwhile, at the start of the next turn, and reads the connection again. */
  resumeInput(connection: Connection): void;
  /**
   * Stops reading a producer for a moment. `stalledBy`: the record of the subscriber of this shard that it is paused
   * for.
   */
  pause(connection: Connection, stalledBy?: number): void;
  /** Reads every paused producer again. */
  resumeProducers(): void;
  readonly traceLog: TraceLog;
  log(level: ShardLogLevel, text: string, limit?: LineLimit): void;
}
