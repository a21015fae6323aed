import { inspect } from "node:util";
import { contains, equals, Matching } from "./equality.ts";

/** What a thrown error may be held to: part of its message, a pattern, its class, or its message and class. */
type ErrorExpectation = string | RegExp | Error | (abstract new (...parameters: never[]) => unknown);

/** The matchers of bun:test that our tests use; a new one is added here when a test needs it. */
class Matchers {
  readonly #actual: unknown;
  readonly #isNegated: boolean;

  constructor(actual: unknown, isNegated: boolean) {
    this.#actual = actual;
    this.#isNegated = isNegated;
  }

  get not(): Matchers {
    return new Matchers(this.#actual, !this.#isNegated);
  }

  toBe(expected: unknown): void {
    this.#check(Object.is(this.#actual, expected), "be", expected);
  }

  toEqual(expected: unknown): void {
    this.#check(equals(this.#actual, expected), "equal", expected);
  }

  toStrictEqual(expected: unknown): void {
    this.#check(equals(this.#actual, expected, true), "strictly equal", expected);
  }

  toMatchObject(expected: object): void {
    this.#check(contains(this.#actual, expected), "contain the object", expected);
  }

  toBeNull(): void {
    this.#check(this.#actual === null, "be null");
  }

  toBeUndefined(): void {
    this.#check(this.#actual === undefined, "be undefined");
  }

  toBeDefined(): void {
    this.#check(this.#actual !== undefined, "be defined");
  }

  toBeTruthy(): void {
    this.#check(Boolean(this.#actual), "be truthy");
  }

  toBeFalsy(): void {
    this.#check(!this.#actual, "be falsy");
  }

  toBeTrue(): void {
    this.#check(this.#actual === true, "be true");
  }

  toBeFalse(): void {
    this.#check(this.#actual === false, "be false");
  }

  toBeNaN(): void {
    this.#check(Number.isNaN(this.#actual), "be NaN");
  }

  toBeTypeOf(expected: string): void {
    this.#check(typeof this.#actual === expected, "be of type", expected);
  }

  toBeInstanceOf(expected: abstract new (...parameters: never[]) => unknown): void {
    this.#check(this.#actual instanceof expected, "be an instance of", expected);
  }

  toBeGreaterThan(expected: number | bigint): void {
    this.#check((this.#actual as number) > expected, "be greater than", expected);
  }

  toBeGreaterThanOrEqual(expected: number | bigint): void {
    this.#check((this.#actual as number) >= expected, "be greater than or equal to", expected);
  }

  toBeLessThan(expected: number | bigint): void {
    this.#check((this.#actual as number) < expected, "be less than", expected);
  }

  toBeLessThanOrEqual(expected: number | bigint): void {
    this.#check((this.#actual as number) <= expected, "be less than or equal to", expected);
  }

  toBeCloseTo(expected: number, digitCount = 2): void {
    const isClose = Math.abs((this.#actual as number) - expected) < 10 ** -digitCount / 2;
    this.#check(isClose, `be, to ${digitCount} digits,`, expected);
  }

  toMatch(expected: string | RegExp): void {
    const text = this.#actual as string;
    this.#check(
      typeof expected === "string" ? text.includes(expected) : text.search(expected) >= 0,
      "match",
      expected,
    );
  }

  toContain(expected: unknown): void {
    const isContained =
      typeof this.#actual === "string"
        ? this.#actual.includes(expected as string)
        : [...(this.#actual as Iterable<unknown>)].some((value) => Object.is(value, expected));
    this.#check(isContained, "contain", expected);
  }

  toContainEqual(expected: unknown): void {
    const isContained = [...(this.#actual as Iterable<unknown>)].some((value) => equals(value, expected));
    this.#check(isContained, "contain an equal of", expected);
  }

  toStartWith(expected: string): void {
    this.#check((this.#actual as string).startsWith(expected), "start with", expected);
  }

  toEndWith(expected: string): void {
    this.#check((this.#actual as string).endsWith(expected), "end with", expected);
  }

  toHaveLength(expected: number): void {
    this.#check((this.#actual as { length: number }).length === expected, "have the length", expected);
  }

  toHaveProperty(path: string, ...expected: [value?: unknown]): void {
    let value: unknown = this.#actual;
    let isThere = true;
    for (const key of path.split(".")) {
      isThere = isThere && value !== null && value !== undefined && key in Object(value);
      value = isThere ? (value as Record<string, unknown>)[key] : undefined;
    }
    const isRight = isThere && (expected.length === 0 || equals(value, expected[0]));
    this.#check(isRight, `have the property ${path}`, ...expected);
  }

  toThrow(expected?: ErrorExpectation): void {
    let thrown: { error: unknown } | undefined;
    try {
      (this.#actual as () => unknown)();
    } catch (error) {
      thrown = { error };
    }
    this.checkThrown(thrown, expected);
  }

  checkThrown(thrown: { error: unknown } | undefined, expected?: ErrorExpectation): void {
    const isRight = thrown !== undefined && isExpectedError(thrown.error, expected);
    const outcome = thrown === undefined ? "nothing was thrown" : `thrown: ${inspect(thrown.error)}`;
    this.#check(isRight, `throw (${outcome})`, ...(expected === undefined ? [] : [expected]));
  }

  #check(isFulfilled: boolean, verb: string, ...expected: unknown[]): void {
    if (isFulfilled !== this.#isNegated) return;
    const value = inspect(this.#actual, { depth: 6 });
    const target = expected.length === 0 ? "" : ` ${inspect(expected[0], { depth: 6 })}`;
    throw new Error(`expected ${value} ${this.#isNegated ? "not " : ""}to ${verb}${target}`);
  }
}

function isExpectedError(error: unknown, expected: ErrorExpectation | undefined): boolean {
  const message = error instanceof Error ? error.message : String(error);
  if (expected === undefined) return true;
  if (typeof expected === "string") return message.includes(expected);
  if (expected instanceof RegExp) return expected.test(message);
  if (expected instanceof Error) return message === expected.message;
  return error instanceof expected;
}

/** The same matchers, each returning a promise: they wait for `promise` first. */
type AsyncMatchers = {
  [Name in keyof Matchers]: Matchers[Name] extends (...parameters: infer Parameters) => void
    ? (...parameters: Parameters) => Promise<void>
    : AsyncMatchers;
};

type Settled = { value: unknown } | { error: unknown };

function asyncMatchers(promise: unknown, side: "resolves" | "rejects", isNegated: boolean): AsyncMatchers {
  const settle = async (): Promise<Settled> => {
    try {
      return { value: await (typeof promise === "function" ? promise() : promise) };
    } catch (error) {
      return { error };
    }
  };
  const matcher = async (name: keyof Matchers, parameters: unknown[]): Promise<void> => {
    const settled = await settle();
    if (side === "resolves" && "error" in settled) throw settled.error;
    if (side === "rejects" && "value" in settled) {
      throw new Error(`expected the promise to reject, it resolved to ${inspect(settled.value)}`);
    }
    const matchers = new Matchers("error" in settled ? settled.error : settled.value, isNegated);
    if (name === "toThrow" && "error" in settled) {
      matchers.checkThrown(settled, parameters[0] as ErrorExpectation | undefined);
      return;
    }
    (matchers[name] as (...parameters: unknown[]) => void)(...parameters);
  };
  return new Proxy({} as AsyncMatchers, {
    get(_target, name): unknown {
      if (name === "not") return asyncMatchers(promise, side, !isNegated);
      return (...parameters: unknown[]) => matcher(name as keyof Matchers, parameters);
    },
  });
}

type Expectation = Matchers & { resolves: AsyncMatchers; rejects: AsyncMatchers };

export function expect(actual?: unknown): Expectation {
  const sides = {
    resolves: asyncMatchers(actual, "resolves", false),
    rejects: asyncMatchers(actual, "rejects", false),
  };
  return Object.assign(new Matchers(actual, false), sides);
}

expect.anything = (): Matching => new Matching((actual) => actual !== null && actual !== undefined);

expect.any = (type: abstract new (...parameters: never[]) => unknown): Matching =>
  new Matching((actual) => actual instanceof type || typeof actual === type.name.toLowerCase());

expect.stringContaining = (part: string): Matching =>
  new Matching((actual) => typeof actual === "string" && actual.includes(part));

expect.stringMatching = (pattern: string | RegExp): Matching =>
  new Matching((actual) => typeof actual === "string" && new RegExp(pattern).test(actual));

expect.objectContaining = (part: object): Matching => new Matching((actual) => contains(actual, part));

expect.arrayContaining = (parts: readonly unknown[]): Matching =>
  new Matching(
    (actual) => Array.isArray(actual) && parts.every((part) => actual.some((value) => equals(value, part))),
  );

expect.unreachable = (message = "reached what should be unreachable"): never => {
  throw new Error(message);
};
