// The rules of tokens.ts and matching.ts for subjects that come as text: from the configuration, from JWTs, or from the
// embedding program. Cold.

import { subjectsCollide } from "./matching.ts";

const encoder = new TextEncoder();

/** White space, an empty token, or a `>` that is not the last. */
const IS_NO_SUBSCRIPTION = /[ \t\r\n\f]|^\.|^$|\.\.|\.$|^>\.|\.>\./;
const HAS_WILDCARD_TOKEN = /(?:^|\.)[*>](?:\.|$)/;

/**
 * `isValidSubscription` for text. Text has not gone through a line parser, so white space is refused here (including
 * form feed, as in nats-server).
 */
export function isValidSubscriptionText(subject: string): boolean {
  return !IS_NO_SUBSCRIPTION.test(subject);
}

/** `isLiteral` for text or a byte string. */
export function isLiteralText(subject: string): boolean {
  // Most subjects have neither character.
  return !(subject.includes("*") || subject.includes(">")) || !HAS_WILDCARD_TOKEN.test(subject);
}

/** `subjectMatches` for text or byte strings. */
export function subjectMatchesText(pattern: string, literal: string): boolean {
  return areTokensMatching(pattern.split("."), literal.split("."));
}

/** The same for subjects that are split already. */
export function areTokensMatching(pattern: readonly string[], literal: readonly string[]): boolean {
  const isOpen = pattern.at(-1) === ">";
  if (isOpen ? literal.length < pattern.length : literal.length !== pattern.length) return false;
  const fixedCount = isOpen ? pattern.length - 1 : pattern.length;
  for (let i = 0; i < literal.length; i++) {
    if (literal[i] === "") return false;
    if (i < fixedCount && pattern[i] !== "*" && pattern[i] !== literal[i]) return false;
  }
  return true;
}

/** `subjectsCollide` for text. */
export function subjectsCollideText(patternA: string, patternB: string): boolean {
  const bytesA = encoder.encode(patternA);
  const bytesB = encoder.encode(patternB);
  return subjectsCollide(bytesA, 0, bytesA.length, bytesB, 0, bytesB.length);
}
