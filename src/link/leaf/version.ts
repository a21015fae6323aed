/**
 * Whether `version` is at least `minimum`, both `major.minor.patch`; what follows is ignored. False if either is
 * malformed.
 */
export function isVersionAtLeast(version: string, minimum: string): boolean {
  const [have, want] = [partsOf(version), partsOf(minimum)];
  if (have === null || want === null) return false;
  const at = have.findIndex((part, i) => part !== want[i]);
  return at < 0 || have[at]! > want[at]!;
}

function partsOf(version: string): readonly number[] | null {
  const match = /^v?(\d+)(?:\.(\d+))?(?:\.(\d+))?/.exec(version);
  return match === null ? null : match.slice(1).map((part) => Number(part ?? 0));
}
