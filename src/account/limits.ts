/** The least of limits of which −1 is none. */
export function leastLimit(...limits: readonly number[]): number {
  const set = limits.filter((limit) => limit >= 0);
  return set.length === 0 ? -1 : Math.min(...set);
}
