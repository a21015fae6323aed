/** What delivery plans follow from besides interest, as their builder asks for it: once per plan. */
import type { StreamImport } from "../../account/definition.ts";
import type { Leg } from "./plan_match.ts";
import type { QueueGroups } from "./queue_groups.ts";

/** What a context makes of a subject. */
export interface Resolution {
  readonly account: number;
  /** The engine must hand its messages over. */
  readonly isForHost: boolean;
  /** The subject it is delivered under, null for the one it has. */
  readonly delivered: Uint8Array | null;
  /** What its own subscribers see as its subject; absent for the one it is delivered under. */
  readonly shown?: Uint8Array;
  /** The accounts that import it, in the same order on every shard. */
  readonly imports: readonly StreamLeg[];
  /** How the engine sends it on as a request to a service; absent for what is none. */
  readonly forward?: Forward;
  /** It is what subjects begin with, up to a dot: the host has their messages unless nobody wants any of them. */
  readonly isPrefix?: boolean;
}

/** How requests go on into the account whose service they ask: see FORWARD_…. */
export interface Forward {
  readonly context: number;
  readonly subject: Uint8Array;
  readonly requestor: number;
  readonly disclosure: number;
  readonly thresholdMs: number;
  readonly replyHead: Uint8Array;
}

/** A message as another account imports it. */
export interface StreamLeg {
  readonly account: number;
  readonly subject: Uint8Array;
  readonly definition: StreamImport;
}

/** What accounts and permissions say. */
export interface PlanRules {
  /** `bytes[start, end)` as published under the context. */
  resolve(context: number, bytes: Uint8Array, start: number, end: number): Resolution;
}

/** Who on this shard gets messages: subscriptions of clients, or links to other servers. */
export interface TargetRules {
  /** Members of queue groups here; null where only the host serves groups: plans name none then, and say so. */
  readonly members: GroupMembers | null;
  /** PLAN_… flags of a context's plans, besides those that follow from `resolve()` and from `members`. */
  flagsOf(context: number): number;
  /**
   * Writes the targets of the plain subscribers of a leg, from the `from`th on: as many as are in an earlier part of the
   * same plan. False where there is no room for the next one.
   */
  writePlain(leg: Leg, context: number, from: number, targets: TargetWriter): boolean;
}

/** Members of queue groups on this shard. A member is whatever the rules say that it is: a record's address. */
export interface GroupMembers {
  find(leg: Leg, groups: QueueGroups): void;
  /** Writes the target of a member that find() named; false where there is no room for it. */
  write(leg: Leg, member: number, targets: TargetWriter): boolean;
}

/** Where rules write targets. */
export interface TargetWriter {
  /**
   * Makes room for the target of a connection, whose deliveries `subscription` counts (0 for a link's); returns where in
   * the shared memory its prefix of `prefixLength` bytes goes, which the caller writes then, or NO_ROOM. A prefix is at
   * most TARGET_PREFIX_BYTES_MAX long.
   */
  add(connection: number, subscription: number, prefixLength: number): number;
}

export const NO_ROOM = 0;
