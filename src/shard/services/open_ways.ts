/**
 * The ways of a request: one in its own account, and one for each import into another. That nobody is at the end of a
 * way may turn out later, when another node says so. Once the last way is closed, nobody has taken the request.
 */
export class OpenWays {
  /** Slot of the client that asks. */
  readonly slot: number;
  readonly #onNobody: () => void;
  /** Number of open ways; one more while ways are still being opened. */
  #open = 1;

  constructor(slot: number, onNobody: () => void) {
    this.slot = slot;
    this.#onNobody = onNobody;
  }

  open(): void {
    this.#open++;
  }

  /** Closes a way, since nobody is at its end; or the one that stands for opening, once all ways are open. */
  close(): void {
    this.#open--;
    if (this.#open === 0) this.#onNobody();
  }
}
