import type { LinkClock } from "../link.ts";

/** Values that were set within a time, for models of what the links shard keeps in the shared memory. */
export class TimedMap {
  readonly #clock: LinkClock;
  readonly #ms: number;
  readonly #values = new Map<string, { readonly value: string; readonly atMs: number }>();

  constructor(clock: LinkClock, ms: number) {
    this.#clock = clock;
    this.#ms = ms;
  }

  set(account: string, subject: string, value: string): void {
    this.#values.set(`${account} ${subject}`, { value, atMs: this.#clock.nowMs() });
  }

  get(account: string, subject: string): string | undefined {
    const found = this.#values.get(`${account} ${subject}`);
    return found !== undefined && found.atMs + this.#ms > this.#clock.nowMs() ? found.value : undefined;
  }
}
