/**
 * Work that drains of the rings leave for later: messages of other nodes that nobody here took, and queue groups that
 * nobody here serves any more. Doing it from within a drain might wait for room, and drain again, for each message.
 */
import type { HeldMessage } from "../fabric/held_message.ts";
import { type Delivery, originOf, publisherOf, type Received, slotAt } from "../fabric/message_record.ts";
import { CONTEXT_ACCOUNTS } from "../memory/layout.ts";
import { byteStringOf } from "../subject/byte_string.ts";
import type { ShardContext } from "./context.ts";
import { SERVED_HERE } from "./inbound.ts";
import type { ShardControl, UntakenMessage } from "./shard_messages.ts";

/** What the leftovers are settled with. */
export interface LeftoverFabric {
  /** See `Inbound`. */
  serveGroup(message: HeldMessage, queue: number, slot: number, tried: number): number;
  /** See `Rings`. */
  send(node: number, delivery: Delivery): void;
  sendControl(node: number, message: ShardControl): boolean;
}

/** A message with unserved queue groups, and the node that it came from. */
interface Unserved extends Received {
  readonly from: number;
}

export class Leftovers {
  readonly #node: number;
  /** Node of the links shard, 0 if there is none. */
  readonly #linksNode: number;
  /** Messages that nobody here took and nobody else could: the publishers' shards are to be told. */
  #untaken: (UntakenMessage & { readonly node: number })[] = [];
  /** Messages for queue groups that have no member here any more. */
  #unserved: Unserved[] = [];

  constructor({ node, shared }: Pick<ShardContext, "node" | "shared">) {
    this.#node = node;
    this.#linksNode = shared.map.linksNode;
  }

  get isEmpty(): boolean {
    return this.#untaken.length + this.#unserved.length === 0;
  }

  /** Notes how many here took a message of another node. If nobody did, its publisher may have to be told. */
  noteUntaken(from: number, received: Received, takers: number): void {
    const { message, wantsTaker } = received;
    if (takers > 0 || !wantsTaker) return;
    const subject = byteStringOf(message.subject);
    const account = message.context & (CONTEXT_ACCOUNTS - 1);
    this.#untaken.push({ ...publisherOf(from, received), account, subject, reply: message.replyText });
  }

  /**
   * Like noteUntaken(), for a message that all subscribers here have received; but the groups left in `queues` are
   * still to be served elsewhere.
   */
  noteUnserved(from: number, received: Received, takers: number): void {
    const queues = received.queues.filter((queue) => queue !== 0);
    if (queues.length === 0) this.noteUntaken(from, received, takers);
    else this.#unserved.push({ ...received, queues, wantsTaker: received.wantsTaker && takers === 0, from });
  }

  /**
   * Does what was noted. Must not be called from within a drain. What drains note meanwhile may be left for the next
   * call.
   */
  settle(fabric: LeftoverFabric): void {
    this.#passOnUnserved(fabric);
    this.#tellUntaken(fabric);
  }

  /**
   * Passes on messages for queue groups whose members here have gone since the message was published, or have received
   * as many messages as they wanted: the publisher's shard learns of that only later.
   */
  #passOnUnserved(fabric: LeftoverFabric): void {
    const unserved = this.#unserved;
    if (unserved.length === 0) return;
    this.#unserved = [];
    for (const received of unserved) {
      let takers = 0;
      for (const queue of received.queues) if (this.#passOn(fabric, received, queue)) takers++;
      this.noteUntaken(received.from, received, takers);
    }
  }

  /** Returns false if nobody is left who could take the message. */
  #passOn(fabric: LeftoverFabric, received: Unserved, queue: number): boolean {
    const { message, queues } = received;
    const publisher = publisherOf(received.from, received);
    let tried = received.tried | (1 << this.#node);
    // Messages of other servers are not passed on to further servers.
    if (publisher.node === this.#linksNode) tried |= 1 << this.#linksNode;
    const node = fabric.serveGroup(message, queue, slotAt(this.#node, publisher), tried);
    if (node < 0) return node === SERVED_HERE;
    fabric.send(node, {
      message,
      isPlain: false,
      queues: Int32Array.of(queue),
      wantsTaker: received.wantsTaker && queues.length === 1,
      passedOn: { tried, origin: originOf(publisher) },
    });
    return true;
  }

  /** Tells the publishers' shards of messages that nobody took. */
  #tellUntaken(fabric: LeftoverFabric): void {
    if (this.#untaken.length === 0) return;
    const untaken = this.#untaken;
    this.#untaken = [];
    for (const { node, ...message } of untaken) fabric.sendControl(node, { type: "untaken", ...message });
  }
}
