/**
 * Takes what other servers send. The engine delivers plain messages; everything else is parsed and passed to the
 * protocol of its link. Hot: once per read.
 */
import { type Collected, fill } from "../../fabric/collected.ts";
import {
  AREA_CONTEXT,
  AREA_FULL_NODE,
  AREA_RESUME,
  AREA_SUBJECT,
  AREA_SUBJECT_HASH,
  AREA_SUBJECT_LENGTH,
  IN_PLACE_BYTES_MAX,
  INTEREST_OF_UNKNOWN_ACCOUNT,
  REASON_ACCOUNT,
  REASON_LOOK,
  REASON_MISS,
  REASON_RING_FULL,
} from "../../memory/layout.ts";
import { type Connection, STATE_CLOSING, STATE_WAITING } from "../../shard/connection.ts";
import type { LinkShard } from "../../shard/links/link_host.ts";
import type { LinkPeer } from "../core/link.ts";
import type { LinkOperation } from "../core/operation.ts";
import { parseOperation } from "../core/operation_parser.ts";
import type { AccountNames } from "./account_names.ts";
import { FILED_AT_ONCE } from "./wishes.ts";

/** A link as its bytes come in. */
export interface ReceivingLink {
  readonly connection: Connection;
  readonly peer: LinkPeer;
  /** Whether its handshake is done, so that the engine may deliver what it sends. */
  readonly isRegistered: boolean;
  /** Whether plain interest of its peer is written into the index straight from its lines. */
  readonly filesPlain: boolean;
  /** An operation too long for the receive buffer, being collected; null for none. */
  collected: Collected | null;
  /**
   * Whether it has just switched to S2, so that what its peer has sent after the current operation goes back to the
   * stream.
   */
  hasTurned: boolean;
  returnRest(start: number, end: number): void;
  /** The peer sent this operation, which is counted and traced. */
  note(operation: LinkOperation): void;
  /**
   * Lets the engine write the interest of lines in `[start, end)` into the index, as many as it can: see
   * `LinkWishes.file`.
   */
  filePlain(start: number, end: number): number;
}

export class Receiving {
  readonly #shard: LinkShard;
  readonly #words: Int32Array;
  readonly #bytes: Uint8Array;
  readonly #area: number;
  readonly #names: AccountNames;

  constructor(shard: LinkShard, names: AccountNames) {
    this.#shard = shard;
    this.#names = names;
    this.#words = shard.shared.words;
    this.#bytes = shard.shared.bytes;
    this.#area = shard.shared.map.area(shard.node).area >> 2;
  }

  /** Takes the operations in `[start, end)` of the shared memory. Returns where an incomplete operation begins. */
  receive(link: ReceivingLink, start: number, end: number): number {
    const { connection } = link;
    let at = start;
    // If it switched between two reads, after a TLS handshake, these bytes have been decoded already.
    link.hasTurned = false;
    while (at < end && connection.state < STATE_CLOSING) {
      // Stops while its login is being judged, or to give others their turn.
      if (connection.state === STATE_WAITING || (at !== start && this.#shard.outbound.isLate())) return at;
      if (link.peer.isDeaf === true) return end;
      if (link.collected !== null) {
        at += this.#collect(link, link.collected, at, end);
        continue;
      }
      if (link.isRegistered) {
        const from = at;
        at = this.#scan(connection, at, end);
        const filed = link.filesPlain && this.#isInterest(at, end) ? this.#file(link, at, end) : at;
        if (filed !== at) {
          at = filed;
          continue;
        }
        if (at !== from && this.#shard.outbound.isLate()) return at;
        if (at === end || connection.state >= STATE_CLOSING) break;
      }
      const next = this.#takeOne(link, this.#bytes, at, end);
      if (next < 0) return -next;
      at = next;
      if (link.hasTurned) {
        link.returnRest(at, end);
        return end;
      }
    }
    return end;
  }

  /** Lets the engine deliver plain messages; returns where it stopped. */
  #scan(connection: Connection, start: number, end: number): number {
    const { engine } = this.#shard;
    let at = start;
    for (;;) {
      const reason = engine.scanLink(connection.slot, at, end);
      at = this.#word(AREA_RESUME);
      switch (reason) {
        case REASON_MISS:
          if (!this.#buildPlan(connection)) return at;
          break;
        case REASON_ACCOUNT:
          if (!this.#names.learn()) return at;
          break;
        case REASON_RING_FULL:
          this.#shard.waitForRoom(this.#word(AREA_FULL_NODE));
          // Other work may have been done meanwhile; it may have closed this link.
          if (connection.state >= STATE_CLOSING) return end;
          break;
        case REASON_LOOK:
          if (this.#shard.outbound.look()) return at;
          break;
        default:
          return at;
      }
    }
  }

  /** Whether an `RS+` line begins there, which may be plain interest. */
  #isInterest(at: number, end: number): boolean {
    const bytes = this.#bytes;
    return at + 3 < end && bytes[at] === 0x52 && bytes[at + 1] === 0x53 && bytes[at + 2] === 0x2b;
  }

  /** Lets the engine write interest into the index; returns where it stopped. */
  #file(link: ReceivingLink, start: number, end: number): number {
    let at = start;
    for (;;) {
      const count = link.filePlain(at, end);
      if (count === INTEREST_OF_UNKNOWN_ACCOUNT) {
        if (!this.#names.learn()) return at;
        continue;
      }
      if (count > 0) at = this.#word(AREA_RESUME);
      if (count < FILED_AT_ONCE) return at;
    }
  }

  /** Returns false if the message has more recipients than a plan holds; it is then left to the host. */
  #buildPlan(connection: Connection): boolean {
    const { plans } = this.#shard;
    const subject = this.#word(AREA_SUBJECT);
    const length = this.#word(AREA_SUBJECT_LENGTH);
    plans.build(connection.address, this.#word(AREA_CONTEXT), subject, length, this.#word(AREA_SUBJECT_HASH));
    return !plans.hasMore;
  }

  /**
   * Takes one operation of `bytes[at, end)`. Returns where the next one begins, or the negated offset of an incomplete
   * one.
   */
  #takeOne(link: ReceivingLink, bytes: Uint8Array, at: number, end: number): number {
    const parsed = parseOperation(bytes, at, end, link.peer.rules, bytes !== this.#bytes);
    switch (parsed.state) {
      case "operation":
        link.note(parsed.operation);
        link.peer.take(parsed.operation);
        return parsed.next;
      case "error":
        link.peer.refuse(parsed.fault);
        return end;
      case "incomplete": {
        if (parsed.bytesWanted <= IN_PLACE_BYTES_MAX) return -parsed.next;
        // The part that has come moves out of the receive buffer at once.
        link.collected = { bytes: this.#shard.outbound.payloads.take(parsed.bytesWanted), filled: 0 };
        this.#collect(link, link.collected, parsed.next, end);
        return end;
      }
    }
  }

  /**
   * Takes the bytes that a collected operation still needs, and the operation once it is complete. Returns the number
   * of bytes.
   */
  #collect(link: ReceivingLink, collected: Collected, start: number, end: number): number {
    const count = fill(collected, this.#bytes, start, end);
    const { bytes, filled } = collected;
    if (filled === bytes.length) {
      link.collected = null;
      this.#takeOne(link, bytes, 0, bytes.length);
      this.#shard.outbound.payloads.release(bytes);
    }
    return count;
  }

  #word(offset: number): number {
    return this.#words[this.#area + (offset >> 2)]!;
  }
}
