/**
 * The links shard: a shard whose connections are links to other servers, not clients. What is special about it lies
 * behind `LinkHost`, which `link/host/` implements; other shards have none.
 */

import type { ClientInfo } from "../../account/client_info.ts";
import type { AccountTerms } from "../../auth/account_terms.ts";
import type { Verdict } from "../../auth/login.ts";
import type { Collected } from "../../fabric/collected.ts";
import type { HeldMessage } from "../../fabric/held_message.ts";
import type { LinkListenerKind } from "../../fabric/listeners.ts";
import type { Delivery } from "../../fabric/message_record.ts";
import type { StreamSource } from "../../runtime/poller.ts";
import type { TlsLayer } from "../../runtime/tls.ts";
import type { Arrival, Connection } from "../connection.ts";
import type { ShardContext } from "../context.ts";
import type { PlanRules, TargetRules } from "../plans/plan_rules.ts";
import type { LinkControl, ShardReport } from "../shard_messages.ts";
import type { Tracing } from "../tracing/tracing.ts";
import type { LinkQuery, ShardQuery } from "../watch/shard_queries.ts";
import type { HandedLeaf } from "./handed_leaf.ts";

/** The shard as its links see it. */
export interface LinkShard extends ShardContext {
  readonly tls: TlsLayer | null;
  /** Opens a link over an accepted socket. */
  openLink(source: StreamSource, peer: Arrival): Connection;
  /** Opens a link to an address that is dialled; null if all slots are taken. */
  openDialled(ip: string, port: number): Connection | null;
  /** Notes the socket that a link is dialled with; −1 for one of the runtime's. */
  ownSocket(link: Connection, fd: number): void;
  report(report: ShardReport): void;
  /** Sends a message to one node; waits for room. */
  sendToNode(node: number, delivery: Delivery): void;
  /** Sends the answer to a service's request to the shard that waits for it, which may be this one. */
  sendAnswer(node: number, message: HeldMessage): void;
  waitForRoom(node: number): void;
  /** The traces of messages. */
  readonly tracing: Tracing;
  /** Publishes in the system account. */
  publishSystem(subject: string, json: string): void;
  /**
   * Lets a message enter an account as a client's does: service imports take it as a request, and answers go to their
   * requestors. Returns the subject that it goes on under after mapping; null if it goes no further.
   */
  enter(connection: Connection, message: HeldMessage, subject: string): string | null;
}

/** `write_deadline` and `write_timeout`. */
export interface WriteLimits {
  /** Time in which what is queued must leave. */
  readonly deadlineMs: number;
  /** Whether a link that has taken some of it by then is given the same time again. */
  readonly isRetried: boolean;
}

/** The links as their shard drives them. */
export interface LinkHost {
  /** The rules that this shard's plans follow. */
  readonly plans: PlanRules & TargetRules;
  /** Takes a socket that a listener of this kind accepted. */
  accept(kind: LinkListenerKind, source: StreamSource, ip: string, port: number): void;
  /** Takes a leaf node that another shard received by the WebSocket port. */
  acceptHanded(leaf: HandedLeaf): void;
  /** Handles an event of a link that is not open yet. Returns true if it is open now and may have something to read. */
  proceed(connection: Connection): boolean;
  /**
   * Carries out the operations in `[start, end)` of the shared memory. Returns where an incomplete operation begins.
   */
  receive(connection: Connection, start: number, end: number): number;
  /** The operation that is being collected, null if none is. */
  collected(connection: Connection): Collected | null;
  /** The name of a link in log lines. */
  labelOf(connection: Connection): string;
  /** How long what is queued for a link may take to leave. */
  writeLimits(connection: Connection): WriteLimits;
  /** Notes that a link has missed its write deadline. */
  noteSlow(connection: Connection): void;
  /** Bytes for a link have left, or are queued. */
  wrote(connection: Connection): void;
  /** A link is gone, and its interest goes with it. */
  ended(connection: Connection): void;
  /**
   * Publishes a message of this shard's own, which is an answer or a request to a service, to everybody. Returns how
   * many took it.
   */
  publish(message: HeldMessage): number;
  /** Takes a message of another node that the engine left to the host. Returns how many took it. */
  takeMessage(delivery: Delivery): number;
  /** Tells links the current interest of this server. Called before any message is sent that was published later. */
  announce(): void;
  /** Whether something is to be announced. */
  readonly hasNews: boolean;
  onTimer(): void;
  /** Applies new accounts or options; `terms` say who is not logged in any more. */
  refresh(terms: readonly AccountTerms[]): void;
  control(message: LinkControl): void;
  /** Takes the verdict on the login of a leaf node. */
  answer(connection: Connection, verdict: Verdict): void;
  /** Takes main's answer about the certificates of a link's peer. */
  peerChecked(connection: Connection, isValid: boolean): void;
  /** Ends dialling; the shard closes the connections. */
  stop(): void;
  /** Answers a query of monitoring. */
  query(query: LinkQuery): unknown;
  /** Counts the subscriptions of this server's leaf nodes; see `subscriberCount` for clients. */
  countSubscribers(query: Extract<ShardQuery, { what: "subscribers" }>): number;
  /** A client is about to answer the request with this reply subject, which another server measures. */
  responds(reply: string, responder: ClientInfo): void;
  /** Closes a leaf node's link because its account has too many. */
  endSurplus(id: number): void;
  /** Closes a leaf node's link; false if there is none of that id. */
  kick(id: number): boolean;
}
