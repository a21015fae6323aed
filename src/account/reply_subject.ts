import { createHash } from "node:crypto";
import type { RandomBelow } from "../subject/transform.ts";

/**
 * The subjects services answer to: `_R_.<account>.<request>`, and of a request that is measured
 * `_R_.<account>.<request>.<server>.T`, by which the responder's server finds the one that measures.
 * Source: nats-server newServiceReply, getHash.
 */

const DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const TOKEN_CHARACTERS = 6;
const SERVER_HASH_CHARACTERS = 8;

const REPLY_PREFIX = "_R_.";
/** Replies of acknowledgements, which go through a service import as they are. */
const ACKNOWLEDGEMENT_PREFIX = "$JS.ACK.";

/** Makes the reply subjects of the requests that come into one account. */
export class ReplySubjects {
  /** All of them match it. */
  readonly pattern: string;
  readonly #prefix: string;
  readonly #serverHash: string;
  readonly #random: RandomBelow;

  constructor(serverHash: string, random: RandomBelow) {
    this.#serverHash = serverHash;
    this.#random = random;
    this.#prefix = `${REPLY_PREFIX}${randomToken(random)}.`;
    this.pattern = `${this.#prefix}>`;
  }

  /** A new one. That no request waits under it yet is likely, one in 62 to the power of 6, but not certain. */
  next(isMeasured: boolean): string {
    const subject = this.#prefix + randomToken(this.#random);
    return isMeasured ? `${subject}.${this.#serverHash}.T` : subject;
  }
}

function randomToken(random: RandomBelow): string {
  let token = "";
  for (let i = 0; i < TOKEN_CHARACTERS; i++) token += DIGITS[random(DIGITS.length)];
  return token;
}

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

/** By which servers call one another in subjects: `S1` is `sQnRv29R`. */
export function serverHash(serverName: string): string {
  const digest = createHash("sha256").update(serverName).digest();
  return Array.from(digest.subarray(0, SERVER_HASH_CHARACTERS), (byte) => DIGITS[byte % DIGITS.length]).join(
    "",
  );
}
