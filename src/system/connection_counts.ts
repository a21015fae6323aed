/**
 * When the number of an account's connections is told again though it has not changed: 30 seconds after it was last
 * told, as long as there are any. Source: nats-server sendAccConnsUpdate.
 */
export const COUNT_INTERVAL_MS = 30_000;

export class ConnectionCounts {
  readonly #toldMs = new Map<string, number>();

  /** The number of an account's connections was told; `connections` is that number. */
  note(account: string, connections: number, nowMs: number): void {
    if (connections === 0) this.#toldMs.delete(account);
    else this.#toldMs.set(account, nowMs);
  }

  /** Forgets accounts that are none of these. */
  keepOnly(accounts: ReadonlySet<string>): void {
    for (const account of this.#toldMs.keys()) if (!accounts.has(account)) this.#toldMs.delete(account);
  }

  /** Whether an account that has connections is due; one that was never told is. */
  isDue(account: string, nowMs: number): boolean {
    const toldMs = this.#toldMs.get(account);
    return toldMs === undefined || nowMs - toldMs >= COUNT_INTERVAL_MS;
  }

  /** How long until the next account is due, at most one interval. */
  waitMs(nowMs: number): number {
    let first = nowMs;
    for (const toldMs of this.#toldMs.values()) first = Math.min(first, toldMs);
    return Math.max(first + COUNT_INTERVAL_MS - nowMs, 0);
  }
}
