/** Connections that are not read for a moment, because a subscriber to what they publish cannot take more. */
import type { Poller } from "../../runtime/poller.ts";
import { type Connection, STATE_CLOSING } from "../connection.ts";

/** A producer stays unread at most this long, whatever its consumers do. */
const PAUSE_MS = 10;

export class PausedProducers {
  readonly #poller: Poller;
  readonly #onResumed: (connection: Connection, pausedMs: number) => void;
  #paused: Connection[] = [];

  /** `onResumed` is told how long a connection was not read. */
  constructor(poller: Poller, onResumed: (connection: Connection, pausedMs: number) => void) {
    this.#poller = poller;
    this.#onResumed = onResumed;
  }

  get isEmpty(): boolean {
    return this.#paused.length === 0;
  }

  add(connection: Connection): void {
    const now = performance.now();
    if (connection.pausedUntilMs === 0) {
      this.#paused.push(connection);
      connection.pausedSinceMs = now;
    }
    connection.pausedUntilMs = now + PAUSE_MS;
    this.#poller.setInterest(connection.slot, false, connection.isWriteWanted);
  }

  /** Reads the connections again whose pause is over. */
  resumeDue(): void {
    if (this.isEmpty) return;
    const now = performance.now();
    this.#paused = this.#paused.filter((connection) => {
      if (connection.state >= STATE_CLOSING) return false;
      if (connection.pausedUntilMs > now) return true;
      this.#resume(connection, now);
      return false;
    });
  }

  resumeAll(): void {
    const now = performance.now();
    for (const connection of this.#paused.splice(0)) {
      if (connection.state < STATE_CLOSING) this.#resume(connection, now);
    }
  }

  #resume(connection: Connection, now: number): void {
    connection.pausedUntilMs = 0;
    this.#onResumed(connection, now - connection.pausedSinceMs);
    this.#poller.setInterest(connection.slot, !connection.isHeld, connection.isWriteWanted);
  }
}
