import type { InterestKey } from "../core/link.ts";
import type { InterestOperation } from "../core/operation_arguments.ts";

/** What the interest of a peer turns into: `weight` 0 takes `key` back. */
export interface WishChange {
  readonly key: InterestKey;
  readonly weight: number;
}

/**
 * What one peer wants, filed under the names by which it will take it back: with kind and origin if its `LS-` names the
 * origin, else without, for such a peer says `LS+ LC $G foo` and later `LS- $G foo`.
 *
 * Peers may want millions of subjects, so a wish is no more than its name and a number.
 * Source: nats-server `processRemoteSub`, `processRemoteUnsub`; clusters.md 3.11.
 */
export class PeerInterest {
  readonly #namesHaveOrigin: boolean;
  /** Members by `<kind> <origin> <account> <subject> <queue>`. */
  readonly #weights = new Map<string, number>();
  /** Origins of those whose names have none. */
  readonly #origins = new Map<string, string>();

  /** `unsubscribeHasOrigin`: the peer's `LS-` names the origin. */
  constructor(unsubscribeHasOrigin: boolean) {
    this.#namesHaveOrigin = unsubscribeHasOrigin;
  }

  get size(): number {
    return this.#weights.size;
  }

  /** What an operation changes, in order: nothing for what is known or was never said. */
  take(operation: InterestOperation): readonly WishChange[] {
    const { account, subject, queue, origin } = operation;
    const name = this.#nameOf(operation);
    const knownWeight = this.#weights.get(name) ?? 0;
    const knownOrigin = this.#namesHaveOrigin ? origin : (this.#origins.get(name) ?? "");
    const known = { key: { account, subject, queue, origin: knownOrigin }, weight: 0 };
    if (operation.kind === "unsubscribe") {
      this.#forget(name);
      return knownWeight === 0 ? [] : [known];
    }
    // nats-server 2.9 makes a group with weight 0 wait for more; since 2.15 it counts as one member.
    const weight = Math.max(operation.weight, 1);
    const isMoved = knownWeight > 0 && knownOrigin !== origin;
    if (knownWeight > 0 && (queue === "" || (knownWeight === weight && !isMoved))) return [];
    this.#forget(name);
    this.#weights.set(name, weight);
    if (!this.#namesHaveOrigin && origin !== "") this.#origins.set(name, origin);
    const wish = { key: { account, subject, queue, origin }, weight };
    return isMoved ? [known, wish] : [wish];
  }

  /** Forgets what is not let through any more. */
  keepOnly(passes: (subject: string) => boolean): readonly WishChange[] {
    const changes: WishChange[] = [];
    for (const name of [...this.#weights.keys()]) {
      const [, named, account, subject, queue] = name.split(" ") as [string, string, string, string, string];
      if (passes(subject)) continue;
      const origin = this.#origins.get(name) ?? named;
      this.#forget(name);
      changes.push({ key: { account, subject, queue, origin }, weight: 0 });
    }
    return changes;
  }

  #forget(name: string): void {
    this.#weights.delete(name);
    this.#origins.delete(name);
  }

  #nameOf({ account, origin, subject, queue, isLeaf }: InterestOperation): string {
    const prefix = this.#namesHaveOrigin ? `${isLeaf ? "L" : "R"} ${origin}` : " ";
    return `${prefix} ${account} ${subject} ${queue}`;
  }
}
