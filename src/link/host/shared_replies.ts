/**
 * Replies that cross gateways, in the tables that the engine keeps in the shared memory: which subjects were subscribed
 * to recently, and what mapped replies stood for. The host uses the same tables for what the engine leaves to it.
 */
import {
  AREA_NOW_MS,
  AREA_OWN_REPLY_PREFIX,
  MESSAGE_LINE_BYTES_MAX,
  REPLIES_HEAD,
  REPLIES_TAIL,
  REPLY_LENGTH,
  REPLY_TEXT,
} from "../../memory/layout.ts";
import { SCRATCH_SUBJECT } from "../../memory/map.ts";
import type { LinkShard } from "../../shard/links/link_host.ts";
import { byteStringOf, writeByteString } from "../../subject/byte_string.ts";
import type { LinkClock } from "../core/link.ts";
import type { RecentLiterals } from "../core/recent_interest.ts";
import type { ReplyMemory } from "../gateway/gateway_replies.ts";

/** How often expired replies are removed while no new ones come. They still count until then. */
const SWEEP_MS = 200;

export class SharedReplies implements ReplyMemory, RecentLiterals {
  readonly #shard: LinkShard;
  readonly #clock: LinkClock;
  readonly #area: number;
  readonly #scratch: number;
  #isSweeping = false;

  constructor(shard: LinkShard, clock: LinkClock) {
    this.#shard = shard;
    this.#clock = clock;
    const { area, scratch } = shard.shared.map.area(shard.node);
    this.#area = area;
    this.#scratch = scratch + SCRATCH_SUBJECT;
  }

  /** The prefix of this server's mapped replies. */
  set prefix(prefix: string) {
    writeByteString(this.#shard.shared.bytes, this.#area + AREA_OWN_REPLY_PREFIX, prefix);
  }

  /** Tells the engine the time. Called before it drains or scans. */
  tick(): void {
    this.#shard.shared.words[(this.#area + AREA_NOW_MS) >> 2] = Math.floor(this.#shard.nowMs) + 1;
  }

  note(_account: string, subject: string): void {
    if (mayBeReply(subject)) this.#shard.engine.noteYoung(this.#put(subject), subject.length);
  }

  has(_account: string, subject: string): boolean {
    return mayBeReply(subject) && this.#shard.engine.isYoung(this.#put(subject), subject.length) !== 0;
  }

  remember(account: string, mapped: string): void {
    const id = this.#shard.accounts.byByteName(account)?.id;
    if (id === undefined || !mayBeReply(mapped)) return;
    this.#shard.engine.remember(id, this.#put(mapped), mapped.length);
    this.sweepLater();
  }

  recall(account: string, subject: string): string | undefined {
    const id = this.#shard.accounts.byByteName(account)?.id;
    if (id === undefined || !mayBeReply(subject)) return undefined;
    const entry = this.#shard.engine.recall(id, this.#put(subject), subject.length);
    if (entry === 0) return undefined;
    const { bytes, words } = this.#shard.shared;
    const start = entry + REPLY_TEXT;
    return byteStringOf(bytes, start, start + words[(entry + REPLY_LENGTH) >> 2]!);
  }

  /** Makes sure that replies which the engine may have remembered are removed in time. */
  sweepLater(): void {
    if (this.#isSweeping || this.#isEmpty) return;
    this.#isSweeping = true;
    this.#clock.after(SWEEP_MS, () => {
      this.#isSweeping = false;
      this.tick();
      this.#shard.engine.forgetOver();
      this.sweepLater();
    });
  }

  get #isEmpty(): boolean {
    const { words, map } = this.#shard.shared;
    return words[(map.replies + REPLIES_HEAD) >> 2] === words[(map.replies + REPLIES_TAIL) >> 2];
  }

  /** Copies a subject to the scratch, where the engine reads it. Returns its address. */
  #put(subject: string): number {
    writeByteString(this.#shard.shared.bytes, this.#scratch, subject);
    return this.#scratch;
  }
}

/** Whether a subject is short enough for a reply, which is part of a line; subjects may be longer. */
function mayBeReply({ length }: string): boolean {
  return length <= MESSAGE_LINE_BYTES_MAX;
}
