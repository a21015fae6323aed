/**
 * Logins that wait to be judged on the logins thread. They come from all shards, and each takes from 0.1 ms (a
 * signature) to a second (a bcrypt hash of high cost). So a flood of them must not keep the thread from its messages,
 * and one shard must not push aside the logins of others. A login is not judged if its connection is gone, or if it has
 * waited for as long as a login may take.
 */

export interface QueuedLogin {
  /** Logins of one lane are judged in the order they came; lanes take turns. */
  readonly lane: string;
  /** When it is too late to begin, in milliseconds of the steady clock. */
  readonly expiresAtMs: number;
  /** Whether the connection still waits for it. */
  isWanted(): boolean;
  /** Does the costly work before it returns; anything it waits for goes on by itself. */
  judge(): void;
  expire(): void;
}

export interface QueueSurroundings {
  /** Steady clock, milliseconds. */
  nowMs(): number;
  /** Calls back after the thread's other work has had its turn. */
  yield(resume: () => void): void;
}

/** After this much judging the thread's other work has its turn. */
const SLICE_MS = 5;

export class LoginQueue {
  readonly #surroundings: QueueSurroundings;
  /** Lanes with logins in them; the first is next. A Set keeps the order and finds its first entry in constant time. */
  readonly #lanes = new Map<string, Set<QueuedLogin>>();
  /** The time spent judging since the last pause. */
  #spentMs = 0;
  #isPaused = false;

  constructor(surroundings: QueueSurroundings) {
    this.#surroundings = surroundings;
  }

  add(login: QueuedLogin): void {
    this.#lanes.getOrInsertComputed(login.lane, () => new Set()).add(login);
    if (!this.#isPaused) this.#work();
  }

  #work(): void {
    for (let login = this.#take(); login !== undefined; login = this.#take()) {
      if (!login.isWanted()) continue;
      const startMs = this.#surroundings.nowMs();
      if (startMs > login.expiresAtMs) login.expire();
      else login.judge();
      this.#spentMs += this.#surroundings.nowMs() - startMs;
      if (this.#spentMs < SLICE_MS) continue;
      this.#isPaused = true;
      this.#surroundings.yield(() => {
        this.#isPaused = false;
        this.#spentMs = 0;
        this.#work();
      });
      return;
    }
  }

  /** Takes the next login. Its lane goes to the end of the line. */
  #take(): QueuedLogin | undefined {
    for (const [name, lane] of this.#lanes) {
      const [login] = lane;
      this.#lanes.delete(name);
      if (login === undefined) continue;
      lane.delete(login);
      if (lane.size > 0) this.#lanes.set(name, lane);
      return login;
    }
    return undefined;
  }
}
