/**
 * The ways a request goes: in its account, and by each import into another. Whether anybody is at the end of one may turn
 * out later, when another node says that nobody there took it; once the last is closed, nobody has taken the request.
 */
export class OpenWays {
  /** Slot of the client that asks. */
  readonly slot: number;
  readonly #onNobody: () => void;
  /** One of them stands for whoever still opens ways. */
  #open = 1;

  constructor(slot: number, onNobody: () => void) {
    this.slot = slot;
    this.#onNobody = onNobody;
  }

  open(): void {
    this.#open++;
  }

  /** Nobody is at the end of one; or all have been opened. */
  close(): void {
    this.#open--;
    if (this.#open === 0) this.#onNobody();
  }
}
