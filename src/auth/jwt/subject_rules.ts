import { goQuoteText as quoted } from "../../protocol/go_quote.ts";
import type { Permissions, SubjectPermission } from "./claims.ts";
import type { Issues } from "./issues.ts";

/**
 * The rules of validation for subjects. They are nats-io/jwt's own, and laxer than a server's, which checks a subject
 * again when it is used.
 * Source: nats-io/jwt, types.go.
 */

export function checkSubject(subject: string, issues: Issues): void {
  if (subject === "") {
    issues.block("subject cannot be empty");
    return;
  }
  if (subject.includes(" ")) issues.block(`subject ${quoted(subject)} cannot have spaces`);
  if (subject.startsWith(".") || subject.endsWith(".")) {
    issues.block(`subject ${quoted(subject)} cannot start or end with a \`.\``);
  }
  if (subject.includes("..")) issues.block(`subject ${quoted(subject)} cannot contain consecutive \`.\``);
}

/** Whether any token of the subject is a wildcard; `>` counts only as the last one. */
export function hasWildcards(subject: string): boolean {
  const tokens = subject.split(".");
  return tokens.includes("*") || tokens.at(-1) === ">";
}

/** Whether `other` matches everything that `subject` matches, as far as a comparison token by token can tell. */
export function isContainedIn(subject: string, other: string): boolean {
  const inner = subject.split(".");
  const outer = other.split(".");
  if (inner.length > outer.length && outer.at(-1) !== ">") return false;
  if (inner.length < outer.length) return false;
  return outer.every(
    (token, i) => (i === outer.length - 1 && token === ">") || token === "*" || token === inner[i],
  );
}

/** The number of a reference `$n`; undefined if the token is not a reference. */
function referenceOf(token: string): number | undefined {
  return /^\$[+-]?\d+$/.test(token) ? Number(token.slice(1)) : undefined;
}

/** Replaces the references in `localSubject` by `*`. */
export function withoutReferences(localSubject: string): string {
  const tokens = localSubject.split(".");
  return tokens.map((token) => (referenceOf(token) === undefined ? token : "*")).join(".");
}

/** Checks an import's local subject, `renamed`, whose `$n` stand for the wildcards of `subject`. */
export function checkRenaming(renamed: string, subject: string, issues: Issues): void {
  checkSubject(renamed, issues);
  if (subject === "") issues.block("subject cannot be empty");
  if (renamed.includes(" ")) issues.block(`subject ${quoted(renamed)} cannot have spaces`);
  const endsOpen = (pattern: string) => pattern.split(".").at(-1) === ">";
  if (endsOpen(renamed) !== endsOpen(subject)) {
    issues.block("both, renaming subject and subject, need to end or not end in >");
  }

  const wildcardCount = subject.split(".").filter((token) => token === "*").length;
  let referenceCount = 0;
  for (const token of renamed.split(".")) {
    const reference = referenceOf(token);
    if (reference !== undefined && reference > wildcardCount) {
      issues.block(
        `Reference $${reference} in ${quoted(renamed)} reference * in ${quoted(subject)} that do not exist`,
      );
    } else if (reference !== undefined || token === "*") {
      referenceCount++;
    }
  }
  if (referenceCount !== wildcardCount) {
    issues.block("subject does not contain enough * or reference wildcards $[0-9]");
  }
}

export function checkPermissions({ publish, subscribe }: Permissions, issues: Issues): void {
  checkPermission(subscribe, { allowQueue: true }, issues);
  checkPermission(publish, { allowQueue: false }, issues);
}

/** Only entries of subscribe permissions may name a queue group. */
function checkPermission(
  { allow, deny }: SubjectPermission,
  options: { readonly allowQueue: boolean },
  issues: Issues,
): void {
  for (const entry of [...allow, ...deny]) {
    const words = entry.split(" ");
    if (words.length > 2) {
      issues.block(`Permission Subject "${entry}" contains too many spaces`);
      continue;
    }
    for (const word of words) checkSubject(word, issues);
    if (words.length === 2 && !options.allowQueue) {
      issues.block(`Permission Subject "${entry}" is not allowed to contain queue`);
    }
  }
}
