/**
 * Compares patterns with patterns, over text or byte strings. Cold, except for mappings with wildcards.
 */

/**
 * Tells whether `pattern` matches every subject that `subject` matches. A literal is a pattern that matches itself. A
 * `>` in `pattern` covers everything that follows, even empty tokens. Elsewhere nothing covers an empty token.
 */
export function isSubset(subject: string, pattern: string): boolean {
  return areTokensSubset(subject.split("."), pattern.split("."));
}

/** `isSubset` for subjects that are split already. */
export function areTokensSubset(tokens: readonly string[], patternTokens: readonly string[]): boolean {
  for (const [i, wanted] of patternTokens.entries()) {
    const token = tokens[i];
    if (token === undefined || wanted === "") return false;
    if (wanted === ">") return true;
    if (token === "" || token === ">") return false;
    if (wanted !== "*" && token !== wanted) return false;
  }
  return tokens.length === patternTokens.length;
}

/**
 * The pattern that matches exactly what both patterns match; null if there is no such subject. Both must be valid for a
 * subscription.
 */
export function intersection(patternA: string, patternB: string): string | null {
  const tokensA = patternA.split(".");
  const tokensB = patternB.split(".");
  const common: string[] = [];
  for (let i = 0; i < tokensA.length && i < tokensB.length; i++) {
    const a = tokensA[i]!;
    const b = tokensB[i]!;
    if (a === ">") return [...common, ...tokensB.slice(i)].join(".");
    if (b === ">") return [...common, ...tokensA.slice(i)].join(".");
    if (a !== "*" && b !== "*" && a !== b) return null;
    common.push(a === "*" ? b : a);
  }
  return tokensA.length === tokensB.length ? common.join(".") : null;
}
