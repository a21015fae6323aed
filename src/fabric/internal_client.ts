/**
 * A client inside the server, on a thread with an event loop. Its subscriptions are interest of its node, and it
 * publishes into the rings, so to shards it is a node like any other. Cold: it serves the system account and auth
 * callouts.
 */
import { setImmediate } from "node:timers/promises";
import type { Engine } from "../engine/engine.ts";
import { INDEX_FULL, type InterestIndex } from "../interest/interest_index.ts";
import { MatchResult } from "../interest/match_result.ts";
import {
  CONTEXT_IS_RESPONSE,
  RECORD_BODY,
  RECORD_KIND,
  RECORD_KIND_LARGE,
  RECORD_KIND_LENT,
  RECORD_KIND_MESSAGE,
  RECORD_KIND_PIECE,
  RECORD_REST_LENGTH,
} from "../memory/layout.ts";
import { NODE_FAR, NODE_IS_ASLEEP, NODE_WAKE, NODE_WAKE_WORD } from "../memory/map.ts";
import { nodeWord, type SharedMemory } from "../memory/shared_memory.ts";
import type { MessageBytes } from "../protocol/set_header.ts";
import { byteStringOf, byteStringOfText, bytesOf, textOf } from "../subject/byte_string.ts";
import { areTokensSubset } from "../subject/subset.ts";
import { FABRIC_SLOT, HeldMessage, messageBytes } from "./held_message.ts";
import { MappedReplies } from "./mapped_replies.ts";
import { type Delivery, readRecord } from "./message_record.ts";
import type { RecordQueue } from "./record_queue.ts";

/** A message to one of the client's subscriptions. */
export interface InternalMessage {
  readonly account: number;
  readonly subject: string;
  /** "" for none. */
  readonly reply: string;
  /** Headers, then the payload. */
  readonly content: MessageBytes;
}

export type InternalHandler = (message: InternalMessage) => void;

/** Where messages go besides the interest of their account. Subjects are byte strings. */
export interface InternalRoutes {
  /** The shard that waits for the answer to a request on this reply subject; below 0 if none does. */
  nodeOfReply(account: number, subject: string): number;
  /** The other accounts that import the message, with its subject in each. */
  legsOf(
    account: number,
    subject: string,
  ): readonly { readonly account: number; readonly subject: Uint8Array }[];
}

interface InternalSubscription {
  readonly account: number;
  readonly pattern: readonly string[];
  /** Id of its queue group, 0 for a plain one. */
  readonly queueId: number;
  readonly entry: number;
  readonly handle: InternalHandler;
}

/** How long messages are taken before the thread's timers, sockets and signals have their turn. */
const TURN_MS = 5;
const NO_QUEUES = new Int32Array(0);
const ACCOUNT_MASK = 0xffff;
const NO_ROUTES: InternalRoutes = { nodeOfReply: () => -1, legsOf: () => [] };

export class InternalClient {
  readonly #shared: SharedMemory;
  readonly #engine: Engine;
  readonly #index: InterestIndex;
  readonly #queue: RecordQueue;
  readonly #node: number;
  readonly #onError: (text: string) => void;
  readonly #routes: InternalRoutes;
  readonly #wakeWord: number;
  readonly #subscriptions = new Set<InternalSubscription>();
  readonly #match = new MatchResult();
  readonly #replies: MappedReplies;
  /** Large messages that have not arrived completely, by the node that they come from. */
  readonly #incoming = new Map<number, Delivery>();
  /** The node whose messages are taken next. */
  #nextNode = 0;
  #isStopped = false;

  constructor(
    shared: SharedMemory,
    engine: Engine,
    index: InterestIndex,
    queue: RecordQueue,
    node: number,
    onError: (text: string) => void,
    routes = NO_ROUTES,
  ) {
    this.#onError = onError;
    this.#routes = routes;
    this.#shared = shared;
    this.#engine = engine;
    this.#index = index;
    this.#queue = queue;
    this.#node = node;
    this.#replies = new MappedReplies(shared, engine, node);
    this.#wakeWord = nodeWord(node, NODE_WAKE_WORD);
    // This thread is woken whenever there is something, because it never looks on its own.
    const { words } = shared;
    words[nodeWord(node, NODE_WAKE)] = -this.#wakeWord;
    Atomics.store(words, nodeWord(node, NODE_IS_ASLEEP), 1);
  }

  /** Takes messages until it is stopped. However many there are, the thread's other work has its turn in between. */
  async run(): Promise<void> {
    const { words } = this.#shared;
    while (!this.#isStopped) {
      const seen = Atomics.load(words, this.#wakeWord);
      const isAll = this.#drainAll();
      const waiting = isAll ? Atomics.waitAsync(words, this.#wakeWord, seen) : null;
      if (waiting?.async === true) await waiting.value;
      else await setImmediate();
    }
  }

  stop(): void {
    this.#isStopped = true;
    Atomics.add(this.#shared.words, this.#wakeWord, 1);
    Atomics.notify(this.#shared.words, this.#wakeWord);
  }

  /**
   * Subscribes in an account. Returns a function that takes the subscription back. `queue` is "" for a plain one. If
   * clients have filled the index, nothing will be heard, and an error says so.
   */
  subscribe(account: number, subject: string, queue: string, handle: InternalHandler): () => void {
    const name = byteStringOfText(subject);
    const bytes = bytesOf(name);
    const queueBytes = bytesOf(byteStringOfText(queue));
    const entry =
      queue === ""
        ? this.#index.addPlain(this.#node, account, bytes, 0, bytes.length)
        : this.#index.addQueue(this.#node, account, bytes, 0, bytes.length, queueBytes, 0, queueBytes.length);
    if (entry === INDEX_FULL) {
      this.#onError(`No room to subscribe to [${subject}]: nothing will be heard there`);
      return () => {};
    }
    const queueId = queue === "" ? 0 : this.#index.lastQueueId;
    const subscription = { account, pattern: name.split("."), queueId, entry, handle };
    this.#subscriptions.add(subscription);
    this.#queue.wakeLinks();
    return () => {
      if (!this.#subscriptions.delete(subscription)) return;
      queueMicrotask(() => this.#queue.wakeLinks());
      if (queueId !== 0) this.#index.removeQueue(this.#node, entry, queueId);
      else if (![...this.#subscriptions].some((other) => other.entry === entry && other.queueId === 0)) {
        this.#index.removePlain(this.#node, entry);
      }
    };
  }

  /** Whether anybody else would take a message on a subject, in the account or in one that imports it. */
  hasInterest(account: number, subject: string): boolean {
    const text = byteStringOfText(subject);
    return this.#routes.nodeOfReply(account, text) >= 0 || this.#nodesFor(account, text).size > 0;
  }

  /** Publishes in an account, to other nodes than its own. Returns how many nodes and queue groups it was sent to. */
  publish(account: number, subject: string, payload: Uint8Array, reply = "", headers?: Uint8Array): number {
    const content = messageBytes(payload, headers);
    const text = byteStringOfText(subject);
    const name = bytesOf(text);
    const answered = this.#routes.nodeOfReply(account, text);
    if (answered >= 0) {
      const context = account | CONTEXT_IS_RESPONSE;
      const message = HeldMessage.of(context, FABRIC_SLOT, name, byteStringOfText(reply), content);
      this.#queue.sendMessage(answered, { message, isPlain: true, queues: NO_QUEUES, wantsTaker: false });
      return 1;
    }
    const message =
      reply === ""
        ? HeldMessage.fromServer(account, name, content)
        : HeldMessage.of(account, FABRIC_SLOT, name, byteStringOfText(reply), content);
    let count = 0;
    for (const [node, { isPlain, queues }] of this.#nodesFor(account, text)) {
      count += (isPlain ? 1 : 0) + queues.length;
      const delivery = {
        message,
        isPlain,
        queues: queues.length === 0 ? NO_QUEUES : Int32Array.from(queues),
        wantsTaker: false,
      };
      this.#queue.sendMessage(node, delivery);
    }
    return count;
  }

  /** The nodes that take a message, and the queue groups that each of them is to serve. */
  #nodesFor(account: number, subject: string): Map<number, { isPlain: boolean; queues: number[] }> {
    const nodes = new Map<number, { isPlain: boolean; queues: number[] }>();
    const match = this.#match;
    const own = bytesOf(subject);
    if (this.#replies.has(account, own, 0, own.length))
      nodes.set(this.#shared.map.linksNode, { isPlain: true, queues: [] });
    for (const leg of [{ account, subject: own }, ...this.#routes.legsOf(account, subject)]) {
      this.#index.match(leg.account, leg.subject, 0, leg.subject.length, match);
      const queues = this.#pickQueues(match);
      for (let node = 0; node < this.#shared.map.nodeCount; node++) {
        if (node === this.#node) continue;
        const isPlain = (match.plainNodes & (1 << node)) !== 0;
        const picked = queues.get(node) ?? [];
        if (!isPlain && picked.length === 0) continue;
        const served = nodes.getOrInsertComputed(node, () => ({ isPlain: false, queues: [] }));
        served.isPlain ||= isPlain;
        served.queues.push(...picked);
      }
    }
    return nodes;
  }

  /**
   * The queue groups by the node that is to serve them. It is drawn by how many members each node has. Far members
   * serve only if there are no others.
   */
  #pickQueues(match: MatchResult): Map<number, number[]> {
    const byQueue = new Map<number, { node: number; members: number }[]>();
    const farQueues: number[] = [];
    for (let i = 0; i < match.queueCount; i++) {
      const [queueId, node, members] = match.queues.subarray(i * 3, i * 3 + 3);
      if (node === this.#node) continue;
      if (node === NODE_FAR) farQueues.push(queueId!);
      else byQueue.getOrInsertComputed(queueId!, () => []).push({ node: node!, members: members! });
    }
    const picked = new Map<number, number[]>();
    for (const [queueId, candidates] of byQueue) {
      picked.getOrInsertComputed(drawNode(candidates), () => []).push(queueId);
    }
    const { linksNode } = this.#shared.map;
    if (linksNode === 0) return picked;
    for (const queueId of farQueues) {
      if (!byQueue.has(queueId)) picked.getOrInsertComputed(linksNode, () => []).push(queueId);
    }
    return picked;
  }

  /** Takes what there is, for a while. True if nothing is left. The next pass begins where this one ends. */
  #drainAll(): boolean {
    const { nodeCount } = this.#shared.map;
    const endMs = performance.now() + TURN_MS;
    for (let nodes = 0; nodes < nodeCount; nodes++) {
      const node = this.#nextNode;
      this.#nextNode = (node + 1) % nodeCount;
      const isAll = this.#drain(node, endMs);
      this.#engine.release(node);
      if (!isAll) return false;
    }
    return true;
  }

  #drain(node: number, endMs: number): boolean {
    for (let record = this.#engine.peek(node); record !== 0; record = this.#engine.peek(node)) {
      this.#take(node, record);
      this.#engine.skip(node, record);
      if (performance.now() >= endMs) return false;
    }
    return true;
  }

  #take(node: number, record: number): void {
    const { words, bytes } = this.#shared;
    switch (words[(record + RECORD_KIND) >> 2]) {
      case RECORD_KIND_MESSAGE:
      case RECORD_KIND_LENT:
        this.#deliver(readRecord(this.#shared, record));
        break;
      case RECORD_KIND_LARGE:
        this.#incoming.set(node, readRecord(this.#shared, record));
        break;
      case RECORD_KIND_PIECE: {
        const delivery = this.#incoming.get(node);
        if (delivery === undefined) break;
        const start = record + RECORD_BODY;
        delivery.message.fill(bytes, start, start + words[(record + RECORD_REST_LENGTH) >> 2]!);
        if (!delivery.message.isComplete) break;
        this.#incoming.delete(node);
        this.#deliver(delivery);
        break;
      }
      // Other records are about producers that are too fast. This node has none.
    }
  }

  #deliver({ message, isPlain, queues }: Delivery): void {
    const account = message.context & ACCOUNT_MASK;
    const subject = byteStringOf(message.subject);
    const tokens = subject.split(".");
    const given: InternalMessage = {
      account,
      subject: textOf(subject),
      reply: textOf(message.replyText),
      content: { bytes: message.bytes.subarray(0, -2), headerBytes: Math.max(message.headerLength, 0) },
    };
    const served = new Set(queues);
    for (const { account: own, pattern, queueId, handle } of [...this.#subscriptions]) {
      if (own !== account || !areTokensSubset(tokens, pattern)) continue;
      if (queueId === 0 ? isPlain : served.delete(queueId)) this.#handle(handle, given);
    }
  }

  /** Calls a handler. If it throws, that is logged, and the thread goes on. */
  #handle(handle: InternalHandler, message: InternalMessage): void {
    try {
      handle(message);
    } catch (error) {
      this.#onError(`Error handling a message on [${message.subject}]: ${(error as Error).message}`);
    }
  }
}

/** Draws one of the nodes. The chance of each is in proportion to its members. */
function drawNode(candidates: readonly { readonly node: number; readonly members: number }[]): number {
  let left = Math.random() * candidates.reduce((sum, { members }) => sum + members, 0);
  for (const { node, members } of candidates) {
    left -= members;
    if (left < 0) return node;
  }
  return candidates[0]!.node;
}
