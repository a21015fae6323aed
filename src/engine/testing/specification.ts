/** What a node of a test looks like, in plain words: both the real node and the model are built from it. */
import { CONNECTION_IS_LINK, CONNECTION_IS_ROUTE } from "../../memory/layout.ts";

/** What the tests' nodes set max_control_line to: lines that fit their small rings. */
export const CONTROL_LINE_BYTES_MAX = 4096;

/** `dedicated` is a route of one account alone. */
export type LinkKind = "route" | "dedicated" | "gateway" | "leaf";

export interface ConnectionSpecification {
  /** CONNECTION_IS_… bits, but for those that say that it is a link. */
  flags: number;
  payloadBytesMax: number;
  /** Of a route of all accounts and of a gateway: without the account. */
  context: number;
  /** Another server's connection; a client's without it. */
  link?: LinkKind;
}

export interface SubscriptionSpecification {
  /** Slot of its connection: its index in the node's connections, plus one. */
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
  /** What it is delivered under, where that is another subject. */
  delivered?: string;
  /** Generation words it rests on besides its own four. */
  moreGenerations?: number;
  isForHost: boolean;
  /** Only the host serves queue groups that a record names, and messages with a reply. */
  queuesAreForHost?: boolean;
  repliesAreForHost?: boolean;
  /** Indexes of subscriptions. */
  plain: number[];
  groups: GroupSpecification[];
  plainNodes: number[];
}

export interface NodeSpecification {
  node: number;
  /** What it is sent comes from no client of the server. */
  dropsNothing?: boolean;
  connections: ConnectionSpecification[];
  subscriptions: SubscriptionSpecification[];
  plans: PlanSpecification[];
}

/** A message taken apart. Strings hold one byte a character. */
export interface Message {
  /** As a route or gateway named it; "" elsewhere. */
  account?: string;
  subject: string;
  /** `[reply ][header size ]size␍␊`. */
  line: string;
  reply: string;
  /** −1 for a PUB. */
  headerLength: number;
  /** Headers and payload. */
  payload: string;
  /** It lies in the receive buffer, which other nodes may be lent. */
  isReceived?: boolean;
}

/** All CONNECTION_IS_… bits of a connection. */
export function flagsOf({ flags, link }: ConnectionSpecification): number {
  if (link === undefined) return flags;
  return flags | CONNECTION_IS_LINK | (isRoute(link) ? CONNECTION_IS_ROUTE : 0);
}

/** What goes before the line of a message without headers; `sid` is what tells one subscription from another. */
export function prefixOf(link: LinkKind | undefined, subject: string, sid: string): string {
  if (link === undefined) return `MSG ${subject} ${sid} `;
  if (link === "leaf") return `LMSG ${subject} `;
  const isOfLeaf = isRoute(link) && sid.startsWith("l");
  if (link === "dedicated") return isOfLeaf ? `LMSG ${sid} ${subject} ` : `RMSG ${subject} `;
  return isOfLeaf ? `LMSG ${sid} $G ${subject} ` : `RMSG ${sid} ${subject} `;
}

/** Whether a link is to a server of the same cluster, whose lines may name the cluster of leaf nodes. */
export function isRoute(link: LinkKind | undefined): boolean {
  return link === "route" || link === "dedicated";
}

/** Whether each of its messages says whose it is. */
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
