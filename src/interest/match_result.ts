// Hot: filled once per cache miss.

const QUEUE_WORDS = 3;

/**
 * What matched one subject, in arrays that are reused from match to match and grow as needed, without a limit. A plan
 * built from it holds while both generation words, which are read before the match, keep their values. They wrap after
 * 2^32 changes; we accept that a plan which is not looked at meanwhile would then seem valid.
 */
export class MatchResult {
  /** Matching entries in `[0, entryCount)`, in no order: that of the literal subject and those of patterns. */
  entryIds = new Int32Array(16);
  entryCount = 0;
  /** Bit n: node n has plain interest. Negative if node 31 has. */
  plainNodes = 0;
  /** `(queueId, node, members)` triples in `[0, 3 × queueCount)`, one for each queue and node. */
  queues = new Int32Array(8 * QUEUE_WORDS);
  queueCount = 0;
  /** Some subscriptions have a filter. Then a queue and node may come twice until `mergeQueues`. */
  hasFiltered = false;
  /** Bit n: a filter keeps the subject from somebody on node n. Only traces use it. */
  heldBackNodes = 0;
  bucketGeneration = 0;
  /** Byte address of that generation in the shared memory. The engine compares the int32 there. */
  bucketGenerationAddress = 0;
  wildcardGeneration = 0;
  wildcardGenerationAddress = 0;

  #mergeSlots = new Int32Array(16);

  /** Forgets the matches, but keeps the arrays and the generations. */
  clear(): void {
    this.entryCount = 0;
    this.plainNodes = 0;
    this.queueCount = 0;
    this.hasFiltered = false;
    this.heldBackNodes = 0;
  }

  addEntry(entryId: number): void {
    if (this.entryCount === this.entryIds.length) this.entryIds = doubled(this.entryIds);
    this.entryIds[this.entryCount++] = entryId;
  }

  addQueue(queueId: number, node: number, members: number): void {
    const at = this.queueCount * QUEUE_WORDS;
    if (at === this.queues.length) this.queues = doubled(this.queues);
    this.queues[at] = queueId;
    this.queues[at + 1] = node;
    this.queues[at + 2] = members;
    this.queueCount++;
  }

  /** Adds up the members of triples that name the same queue and node. Takes time linear in their number. */
  mergeQueues(): void {
    const { queues } = this;
    let slotCount = 16;
    while (slotCount < this.queueCount * 2) slotCount *= 2;
    if (slotCount > this.#mergeSlots.length) this.#mergeSlots = new Int32Array(slotCount);
    const slots = this.#mergeSlots; // index of a kept triple + 1
    const mask = slotCount - 1;
    slots.fill(0, 0, slotCount);
    let keptCount = 0;
    for (let index = 0; index < this.queueCount; index++) {
      const from = index * QUEUE_WORDS;
      const queueId = queues[from]!;
      const node = queues[from + 1]!;
      let slot = (Math.imul(queueId + Math.imul(node, 0x85ebca6b), 0x9e3779b1) >>> 8) & mask;
      for (; slots[slot] !== 0; slot = (slot + 1) & mask) {
        const kept = (slots[slot]! - 1) * QUEUE_WORDS;
        if (queues[kept] === queueId && queues[kept + 1] === node) break;
      }
      if (slots[slot] === 0) {
        const to = keptCount++ * QUEUE_WORDS;
        queues[to] = queueId;
        queues[to + 1] = node;
        queues[to + 2] = queues[from + 2]!;
        slots[slot] = keptCount;
      } else {
        queues[(slots[slot]! - 1) * QUEUE_WORDS + 2]! += queues[from + 2]!;
      }
    }
    this.queueCount = keptCount;
  }
}

function doubled(array: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(array.length * 2);
  larger.set(array);
  return larger;
}
