import { isLiteralText } from "../subject/text.ts";
import { compileTransform, numberWildcards } from "../subject/transform.ts";
import {
  looksLikeReference,
  readDestinationToken,
  type TransformProblem,
} from "../subject/transform_language.ts";

/**
 * The subjects of an import on its two sides. All of them are text. Source: nats-server addMappedStreamImportWithClaim,
 * addServiceImport.
 */

export interface StreamSubjects {
  /** See `StreamImport`. */
  readonly from: string;
  readonly to: string;
  readonly local: string;
}

/** The subjects of a stream that is `from` there and `to` here, or what is wrong with them. */
export function streamSubjects(from: string, to: string): StreamSubjects | TransformProblem {
  // Without a wildcard there is nothing to carry over, and `to` may say what it likes.
  if (isLiteralText(from) || from === to) return { from, to, local: to };
  const destination = numberWildcards(to);
  const compiled = compileTransform(from, destination, "strict");
  if ("problem" in compiled) return transformProblem("stream", from, to, compiled.problem);
  return { from, to: destination, local: patternOf(destination) };
}

export interface ServiceSubjects {
  /** See `ServiceImport`. */
  readonly local: string;
  readonly remote: string;
  /** The pattern of subjects in the exporting account. */
  readonly remotePattern: string;
}

/** The subjects of a service that is `local` here and `remote` there, or what is wrong with them. */
export function serviceSubjects(local: string, to: string): ServiceSubjects | TransformProblem {
  if (isLiteralText(to) || local === to) return { local, remote: to, remotePattern: to };
  const remote = patternOf(to);
  const numbered = numberWildcards(local);
  const compiled = compileTransform(remote, numbered, "strict");
  if ("problem" in compiled) return transformProblem("service", local, remote, compiled.problem);
  const pattern = patternOf(numbered);
  const destination = fillStars(remote, referencesOf(numbered));
  // With references left over nats-server delivers all requests to the pattern's very text.
  const isReversible = !("problem" in compileTransform(pattern, destination, "strict"));
  return { local: pattern, remote: isReversible ? destination : remote, remotePattern: remote };
}

function transformProblem(kind: string, from: string, to: string, problem: string): TransformProblem {
  const sides = `from ${JSON.stringify(from)} to ${JSON.stringify(to)}`;
  return { problem: `failed to create mapping transform for ${kind} import subject ${sides}: ${problem}` };
}

/** A destination as the pattern of what it makes: `in.$2.$1` as `in.*.*`. */
export function patternOf(destination: string): string {
  return destination
    .split(".")
    .map((token) => (isReference(token) ? "*" : token))
    .join(".");
}

function referencesOf(destination: string): readonly string[] {
  return destination.split(".").filter(isReference);
}

function isReference(text: string): boolean {
  return referenceOf(text) > 0 || looksLikeReference(text);
}

/** The number of the wildcard a token of a destination stands for, 0 for none. */
export function referenceOf(text: string): number {
  const token = readDestinationToken(text);
  return "kind" in token && token.kind === "wildcard" ? Math.max(token.wildcard, 0) : 0;
}

/**
 * Replaces a pattern's stars by the references, in the order in which those are written. For up to two references this
 * inverts the transform. For three in a circle (`$2.$3.$1`) it does not; neither does nats-server, and configurations
 * that work there are written for it.
 */
function fillStars(pattern: string, references: readonly string[]): string {
  const left = [...references];
  return pattern
    .split(".")
    .map((token) => (token === "*" ? (left.shift() ?? token) : token))
    .join(".");
}
