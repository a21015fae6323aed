/** The names of hosts that links dial. Main looks them up: this thread, asleep in its poller, would not hear the answer. */
import { isIP } from "node:net";

type Done = (addresses: readonly string[], problem: string) => void;

export class HostNames {
  readonly #ask: (host: string) => void;
  /** By host: who waits for its addresses. */
  readonly #waiting = new Map<string, Done[]>();

  /** `ask` takes a question to main, whose answer comes to `answer`. */
  constructor(ask: (host: string) => void) {
    this.#ask = ask;
  }

  /** Calls back with all addresses of a host, or with none and why; at once for an address. */
  resolve(host: string, done: Done): void {
    if (isIP(host) !== 0) {
      done([host], "");
      return;
    }
    const waiting = this.#waiting.get(host);
    if (waiting !== undefined) {
      waiting.push(done);
      return;
    }
    this.#waiting.set(host, [done]);
    this.#ask(host);
  }

  /** Main's answer. One that nobody waits for was asked for by a predecessor of this thread. */
  answer(host: string, addresses: readonly string[], problem: string): void {
    const waiting = this.#waiting.get(host) ?? [];
    this.#waiting.delete(host);
    for (const done of waiting) done(addresses, problem);
  }
}
