/**
 * Shares equal values, since most clients connect alike: a value that equals one of the last few different ones is
 * replaced by that one. So ten thousand idle connections hold a handful of CONNECT options and logins. Cold: once per
 * CONNECT.
 */
const REMEMBERED_MAX = 8;

/** Values are plain objects with the same keys that nobody changes. */
export class RecentValues<T extends object> {
  readonly #values: T[] = [];
  #oldest = 0;

  /** Returns a known value with equal members, or `value` itself, which is then remembered in place of the oldest. */
  share(value: T): T {
    const known = this.#values.find((each) => isAlike(each, value));
    if (known !== undefined) return known;
    this.#values[this.#oldest] = value;
    this.#oldest = (this.#oldest + 1) % REMEMBERED_MAX;
    return value;
  }
}

/** Whether two values are alike. Members are compared by identity, except that all empty lists are alike. */
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
