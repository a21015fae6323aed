// Hot: isValidPublishSubject runs once per PUB of a pedantic connection, the others once per SUB.
//
// A subject is a run of tokens separated by dots. Its bytes are arbitrary, including NUL and broken UTF-8, so
// everything here reads bytes. Four bytes cannot occur, because the caller's line parser ends words there: space, tab,
// CR, LF.

export const DOT = 0x2e;
export const STAR = 0x2a;
export const GREATER = 0x3e;

/**
 * Tells whether `bytes[start, end)` may be subscribed to: no token is empty, and only the last token may be `>`. A star
 * or `>` inside a longer token is an ordinary character.
 */
export function isValidSubscription(bytes: Uint8Array, start: number, end: number): boolean {
  let tokenStart = start;
  for (let i = start; i <= end; i++) {
    if (i < end && bytes[i] !== DOT) continue;
    if (i === tokenStart) return false;
    if (i < end && i === tokenStart + 1 && bytes[tokenStart] === GREATER) return false;
    tokenStart = i + 1;
  }
  return true;
}

/**
 * Tells whether a pedantic connection may publish to `bytes[start, end)` without a complaint: no
 * token is empty and none is exactly `*` or `>`.
 */
export function isValidPublishSubject(bytes: Uint8Array, start: number, end: number): boolean {
  let tokenStart = start;
  for (let i = start; i <= end; i++) {
    if (i < end && bytes[i] !== DOT) continue;
    if (i === tokenStart) return false;
    if (i === tokenStart + 1 && isWildcard(bytes[tokenStart]!)) return false;
    tokenStart = i + 1;
  }
  return true;
}

/**
 * Tells whether no token of `bytes[start, end)` is exactly `*` or `>`. Empty tokens are not looked for.
 */
export function isLiteral(bytes: Uint8Array, start: number, end: number): boolean {
  for (let i = start; i < end; i++) {
    if (!isWildcard(bytes[i]!)) continue;
    const startsToken = i === start || bytes[i - 1] === DOT;
    const endsToken = i + 1 === end || bytes[i + 1] === DOT;
    if (startsToken && endsToken) return false;
  }
  return true;
}

/** Counts the tokens of `bytes[start, end)`, also empty ones. The empty subject has none. */
export function tokenCount(bytes: Uint8Array, start: number, end: number): number {
  if (start === end) return 0;
  let count = 1;
  for (let i = start; i < end; i++) {
    if (bytes[i] === DOT) count++;
  }
  return count;
}

function isWildcard(byte: number): boolean {
  return byte === STAR || byte === GREATER;
}
