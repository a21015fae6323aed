// The rules of tokens.ts and matching.ts for subjects that come as text: from the configuration,
// from JWTs, from the embedding program. Cold.

import { subjectMatches, subjectsCollide } from "./matching.ts";
import { isLiteral, isValidSubscription } from "./tokens.ts";

const encoder = new TextEncoder();

/**
 * `isValidSubscription` for text. Text has not been through a line parser, so white space (with
 * form feed, as in nats-server) is refused here.
 */
export function isValidSubscriptionText(subject: string): boolean {
  if (/[ \t\r\n\f]/.test(subject)) return false;
  const bytes = encoder.encode(subject);
  return isValidSubscription(bytes, 0, bytes.length);
}

/** `isLiteral` for text. */
export function isLiteralText(subject: string): boolean {
  const bytes = encoder.encode(subject);
  return isLiteral(bytes, 0, bytes.length);
}

/** Whether a token of a subject, text or a byte string, is a wildcard. */
export function hasWildcard(subject: string): boolean {
  return subject.split(".").some((token) => token === "*" || token === ">");
}

/** `subjectMatches` for text. */
export function subjectMatchesText(pattern: string, literal: string): boolean {
  const patternBytes = encoder.encode(pattern);
  const literalBytes = encoder.encode(literal);
  return subjectMatches(patternBytes, 0, patternBytes.length, literalBytes, 0, literalBytes.length);
}

/** `subjectsCollide` for text. */
export function subjectsCollideText(patternA: string, patternB: string): boolean {
  const bytesA = encoder.encode(patternA);
  const bytesB = encoder.encode(patternB);
  return subjectsCollide(bytesA, 0, bytesA.length, bytesB, 0, bytesB.length);
}
