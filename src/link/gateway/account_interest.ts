import { isSubset } from "../../subject/subset.ts";
import { isLiteralText } from "../../subject/text.ts";

/**
 * The interest of a remote cluster in one account, as its gateway has told it. Source: nats-server outsie.
 *
 *   optimistic ──2──▶ transitioning ──3──▶ interest-only
 *        ▲                 ▲                     │
 *        └── RS-, queue    └──────────2──────────┘
 *
 * An account that the gateway has not mentioned has no object. `none` is an account that it refuses as a whole.
 */
export type InterestMode =
  /** Nothing of this account is wanted. */
  | "none"
  /** Everything that is not refused may be wanted. */
  | "optimistic"
  /** The gateway is telling all its interest. */
  | "transitioning"
  /** The gateway has told all its interest. */
  | "interest-only";

export interface QueueInterest {
  readonly subject: string;
  readonly queue: string;
}

export class AccountInterest {
  mode: InterestMode;
  /** Subjects that nobody there wants; null once the gateway tells what is wanted instead. */
  refused: Set<string> | null;
  readonly #literals = new Set<string>();
  readonly #wildcards = new Set<string>();
  readonly #queues = new Map<string, QueueInterest>();

  constructor(mode: InterestMode) {
    this.mode = mode;
    this.refused = mode === "optimistic" ? new Set() : null;
  }

  get plainCount(): number {
    return this.#literals.size + this.#wildcards.size;
  }

  get queueCount(): number {
    return this.#queues.size;
  }

  plain(): Iterable<string> {
    return [...this.#literals, ...this.#wildcards];
  }

  queues(): Iterable<QueueInterest> {
    return this.#queues.values();
  }

  hasPlain(subject: string): boolean {
    return this.#literals.has(subject) || this.#wildcards.has(subject);
  }

  /** Whether it is new. */
  addPlain(subject: string): boolean {
    if (this.hasPlain(subject)) return false;
    (isLiteralText(subject) ? this.#literals : this.#wildcards).add(subject);
    return true;
  }

  /** Whether it was there. */
  removePlain(subject: string): boolean {
    return this.#literals.delete(subject) || this.#wildcards.delete(subject);
  }

  /** Whether it is new. */
  addQueue(subject: string, queue: string): boolean {
    const key = `${subject} ${queue}`;
    if (this.#queues.has(key)) return false;
    this.#queues.set(key, { subject, queue });
    return true;
  }

  /** Whether it was there. */
  removeQueue(subject: string, queue: string): boolean {
    return this.#queues.delete(`${subject} ${queue}`);
  }

  /** Takes back the refusal of a subject, or of all subjects that a wildcard covers. Returns whether there was any. */
  unrefuse(subject: string): boolean {
    if (this.refused === null) return false;
    if (isLiteralText(subject)) return this.refused.delete(subject);
    const sizeBefore = this.refused.size;
    for (const refused of this.refused) {
      if (isSubset(refused, subject)) this.refused.delete(refused);
    }
    return this.refused.size < sizeBefore;
  }

  /** Whether a plain subscription that was told matches `subject`, a literal. */
  matchesPlain(subject: string): boolean {
    if (this.#literals.has(subject)) return true;
    for (const pattern of this.#wildcards) {
      if (isSubset(subject, pattern)) return true;
    }
    return false;
  }

  /** The queue groups whose subscriptions match `subject`, a literal; each once. */
  matchingQueues(subject: string): Set<string> {
    const matching = new Set<string>();
    for (const { subject: pattern, queue } of this.#queues.values()) {
      if (isSubset(subject, pattern)) matching.add(queue);
    }
    return matching;
  }
}
