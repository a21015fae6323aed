import type { InterestKey } from "../core/link.ts";
import type { InterestOperation } from "../core/operation_arguments.ts";

/** A change of a peer's wishes; `weight` 0 takes `key` back. */
export interface WishChange {
  readonly key: InterestKey;
  readonly weight: number;
}

/** The change that an operation asks for. */
export function changeOf(operation: InterestOperation): WishChange {
  const { account, subject, queue, origin } = operation;
  // nats-server 2.9 makes a group with weight 0 wait for more; since 2.15 it counts as one member.
  const weight = operation.kind === "unsubscribe" ? 0 : Math.max(operation.weight, 1);
  return { key: { account, subject, queue, origin }, weight };
}

/**
 * The interest of a peer whose `LS-` does not name the origin: it sends `LS+ LC $G foo` and later `LS- $G foo`. Its
 * interest is stored by account, subject and queue, each with one origin at a time.
 *
 * Source: nats-server `processRemoteSub`, `processRemoteUnsub`; clusters.md 3.11.
 */
export class PeerNames {
  readonly #known = new Map<string, WishChange>();

  /**
   * The changes that an operation results in, in order. Empty if it repeats what is known or takes back what was never
   * said.
   */
  take(operation: InterestOperation): readonly WishChange[] {
    const change = changeOf(operation);
    const name = nameOf(change.key);
    const known = this.#known.get(name);
    if (operation.kind === "unsubscribe") {
      if (known === undefined) return [];
      this.#known.delete(name);
      return [{ key: known.key, weight: 0 }];
    }
    if (known === undefined) {
      this.#known.set(name, change);
      return [change];
    }
    const isMoved = known.key.origin !== change.key.origin;
    if (change.key.queue === "" || (known.weight === change.weight && !isMoved)) return [];
    this.#known.set(name, change);
    return isMoved ? [{ key: known.key, weight: 0 }, change] : [change];
  }

  /** Forgets interest that is no longer wanted. */
  forget(key: InterestKey): void {
    this.#known.delete(nameOf(key));
  }
}

function nameOf({ account, subject, queue }: InterestKey): string {
  return `${account} ${subject} ${queue}`;
}
