/**
 * The links shard: a shard whose connections are links to other servers, not clients. What is special about them lies behind
 * `LinkHost`, which `link/host/` implements; other shards have none.
 */

import type { ClientInfo } from "../../account/client_info.ts";
import type { AccountTerms } from "../../auth/account_terms.ts";
import type { Verdict } from "../../auth/login.ts";
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
  /** A slot for a link over an accepted socket. */
  openLink(source: StreamSource, peer: Arrival): Connection;
  /** A slot for a link to an address that is dialled; null where all are taken. */
  openDialled(ip: string, port: number): Connection | null;
  /** A link has the socket by which it is dialled; −1 for one of the runtime's. */
  ownSocket(link: Connection, fd: number): void;
  report(report: ShardReport): void;
  /** Hands a message to one node; waits for room where there is none. */
  sendToNode(node: number, delivery: Delivery): void;
  /** Hands the answer to a service's request to the shard that waits for it, this one or another. */
  sendAnswer(node: number, message: HeldMessage): void;
  waitForRoom(node: number): void;
  /** Messages that ask to be traced. */
  readonly tracing: Tracing;
  /** Publishes in the system account. */
  publishSystem(subject: string, json: string): void;
  /**
   * A message enters an account as a client's does: service imports take it as a request, answers go to who asked. Returns the
   * subject it goes on under after mapping; null where it does not.
   */
  enter(connection: Connection, message: HeldMessage, subject: string): string | null;
}

/** `write_deadline` and `write_timeout`. */
export interface WriteLimits {
  /** What is queued now must have left by then. */
  readonly deadlineMs: number;
  /** Whoever has taken something of it by then has as long again. */
  readonly isRetried: boolean;
}

/** The links as their shard drives them. */
export interface LinkHost {
  /** What plans of this shard follow from. */
  readonly plans: PlanRules & TargetRules;
  /** A socket that a listener of this kind took. */
  accept(kind: LinkListenerKind, source: StreamSource, ip: string, port: number): void;
  /** A leaf node that a shard took in by the WebSocket port. */
  acceptHanded(leaf: HandedLeaf): void;
  /** A link that is not open yet has an event. True when it has become open and may have something to read. */
  proceed(connection: Connection): boolean;
  /** Does what `[start, end)` of the shared memory says; returns where an operation begins that is not complete. */
  receive(connection: Connection, start: number, end: number): number;
  /** How log lines name a link. */
  labelOf(connection: Connection): string;
  /** How long what is queued for a link may take to leave. */
  writeLimits(connection: Connection): WriteLimits;
  /** It has missed its write deadline. */
  noteSlow(connection: Connection): void;
  /** Bytes for a link have left, or are queued. */
  wrote(connection: Connection): void;
  /** A link is gone: its wishes go with it. */
  ended(connection: Connection): void;
  /** Publishes a message of this shard's own, an answer or a request to a service, to everybody; returns how many took it. */
  publish(message: HeldMessage): number;
  /** A message of another node that the engine left to the host; returns how many took it. */
  takeMessage(delivery: Delivery): number;
  /** Tells links what this server wants, as of now: before any message that was published later is sent. */
  announce(): void;
  /** Something is to be announced. */
  readonly hasNews: boolean;
  onTimer(): void;
  /** Accounts or options are new; `terms` say who is logged in no more. */
  refresh(terms: readonly AccountTerms[]): void;
  control(message: LinkControl): void;
  /** The verdict on the login of a leaf node. */
  answer(connection: Connection, verdict: Verdict): void;
  /** Main's answer about the certificates of a link's other side. */
  peerChecked(connection: Connection, isValid: boolean): void;
  /** Nothing is dialled any more; connections are closed by the shard. */
  stop(): void;
  /** Answers what monitoring asks. */
  query(query: LinkQuery): unknown;
  /** Of leaf nodes of this server; see `subscriberCount` for clients. */
  countSubscribers(query: Extract<ShardQuery, { what: "subscribers" }>): number;
  /** A client is about to answer the request with this reply, which another server measures. */
  responds(reply: string, responder: ClientInfo): void;
  /** Closes a leaf link of which its account has too many. */
  endSurplus(id: number): void;
  /** Closes a leaf link; false if there is none of that id. */
  kick(id: number): boolean;
}
