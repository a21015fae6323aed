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
 * Peers may want millions of subjects, so a wish is no more than its name and a number, and nearly all are plain ones whose
 * name is their subject. Source: nats-server `processRemoteSub`, `processRemoteUnsub`; clusters.md 3.11.
 */
export class PeerInterest {
  readonly #namesHaveOrigin: boolean;
  /** Members by account and name. */
  readonly #weights = new Map<string, Map<string, number>>();
  /** Origins of those whose names have none, by account and name. */
  readonly #origins = new Map<string, string>();
  #size = 0;

  /** `unsubscribeHasOrigin`: the peer's `LS-` names the origin. */
  constructor(unsubscribeHasOrigin: boolean) {
    this.#namesHaveOrigin = unsubscribeHasOrigin;
  }

  get size(): number {
    return this.#size;
  }

  /** What an operation changes, in order: nothing for what is known or was never said. */
  take(operation: InterestOperation): readonly WishChange[] {
    const { account, subject, queue, origin } = operation;
    const name = this.#nameOf(operation);
    const knownWeight = this.#weights.get(account)?.get(name) ?? 0;
    if (operation.kind === "unsubscribe") {
      if (knownWeight === 0) return NOTHING;
      const known = { account, subject, queue, origin: this.#originOf(account, name, origin) };
      this.#forget(account, name);
      return [{ key: known, weight: 0 }];
    }
    // nats-server 2.9 makes a group with weight 0 wait for more; since 2.15 it counts as one member.
    const weight = Math.max(operation.weight, 1);
    const wish = { key: { account, subject, queue, origin }, weight };
    if (knownWeight === 0) {
      this.#size++;
      this.#note(account, name, origin, weight);
      return [wish];
    }
    const knownOrigin = this.#originOf(account, name, origin);
    const isMoved = knownOrigin !== origin;
    if (queue === "" || (knownWeight === weight && !isMoved)) return NOTHING;
    this.#note(account, name, origin, weight);
    const known = { key: { account, subject, queue, origin: knownOrigin }, weight: 0 };
    return isMoved ? [known, wish] : [wish];
  }

  /** Forgets what is not let through any more. */
  keepOnly(passes: (subject: string) => boolean): readonly WishChange[] {
    return [...this.#weights.keys()].flatMap((account) => this.#keepOf(account, passes));
  }

  /** Forgets everything of an account. */
  forgetAccount(account: string): readonly WishChange[] {
    return this.#keepOf(account, () => false);
  }

  #keepOf(account: string, passes: (subject: string) => boolean): WishChange[] {
    const changes: WishChange[] = [];
    for (const name of [...(this.#weights.get(account)?.keys() ?? [])]) {
      const { subject, queue, origin: named } = partsOf(name);
      if (passes(subject)) continue;
      const origin = this.#originOf(account, name, named);
      this.#forget(account, name);
      changes.push({ key: { account, subject, queue, origin }, weight: 0 });
    }
    return changes;
  }

  /** `named`: the origin as the name has it, if names do. */
  #originOf(account: string, name: string, named: string): string {
    return this.#namesHaveOrigin ? named : (this.#origins.get(`${account} ${name}`) ?? "");
  }

  #note(account: string, name: string, origin: string, weight: number): void {
    const weights = this.#weights.get(account);
    // getOrInsertComputed() takes as long as all the rest.
    if (weights === undefined) this.#weights.set(account, new Map([[name, weight]]));
    else weights.set(name, weight);
    if (this.#namesHaveOrigin) return;
    if (origin !== "") this.#origins.set(`${account} ${name}`, origin);
    else if (this.#origins.size > 0) this.#origins.delete(`${account} ${name}`);
  }

  #forget(account: string, name: string): void {
    const weights = this.#weights.get(account)!;
    weights.delete(name);
    this.#origins.delete(`${account} ${name}`);
    this.#size--;
    if (weights.size === 0) this.#weights.delete(account);
  }

  #nameOf({ origin, subject, queue, isLeaf }: InterestOperation): string {
    const isLeafs = this.#namesHaveOrigin && isLeaf;
    return isLeafs || queue !== "" ? `${subject} ${queue} ${isLeafs ? `L ${origin}` : "R "}` : subject;
  }
}

const NOTHING: readonly WishChange[] = [];

/** What a name says: `<subject>`, or `<subject> <queue> <kind> <origin>`. */
function partsOf(name: string): {
  readonly subject: string;
  readonly queue: string;
  readonly origin: string;
} {
  const [subject = "", queue = "", , origin = ""] = name.split(" ");
  return { subject, queue, origin };
}
