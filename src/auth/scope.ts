import { isValidSubscriptionText } from "../subject/text.ts";
import { goQuoteText } from "./identity.ts";
import type { AccountClaims, SubjectPermission, UserClaims, UserRights } from "./jwt/claims.ts";

/**
 * What a user gets who was signed with a scoped key: the template of the scope, with the user's name, tags and so on
 * filled into its subjects. Source: nats-server auth.go, processUserPermissionsTemplate; jwt, signingkeys.go.
 */

/** Subjects that one list of a template may come to. */
const EXPANSION_MAX = 4096;

const PLACEHOLDER = /\{\{([^}]+)\}\}/g;

export type Expansion =
  | { readonly ok: true; readonly rights: UserRights }
  | { readonly ok: false; readonly problem: string };

type Subject = Pick<AccountClaims, "subject" | "name"> & { readonly tags: readonly string[] };

/** Whose names and tags are filled in. */
export interface ScopeSubjects {
  readonly user: Subject;
  readonly account: Subject;
}

/** A user that takes its rights from a scope may bring none itself. */
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

/** An entry that comes to nothing is dropped where it would allow, but must not be where it would deny. */
function expandList(
  list: readonly string[],
  subjects: ScopeSubjects,
  onInvalid: "drop" | "refuse",
): readonly string[] | string {
  if (!list.some((entry) => entry.search(PLACEHOLDER) >= 0)) return list;
  const expanded: string[] = [];
  for (const entry of list) {
    let drafts = [entry];
    for (const [placeholder, operation = ""] of entry.matchAll(PLACEHOLDER)) {
      const values = valuesOf(operation.trim(), subjects);
      if (values === undefined) {
        return `template operation in ${goQuoteText(entry)}: ${goQuoteText(operation.trim())} is not defined`;
      }
      if (values.length === 0 && onInvalid === "refuse") {
        return `generated invalid subject ${goQuoteText(entry)}: ${goQuoteText(tagIn(operation.trim()))} is not defined`;
      }
      if (drafts.length * values.length > EXPANSION_MAX)
        return `template expansion exceeds limit: ${EXPANSION_MAX}`;
      drafts = drafts.flatMap((draft) => values.map((value) => draft.replaceAll(placeholder, () => value)));
    }
    if (expanded.length + drafts.length > EXPANSION_MAX)
      return `template expansion exceeds limit: ${EXPANSION_MAX}`;
    const valid = drafts.filter(isValidSubscriptionText);
    if (valid.length < drafts.length && onInvalid === "refuse") return "generated invalid subject";
    expanded.push(...valid);
  }
  return expanded;
}

const TAG_FUNCTION = /^(account-)?tag\(.*\)$/is;

/** What a function comes to; empty for a tag that is not there, undefined for a function that is not. */
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
