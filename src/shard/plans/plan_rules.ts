/** What delivery plans depend on besides interest, as the plan builder asks for it: once per plan. */
import type { StreamImport } from "../../account/definition.ts";
import type { Leg } from "./plan_match.ts";
import type { QueueGroups } from "./queue_groups.ts";

/** What becomes of a subject under a context. */
export interface Resolution {
  readonly account: number;
  /** Whether the engine must hand the messages to the host. */
  readonly isForHost: boolean;
  /** The subject that messages are delivered under, null for the published one. */
  readonly delivered: Uint8Array | null;
  /** The subject that subscribers of the message's own account see; absent if it is the one delivered under. */
  readonly shown?: Uint8Array;
  /** The accounts that import the message, in the same order on every shard. */
  readonly imports: readonly StreamLeg[];
  /** How the engine forwards the message as a request to a service; absent if it is no such request. */
  readonly forward?: Forward;
  /**
   * Whether the subject is a prefix that stands for all subjects beginning with it, up to a dot. Their messages are the
   * host's unless nobody subscribes to any of those subjects.
   */
  readonly isPrefix?: boolean;
}

/** How requests are forwarded into the account that exports the service: see FORWARD_…. */
export interface Forward {
  readonly context: number;
  readonly subject: Uint8Array;
  readonly requestor: number;
  readonly disclosure: number;
  readonly thresholdMs: number;
  readonly inboxesOnly: boolean;
  readonly replyHead: Uint8Array;
}

/** A message as another account imports it. */
export interface StreamLeg {
  readonly account: number;
  readonly subject: Uint8Array;
  readonly definition: StreamImport;
}

/** What accounts and permissions make of published subjects. */
export interface PlanRules {
  /** Resolves `bytes[start, end)`, a subject published under the context. */
  resolve(context: number, bytes: Uint8Array, start: number, end: number): Resolution;
}

/** Which receivers on this shard get messages: subscriptions of clients, or links to other servers. */
export interface TargetRules {
  /**
   * Members of queue groups on this shard. null if only the host serves groups: then plans name none and carry a flag
   * that says so.
   */
  readonly members: GroupMembers | null;
  /** PLAN_… flags of a context's plans, besides those that follow from `resolve()` and from `members`. */
  flagsOf(context: number): number;
  /**
   * Writes the targets of a leg's plain subscribers, beginning with number `from`, which is how many earlier parts of
   * the same plan hold. Returns false if there is no room for the next one.
   */
  writePlain(leg: Leg, context: number, from: number, targets: TargetWriter): boolean;
}

/** Members of queue groups on this shard. A member is a record's address or whatever else the rules define. */
export interface GroupMembers {
  find(leg: Leg, groups: QueueGroups): void;
  /** Writes the target of a member that find() named. Returns false if there is no room for it. */
  write(leg: Leg, member: number, targets: TargetWriter): boolean;
}

/** Takes the targets that the rules write. */
export interface TargetWriter {
  /**
   * Makes room for the target of a connection. `subscription` is the record that counts its deliveries, 0 for a link.
   * Returns the address in the shared memory at which the caller then writes the prefix of `prefixLength` bytes, or
   * NO_ROOM. A prefix is at most TARGET_PREFIX_BYTES_MAX long.
   */
  add(connection: number, subscription: number, prefixLength: number): number;
}

export const NO_ROOM = 0;
