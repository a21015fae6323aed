import { areTokensSubset } from "../../subject/subset.ts";
import { isLiteralText } from "../../subject/text.ts";
import type { LinkClock } from "./link.ts";

/** Interest this young may be overtaken by a request on its way to other clusters. Source: nats-server gwRecSubExpiration. */
export const RECENT_MS = 2000;

interface Pattern {
  readonly tokens: readonly string[];
  readonly atMs: number;
}

/** Literal subjects that were subscribed to within `RECENT_MS`. It may say so of others: their replies are mapped as well. */
export interface RecentLiterals {
  note(account: string, subject: string): void;
  has(account: string, subject: string): boolean;
}

/** What was subscribed to lately, by clients and behind leaf nodes: replies to it are mapped when they leave for gateways. */
export class RecentInterest {
  readonly #clock: LinkClock;
  readonly #literals: RecentLiterals;
  readonly #onFlip: () => void;
  /** By account, oldest first. */
  readonly #patterns = new Map<string, Pattern[]>();

  /** `onFlip` is called when there are patterns after there were none, and the other way round. */
  constructor(clock: LinkClock, literals: RecentLiterals, onFlip: () => void) {
    this.#clock = clock;
    this.#literals = literals;
    this.#onFlip = onFlip;
  }

  /** A reply may match one of those: literal subjects alone do not say. */
  get hasPatterns(): boolean {
    return this.#patterns.size > 0;
  }

  note(account: string, subject: string): void {
    if (isLiteralText(subject)) {
      this.#literals.note(account, subject);
      return;
    }
    const isFirst = !this.hasPatterns;
    const atMs = this.#clock.nowMs();
    this.#patterns.getOrInsertComputed(account, () => []).push({ tokens: subject.split("."), atMs });
    if (!isFirst) return;
    this.#onFlip();
    this.#clock.after(RECENT_MS, () => this.#forgetOld());
  }

  /** Whether a literal subject is one that somebody wants since a moment ago. */
  covers(account: string, subject: string): boolean {
    if (this.#literals.has(account, subject)) return true;
    const patterns = this.#patterns.get(account);
    if (patterns === undefined) return false;
    const oldestMs = this.#clock.nowMs() - RECENT_MS;
    const tokens = subject.split(".");
    return patterns.some(({ tokens: pattern, atMs }) => atMs >= oldestMs && areTokensSubset(tokens, pattern));
  }

  #forgetOld(): void {
    const oldestMs = this.#clock.nowMs() - RECENT_MS;
    for (const [account, patterns] of this.#patterns) {
      const first = patterns.findIndex(({ atMs }) => atMs > oldestMs);
      patterns.splice(0, first < 0 ? patterns.length : first);
      if (patterns.length === 0) this.#patterns.delete(account);
    }
    if (this.hasPatterns) this.#clock.after(RECENT_MS / 4, () => this.#forgetOld());
    else this.#onFlip();
  }
}
