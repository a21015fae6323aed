import { isLiteralText } from "../../subject/text.ts";
import type { LinkClock } from "./link.ts";
import { RecentPatterns } from "./recent_patterns.ts";

/** Interest this young may be overtaken by a request on its way to other clusters. Source: nats-server gwRecSubExpiration. */
export const RECENT_MS = 2000;

interface NotedPattern {
  readonly account: string;
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
  /** By account. There are many when clients come by thousands, and every request is looked for. */
  readonly #patterns = new Map<string, RecentPatterns>();
  /** Oldest first, as often as they were noted. */
  readonly #noted: NotedPattern[] = [];

  /** `onFlip` is called when there are patterns after there were none, and the other way round. */
  constructor(clock: LinkClock, literals: RecentLiterals, onFlip: () => void) {
    this.#clock = clock;
    this.#literals = literals;
    this.#onFlip = onFlip;
  }

  /** A reply may match one of those: literal subjects alone do not say. */
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

  /** Whether a literal subject is one that somebody wants since a moment ago. */
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
