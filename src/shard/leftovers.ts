/**
 * What drains of the rings come upon that is still to be done: messages of other nodes that nobody here took, and queue groups
 * that nobody here serves any more. Whoever did it from within a drain might wait for room, and drain, for each message anew.
 */
import type { HeldMessage } from "../fabric/held_message.ts";
import { type Delivery, originOf, publisherOf, type Received, slotAt } from "../fabric/message_record.ts";
import { CONTEXT_ACCOUNTS } from "../memory/layout.ts";
import { byteStringOf } from "../subject/byte_string.ts";
import type { ShardContext } from "./context.ts";
import { SERVED_HERE } from "./inbound.ts";
import type { ShardControl, UntakenMessage } from "./shard_messages.ts";

/** By what the rest is done. */
export interface LeftoverFabric {
  /** See `Inbound`. */
  serveGroup(message: HeldMessage, queue: number, slot: number, tried: number): number;
  /** See `Rings`, as for the next one. */
  send(node: number, delivery: Delivery): void;
  sendControl(node: number, message: ShardControl): boolean;
}

/** A message, and the node it came from. */
interface Unserved extends Received {
  readonly from: number;
}

export class Leftovers {
  readonly #node: number;
  /** 0 for none. */
  readonly #linksNode: number;
  /** Messages that nobody here took, where nobody else could: their publishers' shards are to be told. */
  #untaken: (UntakenMessage & { readonly node: number })[] = [];
  /** Messages that queue groups had no member here for any more. */
  #unserved: Unserved[] = [];

  constructor({ node, shared }: Pick<ShardContext, "node" | "shared">) {
    this.#node = node;
    this.#linksNode = shared.map.linksNode;
  }

  get isEmpty(): boolean {
    return this.#untaken.length + this.#unserved.length === 0;
  }

  /** A message of another node was taken by so many here: that it was by none may be for its publisher to know. */
  noteUntaken(from: number, received: Received, takers: number): void {
    const { message, wantsTaker } = received;
    if (takers > 0 || !wantsTaker) return;
    const subject = byteStringOf(message.subject);
    const account = message.context & (CONTEXT_ACCOUNTS - 1);
    this.#untaken.push({ ...publisherOf(from, received), account, subject, reply: message.replyText });
  }

  /** As above, once all who are here have had the message; whoever else serves the groups left in `queues` is to get it. */
  noteUnserved(from: number, received: Received, takers: number): void {
    const queues = received.queues.filter((queue) => queue !== 0);
    if (queues.length === 0) this.noteUntaken(from, received, takers);
    else this.#unserved.push({ ...received, queues, wantsTaker: received.wantsTaker && takers === 0, from });
  }

  /** Does what was noted. Not from within a drain; what drains note meanwhile may be left for the next time. */
  settle(fabric: LeftoverFabric): void {
    this.#passOnUnserved(fabric);
    this.#tellUntaken(fabric);
  }

  /**
   * Passes on what came for queue groups whose members here have gone since it was published, or have got as many messages
   * as they wanted: a publisher's shard learns of that later.
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

  /** False where nobody is left who could take it. */
  #passOn(fabric: LeftoverFabric, received: Unserved, queue: number): boolean {
    const { message, queues } = received;
    const publisher = publisherOf(received.from, received);
    let tried = received.tried | (1 << this.#node);
    // What came from another server does not go to others.
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

  /** Tells the shards of publishers whose messages nobody took. */
  #tellUntaken(fabric: LeftoverFabric): void {
    if (this.#untaken.length === 0) return;
    const untaken = this.#untaken;
    this.#untaken = [];
    for (const { node, ...message } of untaken) fabric.sendControl(node, { type: "untaken", ...message });
  }
}
