/** What a node of a test looks like. Both the real node and the model are built from it. */
import { CONNECTION_IS_LINK, CONNECTION_IS_ROUTE } from "../../memory/layout.ts";

/** The max_control_line of the tests' nodes, so that lines fit into their small rings. */
export const CONTROL_LINE_BYTES_MAX = 4096;

/** `dedicated` is a route of one account alone. */
export type LinkKind = "route" | "dedicated" | "gateway" | "leaf";

export interface ConnectionSpecification {
  /** CONNECTION_IS_… bits, except for those that say that it is a link. */
  flags: number;
  payloadBytesMax: number;
  /** For a route of all accounts and for a gateway, this is without the account. */
  context: number;
  /** The kind of link; absent for a client. */
  link?: LinkKind;
}

export interface SubscriptionSpecification {
  /** The slot of its connection, which is the index in the node's connections plus one. */
  slot: number;
  sid: string;
  max: number;
}

export interface GroupSpecification {
  queue: number;
  /** Indexes of subscriptions. */
  locals: number[];
  nodes: { node: number; weight: number }[];
}

export interface PlanSpecification {
  context: number;
  account: number;
  subject: string;
  /** The subject that it is delivered under, if that is another one. */
  delivered?: string;
  /** How many generation words it depends on besides its own four. */
  moreGenerations?: number;
  isForHost: boolean;
  /** The host alone serves queue groups that a record names, and messages with a reply. */
  queuesAreForHost?: boolean;
  repliesAreForHost?: boolean;
  /** Indexes of subscriptions. */
  plain: number[];
  groups: GroupSpecification[];
  plainNodes: number[];
}

export interface NodeSpecification {
  node: number;
  /** What is delivered comes from no client of the server. */
  dropsNothing?: boolean;
  connections: ConnectionSpecification[];
  subscriptions: SubscriptionSpecification[];
  plans: PlanSpecification[];
}

/** A message in parts. Strings hold one byte per character. */
export interface Message {
  /** The account, if a route or gateway named it; else "". */
  account?: string;
  subject: string;
  /** `[reply ][header size ]size␍␊`. */
  line: string;
  reply: string;
  /** −1 for a PUB. */
  headerLength: number;
  /** Headers and payload. */
  payload: string;
  /** It lies in the receive buffer, which may be lent to other nodes. */
  isReceived?: boolean;
}

/** All CONNECTION_IS_… bits of a connection. */
export function flagsOf({ flags, link }: ConnectionSpecification): number {
  if (link === undefined) return flags;
  return flags | CONNECTION_IS_LINK | (isRoute(link) ? CONNECTION_IS_ROUTE : 0);
}

/** What goes before the line of a message without headers. `sid` tells subscriptions apart. */
export function prefixOf(link: LinkKind | undefined, subject: string, sid: string): string {
  if (link === undefined) return `MSG ${subject} ${sid} `;
  if (link === "leaf") return `LMSG ${subject} `;
  const isOfLeaf = isRoute(link) && sid.startsWith("l");
  if (link === "dedicated") return isOfLeaf ? `LMSG ${sid} ${subject} ` : `RMSG ${subject} `;
  return isOfLeaf ? `LMSG ${sid} $G ${subject} ` : `RMSG ${sid} ${subject} `;
}

/** Whether a link is a route, whose lines may name the cluster of leaf nodes. */
export function isRoute(link: LinkKind | undefined): boolean {
  return link === "route" || link === "dedicated";
}

/** Whether each of its messages names its account. */
export function namesAccounts(link: LinkKind | undefined): boolean {
  return link === "route" || link === "gateway";
}

export function planKey(context: number, subject: string): string {
  return `${context} ${subject}`;
}

/** Bytes as a string of one character a byte. */
export function text(bytes: Uint8Array, start = 0, end = bytes.length): string {
  let result = "";
  for (let at = start; at < end; at += 8192) {
    result += String.fromCharCode(...bytes.slice(at, Math.min(end, at + 8192)));
  }
  return result;
}

/** Writes such a string at `at`. */
export function write(bytes: Uint8Array, at: number, value: string): void {
  for (let i = 0; i < value.length; i++) bytes[at + i] = value.charCodeAt(i);
}
