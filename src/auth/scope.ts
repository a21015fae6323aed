import { goQuoteText } from "../protocol/go_quote.ts";
import { isValidSubscriptionText } from "../subject/text.ts";
import type { AccountClaims, SubjectPermission, UserClaims, UserRights } from "./jwt/claims.ts";

/**
 * The rights of a user that was signed with a scoped key: the template of the scope, with the user's name, tags and so
 * on filled into its subjects. Source: nats-server auth.go, processUserPermissionsTemplate; jwt, signingkeys.go.
 */

/** How many subjects one list of a template may expand to. */
const EXPANSION_MAX = 4096;

/**
 * How many characters they may have together: tenants write templates and tags, and must not fill the server's memory.
 */
const EXPANSION_CHARACTERS_MAX = 1024 * 1024;

export type Expansion =
  | { readonly ok: true; readonly rights: UserRights }
  | { readonly ok: false; readonly problem: string };

type Subject = Pick<AccountClaims, "subject" | "name"> & { readonly tags: readonly string[] };

/** The user and the account whose names and tags are filled in. */
export interface ScopeSubjects {
  readonly user: Subject;
  readonly account: Subject;
}

/** Whether a user has rights of its own, which one that takes its rights from a scope must not have. */
export function hasRightsOfItsOwn({ nats }: UserClaims): boolean {
  const { publish, subscribe, responses, maxSubscriptions, maxDataBytes, maxPayloadBytes, ...rest } = nats;
  const lists = [publish.allow, publish.deny, subscribe.allow, subscribe.deny];
  const more = [rest.sources, rest.times, rest.allowedConnectionTypes];
  return (
    [...lists, ...more].some((list) => list.length > 0) ||
    [maxSubscriptions, maxDataBytes, maxPayloadBytes].some((limit) => limit !== 0) ||
    responses !== undefined ||
    rest.timesLocation !== "" ||
    rest.bearerToken ||
    rest.proxyRequired
  );
}

/** Fills in the template; `problem` says which of its subjects cannot be. */
export function expandScope(template: UserRights, subjects: ScopeSubjects): Expansion {
  const subscribe = expandPermission(template.subscribe, subjects);
  if (typeof subscribe === "string") return { ok: false, problem: subscribe };
  const publish = expandPermission(template.publish, subjects);
  if (typeof publish === "string") return { ok: false, problem: publish };
  return { ok: true, rights: { ...template, subscribe, publish } };
}

/** The lists filled in, or what is wrong. */
function expandPermission(
  permission: SubjectPermission,
  subjects: ScopeSubjects,
): SubjectPermission | string {
  const allow = expandList(permission.allow, subjects, "drop");
  if (typeof allow === "string") return allow;
  const deny = expandList(permission.deny, subjects, "refuse");
  if (typeof deny === "string") return deny;
  // An empty list would allow everything, where the template allowed something.
  const isEmptied = permission.allow.length > 0 && allow.length === 0;
  return { allow, deny: isEmptied && !deny.includes(">") ? [...deny, ">"] : deny };
}

/** An entry that expands to nothing is dropped from a list that allows; in a list that denies it is an error. */
function expandList(
  list: readonly string[],
  subjects: ScopeSubjects,
  onInvalid: "drop" | "refuse",
): readonly string[] | string {
  if (!list.some((entry) => findPlaceholders(entry).length > 0)) return list;
  const expanded: string[] = [];
  let characterCount = 0;
  for (const entry of list) {
    const fillings = findFillings(entry, subjects, EXPANSION_MAX - expanded.length);
    if (typeof fillings === "string") return fillings;
    const undefinedTag = fillings.find(({ values }) => values.length === 0);
    if (undefinedTag !== undefined && onInvalid === "refuse") {
      const tag = goQuoteText(tagIn(undefinedTag.operation));
      return `generated invalid subject ${goQuoteText(entry)}: ${tag} is not defined`;
    }
    const drafts = fillIn(entry, fillings, EXPANSION_CHARACTERS_MAX - characterCount);
    if (drafts === undefined) return exceeding(EXPANSION_CHARACTERS_MAX);
    characterCount += lengthOf(drafts);
    const valid = drafts.filter(isValidSubscriptionText);
    if (valid.length < drafts.length && onInvalid === "refuse") return "generated invalid subject";
    expanded.push(...valid);
  }
  return expanded;
}

/** A placeholder of an entry, and what takes its place. */
interface Filling {
  readonly text: string;
  readonly operation: string;
  readonly values: readonly string[];
  /** How often it stands in the entry. */
  count: number;
}

/**
 * The values for each different placeholder, or what is wrong. A tag that stands there twice counts twice towards the
 * `subjectMax` subjects that the entry may expand to, though both places get the same value.
 */
function findFillings(
  entry: string,
  subjects: ScopeSubjects,
  subjectMax: number,
): readonly Filling[] | string {
  const fillings = new Map<string, Filling>();
  const placeholders = findPlaceholders(entry);
  if (placeholders.length > EXPANSION_MAX) return exceeding(EXPANSION_MAX);
  let subjectCount = 1;
  for (const { text, operation } of placeholders) {
    const known = fillings.get(text);
    const values = known?.values ?? valuesOf(operation, subjects);
    if (values === undefined) {
      return `template operation in ${goQuoteText(entry)}: ${goQuoteText(operation)} is not defined`;
    }
    subjectCount *= values.length || 1;
    if (subjectCount > subjectMax) return exceeding(EXPANSION_MAX);
    if (known === undefined) fillings.set(text, { text, operation, values, count: 1 });
    else known.count++;
  }
  return [...fillings.values()];
}

/** The entry with every combination of values; undefined if these hold more than `characterMax` together. */
function fillIn(
  entry: string,
  fillings: readonly Filling[],
  characterMax: number,
): readonly string[] | undefined {
  let drafts = [entry];
  for (const { text, values, count } of fillings) {
    const characterCount = lengthOf(drafts) * values.length + lengthOf(values) * count * drafts.length;
    if (characterCount > characterMax) return undefined;
    drafts = drafts.flatMap((draft) => values.map((value) => draft.replaceAll(text, () => value)));
  }
  return drafts;
}

function exceeding(limit: number): string {
  return `template expansion exceeds limit: ${limit}`;
}

function lengthOf(texts: readonly string[]): number {
  return texts.reduce((sum, text) => sum + text.length, 0);
}

interface Placeholder {
  /** With its braces. */
  readonly text: string;
  readonly operation: string;
}

/**
 * Every `{{…}}` without a closing brace inside, from left to right. By hand, in linear time: a regular expression
 * takes quadratic time for a megabyte of opening braces.
 */
function findPlaceholders(entry: string): readonly Placeholder[] {
  const found: Placeholder[] = [];
  for (let start = entry.indexOf("{{"); start >= 0; ) {
    const end = entry.indexOf("}", start + 2);
    if (end < 0) break;
    const isClosed = end > start + 2 && entry[end + 1] === "}";
    if (isClosed) {
      found.push({ text: entry.slice(start, end + 2), operation: entry.slice(start + 2, end).trim() });
    }
    start = entry.indexOf("{{", isClosed ? end + 2 : end + 1);
  }
  return found;
}

const TAG_FUNCTION = /^(account-)?tag\(.*\)$/is;

/** The values of a function. None for a tag that the user does not have; undefined if there is no such function. */
function valuesOf(operation: string, { user, account }: ScopeSubjects): readonly string[] | undefined {
  switch (operation.toLowerCase()) {
    case "name()":
      return [user.name];
    case "subject()":
      return [user.subject];
    case "account-name()":
      return [account.name];
    case "account-subject()":
      return [account.subject];
  }
  const match = TAG_FUNCTION.exec(operation);
  if (match === null) return undefined;
  const { tags } = match[1] === undefined ? user : account;
  const prefix = `${tagIn(operation).toLowerCase()}:`;
  return tags.filter((tag) => tag.startsWith(prefix)).map((tag) => tag.slice(prefix.length));
}

/** `x` of `tag(x)`. The function's name counts in lower case only; spelt otherwise it names a tag nobody has. */
function tagIn(operation: string): string {
  return operation.replace(/^(account-)?tag\(/, "").replace(/\)$/, "");
}
