/**
 * The reply subjects that services answer to: `_R_.<account>.<request>`, and for a request that is measured
 * `_R_.<account>.<request>.<server>.T`, which tells the responder's server who measures. Shards make them.
 * Source: nats-server newServiceReply, getHash.
 */
import { BASE62_DIGITS } from "../base/nuid.ts";

const SERVER_HASH_CHARACTERS = 8;

/** Replies of acknowledgements, which go through a service import as they are. */
const ACKNOWLEDGEMENT_PREFIX = "$JS.ACK.";

/** Whether a reply subject is left as it is when its message goes through a service import. */
export function isReplyKept(reply: string): boolean {
  return reply.startsWith(ACKNOWLEDGEMENT_PREFIX);
}

/** Whether the answer to this reply subject is measured, here or elsewhere. */
export function isMeasuredReply(reply: string): boolean {
  return reply.length > 4 && reply.endsWith(".T");
}

/** Where, in the system account, the responder's server sends its part of a latency; null for other replies. */
export function remoteLatencySubject(reply: string): string | null {
  return isMeasuredReply(reply) ? `$SYS.LATENCY.M2.${reply.split(".").at(-2)}` : null;
}

/**
 * The name of a server in subjects: `S1` is `sQnRv29R`. Made with WebCrypto, because importing node:crypto takes 9 ms
 * of a start on Bun.
 */
export async function serverHash(serverName: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(serverName));
  const bytes = new Uint8Array(digest, 0, SERVER_HASH_CHARACTERS);
  return Array.from(bytes, (byte) => BASE62_DIGITS[byte % BASE62_DIGITS.length]).join("");
}
