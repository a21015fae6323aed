/**
 * The reply subjects of requests to services: `_R_.<account>.<request>`, six characters each. The first six belong to
 * an account until the process ends, the last six to a request. The first character of the request's part says which
 * shard remembers the request, the second whether that shard's engine does, and whether it must be told who answers.
 *
 * If the latency of a request is measured, its reply subject ends in `.<server>.T`, by which other servers find this
 * one.
 *
 * Source: nats-server `newServiceReply`.
 */
import { isMeasuredReply } from "../../account/reply_subject.ts";
import { BASE62_DIGITS } from "../../base/nuid.ts";
import { REQUEST_ACCOUNT_BYTES, REQUEST_NUMBERS_MAX } from "../../memory/layout.ts";
import { byteStringOf, bytesOf } from "../../subject/byte_string.ts";

const PREFIX = "_R_.";
const PART_LENGTH = 6;
/**
 * A token is a node and a number in base 62. Numbers whose first digit is below this one are for the engine's requests.
 */
export const NUMBER_DIGITS = PART_LENGTH - 1;
const HOST_DIGIT_FIRST = REQUEST_NUMBERS_MAX / BASE62_DIGITS.length ** (NUMBER_DIGITS - 1);
/** The second character of tokens whose shard must be told who answers, though that request is not measured itself. */
const NAMING_DIGIT = BASE62_DIGITS.length - 1;
const TOKEN_START = PREFIX.length + PART_LENGTH + 1;
const TOKEN_END = TOKEN_START + PART_LENGTH;
/** Tokens for which random bytes are fetched at once: a call for them costs as much as the rest of a token. */
const TOKENS_AT_ONCE = 256;

export class ReplySubjects {
  readonly #secret: Uint32Array;
  readonly #measured: string;
  readonly #node: number;
  readonly #prefixes = new Map<number, string>();
  readonly #random = new Uint8Array(PART_LENGTH * TOKENS_AT_ONCE);
  #randomUsed = this.#random.length;

  /** The secret is the same on all shards, and nobody else knows it. */
  constructor(secret: readonly number[], serverHash: string, node: number) {
    this.#secret = Uint32Array.from(secret);
    this.#measured = `.${serverHash}.T`;
    this.#node = node;
  }

  /** Makes a token of six characters that no pending request has. `isNaming`: see `NAMING_DIGIT`. */
  newToken(isTaken: (token: string) => boolean, isNaming = false): string {
    for (;;) {
      if (this.#randomUsed === this.#random.length) {
        crypto.getRandomValues(this.#random);
        this.#randomUsed = 0;
      }
      const second = HOST_DIGIT_FIRST + (this.#random[this.#randomUsed]! % (NAMING_DIGIT - HOST_DIGIT_FIRST));
      let token = BASE62_DIGITS[this.#node]! + BASE62_DIGITS[isNaming ? NAMING_DIGIT : second]!;
      for (let i = token.length; i < PART_LENGTH; i++)
        token += BASE62_DIGITS[this.#random[this.#randomUsed + i]! % BASE62_DIGITS.length];
      this.#randomUsed += PART_LENGTH;
      if (!isTaken(token)) return token;
    }
  }

  /** The reply subject of a request, as the account that is asked sees it. */
  subjectOf(account: number, { token, measurement }: { token: string; measurement: object | null }): string {
    return `${this.#prefixOf(account)}${token}${measurement === null ? "" : this.#measured}`;
  }

  /** The node that remembers the request; −1 for a subject that is not this server's. */
  nodeOf(account: number, subject: string): number {
    const token = this.tokenOf(account, subject);
    return token === "" ? -1 : BASE62_DIGITS.indexOf(token[0]!);
  }

  /** The request's part of a reply subject; "" for a subject that is not one of the account's. */
  tokenOf(account: number, subject: string): string {
    if (subject.length < TOKEN_END || !subject.startsWith(this.#prefixOf(account))) return "";
    const rest = subject.slice(TOKEN_END);
    return rest === "" || rest === this.#measured ? subject.slice(TOKEN_START, TOKEN_END) : "";
  }

  /** Whether the shard that remembers a request must be told who answers it. */
  isNaming(account: number, subject: string): boolean {
    return isMeasuredReply(subject) || this.tokenOf(account, subject)[1] === BASE62_DIGITS[NAMING_DIGIT];
  }

  /** The constant beginning of all reply subjects for requests to an account on this shard. */
  headOf(account: number): Uint8Array {
    return bytesOf(this.#prefixOf(account) + BASE62_DIGITS[this.#node]);
  }

  /** Whether a subject is the prefix that all reply subjects of the account have in common. */
  isPrefixOf(account: number, bytes: Uint8Array, start: number, end: number): boolean {
    return (
      end - start === REQUEST_ACCOUNT_BYTES && byteStringOf(bytes, start, end) === this.#prefixOf(account)
    );
  }

  /** The pattern that all reply subjects of an account match. */
  patternOf(account: number): string {
    return `${this.#prefixOf(account)}>`;
  }

  /** `_R_.<account>.` */
  #prefixOf(account: number): string {
    return this.#prefixes.getOrInsertComputed(account, () => {
      let part = "";
      for (let i = 0; i < PART_LENGTH; i++)
        part += BASE62_DIGITS[this.#mix(account, i) % BASE62_DIGITS.length];
      return `${PREFIX}${part}.`;
    });
  }

  #mix(account: number, position: number): number {
    let state = this.#secret[position % this.#secret.length]! ^ Math.imul(account + 1, 0x9e3779b1);
    state = Math.imul(state ^ (state >>> 16), 0x85ebca6b);
    state = Math.imul(state ^ (state >>> 13), 0xc2b2ae35) + position;
    return (state ^ (state >>> 16)) >>> 0;
  }
}
