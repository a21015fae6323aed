/**
 * What one user may publish, subscribe to and be sent, compiled from its permissions. Asked once per SUB and per plan,
 * not per message. Subjects and queue groups are byte strings. Source: nats-server `pubAllowedFullCheck`, `canSubscribe`, `queueMatches`.
 */
import type { Permissions, ResponsePermission, SubjectPermission } from "../config/permissions.ts";
import { byteStringOfText } from "../subject/byte_string.ts";
import { areTokensSubset, intersection, isSubset } from "../subject/subset.ts";
import { areTokensMatching } from "../subject/text.ts";

/** An entry of a list: a pattern, and after a blank the queue groups it is about, "" for none. */
interface Entry {
  readonly pattern: string;
  readonly tokens: readonly string[];
  readonly queue: string;
}

interface Rules {
  /** Null allows everything. */
  readonly allow: readonly Entry[] | null;
  readonly deny: readonly Entry[];
}

export class UserPermissions {
  readonly #publish: Rules;
  readonly #subscribe: Rules;
  /** Literal patterns of the publish lists that name no queue, for lists of thousands. */
  readonly #allowedLiterals: ReadonlySet<string>;
  /** How requests may be answered whatever the lists say; null if they may not. */
  readonly responses: ResponsePermission | null;

  constructor(permissions: Permissions) {
    const { publish, subscribe, responses } = permissions;
    this.responses = responses ?? null;
    this.#subscribe = rulesOf(subscribe);
    // Who may answer requests may publish nothing else, unless a list says so.
    const allowsNothing = responses !== undefined && publish?.allow === undefined;
    const rules = rulesOf(publish);
    this.#publish = allowsNothing ? { ...rules, allow: [] } : rules;
    this.#allowedLiterals = new Set(this.#publish.allow?.map(({ pattern }) => pattern));
  }

  /**
   * Whether the lists allow publishing to the subject, whose wildcards count as ordinary tokens. No entry matches a
   * subject with an empty token, such as the "" that a mapping leaves of a message it loses.
   */
  canPublish(subject: string): boolean {
    const { allow, deny } = this.#publish;
    const tokens = subject.split(".");
    const isAllowed =
      allow === null || this.#allowedLiterals.has(subject) || allow.some((entry) => meets(entry, tokens));
    return isAllowed && !deny.some((entry) => meets(entry, tokens));
  }

  /**
   * Whether a subscription is allowed; `queue` is "" for a plain one. One entry must allow everything that the
   * subscription can match. nats-server also lets `foo.>` through an allowed `foo.*`, which is more than that entry
   * allows. If an allowed entry about queue groups matches the subject, it decides alone; a denied entry about them
   * only adds to what is denied. As in `canPublish`, no entry matches a subject with an empty token.
   */
  canSubscribe(subject: string, queue: string): boolean {
    const { allow, deny } = this.#subscribe;
    const tokens = subject.split(".");
    if (tokens.includes("")) return allow === null;
    if (allow !== null) {
      const covering = allow.filter((entry) => areTokensSubset(tokens, entry.tokens));
      if (!isNamed(covering, queue)) return false;
    }
    return !deny.some((entry) => concerns(entry, queue) && meets(entry, tokens));
  }

  /**
   * The denied patterns that overlap an allowed subscription, with a blank between them: messages that match one of
   * them are not delivered to it. "" if there are none; `queue` is "" for a plain subscription.
   */
  filterFor(subject: string, queue: string): string {
    const met = this.#subscribe.deny.filter(
      (entry) => concerns(entry, queue) && intersection(entry.pattern, subject) !== null,
    );
    return met.map(({ pattern }) => pattern).join(" ");
  }
}

function rulesOf(permission: SubjectPermission | undefined): Rules {
  return {
    allow: permission?.allow === undefined ? null : permission.allow.map(parseEntry),
    deny: (permission?.deny ?? []).map(parseEntry),
  };
}

function parseEntry(text: string): Entry {
  // Before it is bytes: one of those of "à" would be a blank to the expression.
  const [pattern = "", queue = ""] = text.split(/\s+/).map(byteStringOfText);
  return { pattern, tokens: pattern.split("."), queue };
}

/** Whether an entry matches a subject as it is published or subscribed to, whose wildcards count as ordinary tokens. */
function meets({ tokens: wanted }: Entry, tokens: readonly string[]): boolean {
  return areTokensMatching(wanted, tokens);
}

/** Whether the entries that match a subject apply to such a subscription. */
function isNamed(entries: readonly Entry[], queue: string): boolean {
  const ofQueues = entries.filter((entry) => entry.queue !== "");
  if (queue !== "" && ofQueues.length > 0) return ofQueues.some((entry) => isQueueMatch(entry.queue, queue));
  return entries.length > ofQueues.length;
}

/** Whether an entry applies to subscriptions of this queue group: one that names no queue group applies to all. */
function concerns(entry: { readonly queue: string }, queue: string): boolean {
  return entry.queue === "" || isQueueMatch(entry.queue, queue);
}

/** Wildcards in the name of a queue group are wildcards here: `*` covers no group that is called `>`. */
function isQueueMatch(pattern: string, queue: string): boolean {
  return queue !== "" && (pattern === queue || isSubset(queue, pattern));
}
