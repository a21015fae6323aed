import { areTokensSubset } from "../../subject/subset.ts";
import { isLiteralText } from "../../subject/text.ts";
import type { LinkClock } from "./link.ts";

/** Interest this young may be overtaken by a request on its way to other clusters. Source: nats-server gwRecSubExpiration. */
const RECENT_MS = 2000;

interface Pattern {
  readonly tokens: readonly string[];
  readonly atMs: number;
}

/** Of one account. */
interface Young {
  /** When each literal subject was last subscribed to, oldest first. */
  readonly literals: Map<string, number>;
  /** Oldest first. */
  readonly patterns: Pattern[];
}

/** What was subscribed to lately, by clients and behind leaf nodes: replies to it are mapped when they leave for gateways. */
export class RecentInterest {
  readonly #clock: LinkClock;
  readonly #onFlip: () => void;
  readonly #accounts = new Map<string, Young>();
  #isEmpty = true;

  /** `onFlip` is called when there is something after there was nothing, and the other way round. */
  constructor(clock: LinkClock, onFlip: () => void) {
    this.#clock = clock;
    this.#onFlip = onFlip;
  }

  get isEmpty(): boolean {
    return this.#isEmpty;
  }

  note(account: string, subject: string): void {
    const { literals, patterns } = this.#accounts.getOrInsertComputed(account, () => {
      return { literals: new Map(), patterns: [] };
    });
    const atMs = this.#clock.nowMs();
    if (!isLiteralText(subject)) patterns.push({ tokens: subject.split("."), atMs });
    else {
      literals.delete(subject);
      literals.set(subject, atMs);
    }
    if (!this.#isEmpty) return;
    this.#isEmpty = false;
    this.#onFlip();
    this.#clock.after(RECENT_MS, () => this.#forgetOld());
  }

  /** Whether a literal subject is one that somebody wants since a moment ago. */
  covers(account: string, subject: string): boolean {
    const young = this.#accounts.get(account);
    if (young === undefined) return false;
    const oldestMs = this.#clock.nowMs() - RECENT_MS;
    if ((young.literals.get(subject) ?? Number.NEGATIVE_INFINITY) >= oldestMs) return true;
    if (young.patterns.length === 0) return false;
    const tokens = subject.split(".");
    return young.patterns.some(
      ({ tokens: pattern, atMs }) => atMs >= oldestMs && areTokensSubset(tokens, pattern),
    );
  }

  #forgetOld(): void {
    const oldestMs = this.#clock.nowMs() - RECENT_MS;
    for (const [account, { literals, patterns }] of this.#accounts) {
      for (const [subject, atMs] of literals) {
        if (atMs > oldestMs) break;
        literals.delete(subject);
      }
      const first = patterns.findIndex(({ atMs }) => atMs > oldestMs);
      patterns.splice(0, first < 0 ? patterns.length : first);
      if (literals.size === 0 && patterns.length === 0) this.#accounts.delete(account);
    }
    if (this.#accounts.size > 0) {
      this.#clock.after(RECENT_MS / 4, () => this.#forgetOld());
      return;
    }
    this.#isEmpty = true;
    this.#onFlip();
  }
}
