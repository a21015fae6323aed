/**
 * Subjects that servers use among themselves: clients may neither publish to them nor ask for replies there.
 * Source: nats-server `processInboundClientMsg`, `isReservedReply`.
 */
/** These prefixes without anything behind their dot are ordinary subjects. */
const NEED_MORE_BYTES = new Set(["$JS.ACK.", "_GR_.", "$GR."]);
const RESERVED_SUBJECTS = ["_GR_.", "$GR."].map(asBytes);
/** Subjects of servers with JetStream; clients of the system account may use them, too. */
const RAFT = asBytes("$NRG.");
const RESERVED_REPLIES = ["_R_.", "$JS.ACK.", "_GR_.", "$GR."].map(asBytes);

export function isReservedSubject(
  bytes: Uint8Array,
  start: number,
  end: number,
  isInSystemAccount: boolean,
): boolean {
  if (!isInSystemAccount && startsWith(bytes, start, end, RAFT)) return true;
  return RESERVED_SUBJECTS.some((prefix) => startsWith(bytes, start, end, prefix));
}

export function isReservedReply(bytes: Uint8Array, start: number, end: number): boolean {
  return RESERVED_REPLIES.some((prefix) => startsWith(bytes, start, end, prefix));
}

interface Prefix {
  readonly bytes: Uint8Array;
  readonly lengthMin: number;
}

function asBytes(prefix: string): Prefix {
  return {
    bytes: new TextEncoder().encode(prefix),
    lengthMin: prefix.length + (NEED_MORE_BYTES.has(prefix) ? 1 : 0),
  };
}

function startsWith(bytes: Uint8Array, start: number, end: number, prefix: Prefix): boolean {
  if (end - start < prefix.lengthMin) return false;
  for (let i = 0; i < prefix.bytes.length; i++) {
    if (bytes[start + i] !== prefix.bytes[i]) return false;
  }
  return true;
}

const RESPONSE: Prefix = asBytes("_R_.");

/**
 * Whether a subject is one on which answers to service requests are published. If it belongs to no request, it is an
 * ordinary subject.
 */
export function isResponseSubject(bytes: Uint8Array, start: number, end: number): boolean {
  return startsWith(bytes, start, end, RESPONSE);
}
