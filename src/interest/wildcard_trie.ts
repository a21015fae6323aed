// Hot: `match` runs once per match in an account that has wildcard subscriptions.
import { assert } from "../base/assert.ts";
import {
  ACCOUNT_ROOT,
  ACCOUNT_WORDS,
  ACCOUNTS,
  EDGE_TABLE,
  NODE_BELOW,
  NODE_ENTRY,
  NODE_HASH,
  NODE_IS_ROOT,
  NODE_IS_STAR,
  NODE_LITERAL_COUNT,
  NODE_PARENT,
  NODE_STAR,
  NODE_TOKEN,
  NODE_TOKEN_BYTES,
  SEEDS,
} from "../memory/interest_layout.ts";
import type { Arena } from "./arena.ts";
import { areBytesEqual } from "./entries.ts";
import { type InterestMemory, isInside } from "./interest_memory.ts";
import type { MatchResult } from "./match_result.ts";
import { SlotTable } from "./slot_table.ts";
import { hashSubject, mixHash } from "./subject_hash.ts";
import type { WriteLock } from "./write_lock.ts";

const DOT = 46;
const STAR = 42;
const GREATER = 62;
const STEPS_BETWEEN_CHECKS = 256;
const TOKEN_COUNT_AT_START = 64;

/**
 * Whether the subject is a pattern: whether it has a token `*` or a last token `>`. Asserts what only a caller that
 * skipped the validity check can break: no token is empty, and only the last may be `>`.
 */
export function isWildcardPattern(bytes: Uint8Array, start: number, end: number): boolean {
  let isWildcard = false;
  for (let tokenStart = start; tokenStart <= end; ) {
    const tokenEnd = endOfToken(bytes, tokenStart, end);
    assert(tokenEnd > tokenStart, "interest: subject has an empty token");
    if (tokenEnd === tokenStart + 1) {
      if (bytes[tokenStart] === STAR) isWildcard = true;
      if (bytes[tokenStart] === GREATER) {
        assert(tokenEnd === end, "interest: subject has `>` before its end");
        isWildcard = true;
      }
    }
    tokenStart = tokenEnd + 1;
  }
  return isWildcard;
}

/**
 * The patterns of all accounts, in a trie for each. A node stands for a token, and is found from its parent through the
 * edge table (literal tokens) or the word NODE_STAR (`*`). For `>`, which ends a pattern, the word NODE_BELOW of the
 * parent names the entry.
 */
export class WildcardTrie {
  readonly #memory: InterestMemory;
  readonly #words: Int32Array<SharedArrayBuffer>;
  readonly #bytes: Uint8Array<SharedArrayBuffer>;
  readonly #seeds: Int32Array;
  readonly #edges: SlotTable;

  // Where each token of the subject being matched ends, and the hashes computed so far.
  #tokenEnds = new Int32Array(TOKEN_COUNT_AT_START);
  #tokenHashes = new Int32Array(TOKEN_COUNT_AT_START);
  #hashedCount = 0;
  // The nodes still to visit, each with its depth. A visit takes one and pushes two at most, so there are at most as
  // many as the subject has tokens, and one more.
  #stackNodes = new Int32Array(TOKEN_COUNT_AT_START + 2);
  #stackDepths = new Int32Array(TOKEN_COUNT_AT_START + 2);

  constructor(memory: InterestMemory) {
    this.#memory = memory;
    this.#words = memory.words;
    this.#bytes = memory.bytes;
    this.#seeds = memory.words.slice(SEEDS, SEEDS + 4);
    this.#edges = new SlotTable(memory, EDGE_TABLE);
  }

  /** Makes room for the edges of one more pattern of `bytes[start, end)`. */
  reserve(bytes: Uint8Array, start: number, end: number, arena: Arena, lock: WriteLock): boolean {
    let tokenCount = 1;
    for (let at = start; at < end; at++) if (bytes[at] === DOT) tokenCount++;
    return this.#edges.reserve(tokenCount, arena, lock);
  }

  /**
   * Adds the pattern of `entry`. The caller has made room by `reserve`. False, with nothing added, when the region is
   * full.
   */
  insert(
    accountId: number,
    bytes: Uint8Array,
    start: number,
    end: number,
    entry: number,
    arena: Arena,
  ): boolean {
    const words = this.#words;
    const root = ACCOUNTS + accountId * ACCOUNT_WORDS + ACCOUNT_ROOT;
    let node = words[root]!;
    if (node === 0) {
      node = arena.allocate(NODE_TOKEN);
      if (node === 0) return false;
      this.#initialise(node, 0, accountId, NODE_IS_ROOT);
      words[root] = node;
    }
    let tokenStart = start;
    for (;;) {
      const tokenEnd = endOfToken(bytes, tokenStart, end);
      if (isGreater(bytes, tokenStart, tokenEnd)) {
        words[node + NODE_BELOW] = entry;
        return true;
      }
      const isStar = tokenEnd === tokenStart + 1 && bytes[tokenStart] === STAR;
      const child = isStar
        ? words[node + NODE_STAR] || this.#addStar(node, arena)
        : this.#addLiteral(node, bytes, tokenStart, tokenEnd, arena);
      if (child === 0) {
        this.#prune(node, arena);
        return false;
      }
      node = child;
      if (tokenEnd === end) break;
      tokenStart = tokenEnd + 1;
    }
    words[node + NODE_ENTRY] = entry;
    return true;
  }

  /** Removes a pattern that is there. */
  remove(accountId: number, bytes: Uint8Array, start: number, end: number, arena: Arena): void {
    const words = this.#words;
    let node = words[ACCOUNTS + accountId * ACCOUNT_WORDS + ACCOUNT_ROOT]!;
    let tokenStart = start;
    let endWord = NODE_ENTRY;
    while (tokenStart <= end) {
      const tokenEnd = endOfToken(bytes, tokenStart, end);
      if (isGreater(bytes, tokenStart, tokenEnd)) {
        endWord = NODE_BELOW;
        break;
      }
      if (tokenEnd === tokenStart + 1 && bytes[tokenStart] === STAR) node = words[node + NODE_STAR]!;
      else {
        const tokenHash = hashSubject(this.#seeds, 0, bytes, tokenStart, tokenEnd);
        node = this.#findLiteral(node, tokenHash, bytes, tokenStart, tokenEnd);
      }
      assert(node !== 0, "interest: removed pattern is not in the trie");
      tokenStart = tokenEnd + 1;
    }
    words[node + endWord] = 0;
    this.#prune(node, arena);
  }

  /**
   * Adds to `result` the entry's reference of every pattern in the trie under `root` that matches the literal subject
   * `bytes[start, end)`; none if the subject has an empty token. Returns false, with the result void, as soon as it
   * sees that the index has changed since `version`. Each node of an unchanged trie is visited at most once, so the
   * walk always ends.
   */
  match(
    root: number,
    bytes: Uint8Array,
    start: number,
    end: number,
    result: MatchResult,
    lock: WriteLock,
    version: number,
  ): boolean {
    const tokenCount = this.#splitTokens(bytes, start, end);
    if (tokenCount === 0) return true;
    const words = this.#words;
    const tokenEnds = this.#tokenEnds;
    const stackNodes = this.#stackNodes;
    const stackDepths = this.#stackDepths;
    let stepCount = 0;
    let stackCount = 1;
    stackNodes[0] = root;
    stackDepths[0] = 0;
    while (stackCount > 0) {
      if (++stepCount % STEPS_BETWEEN_CHECKS === 0 && !lock.isUnchanged(version)) return false;
      stackCount--;
      const node = stackNodes[stackCount]!;
      const depth = stackDepths[stackCount]!;
      if (!isInside(this.#memory, node, NODE_TOKEN)) return false;
      if (depth === tokenCount) {
        const ending = words[node + NODE_ENTRY]!;
        if (ending !== 0) result.addEntry(ending);
        continue;
      }
      const below = words[node + NODE_BELOW]!;
      if (below !== 0) result.addEntry(below);
      const star = words[node + NODE_STAR]!;
      if (star !== 0) {
        stackNodes[stackCount] = star;
        stackDepths[stackCount++] = depth + 1;
      }
      if (words[node + NODE_LITERAL_COUNT] !== 0) {
        const tokenStart = depth === 0 ? start : tokenEnds[depth - 1]! + 1;
        const tokenEnd = tokenEnds[depth]!;
        this.#hashTokensTo(depth, bytes, start);
        const child = this.#findLiteral(node, this.#tokenHashes[depth]!, bytes, tokenStart, tokenEnd);
        if (child !== 0) {
          stackNodes[stackCount] = child;
          stackDepths[stackCount++] = depth + 1;
        }
      }
    }
    return true;
  }

  /**
   * Whether some pattern of the trie under `root` may match a subject that begins with `bytes[start, end)` and has more
   * tokens. The lock is held.
   */
  reachesBelow(root: number, bytes: Uint8Array, start: number, end: number): boolean {
    const words = this.#words;
    let nodes = [root];
    for (let tokenStart = start; tokenStart <= end; ) {
      if (nodes.some((node) => words[node + NODE_BELOW] !== 0)) return true;
      const tokenEnd = endOfToken(bytes, tokenStart, end);
      const tokenHash = hashSubject(this.#seeds, 0, bytes, tokenStart, tokenEnd);
      nodes = nodes
        .flatMap((node) => [
          words[node + NODE_STAR]!,
          this.#findLiteral(node, tokenHash, bytes, tokenStart, tokenEnd),
        ])
        .filter((node) => node !== 0);
      tokenStart = tokenEnd + 1;
    }
    const hasMore = (node: number) =>
      words[node + NODE_BELOW] !== 0 ||
      words[node + NODE_STAR] !== 0 ||
      words[node + NODE_LITERAL_COUNT] !== 0;
    return nodes.some(hasMore);
  }

  /** Checks every account's trie and reports each pattern's entry; for tests. The lock is held. */
  invariants(accountCount: number, onEntry: (accountId: number, entry: number) => void): void {
    const words = this.#words;
    const literalCounts = new Map<number, number>();
    const starts = this.#edges.values();
    for (const node of starts) {
      const parent = words[node + NODE_PARENT]!;
      literalCounts.set(parent, (literalCounts.get(parent) ?? 0) + 1);
      const token = (node + NODE_TOKEN) * 4;
      const tokenHash = hashSubject(
        this.#seeds,
        0,
        this.#bytes,
        token,
        token + words[node + NODE_TOKEN_BYTES]!,
      );
      assert(mixHash(tokenHash, parent, 0) === words[node + NODE_HASH], "interest: edge has a wrong hash");
    }
    const nodes = [...starts];
    for (let accountId = 0; accountId < accountCount; accountId++) {
      const root = words[ACCOUNTS + accountId * ACCOUNT_WORDS + ACCOUNT_ROOT]!;
      if (root !== 0) nodes.push(root);
    }
    for (let index = 0; index < nodes.length; index++) {
      const node = nodes[index]!;
      const star = words[node + NODE_STAR]!;
      if (star !== 0) {
        assert(words[star + NODE_PARENT] === node, "interest: child along `*` has another parent");
        nodes.push(star);
      }
      assert(
        words[node + NODE_LITERAL_COUNT] === (literalCounts.get(node) ?? 0),
        "interest: node miscounts its children",
      );
      assert(!this.#isEmpty(node), "interest: empty node is kept");
      let top = node;
      while (words[top + NODE_PARENT] !== 0) top = words[top + NODE_PARENT]!;
      for (const entry of [words[node + NODE_ENTRY]!, words[node + NODE_BELOW]!]) {
        if (entry !== 0) onEntry(words[top + NODE_HASH]!, entry);
      }
    }
  }

  #addStar(parent: number, arena: Arena): number {
    const node = arena.allocate(NODE_TOKEN);
    if (node === 0) return 0;
    this.#initialise(node, parent, 0, NODE_IS_STAR);
    this.#words[parent + NODE_STAR] = node;
    return node;
  }

  /** The child of `parent` along the token, added if missing; 0 when the region is full. */
  #addLiteral(parent: number, bytes: Uint8Array, start: number, end: number, arena: Arena): number {
    const tokenHash = hashSubject(this.#seeds, 0, bytes, start, end);
    const found = this.#findLiteral(parent, tokenHash, bytes, start, end);
    if (found !== 0) return found;
    const node = arena.allocate(NODE_TOKEN + ((end - start + 3) >> 2));
    if (node === 0) return 0;
    const hash = mixHash(tokenHash, parent, 0);
    this.#initialise(node, parent, hash, end - start);
    for (let at = start, to = (node + NODE_TOKEN) * 4; at < end; ) this.#bytes[to++] = bytes[at++]!;
    this.#edges.insert(hash, node);
    this.#words[parent + NODE_LITERAL_COUNT]! += 1;
    return node;
  }

  #findLiteral(parent: number, tokenHash: number, bytes: Uint8Array, start: number, end: number): number {
    const words = this.#words;
    const edges = this.#edges;
    const nodeWords = NODE_TOKEN + ((end - start + 3) >> 2);
    const hash = mixHash(tokenHash, parent, 0);
    for (let node = edges.seek(hash); node !== 0; node = edges.seekNext()) {
      if (!isInside(this.#memory, node, nodeWords)) return 0;
      if (words[node + NODE_PARENT] !== parent || words[node + NODE_TOKEN_BYTES] !== end - start) continue;
      if (areBytesEqual(this.#bytes, (node + NODE_TOKEN) * 4, bytes, start, end)) return node;
    }
    return 0;
  }

  #initialise(node: number, parent: number, hash: number, tokenBytes: number): void {
    const words = this.#words;
    words[node + NODE_PARENT] = parent;
    words[node + NODE_STAR] = 0;
    words[node + NODE_LITERAL_COUNT] = 0;
    words[node + NODE_ENTRY] = 0;
    words[node + NODE_BELOW] = 0;
    words[node + NODE_HASH] = hash;
    words[node + NODE_TOKEN_BYTES] = tokenBytes;
  }

  #isEmpty(node: number): boolean {
    const words = this.#words;
    return (
      words[node + NODE_STAR] === 0 &&
      words[node + NODE_LITERAL_COUNT] === 0 &&
      words[node + NODE_ENTRY] === 0 &&
      words[node + NODE_BELOW] === 0
    );
  }

  /** Frees `node` if it has no children and no patterns any more, then its parent, and so on. */
  #prune(node: number, arena: Arena): void {
    const words = this.#words;
    while (this.#isEmpty(node)) {
      const parent = words[node + NODE_PARENT]!;
      const hash = words[node + NODE_HASH]!;
      const tokenBytes = words[node + NODE_TOKEN_BYTES]!;
      if (tokenBytes === NODE_IS_ROOT) words[ACCOUNTS + hash * ACCOUNT_WORDS + ACCOUNT_ROOT] = 0;
      else if (tokenBytes === NODE_IS_STAR) words[parent + NODE_STAR] = 0;
      else {
        this.#edges.remove(hash, node);
        words[parent + NODE_LITERAL_COUNT]! -= 1;
      }
      arena.free(node);
      if (parent === 0) return;
      node = parent;
    }
  }

  /** Finds where each token ends and returns how many there are; 0 if one is empty. */
  #splitTokens(bytes: Uint8Array, start: number, end: number): number {
    this.#hashedCount = 0;
    if ((end - start) >> 1 >= this.#tokenEnds.length) this.#growScratch(end - start);
    const tokenEnds = this.#tokenEnds;
    let tokenCount = 0;
    let tokenStart = start;
    for (let at = start; at < end; at++) {
      if (bytes[at] !== DOT) continue;
      if (at === tokenStart) return 0;
      tokenEnds[tokenCount++] = at;
      tokenStart = at + 1;
    }
    if (tokenStart === end) return 0;
    tokenEnds[tokenCount++] = end;
    return tokenCount;
  }

  /** Hashes the tokens up to `depth`. Each token is hashed once per match, and none deeper than the trie reaches. */
  #hashTokensTo(depth: number, bytes: Uint8Array, start: number): void {
    for (let index = this.#hashedCount; index <= depth; index++) {
      const tokenStart = index === 0 ? start : this.#tokenEnds[index - 1]! + 1;
      this.#tokenHashes[index] = hashSubject(this.#seeds, 0, bytes, tokenStart, this.#tokenEnds[index]!);
      this.#hashedCount = index + 1;
    }
  }

  #growScratch(subjectBytes: number): void {
    this.#tokenEnds = new Int32Array(subjectBytes);
    this.#tokenHashes = new Int32Array(subjectBytes);
    this.#stackNodes = new Int32Array(subjectBytes + 2);
    this.#stackDepths = new Int32Array(subjectBytes + 2);
  }
}

function endOfToken(bytes: Uint8Array, start: number, end: number): number {
  let at = start;
  while (at < end && bytes[at] !== DOT) at++;
  return at;
}

function isGreater(bytes: Uint8Array, start: number, end: number): boolean {
  return end === start + 1 && bytes[start] === GREATER;
}
