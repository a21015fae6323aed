import { isLiteralText } from "../../subject/text.ts";
import type { LinkClock } from "./link.ts";
import { RecentPatterns } from "./recent_patterns.ts";

/**
 * A request on its way to other clusters may overtake interest that is younger than this.
 * Source: nats-server gwRecSubExpiration.
 */
export const RECENT_MS = 2000;

interface NotedPattern {
  readonly account: string;
  readonly tokens: readonly string[];
  readonly atMs: number;
}

/**
 * Literal subjects that were subscribed to within `RECENT_MS`. `has` may also return true for other subjects; their
 * replies are then mapped as well.
 */
export interface RecentLiterals {
  note(account: string, subject: string): void;
  has(account: string, subject: string): boolean;
}

/**
 * The recent subscriptions of clients and of leaf nodes. A reply that matches one is mapped when it leaves for
 * gateways.
 */
export class RecentInterest {
  readonly #clock: LinkClock;
  readonly #literals: RecentLiterals;
  readonly #onFlip: () => void;
  /** By account. There are many when thousands of clients connect, and every request searches them. */
  readonly #patterns = new Map<string, RecentPatterns>();
  /** Oldest first, with one entry each time a pattern was noted. */
  readonly #noted: NotedPattern[] = [];

  /** `onFlip` is called whenever `hasPatterns` changes. */
  constructor(clock: LinkClock, literals: RecentLiterals, onFlip: () => void) {
    this.#clock = clock;
    this.#literals = literals;
    this.#onFlip = onFlip;
  }

  /** Whether there are recent patterns, which a reply may match. Literal subjects do not count. */
  get hasPatterns(): boolean {
    return this.#noted.length > 0;
  }

  note(account: string, subject: string): void {
    if (isLiteralText(subject)) {
      this.#literals.note(account, subject);
      return;
    }
    const isFirst = !this.hasPatterns;
    const atMs = this.#clock.nowMs();
    const tokens = subject.split(".");
    this.#patterns.getOrInsertComputed(account, () => new RecentPatterns()).note(tokens, atMs);
    this.#noted.push({ account, tokens, atMs });
    if (!isFirst) return;
    this.#onFlip();
    this.#clock.after(RECENT_MS, () => this.#forgetOld());
  }

  /** Whether a literal subject matches a recent subscription. */
  covers(account: string, subject: string): boolean {
    if (this.#literals.has(account, subject)) return true;
    const patterns = this.#patterns.get(account);
    return patterns?.covers(subject.split("."), this.#clock.nowMs() - RECENT_MS) ?? false;
  }

  #forgetOld(): void {
    const oldestMs = this.#clock.nowMs() - RECENT_MS;
    const first = this.#noted.findIndex(({ atMs }) => atMs > oldestMs);
    for (const { account, tokens } of this.#noted.splice(0, first < 0 ? this.#noted.length : first)) {
      const patterns = this.#patterns.get(account);
      patterns?.forget(tokens, oldestMs);
      if (patterns?.isEmpty) this.#patterns.delete(account);
    }
    if (this.hasPatterns) this.#clock.after(RECENT_MS / 4, () => this.#forgetOld());
    else this.#onFlip();
  }
}
