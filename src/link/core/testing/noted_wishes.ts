import type { InterestKey, Link } from "../link.ts";

export interface NotedWish {
  readonly key: InterestKey;
  readonly weight: number;
}

/** What peers want, as `LinkEvents.interest` tells it. Stands in for the host's wishes in tests. */
export class NotedWishes {
  readonly #byLink = new Map<Link, Map<string, NotedWish>>();

  set(link: Link, key: InterestKey, weight: number): void {
    const wishes = this.#byLink.getOrInsertComputed(link, () => new Map());
    if (weight === 0) wishes.delete(nameOf(key));
    else wishes.set(nameOf(key), { key, weight });
  }

  forget(link: Link): void {
    this.#byLink.delete(link);
  }

  has(link: Link, key: InterestKey): boolean {
    return this.#byLink.get(link)?.has(nameOf(key)) ?? false;
  }

  list(link: Link): readonly NotedWish[] {
    return [...(this.#byLink.get(link)?.values() ?? [])];
  }
}

function nameOf({ account, subject, queue, origin }: InterestKey): string {
  return [account, subject, queue, origin].join(" ");
}
