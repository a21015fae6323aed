import type { InterestKey } from "../core/link.ts";
import type { InterestOperation } from "../core/operation_arguments.ts";

interface Wish {
  readonly key: InterestKey;
  readonly weight: number;
}

/** What the interest of a peer turns into: `weight` 0 takes `key` back. */
export type WishChange = Wish;

/**
 * What one peer wants, filed under the names by which it will take it back: with kind and origin if its `LS-` names the
 * origin, else without, for such a peer says `LS+ LC $G foo` and later `LS- $G foo`.
 *
 * Source: nats-server `processRemoteSub`, `processRemoteUnsub`; clusters.md 3.11.
 */
export class PeerInterest {
  readonly #unsubscribeHasOrigin: boolean;
  readonly #wishes = new Map<string, Wish>();

  constructor(unsubscribeHasOrigin: boolean) {
    this.#unsubscribeHasOrigin = unsubscribeHasOrigin;
  }

  get size(): number {
    return this.#wishes.size;
  }

  /** What an operation changes, in order: nothing for what is known or was never said. */
  take(operation: InterestOperation): readonly WishChange[] {
    const name = this.#nameOf(operation);
    const known = this.#wishes.get(name);
    if (operation.kind === "unsubscribe") {
      this.#wishes.delete(name);
      return known === undefined ? [] : [{ key: known.key, weight: 0 }];
    }
    const { account, subject, queue, origin } = operation;
    // nats-server 2.9 makes a group with weight 0 wait for more; since 2.15 it counts as one member.
    const wish = { key: { account, subject, queue, origin }, weight: Math.max(operation.weight, 1) };
    if (known === undefined) {
      this.#wishes.set(name, wish);
      return [wish];
    }
    if (queue === "" || (known.weight === wish.weight && known.key.origin === origin)) return [];
    this.#wishes.set(name, wish);
    return known.key.origin === origin ? [wish] : [{ key: known.key, weight: 0 }, wish];
  }

  /** Forgets what is not let through any more. */
  keepOnly(passes: (subject: string) => boolean): readonly WishChange[] {
    const changes: WishChange[] = [];
    for (const [name, { key }] of [...this.#wishes]) {
      if (passes(key.subject)) continue;
      this.#wishes.delete(name);
      changes.push({ key, weight: 0 });
    }
    return changes;
  }

  #nameOf({ account, origin, subject, queue, isLeaf }: InterestOperation): string {
    const name = `${account} ${subject} ${queue}`;
    if (!this.#unsubscribeHasOrigin) return name;
    return isLeaf ? `L ${origin} ${name}` : `R ${name}`;
  }
}
