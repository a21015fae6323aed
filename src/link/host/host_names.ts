/**
 * Resolves the names of hosts that links dial. Main looks them up, because this thread would not notice the answer
 * while it sleeps in its poller.
 */
import { isIP } from "node:net";

type Done = (addresses: readonly string[], problem: string) => void;

export class HostNames {
  readonly #ask: (host: string) => void;
  /** By host: the callbacks that wait for its addresses. */
  readonly #waiting = new Map<string, Done[]>();

  /** `ask` sends a question to main, whose answer comes to `answer`. */
  constructor(ask: (host: string) => void) {
    this.#ask = ask;
  }

  /**
   * Calls back with all addresses of a host, or with none and the reason. If `host` is an address it does so at once.
   */
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

  /** Takes main's answer. If nobody waits for it, a predecessor of this thread asked. */
  answer(host: string, addresses: readonly string[], problem: string): void {
    const waiting = this.#waiting.get(host) ?? [];
    this.#waiting.delete(host);
    for (const done of waiting) done(addresses, problem);
  }
}
