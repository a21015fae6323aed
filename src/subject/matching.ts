// Hot: subjectMatches runs for patterns that no index holds (permissions, deny filters).

import { DOT, GREATER, STAR } from "./tokens.ts";

/**
 * Tells whether the subscription `pattern[patternStart, patternEnd)` receives a message published
 * to `literal[literalStart, literalEnd)`.
 *
 * A star in the pattern stands for one token, a final `>` for one or more. Wildcard tokens in the
 * literal are plain text: a message to `foo.*` reaches the pattern `foo.*` and not `foo.bar`. A
 * literal with an empty token reaches nobody. The pattern must satisfy `isValidSubscription`.
 */
export function subjectMatches(
  pattern: Uint8Array,
  patternStart: number,
  patternEnd: number,
  literal: Uint8Array,
  literalStart: number,
  literalEnd: number,
): boolean {
  let p = patternStart;
  let l = literalStart;
  for (;;) {
    // p and l are at the start of a token. If l = literalEnd, the last token is empty.
    const patternTokenEnd = tokenEnd(pattern, p, patternEnd);
    const first = pattern[p];
    const isSingle = patternTokenEnd === p + 1;
    if (isSingle && first === GREATER && patternTokenEnd === patternEnd) {
      return hasOnlyFullTokens(literal, l, literalEnd);
    }
    const literalTokenEnd = tokenEnd(literal, l, literalEnd);
    if (literalTokenEnd === l) return false;
    if (!(isSingle && first === STAR)) {
      if (patternTokenEnd - p !== literalTokenEnd - l) return false;
      while (p < patternTokenEnd) {
        if (pattern[p++] !== literal[l++]) return false;
      }
    }
    if (patternTokenEnd === patternEnd || literalTokenEnd === literalEnd) {
      return patternTokenEnd === patternEnd && literalTokenEnd === literalEnd;
    }
    p = patternTokenEnd + 1;
    l = literalTokenEnd + 1;
  }
}

/**
 * Tells whether some literal subject is matched by both patterns.
 *
 * Both must satisfy `isValidSubscription`; a literal is a pattern, too. Only a lone star is a wildcard. nats-server
 * takes every token that begins with a star for one here.
 */
export function subjectsCollide(
  patternA: Uint8Array,
  startA: number,
  endA: number,
  patternB: Uint8Array,
  startB: number,
  endB: number,
): boolean {
  let a = startA;
  let b = startB;
  for (;;) {
    const tokenEndA = tokenEnd(patternA, a, endA);
    const tokenEndB = tokenEnd(patternB, b, endB);
    const isSingleA = tokenEndA === a + 1;
    const isSingleB = tokenEndB === b + 1;
    // Each side still has at least one token here, which is all that `>` asks for.
    if (isSingleA && patternA[a] === GREATER) return true;
    if (isSingleB && patternB[b] === GREATER) return true;
    if (!(isSingleA && patternA[a] === STAR) && !(isSingleB && patternB[b] === STAR)) {
      if (tokenEndA - a !== tokenEndB - b) return false;
      while (a < tokenEndA) {
        if (patternA[a++] !== patternB[b++]) return false;
      }
    }
    if (tokenEndA === endA || tokenEndB === endB) return tokenEndA === endA && tokenEndB === endB;
    a = tokenEndA + 1;
    b = tokenEndB + 1;
  }
}

/** Returns the offset of the dot that ends the token starting at `from`, or `end`. */
function tokenEnd(bytes: Uint8Array, from: number, end: number): number {
  let i = from;
  while (i < end && bytes[i] !== DOT) i++;
  return i;
}

/** Tells whether `bytes[start, end)` consists of one or more tokens, none of them empty. */
function hasOnlyFullTokens(bytes: Uint8Array, start: number, end: number): boolean {
  let tokenStart = start;
  for (let i = start; i <= end; i++) {
    if (i < end && bytes[i] !== DOT) continue;
    if (i === tokenStart) return false;
    tokenStart = i + 1;
  }
  return true;
}
