import { byteStringOfText } from "./byte_string.ts";
import { fnv1a32 } from "./fnv.ts";
import { areTokensSubset } from "./subset.ts";
import {
  type DestinationToken,
  isKnownFunction,
  looksLikeFunction,
  readDestinationToken,
  type TransformProblem,
} from "./transform_language.ts";

/** Gives integers from 0 to `bound - 1`, all equally likely. */
export type RandomBelow = (bound: number) => number;

/** `any` is the form of mappings. `strict` is that of imports, which can be reversed. */
export type TransformForm = "any" | "strict";

/** Makes one token of the destination from the tokens of a subject that the source matches. */
type Piece = (tokens: readonly string[], random: RandomBelow) => string;

/**
 * Turns the subjects that a source pattern matches into others: `orders.*.>` to `{{partition(3,1)}}.orders.$1.>`.
 *
 * Subjects are byte strings (see `byte_string.ts`), because tokens are cut and hashed by their bytes.
 */
export class SubjectTransform {
  readonly source: string;
  readonly destination: string;
  /** Whether equal subjects always have equal results. */
  readonly isDeterministic: boolean;
  readonly #sourceTokens: readonly string[];
  readonly #pieces: readonly Piece[];
  readonly #isOpen: boolean;

  /** Only `compileTransform` calls it, which checks what is assumed here. */
  constructor(source: string, destination: string, tokens: readonly DestinationToken[]) {
    this.source = source;
    this.destination = destination;
    this.isDeterministic = tokens.every(({ kind }) => kind !== "random");
    this.#sourceTokens = byteStringOfText(source).split(".");
    this.#isOpen = this.#sourceTokens.at(-1) === ">";
    const wildcards = this.#sourceTokens.flatMap((token, at) => (token === "*" ? [at] : []));
    this.#pieces = (this.#isOpen ? tokens.slice(0, -1) : tokens).map((token) => pieceOf(token, wildcards));
  }

  /** The subject that `subject` becomes, null if the source does not match it. */
  match(subject: string, random: RandomBelow): string | null {
    const tokens = subject.split(".");
    return areTokensSubset(tokens, this.#sourceTokens) ? this.apply(tokens, random) : null;
  }

  /** `match` for the tokens of a subject that the source is known to match. */
  apply(tokens: readonly string[], random: RandomBelow): string {
    const made = this.#pieces.map((piece) => piece(tokens, random));
    if (this.#isOpen) made.push(...tokens.slice(this.#sourceTokens.length - 1));
    return made.join(".");
  }
}

const BAD_SUBJECT = "invalid subject";
const BAD_DESTINATION = "invalid mapping destination";
const INVALID_TRANSFORM = `${BAD_DESTINATION}: invalid transform`;

/**
 * Compiles a transform, or says what is wrong with it. Both sides are text.
 *
 * Source: nats-server NewSubjectTransformWithStrict.
 */
export function compileTransform(
  source: string,
  destination: string,
  form: TransformForm = "any",
): SubjectTransform | TransformProblem {
  const sourceTokens = source.split(".");
  const destinationTokens = destination.split(".");
  const isOpen = sourceTokens.at(-1) === ">";
  if (!isSound(sourceTokens) || !isSound(destinationTokens)) return { problem: BAD_SUBJECT };
  if (destinationTokens.includes("*") || isOpen !== (destinationTokens.at(-1) === ">")) {
    return { problem: BAD_SUBJECT };
  }

  const wildcardCount = sourceTokens.filter((token) => token === "*").length;
  const isLiteral = wildcardCount === 0 && !isOpen;
  const tokens: DestinationToken[] = [];
  for (const text of destinationTokens) {
    const token = readDestinationToken(text);
    if ("problem" in token) return { problem: `${BAD_DESTINATION}: ${token.problem} in ${text}` };
    const problem = isLiteral
      ? problemFromLiteral(token, text)
      : problemFromPattern(token, text, wildcardCount, form);
    if (problem !== undefined) return { problem: `${BAD_DESTINATION}: ${problem}` };
    // A literal has no wildcards to choose a partition by, so those that are named have no effect.
    tokens.push(isLiteral && token.kind === "partition" ? { ...token, wildcards: [] } : token);
  }
  const referenceCount = tokens.flatMap(referencesOf).length;
  if (form === "strict" && referenceCount < wildcardCount) {
    return { problem: `${BAD_DESTINATION}: not using all of the token wildcard(s) in ${destination}` };
  }
  return new SubjectTransform(source, destination, tokens);
}

function problemFromLiteral({ kind }: DestinationToken, text: string): string | undefined {
  const needsWildcard = kind === "wildcard" || kind === "cut";
  return needsWildcard ? `wildcard index out of range in ${text}` : undefined;
}

function problemFromPattern(
  token: DestinationToken,
  text: string,
  wildcardCount: number,
  form: TransformForm,
): string | undefined {
  if (form === "strict" && token.kind !== "text" && token.kind !== "wildcard") {
    return `the only mapping function allowed for import transforms is {{Wildcard()}} in ${text}`;
  }
  const outside = referencesOf(token).find((reference) => reference > wildcardCount);
  return outside === undefined ? undefined : `wildcard index out of range in ${text}: [${outside}]`;
}

/**
 * What is wrong with a mapping of an account, or undefined. Beyond what a transform requires, its destination may
 * contain no blanks outside of functions.
 *
 * Source: nats-server ValidateMapping.
 */
export function mappingProblem(source: string, destination: string): string | undefined {
  let isOver = false;
  for (const token of destination.split(".")) {
    if (token === "") return INVALID_TRANSFORM;
    if (isOver) return `${INVALID_TRANSFORM} in ${token}`;
    if (!looksLikeFunction(token)) {
      if (/[ \t\n\f\r]/.test(token)) return INVALID_TRANSFORM;
    } else if (!isKnownFunction(token)) return `${BAD_DESTINATION}: unknown function in ${token}`;
    isOver = token === ">";
  }
  const compiled = compileTransform(source, destination);
  return "problem" in compiled ? compiled.problem : undefined;
}

/** The destination that leaves the subjects of a pattern as they are: `a.$1.$2` for `a.*.*`. */
export function numberWildcards(pattern: string): string {
  let count = 0;
  return pattern
    .split(".")
    .map((token) => (token === "*" ? `$${++count}` : token))
    .join(".");
}

/** Whether no token is empty and only the last may be `>`. Blanks are checked by the code that reads the subject. */
function isSound(tokens: readonly string[]): boolean {
  return tokens.every((token, i) => token !== "" && (token !== ">" || i === tokens.length - 1));
}

/** The wildcards that a token names, from 1. */
function referencesOf(token: DestinationToken): readonly number[] {
  switch (token.kind) {
    case "text":
    case "random":
      return [];
    case "partition":
      return token.wildcards;
    default:
      return [token.wildcard];
  }
}

/** `wildcards` are the positions of the source's stars among its tokens. */
function pieceOf(token: DestinationToken, wildcards: readonly number[]): Piece {
  // A number below 1 names the first token, wildcard or not, as in nats-server.
  const placeOf = (wildcard: number) => wildcards[wildcard - 1] ?? 0;
  switch (token.kind) {
    case "text": {
      const text = byteStringOfText(token.text);
      return () => text;
    }
    case "random":
      return (_tokens, random) => (token.bound === 0 ? "0" : String(random(Math.abs(token.bound))));
    case "partition": {
      const places = token.wildcards.map(placeOf);
      return (tokens) => {
        if (token.count === 0) return "0";
        const key =
          places.length === 0 ? tokens.join(".") : places.map((place) => tokens[place] ?? "").join("");
        return String(fnv1a32(key) % (token.count >>> 0));
      };
    }
    case "wildcard": {
      const place = placeOf(token.wildcard);
      return (tokens) => tokens[place] ?? "";
    }
    case "cut": {
      const place = placeOf(token.wildcard);
      return (tokens) => token.cut(tokens[place] ?? "");
    }
  }
}
