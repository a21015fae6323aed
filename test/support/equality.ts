/** A stand-in for a value inside an expected one, such as `expect.any(Number)`. */
export class Matching {
  readonly #accepts: (actual: unknown) => boolean;

  constructor(accepts: (actual: unknown) => boolean) {
    this.#accepts = accepts;
  }

  accepts(actual: unknown): boolean {
    return this.#accepts(actual);
  }
}

/**
 * Deep equality as bun:test has it. Unless `isStrict`, properties that are undefined count as absent
 * and the class of an object does not matter.
 */
export function equals(actual: unknown, expected: unknown, isStrict = false): boolean {
  if (expected instanceof Matching) return expected.accepts(actual);
  if (Object.is(actual, expected)) return true;
  if (!isObject(actual) || !isObject(expected)) return false;
  if (kindOf(actual) !== kindOf(expected)) return false;
  if (isStrict && Object.getPrototypeOf(actual) !== Object.getPrototypeOf(expected)) return false;
  if (actual instanceof Date) return actual.getTime() === (expected as unknown as Date).getTime();
  if (actual instanceof RegExp) return String(actual) === String(expected);
  if (actual instanceof Error) return actual.message === (expected as unknown as Error).message;
  if (actual instanceof Map) return equalMaps(actual, expected as unknown as Map<unknown, unknown>, isStrict);
  if (actual instanceof Set) return equalSets(actual, expected as unknown as Set<unknown>, isStrict);
  if (actual instanceof ArrayBuffer) {
    return equals(new Uint8Array(actual), new Uint8Array(expected as unknown as ArrayBuffer));
  }
  if (Array.isArray(actual) && actual.length !== (expected as unknown as unknown[]).length) return false;
  return equalProperties(actual, expected, isStrict);
}

/** Whether `actual` has at least what `expected` has, at every depth; arrays must match in length. */
export function contains(actual: unknown, expected: unknown): boolean {
  if (!isObject(actual) || !isObject(expected) || expected instanceof Matching)
    return equals(actual, expected);
  if (kindOf(actual) !== kindOf(expected)) return false;
  if (Array.isArray(expected) && expected.length !== (actual as unknown as unknown[]).length) return false;
  const keys = Object.keys(expected);
  if (keys.length === 0 && !Array.isArray(expected)) return kindOf(expected) === "[object Object]";
  return keys.every((key) => key in actual && contains(actual[key], expected[key]));
}

type Properties = Record<string, unknown>;

function isObject(value: unknown): value is Properties {
  return typeof value === "object" && value !== null;
}

/** `[object Array]`, `[object Uint8Array]`, …: values of two kinds are never equal. */
function kindOf(value: object): string {
  return Object.prototype.toString.call(value);
}

function equalMaps(
  actual: Map<unknown, unknown>,
  expected: Map<unknown, unknown>,
  isStrict: boolean,
): boolean {
  if (actual.size !== expected.size) return false;
  return [...actual].every(([key, value]) => expected.has(key) && equals(value, expected.get(key), isStrict));
}

function equalSets(actual: Set<unknown>, expected: Set<unknown>, isStrict: boolean): boolean {
  if (actual.size !== expected.size) return false;
  const others = [...expected];
  return [...actual].every((value) => others.some((other) => equals(value, other, isStrict)));
}

function equalProperties(actual: Properties, expected: Properties, isStrict: boolean): boolean {
  for (const key of new Set([...Object.keys(actual), ...Object.keys(expected)])) {
    if (isStrict && key in actual !== key in expected) return false;
    if (!equals(actual[key], expected[key], isStrict)) return false;
  }
  return true;
}
