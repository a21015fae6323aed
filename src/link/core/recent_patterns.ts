/** Recent patterns of one account, as a tree of tokens. */
export class RecentPatterns {
  readonly #root = new Node();

  get isEmpty(): boolean {
    return this.#root.next.size === 0;
  }

  /** Notes a pattern, given as its tokens. */
  note(tokens: readonly string[], atMs: number): void {
    let node = this.#root;
    for (const token of tokens) node = node.next.getOrInsertComputed(token, () => new Node());
    node.notedMs = atMs;
  }

  /** Whether a subject matches a pattern that was noted at `sinceMs` or later, by the rules of `areTokensSubset`. */
  covers(tokens: readonly string[], sinceMs: number): boolean {
    return isCovered(this.#root, tokens, 0, sinceMs);
  }

  /** Forgets a pattern, unless it was noted again after `untilMs`. */
  forget(tokens: readonly string[], untilMs: number): void {
    prune(this.#root, tokens, 0, untilMs);
  }
}

class Node {
  /** By token, including `*` and `>`. */
  readonly next = new Map<string, Node>();
  /** When the pattern that ends here was noted last. */
  notedMs = Number.NEGATIVE_INFINITY;
}

function isCovered(node: Node, tokens: readonly string[], at: number, sinceMs: number): boolean {
  const token = tokens[at];
  if (token === undefined) return node.notedMs >= sinceMs;
  const rest = node.next.get(">");
  if (rest !== undefined && rest.notedMs >= sinceMs) return true;
  if (token === "" || token === ">") return false;
  for (const key of [token, "*"]) {
    const next = node.next.get(key);
    if (next !== undefined && isCovered(next, tokens, at + 1, sinceMs)) return true;
  }
  return false;
}

/** Removes nodes along a pattern that have no children and were noted no later than `untilMs`. */
function prune(node: Node, tokens: readonly string[], at: number, untilMs: number): void {
  const token = tokens[at];
  const next = token === undefined ? undefined : node.next.get(token);
  if (next === undefined) return;
  prune(next, tokens, at + 1, untilMs);
  if (next.next.size === 0 && next.notedMs <= untilMs) node.next.delete(token!);
}
