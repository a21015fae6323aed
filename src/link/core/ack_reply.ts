/**
 * Acknowledgements of JetStream. Between servers, a message for a consumer goes to the consumer's own subject, and its
 * reply carries the subject that the client is to see: `$JS.ACK.…@<subject>`. The server that delivers it to a client
 * takes the two apart.
 * Source: nats-server jsAckDeliverIdx.
 */
const PREFIX = "$JS.ACK.";
/** At least this many dots precede the `@`. */
const DOTS_MIN = 8;

export interface AckReply {
  /** The reply subject that the client sees. */
  readonly reply: string;
  /** The subject that the client sees. */
  readonly subject: string;
}

/** Splits such a reply, a byte string, into its two parts. Null for any other reply. */
export function splitAckReply(reply: string): AckReply | null {
  if (!reply.startsWith(PREFIX)) return null;
  const start = reply.split(".", DOTS_MIN).join(".").length;
  const at = reply.indexOf("@", start + 1);
  if (start >= reply.length || at < 0 || at === reply.length - 1) return null;
  return { reply: reply.slice(0, at), subject: reply.slice(at + 1) };
}
