/** A plain model of the index for tests to compare with: a Map of subjects, which are matched one by one. */
import type { MatchResult } from "../match_result.ts";

/** What a match yields, in a form that two implementations can be compared by. */
export interface MatchOutcome {
  readonly plainNodes: number;
  /** `queue/node=members`, sorted. */
  readonly queues: string[];
  readonly entryIds: number[];
}

interface NaiveEntry {
  readonly entryId: number;
  readonly accountId: number;
  readonly subject: string;
  readonly nodes: Set<number>;
  /** Members by `queue|filter|node`. */
  readonly members: Map<string, number>;
}

/** A member of a queue, or a filtered plain subscription ("" for the queue). */
export interface NaiveMember {
  readonly node: number;
  readonly accountId: number;
  readonly subject: string;
  readonly entryId: number;
  readonly queue: string;
  /** Patterns with a blank between them, "" for none. */
  readonly filter: string;
}

export class NaiveInterest {
  readonly entries = new Map<string, NaiveEntry>();

  /** `entryId` is what the index under test returned for the same call. */
  addPlain(node: number, accountId: number, subject: string, entryId: number): void {
    this.#entry(accountId, subject, entryId).nodes.add(node);
  }

  removePlain(node: number, accountId: number, subject: string): void {
    this.#entry(accountId, subject, -1).nodes.delete(node);
    this.#forgetEmpty();
  }

  addMember({ node, accountId, subject, entryId, queue, filter }: NaiveMember): void {
    const { members } = this.#entry(accountId, subject, entryId);
    const key = `${queue}|${filter}|${node}`;
    members.set(key, (members.get(key) ?? 0) + 1);
  }

  removeMember({ node, accountId, subject, queue, filter }: NaiveMember): void {
    const { members } = this.#entry(accountId, subject, -1);
    const key = `${queue}|${filter}|${node}`;
    const left = (members.get(key) ?? 1) - 1;
    if (left > 0) members.set(key, left);
    else members.delete(key);
    this.#forgetEmpty();
  }

  /** One member of each kind in an entry. */
  membersOf({ accountId, subject, entryId, members }: NaiveEntry): NaiveMember[] {
    return [...members.keys()].map((key) => ({ ...partsOf(key), accountId, subject, entryId }));
  }

  removeNode(node: number): void {
    for (const { nodes, members } of this.entries.values()) {
      nodes.delete(node);
      for (const key of [...members.keys()]) if (partsOf(key).node === node) members.delete(key);
    }
    this.#forgetEmpty();
  }

  match(accountId: number, subject: string): MatchOutcome {
    let plainNodes = 0;
    const queues = new Map<string, number>();
    const entryIds: number[] = [];
    for (const entry of this.entries.values()) {
      if (entry.accountId !== accountId || !isMatch(entry.subject, subject)) continue;
      for (const node of entry.nodes) plainNodes |= 1 << node;
      for (const [key, count] of entry.members) {
        const { queue, filter, node } = partsOf(key);
        if (filter.split(" ").some((pattern) => isMatch(pattern, subject))) continue;
        if (queue === "") plainNodes |= 1 << node;
        else queues.set(`${queue}/${node}`, (queues.get(`${queue}/${node}`) ?? 0) + count);
      }
      entryIds.push(entry.entryId);
    }
    const lines = [...queues].map(([key, count]) => `${key}=${count}`).sort();
    return { plainNodes, queues: lines, entryIds: entryIds.sort((a, b) => a - b) };
  }

  #entry(accountId: number, subject: string, entryId: number): NaiveEntry {
    const key = `${accountId} ${subject}`;
    const found = this.entries.get(key);
    if (found !== undefined) return found;
    const entry = {
      entryId,
      accountId,
      subject,
      nodes: new Set<number>(),
      members: new Map<string, number>(),
    };
    this.entries.set(key, entry);
    return entry;
  }

  #forgetEmpty(): void {
    for (const [key, { nodes, members }] of this.entries) {
      if (nodes.size === 0 && members.size === 0) this.entries.delete(key);
    }
  }
}

/** The same form from a `MatchResult`; `nameOf` turns a queue id into its name. */
export function outcomeOf(result: MatchResult, nameOf: (queueId: number) => string): MatchOutcome {
  const queues: string[] = [];
  for (let index = 0; index < result.queueCount; index++) {
    const [queueId, node, members] = result.queues.subarray(index * 3, index * 3 + 3);
    queues.push(`${nameOf(queueId!)}/${node}=${members}`);
  }
  const entryIds = [...result.entryIds.subarray(0, result.entryCount)].sort((a, b) => a - b);
  return { plainNodes: result.plainNodes, queues: queues.sort(), entryIds };
}

function partsOf(key: string): { queue: string; filter: string; node: number } {
  const [queue, filter, node] = key.split("|") as [string, string, string];
  return { queue, filter, node: Number(node) };
}

function isMatch(pattern: string, subject: string): boolean {
  const patternTokens = pattern.split(".");
  const tokens = subject.split(".");
  if (tokens.includes("")) return false;
  const isOpen = patternTokens.at(-1) === ">";
  if (isOpen ? tokens.length < patternTokens.length : tokens.length !== patternTokens.length) return false;
  const fixed = isOpen ? patternTokens.slice(0, -1) : patternTokens;
  return fixed.every((token, index) => token === "*" || token === tokens[index]);
}
