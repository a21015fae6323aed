/** Longer texts are few, and would keep much. */
const TEXT_LENGTH_MAX = 8192;

/**
 * What a pure function makes of texts, remembered for the last `countMax` texts that it made something of; undefined is
 * nothing, and forgotten.
 */
export class Memo<T extends object> {
  readonly #compute: (text: string) => T | undefined;
  readonly #countMax: number;
  /** The oldest first. */
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
