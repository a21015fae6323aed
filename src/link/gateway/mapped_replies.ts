import type { LinkClock } from "../core/link.ts";
import { mappingOf } from "./reply_mapping.ts";

/** How long a delivered reply is remembered, and how long a subscription is young enough for its replies to be mapped. */
export const MAPPED_REPLY_MS = 2000;

interface Memory {
  readonly owner: string;
  readonly reply: string;
  readonly mapped: string;
  readonly expiresMs: number;
}

/**
 * The mapped replies that were delivered in their original form within the last two seconds: who publishes to one of
 * them answers a request from another cluster, and its message goes there under the mapped subject. Any server has
 * them, with gateways or without. Source: nats-server trackGWReply.
 *
 * An owner is whose publishing counts: a connection, or an account for internal subscribers.
 */
export class MappedReplies {
  readonly #clock: LinkClock;
  readonly #forgotten: (owner: string, reply: string) => void;
  /** By owner and reply, oldest first: all live equally long. */
  readonly #memories = new Map<string, Memory>();
  #stopTimer: (() => void) | null = null;

  /** `forgotten` is told when a reply has had its time: its subject is like any other again. */
  constructor(clock: LinkClock, forgotten: (owner: string, reply: string) => void = () => {}) {
    this.#clock = clock;
    this.#forgotten = forgotten;
  }

  get size(): number {
    return this.#memories.size;
  }

  /** A message with `mappedReply` is delivered as one with `delivered`; the newest mapping of a reply counts. */
  remember(owner: string, mappedReply: string, delivered: string): void {
    const key = keyOf(owner, delivered);
    const expiresMs = this.#clock.nowMs() + MAPPED_REPLY_MS;
    this.#memories.delete(key);
    const mapped = mappingOf(mappedReply, delivered);
    this.#memories.set(key, { owner, reply: delivered, mapped, expiresMs });
    this.#stopTimer ??= this.#clock.after(MAPPED_REPLY_MS, () => this.#expire());
  }

  /** The subject that a message to `subject` takes instead, null for its own. Looks at no memory that is over. */
  mapped(owner: string, subject: string): string | null {
    const memory = this.#memories.get(keyOf(owner, subject));
    return memory === undefined || memory.expiresMs <= this.#clock.nowMs() ? null : memory.mapped;
  }

  /** Forgets everything, quietly; no timer is left. */
  stop(): void {
    this.#stopTimer?.();
    this.#stopTimer = null;
    this.#memories.clear();
  }

  #expire(): void {
    this.#stopTimer = null;
    const nowMs = this.#clock.nowMs();
    for (const [key, { owner, reply, expiresMs }] of this.#memories) {
      if (expiresMs > nowMs) {
        this.#stopTimer = this.#clock.after(expiresMs - nowMs, () => this.#expire());
        return;
      }
      this.#memories.delete(key);
      this.#forgotten(owner, reply);
    }
  }
}

/** Neither owners nor subjects contain a blank. */
function keyOf(owner: string, reply: string): string {
  return `${owner} ${reply}`;
}
