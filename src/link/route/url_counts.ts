/** URLs that several members may announce. Each is known as long as one of them announces it. */
export class UrlCounts {
  readonly #counts = new Map<string, number>();

  /** In the order in which they became known. */
  get urls(): string[] {
    return [...this.#counts.keys()];
  }

  /** Adds one announcement of each URL. Returns whether any of them is new. */
  add(urls: readonly string[]): boolean {
    let isChanged = false;
    for (const url of urls) {
      const count = this.#counts.get(url) ?? 0;
      this.#counts.set(url, count + 1);
      isChanged ||= count === 0;
    }
    return isChanged;
  }

  /** Takes back one announcement of each URL. Returns whether any of them is no longer known. */
  remove(urls: readonly string[]): boolean {
    let isChanged = false;
    for (const url of urls) {
      const count = this.#counts.get(url) ?? 0;
      if (count > 1) this.#counts.set(url, count - 1);
      else isChanged = this.#counts.delete(url) || isChanged;
    }
    return isChanged;
  }
}
