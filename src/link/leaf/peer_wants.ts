import { ERROR_MAXIMUM_SUBSCRIPTIONS, errorEntry } from "../../protocol/errors.ts";
import { isValidSubscriptionText } from "../../subject/text.ts";
import type { InterestKey } from "../core/link.ts";

/** Origin of interest whose leaf node names no cluster. */
const NO_CLUSTER = "_";

export type WantsChange =
  | { readonly kind: "changed"; readonly key: InterestKey; readonly weight: number }
  | { readonly kind: "unchanged" }
  /** What the peer and the log are told; the connection stays. */
  | {
      readonly kind: "refused";
      readonly text: string;
      readonly logText: string;
      /** How often the log says it of an account; 0 for each time. */
      readonly logEveryMs: number;
    };

/** What the peer of one leaf link wants: subjects and queue groups with their weights. */
export class PeerWants {
  readonly #account: string;
  readonly #origin: string;
  readonly #countMax: () => number;
  /** By the subject, or the subject, a blank and the queue group. */
  readonly #entries = new Map<string, { readonly key: InterestKey; weight: number }>();

  /** `countMax`: how many there may be at the time, −1 for any number. */
  constructor(account: string, cluster: string, countMax: () => number) {
    this.#account = account;
    this.#origin = cluster === "" ? NO_CLUSTER : cluster;
    this.#countMax = countMax;
  }

  get count(): number {
    return this.#entries.size;
  }

  /** Whether there are as many as there may be, or more. */
  get isFull(): boolean {
    const countMax = this.#countMax();
    return countMax >= 0 && this.#entries.size >= countMax;
  }

  get keys(): readonly InterestKey[] {
    return Array.from(this.#entries.values(), ({ key }) => key);
  }

  /** `LS+`. A repeated one replaces the weight; one of 0 counts as 1. */
  add(subject: string, queue: string, sentWeight: number): WantsChange {
    const weight = queue === "" ? 1 : Math.max(sentWeight, 1);
    const id = idOf(subject, queue);
    const known = this.#entries.get(id);
    if (known !== undefined) {
      if (known.weight === weight) return { kind: "unchanged" };
      known.weight = weight;
      return { kind: "changed", key: known.key, weight };
    }
    if (this.isFull) {
      const { wireText, logEveryMs } = errorEntry(ERROR_MAXIMUM_SUBSCRIPTIONS);
      return { kind: "refused", text: wireText!, logText: wireText!, logEveryMs };
    }
    if (!isValidSubscriptionText(subject)) {
      const logText = "Could not insert subscription: sublist: invalid subject";
      return { kind: "refused", text: "Invalid Subscription", logText, logEveryMs: 0 };
    }
    const key = { account: this.#account, subject, queue, origin: this.#origin };
    this.#entries.set(id, { key, weight });
    return { kind: "changed", key, weight };
  }

  /** `LS-`. */
  remove(subject: string, queue: string): WantsChange {
    const id = idOf(subject, queue);
    const known = this.#entries.get(id);
    if (known === undefined) return { kind: "unchanged" };
    this.#entries.delete(id);
    return { kind: "changed", key: known.key, weight: 0 };
  }
}

function idOf(subject: string, queue: string): string {
  return queue === "" ? subject : `${subject} ${queue}`;
}
