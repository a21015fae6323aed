/** What a node of a test looks like, in plain words: both the real node and the model are built from it. */

/** What the tests' nodes set max_control_line to: lines that fit their small rings. */
export const CONTROL_LINE_BYTES_MAX = 4096;

export interface ConnectionSpecification {
  /** CONNECTION_IS_… bits. */
  flags: number;
  payloadBytesMax: number;
  context: number;
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
  /** Indexes of subscriptions. */
  plain: number[];
  groups: GroupSpecification[];
  plainNodes: number[];
}

export interface NodeSpecification {
  node: number;
  connections: ConnectionSpecification[];
  subscriptions: SubscriptionSpecification[];
  plans: PlanSpecification[];
}

/** A message taken apart. Strings hold one byte a character. */
export interface Message {
  subject: string;
  /** `[reply ][header size ]size␍␊`. */
  line: string;
  reply: string;
  /** −1 for a PUB. */
  headerLength: number;
  /** Headers and payload. */
  payload: string;
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
