/** What links want of accounts that nobody has defined yet: kept as it stands, not as it came about. */
import type { InterestKey, Link } from "../core/link.ts";

export interface WaitingWish {
  readonly link: Link;
  readonly key: InterestKey;
  readonly weight: number;
}

export class WaitingWishes {
  /** By account, by link, and by the rest of the key. */
  readonly #accounts = new Map<string, Map<Link, Map<string, WaitingWish>>>();

  /** Accounts that somebody waits for. */
  get accounts(): readonly string[] {
    return [...this.#accounts.keys()];
  }

  has(account: string): boolean {
    return this.#accounts.has(account);
  }

  /** `weight` 0: no more. */
  set(link: Link, key: InterestKey, weight: number): void {
    const { account, subject, queue, origin } = key;
    const name = `${subject} ${queue} ${origin}`;
    if (weight > 0) {
      const links = this.#accounts.getOrInsertComputed(account, () => new Map());
      links.getOrInsertComputed(link, () => new Map()).set(name, { link, key, weight });
      return;
    }
    const links = this.#accounts.get(account);
    const wishes = links?.get(link);
    wishes?.delete(name);
    if (wishes?.size === 0) this.#remove(account, link);
  }

  /** Everything that a link waits for. */
  of(link: Link): readonly WaitingWish[] {
    return [...this.#accounts.values()].flatMap((links) => [...(links.get(link)?.values() ?? [])]);
  }

  /** A link is gone. */
  forget(link: Link): void {
    for (const account of this.accounts) this.#remove(account, link);
  }

  /** Everything that waits for an account, which waits no more. */
  take(account: string): readonly WaitingWish[] {
    const links = this.#accounts.get(account);
    this.#accounts.delete(account);
    return [...(links?.values() ?? [])].flatMap((wishes) => [...wishes.values()]);
  }

  #remove(account: string, link: Link): void {
    const links = this.#accounts.get(account);
    links?.delete(link);
    if (links?.size === 0) this.#accounts.delete(account);
  }
}
