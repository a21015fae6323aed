/**
 * Acknowledgements of JetStream: between servers a message for a consumer goes to the consumer's own subject, and its reply
 * carries the subject that its client is to see, `$JS.ACK.…@<subject>`. Whoever delivers it to a client takes the two apart.
 * Source: nats-server jsAckDeliverIdx.
 */
const PREFIX = "$JS.ACK.";
/** There are at least so many dots before the `@`. */
const DOTS_MIN = 8;

export interface AckReply {
  /** What the client answers to. */
  readonly reply: string;
  /** What it sees as the subject. */
  readonly subject: string;
}

/** The two parts of such a reply, a byte string; null for any other. */
export function splitAckReply(reply: string): AckReply | null {
  if (!reply.startsWith(PREFIX)) return null;
  const start = reply.split(".", DOTS_MIN).join(".").length;
  const at = reply.indexOf("@", start + 1);
  if (start >= reply.length || at < 0 || at === reply.length - 1) return null;
  return { reply: reply.slice(0, at), subject: reply.slice(at + 1) };
}
