import { isSubset } from "../../subject/subset.ts";

/** Interest this young may be overtaken by a request on its way to other clusters. Source: nats-server gwRecSubExpiration. */
const RECENT_MS = 2000;

interface Entry {
  readonly subject: string;
  readonly atMs: number;
}

/** What was subscribed to lately, in clients and behind leaf nodes: replies to it are mapped when they leave for gateways. */
export class RecentInterest {
  readonly #nowMs: () => number;
  /** By account; oldest first. */
  readonly #entries = new Map<string, Entry[]>();

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  note(account: string, subject: string): void {
    this.#young(account).push({ subject, atMs: this.#nowMs() });
  }

  /** Whether a literal subject is one that somebody wants since a moment ago. */
  covers(account: string, subject: string): boolean {
    return this.#young(account).some((entry) => isSubset(subject, entry.subject));
  }

  #young(account: string): Entry[] {
    const entries = this.#entries.getOrInsertComputed(account, () => []);
    const oldestMs = this.#nowMs() - RECENT_MS;
    const first = entries.findIndex(({ atMs }) => atMs >= oldestMs);
    if (first !== 0) entries.splice(0, first < 0 ? entries.length : first);
    return entries;
  }
}
