/** Longer texts are not remembered: they are rare, and would take much memory. */
const TEXT_LENGTH_MAX = 8192;

/**
 * Remembers the results of a pure function of texts, for the last `countMax` texts with a result. A result of undefined
 * is not remembered.
 */
export class Memo<T extends object> {
  readonly #compute: (text: string) => T | undefined;
  readonly #countMax: number;
  /** Oldest first. */
  readonly #known = new Map<string, T>();

  constructor(countMax: number, compute: (text: string) => T | undefined) {
    this.#compute = compute;
    this.#countMax = countMax;
  }

  of(text: string): T | undefined {
    const known = this.#known.get(text);
    if (known !== undefined) return known;
    const value = this.#compute(text);
    if (value !== undefined && text.length <= TEXT_LENGTH_MAX) this.#remember(text, value);
    return value;
  }

  #remember(text: string, value: T): void {
    const [oldest] = this.#known.keys();
    if (oldest !== undefined && this.#known.size === this.#countMax) this.#known.delete(oldest);
    this.#known.set(text, value);
  }
}
