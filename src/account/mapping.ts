import type { MappingDestination, MappingOptions } from "../config/mappings.ts";
import { byteStringOfText } from "../subject/byte_string.ts";
import { areTokensSubset } from "../subject/subset.ts";
import {
  compileTransform,
  numberWildcards,
  type RandomBelow,
  type SubjectTransform,
} from "../subject/transform.ts";

/**
 * The subject mappings of one account, as they apply in one cluster.
 *
 * Subjects are byte strings. Only the first mapping whose source covers a subject applies to it.
 * Source: nats-server selectMappedSubject, AddWeightedMappings.
 */
export class AccountMappings {
  readonly #literals = new Map<string, SubjectMapping>();
  readonly #patterns: SubjectMapping[] = [];

  /** The options have passed `findMappingProblem`. If a source is listed twice, the last one counts. */
  constructor(mappings: readonly MappingOptions[], clusterName: string | undefined) {
    const bySource = new Map(mappings.map((mapping) => [mapping.source, mapping]));
    for (const [rank, { source, destinations }] of [...bySource.values()].entries()) {
      const mapping = new SubjectMapping(source, destinations, clusterName, rank);
      if (mapping.isLiteral) this.#literals.set(byteStringOfText(source), mapping);
      else this.#patterns.push(mapping);
    }
  }

  get isEmpty(): boolean {
    return this.#literals.size === 0 && this.#patterns.length === 0;
  }

  /** The mapping of a subject, undefined if it stays as it is. */
  find(subject: string): SubjectMapping | undefined {
    const literal = this.#literals.get(subject);
    if (this.#patterns.length === 0) return literal;
    const tokens = subject.split(".");
    const pattern = this.#patterns.find((mapping) => mapping.covers(tokens));
    return literal === undefined || (pattern !== undefined && pattern.rank < literal.rank)
      ? pattern
      : literal;
  }
}

/** One source and the destinations that share its messages. */
class SubjectMapping {
  /** Its place in the list. */
  readonly rank: number;
  readonly isLiteral: boolean;
  /**
   * Whether a subject is always mapped to the same one, so that the result may be remembered: no draw by weight, no
   * `random`.
   */
  readonly isDeterministic: boolean;
  readonly #sourceTokens: readonly string[];
  readonly #shares: readonly Share[];
  /** Whether there is nothing to draw. */
  readonly #hasOneFate: boolean;

  constructor(
    source: string,
    destinations: readonly MappingDestination[],
    clusterName: string | undefined,
    rank: number,
  ) {
    this.rank = rank;
    this.#sourceTokens = byteStringOfText(source).split(".");
    this.isLiteral = !this.#sourceTokens.some((token) => token === "*" || token === ">");
    this.#shares = sharesOf(source, destinations, clusterName);
    const [only, ...others] = this.#shares;
    this.#hasOneFate = only === undefined || (others.length === 0 && only.below === 100);
    this.isDeterministic = this.#hasOneFate && only?.transform.isDeterministic !== false;
  }

  /** Whether the source covers the subject with these tokens. */
  covers(tokens: readonly string[]): boolean {
    return areTokensSubset(tokens, this.#sourceTokens);
  }

  /**
   * The subject that one message is mapped to, whose own subject this mapping was found for; null if the message is
   * lost.
   */
  choose(subject: string, random: RandomBelow): string | null {
    const drawn = this.#hasOneFate ? 0 : random(100);
    const share = this.#shares.find(({ below }) => drawn < below);
    return share === undefined ? null : share.transform.apply(this.#tokensOf(subject), random);
  }

  /** A literal source has no wildcard tokens to choose from: its partition is that of an empty text. */
  #tokensOf(subject: string): readonly string[] {
    return this.isLiteral ? [] : subject.split(".");
  }
}

interface Share {
  readonly transform: SubjectTransform;
  /** Of the draws from 0 to 99 this share takes those below this bound that the shares before it have left. */
  readonly below: number;
}

/**
 * Divides the draws. A cluster that any destination names has a group of its own; all other clusters share the
 * destinations that name none. If the weights add up to less than 100, the rest stays on the source; but if the source
 * is itself listed, in any group, the rest is lost.
 */
function sharesOf(
  source: string,
  destinations: readonly MappingDestination[],
  clusterName: string | undefined,
): readonly Share[] {
  const own = destinations.filter(({ cluster }) => cluster && cluster === clusterName);
  const group = own.length > 0 ? own : destinations.filter(({ cluster }) => !cluster);
  const shares: Share[] = [];
  let total = 0;
  for (const { subject, weight } of withRest(source, destinations, group)) {
    if (weight === 0) continue;
    total += weight;
    shares.push({ transform: compileChecked(source, subject), below: total });
  }
  return shares;
}

/** The destinations of one group, and the source itself if some messages stay on it. */
function withRest(
  source: string,
  destinations: readonly MappingDestination[],
  group: readonly MappingDestination[],
): readonly Pick<MappingDestination, "subject" | "weight">[] {
  const total = group.reduce((sum, { weight }) => sum + weight, 0);
  const isLost = destinations.some(({ subject }) => subject === source);
  if (total >= 100 || isLost) return group;
  return [...group, { subject: numberWildcards(source), weight: 100 - total }];
}

/** One share of a mapping as operators are shown it, in the order of weights. */
export interface MappingShare {
  /** Transform destination. */
  readonly subject: string;
  /** Percent: its weight and that of the shares of its group before it. */
  readonly below: number;
  /** "" for the group of all clusters that no destination names. */
  readonly cluster: string;
}

/**
 * The shares of all groups; the group for all unnamed clusters comes first. Source: nats-server AddWeightedMappings.
 */
export function mappingShares({ source, destinations }: MappingOptions): readonly MappingShare[] {
  const clusters = new Set(["", ...destinations.map(({ cluster }) => cluster ?? "")]);
  return [...clusters].flatMap((cluster) => {
    const group = destinations.filter((each) => (each.cluster ?? "") === cluster);
    let below = 0;
    return withRest(source, destinations, group)
      .toSorted((a, b) => a.weight - b.weight)
      .map(({ subject, weight }) => {
        below += weight;
        return { subject, below, cluster };
      });
  });
}

function compileChecked(source: string, destination: string): SubjectTransform {
  const compiled = compileTransform(source, destination);
  if ("problem" in compiled) throw new TypeError(`a mapping was not checked: ${compiled.problem}`);
  return compiled;
}
