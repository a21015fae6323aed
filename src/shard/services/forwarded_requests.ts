/**
 * The host's side of the requests that the engine has forwarded and remembers (`engine/assembly/requests.ts`): it
 * supplies random numbers and what services are told about clients, and takes over requests that the engine does not go
 * on with.
 */
import { BASE62_DIGITS } from "../../base/nuid.ts";
import type { Engine } from "../../engine/engine.ts";
import {
  CONNECTION_DISCLOSURE,
  DISCLOSURE_BYTES,
  DISCLOSURE_KEY,
  DISCLOSURE_LENGTH,
  DISCLOSURE_TEXT,
  DISCLOSURE_TEXT_BYTES_MAX,
  REQUEST_ASKER,
  REQUEST_BYTES,
  REQUEST_DEADLINE_MS,
  REQUEST_DISCLOSURE,
  REQUEST_EXPORTER,
  REQUEST_HEAD_NEXT,
  REQUEST_NEXT,
  REQUEST_NUMBER,
  REQUEST_REPLY_LENGTH,
  REQUEST_REQUESTOR,
  REQUEST_SUBJECT_LENGTH,
  REQUEST_TEXT,
  REQUEST_THRESHOLD_MS,
  REQUESTS_COUNT,
  REQUESTS_DISCLOSURES,
  REQUESTS_DISCLOSURES_COUNT,
  REQUESTS_ENTRIES,
  REQUESTS_HAS_ASIDE,
  REQUESTS_HEADS,
  REQUESTS_HEADS_COUNT,
  REQUESTS_NOW_MS,
  REQUESTS_NUMBERS,
  REQUESTS_NUMBERS_COUNT,
  REQUESTS_RANDOM,
  REQUESTS_RANDOM_COUNT,
  REQUESTS_RANDOM_LEFT,
  REQUESTS_USED,
} from "../../memory/layout.ts";
import { SCRATCH_SUBJECT } from "../../memory/map.ts";
import type { SharedMemory } from "../../memory/shared_memory.ts";
import { byteStringOf, writeByteString } from "../../subject/byte_string.ts";
import type { Connection } from "../connection.ts";
import { NUMBER_DIGITS } from "./reply_subjects.ts";

/** A request as the engine remembers it; subjects are byte strings. */
export interface ForwardedRequest {
  /** Address of the request's entry, until it is forgotten. */
  readonly entry: number;
  readonly token: string;
  readonly exporter: number;
  readonly requestor: number;
  readonly reply: string;
  readonly isShared: boolean;
  readonly thresholdMs: number;
  readonly deadlineMs: number;
  /** Slot of the client that is told if nobody takes the request, 0 for none; and the subject that it published on. */
  readonly asker: number;
  readonly subject: string;
}

/** Which kind of text about a client services are told through an import. */
export function disclosureKind({
  share,
  isSystemExport,
}: {
  share: boolean;
  isSystemExport: boolean;
}): number {
  return (share ? DISCLOSES_ALL : 0) | (isSystemExport ? DISCLOSES_SERVER : 0);
}

const DISCLOSES_ALL = 1;
const DISCLOSES_SERVER = 2;
const DISCLOSURE_KIND_BITS = 2;

export class ForwardedRequests {
  readonly #words: Int32Array;
  readonly #bytes: Uint8Array;
  readonly #engine: Engine;
  /** Address of the region; 0 on a shard that has none. */
  readonly #region: number;
  readonly #at: number;
  /** Address at which the engine may read a reply subject. */
  readonly #scratch: number;
  readonly #firstDigit: string;
  readonly #random = new Uint32Array(REQUESTS_RANDOM_COUNT);
  #nowMs = 0;

  constructor({ words, bytes, map }: SharedMemory, engine: Engine, node: number) {
    this.#words = words;
    this.#bytes = bytes;
    this.#engine = engine;
    const { requests, scratch } = map.area(node);
    this.#region = requests;
    this.#at = requests >> 2;
    this.#scratch = scratch + SCRATCH_SUBJECT;
    this.#firstDigit = BASE62_DIGITS[node]!;
    // A shard that replaces a dead one begins anew. Pages that were never used are not to be touched.
    if (this.#get(REQUESTS_USED) !== 0) words.fill(0, this.#at, (requests + REQUESTS_DISCLOSURES) >> 2);
  }

  /** A turn begins: tells the engine the time. */
  set nowMs(nowMs: number) {
    this.#nowMs = nowMs;
    if (this.#region !== 0) this.#set(REQUESTS_NOW_MS, (nowMs % 2 ** 32) | 0);
  }

  /** Whether answers are put aside, which others must not overtake. */
  set hasAside(hasAside: boolean) {
    if (this.#region !== 0) this.#set(REQUESTS_HAS_ASIDE, hasAside ? 1 : 0);
  }

  get size(): number {
    return this.#get(REQUESTS_COUNT);
  }

  /**
   * Prepares the engine for further requests of a client through imports of a kind, by which services are told `block`.
   */
  prepare({ slot, address }: Connection, kind: number, block: Uint8Array): void {
    if (this.#region === 0 || block.length > DISCLOSURE_TEXT_BYTES_MAX) return;
    const words = this.#words;
    const entry =
      this.#region + REQUESTS_DISCLOSURES + (slot & (REQUESTS_DISCLOSURES_COUNT - 1)) * DISCLOSURE_BYTES;
    const key = (slot << DISCLOSURE_KIND_BITS) | kind;
    if (
      words[(address + CONNECTION_DISCLOSURE) >> 2] !== entry ||
      words[(entry + DISCLOSURE_KEY) >> 2] !== key
    ) {
      words[(entry + DISCLOSURE_KEY) >> 2] = key;
      words[(entry + DISCLOSURE_LENGTH) >> 2] = block.length;
      this.#bytes.set(block, entry + DISCLOSURE_TEXT);
      words[(address + CONNECTION_DISCLOSURE) >> 2] = entry;
    }
    if (this.#get(REQUESTS_RANDOM_LEFT) < REQUESTS_RANDOM_COUNT / 2) this.#fillUp();
  }

  /** Forgets a request and returns it; null for a token that is not the engine's. */
  take(token: string): ForwardedRequest | null {
    const number = numberOf(token);
    let entry =
      this.size === 0 ? 0 : this.#get(REQUESTS_NUMBERS + (number & (REQUESTS_NUMBERS_COUNT - 1)) * 4);
    while (entry !== 0 && this.#of(entry, REQUEST_NUMBER) !== number) entry = this.#of(entry, REQUEST_NEXT);
    return entry === 0 ? null : this.#forget(this.#read(entry));
  }

  /** Forgets the requests whose time is over, and returns them. */
  takeOverdue(nowMs: number): ForwardedRequest[] {
    return this.#all((entry) => this.#deadlineOf(entry) <= nowMs).map((request) => this.#forget(request));
  }

  /**
   * Forgets the requests of an account that are answered on `reply`, whose first two tokens are `head`, and returns
   * them.
   */
  takeAnsweredOn(requestor: number, reply: string, head: string): ForwardedRequest[] {
    if (this.size === 0) return [];
    return this.#byHead(
      head,
      (entry) => this.#isOf(entry, requestor) && this.#isAnsweredOn(entry, reply),
    ).map((request) => this.#forget(request));
  }

  /**
   * Forgets the requests of an account for whose reply subjects `isTaken` says true, and returns them. Only those that
   * begin with `head` are looked at, or all if it is "".
   */
  takeAnswered(requestor: number, head: string, isTaken: (reply: string) => boolean): ForwardedRequest[] {
    if (this.size === 0) return [];
    const isOf = (entry: number) => this.#isOf(entry, requestor);
    return (head === "" ? this.#all(isOf) : this.#byHead(head, isOf))
      .filter((request) => isTaken(request.reply))
      .map((request) => this.#forget(request));
  }

  all(): readonly ForwardedRequest[] {
    return this.#all(() => true);
  }

  /**
   * The requests that are wanted, judged by their entries: few of thousands may be, and reading one takes a
   * microsecond.
   */
  #all(isWanted: (entry: number) => boolean): ForwardedRequest[] {
    const requests: ForwardedRequest[] = [];
    if (this.size === 0) return requests;
    const end = this.#region + REQUESTS_ENTRIES + this.#get(REQUESTS_USED) * REQUEST_BYTES;
    for (let entry = this.#region + REQUESTS_ENTRIES; entry < end; entry += REQUEST_BYTES) {
      if (this.#of(entry, REQUEST_EXPORTER) !== 0 && isWanted(entry)) requests.push(this.#read(entry));
    }
    return requests;
  }

  #byHead(head: string, isWanted: (entry: number) => boolean): ForwardedRequest[] {
    const requests: ForwardedRequest[] = [];
    writeByteString(this.#bytes, this.#scratch, head);
    const hash = this.#engine.hash(this.#scratch, head.length);
    let entry = this.#get(REQUESTS_HEADS + (hash & (REQUESTS_HEADS_COUNT - 1)) * 4);
    for (; entry !== 0; entry = this.#of(entry, REQUEST_HEAD_NEXT))
      if (isWanted(entry)) requests.push(this.#read(entry));
    return requests;
  }

  #isOf(entry: number, requestor: number): boolean {
    return this.#of(entry, REQUEST_REQUESTOR) === requestor;
  }

  /** Compares from the end: a client's inboxes have their beginnings in common. */
  #isAnsweredOn(entry: number, reply: string): boolean {
    if (this.#of(entry, REQUEST_REPLY_LENGTH) !== reply.length) return false;
    const start = entry + REQUEST_TEXT;
    for (let i = reply.length - 1; i >= 0; i--)
      if (this.#bytes[start + i] !== reply.charCodeAt(i)) return false;
    return true;
  }

  #deadlineOf(entry: number): number {
    return this.#nowMs + ((this.#of(entry, REQUEST_DEADLINE_MS) - this.#get(REQUESTS_NOW_MS)) | 0);
  }

  #forget(request: ForwardedRequest): ForwardedRequest {
    this.#engine.forget(request.entry);
    return request;
  }

  #read(entry: number): ForwardedRequest {
    const replyEnd = entry + REQUEST_TEXT + this.#of(entry, REQUEST_REPLY_LENGTH);
    return {
      entry,
      token: this.#firstDigit + digitsOf(this.#of(entry, REQUEST_NUMBER)),
      exporter: this.#of(entry, REQUEST_EXPORTER),
      requestor: this.#of(entry, REQUEST_REQUESTOR),
      reply: byteStringOf(this.#bytes, entry + REQUEST_TEXT, replyEnd),
      isShared: (this.#of(entry, REQUEST_DISCLOSURE) & DISCLOSES_ALL) !== 0,
      thresholdMs: this.#of(entry, REQUEST_THRESHOLD_MS),
      deadlineMs: this.#deadlineOf(entry),
      asker: this.#of(entry, REQUEST_ASKER),
      subject: byteStringOf(this.#bytes, replyEnd, replyEnd + this.#of(entry, REQUEST_SUBJECT_LENGTH)),
    };
  }

  #fillUp(): void {
    crypto.getRandomValues(this.#random);
    this.#words.set(this.#random, this.#at + (REQUESTS_RANDOM >> 2));
    this.#set(REQUESTS_RANDOM_LEFT, REQUESTS_RANDOM_COUNT);
  }

  #of(entry: number, field: number): number {
    return this.#words[(entry + field) >> 2]!;
  }

  #get(field: number): number {
    return this.#region === 0 ? 0 : this.#words[this.#at + (field >> 2)]!;
  }

  #set(field: number, value: number): void {
    this.#words[this.#at + (field >> 2)] = value;
  }
}

/** The number in a token, behind its node; −1 if there is none. */
function numberOf(token: string): number {
  let number = 0;
  for (let i = 1; i <= NUMBER_DIGITS; i++) {
    const value = BASE62_DIGITS.indexOf(token[i] ?? " ");
    if (value < 0) return -1;
    number = number * BASE62_DIGITS.length + value;
  }
  return number;
}

function digitsOf(number: number): string {
  let digits = "";
  for (let left = number, i = 0; i < NUMBER_DIGITS; i++, left = Math.floor(left / BASE62_DIGITS.length))
    digits = BASE62_DIGITS[left % BASE62_DIGITS.length]! + digits;
  return digits;
}
