import type { InterestKey } from "../core/link.ts";

/** Of a subject and queue: the origins that want it; the one alone where there is but one, as nearly always. */
type Origins = string | Set<string>;

/** Subjects, or `subject queue`, of one account. */
type Wanted = Map<string, Origins>;

/**
 * What one inbound gateway has been told, or is about to be: each subject of an account, and each queue group on one,
 * once, whoever wants it and however many they are. Source: nats-server gatewayUpdateSubInterest.
 */
export class AnnouncedInterest {
  readonly #plain = new Map<string, Wanted>();
  readonly #queues = new Map<string, Wanted>();

  /** Notes a change; `first` and `last` are what the other side is to be told. */
  change(key: InterestKey, weight: number): "first" | "last" | "none" {
    const { account, subject, queue, origin } = key;
    const accounts = queue === "" ? this.#plain : this.#queues;
    const name = queue === "" ? subject : `${subject} ${queue}`;
    return weight > 0 ? add(accounts, account, name, origin) : remove(accounts, account, name, origin);
  }

  accounts(): Iterable<string> {
    return this.#plain.keys();
  }

  /** `RS+` of everything plain in the account. */
  *plainLines(account: string): Iterable<string> {
    for (const subject of this.#plain.get(account)?.keys() ?? []) yield interestLine("RS+", account, subject);
  }

  /** `RS+` of all queue groups, all accounts. */
  *queueLines(): Iterable<string> {
    for (const [account, wanted] of this.#queues) {
      for (const name of wanted.keys()) yield interestLine("RS+", account, `${name} ${GROUP_WEIGHT}`);
    }
  }
}

/** A group counts once for its cluster, however many members it has there. */
export const GROUP_WEIGHT = 1;

/** `words`: subject, queue and weight as far as the line has them. */
export function interestLine(verb: "RS+" | "RS-", account: string, words: string): string {
  return `${verb} ${account} ${words}\r\n`;
}

function add(accounts: Map<string, Wanted>, account: string, name: string, origin: string): "first" | "none" {
  let wanted = accounts.get(account);
  if (wanted === undefined) {
    wanted = new Map();
    accounts.set(account, wanted);
  }
  const origins = wanted.get(name);
  if (origins === undefined) {
    wanted.set(name, origin);
    return "first";
  }
  if (typeof origins !== "string") origins.add(origin);
  else if (origins !== origin) wanted.set(name, new Set([origins, origin]));
  return "none";
}

function remove(
  accounts: Map<string, Wanted>,
  account: string,
  name: string,
  origin: string,
): "last" | "none" {
  const wanted = accounts.get(account);
  const origins = wanted?.get(name);
  if (wanted === undefined || origins === undefined) return "none";
  if (typeof origins !== "string") origins.delete(origin);
  const isLast = typeof origins === "string" ? origins === origin : origins.size === 0;
  if (!isLast) return "none";
  wanted.delete(name);
  if (wanted.size === 0) accounts.delete(account);
  return "last";
}
