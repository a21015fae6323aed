import { byteStringOfText } from "../subject/byte_string.ts";
import { intersection, isSubset } from "../subject/subset.ts";
import { isLiteralText } from "../subject/text.ts";
import { compileTransform } from "../subject/transform.ts";
import type { ServiceImport, StreamImport } from "./definition.ts";
import { referenceOf } from "./import_subjects.ts";

/** Imports as a shard applies them. All subjects are byte strings. */

/** Turns the subject of a message on one side into that on the other. */
type Renaming = (subject: string) => string;

/** A stream import: which of the exporter's messages a subscription here asks for, and how they are called here. */
export class AppliedStreamImport {
  readonly definition: StreamImport;
  readonly #local: string;
  readonly #rename: Renaming;
  readonly #fromTokens: readonly string[];
  /** By place in the local subject: the number of the wildcard of `from` it comes from, 0 for none. */
  readonly #references: readonly number[];

  constructor(definition: StreamImport) {
    const { from, to, local } = definition;
    this.definition = definition;
    this.#local = byteStringOfText(local);
    this.#rename = renaming(from, to);
    this.#fromTokens = byteStringOfText(from).split(".");
    this.#references = from === to ? numberedStars(from) : to.split(".").map(referenceOf);
  }

  /** The local subject of a message that was published on `subject` in the exporting account. */
  localSubject(subject: string): string {
    return this.#rename(subject);
  }

  /**
   * The pattern to subscribe to in the exporting account so that `subscription`, a pattern here, gets what it asks for
   * and nothing else; null if it asks for nothing of this import.
   */
  exporterPattern(subscription: string): string | null {
    const common = intersection(subscription, this.#local);
    if (common === null) return null;
    const tokens = common.split(".");
    // By number of a wildcard of `from`: the token asked for.
    const wanted = new Map<number, string>();
    for (const [place, reference] of this.#references.entries()) {
      if (reference === 0) continue;
      const token = tokens[place]!;
      const before = wanted.get(reference) ?? "*";
      if (before === "*") wanted.set(reference, token);
      else if (token !== "*" && token !== before) return null;
    }
    let star = 0;
    const pattern = this.#fromTokens.flatMap((token) => {
      if (token === ">") return tokens.slice(this.#references.length - 1);
      return token === "*" ? (wanted.get(++star) ?? "*") : token;
    });
    return pattern.join(".");
  }
}

/** A service import: which messages here are requests, and how they are called in the exporting account. */
export class AppliedServiceImport {
  readonly definition: ServiceImport;
  readonly #local: string;
  readonly #rename: Renaming;

  constructor(definition: ServiceImport) {
    this.definition = definition;
    this.#local = byteStringOfText(definition.local);
    this.#rename = renaming(definition.local, definition.remote);
  }

  /** Whether a message published here on `subject` is a request. */
  covers(subject: string): boolean {
    return isSubset(subject, this.#local);
  }

  /** The subject in the exporting account, before its mappings, of a request that is covered. */
  remoteSubject(subject: string): string {
    return this.#rename(subject);
  }
}

function renaming(source: string, destination: string): Renaming {
  if (source === destination) return (subject) => subject;
  const compiled = compileTransform(source, destination);
  // A literal carries nothing over, and what is no transform of its source stands for itself.
  const constant = byteStringOfText(destination);
  if (isLiteralText(source) || "problem" in compiled) return () => constant;
  return (subject) => compiled.apply(subject.split("."), noRandom);
}

function numberedStars(pattern: string): readonly number[] {
  let star = 0;
  return pattern.split(".").map((token) => (token === "*" ? ++star : 0));
}

/** Imports have no `random`. */
function noRandom(): number {
  return 0;
}
