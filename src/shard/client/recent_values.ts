/**
 * Clients mostly connect alike: whoever brings a value that equals one of the last few different ones gets that one, so
 * that ten thousand idle connections hold a handful of CONNECT options and logins. Cold: once per CONNECT.
 */
const REMEMBERED_MAX = 8;

/** Values are plain objects that nobody changes, all with the same keys. */
export class RecentValues<T extends object> {
  readonly #values: T[] = [];
  #oldest = 0;

  /** A value with equal members, or `value` itself, which is remembered in place of the oldest. */
  share(value: T): T {
    const known = this.#values.find((each) => isAlike(each, value));
    if (known !== undefined) return known;
    this.#values[this.#oldest] = value;
    this.#oldest = (this.#oldest + 1) % REMEMBERED_MAX;
    return value;
  }
}

/** Members are compared by identity, except that lists without anything in them are all alike. */
function isAlike<T extends object>(one: T, other: T): boolean {
  for (const key in one) {
    const a = one[key];
    const b = other[key];
    if (a !== b && !(isEmptyList(a) && isEmptyList(b))) return false;
  }
  return true;
}

function isEmptyList(value: unknown): boolean {
  return Array.isArray(value) && value.length === 0;
}
