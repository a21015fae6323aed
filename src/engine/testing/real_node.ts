/**
 * A node with a real engine in a crowded memory, and the smallest host that can serve it. What it sends is collected.
 */
import {
  ACCOUNT_NAME_BYTES,
  ACCOUNT_NAME_ID,
  ACCOUNT_NAME_LENGTH,
  ACCOUNT_NAME_SLOTS,
  ACCOUNT_NAME_TEXT,
  AREA_ACCOUNT_NAMES,
  AREA_CONNECTIONS,
  AREA_CONTROL_LINE_MAX,
  AREA_DIRTY,
  AREA_DIRTY_COUNT,
  AREA_DROPS_NOTHING,
  AREA_EXPIRED,
  AREA_HAS_GATHERED,
  AREA_HASH_SEED,
  AREA_IN_BYTES,
  AREA_IN_MESSAGES,
  AREA_IN_RINGS,
  AREA_LENDS,
  AREA_LENDS_BYTES,
  AREA_LENT_TO,
  AREA_LOCAL_BUCKETS,
  AREA_MEMORY_BASE,
  AREA_NODE,
  AREA_NODE_COUNT,
  AREA_OUT_BYTES,
  AREA_OUT_MESSAGES,
  AREA_OUT_RINGS,
  AREA_OUTBOX_FREE,
  AREA_PICKS,
  AREA_PLAN_SLOTS,
  AREA_RANDOM,
  AREA_UNPUBLISHED,
  CONNECTION_BYTES,
  CONNECTION_CONTEXT,
  CONNECTION_CURSOR,
  CONNECTION_FLAGS,
  CONNECTION_IN_BYTES,
  CONNECTION_IN_MESSAGES,
  CONNECTION_IOVECS,
  CONNECTION_LIMIT,
  CONNECTION_OUT_BYTES,
  CONNECTION_OUT_MESSAGES,
  CONNECTION_OUTBOX,
  CONNECTION_PAYLOAD_MAX,
  CONNECTION_SEGMENT,
  GROUP_BYTES,
  GROUP_LOCAL_COUNT,
  GROUP_LOCALS,
  GROUP_NODE_COUNT,
  GROUP_NODES,
  GROUP_QUEUE,
  GROUP_STRIDE,
  GROUP_WEIGHT,
  NODES_MAX,
  OUTBOX_BYTES,
  OUTBOX_DATA,
  OUTBOX_IOVECS_MAX,
  OUTBOX_SLACK,
  PLAN_ACCOUNT,
  PLAN_ALL_NODES,
  PLAN_CONTEXT,
  PLAN_DELIVERED,
  PLAN_DELIVERED_LENGTH,
  PLAN_FLAGS,
  PLAN_GENERATIONS,
  PLAN_GROUP_COUNT,
  PLAN_GROUPS,
  PLAN_HASH,
  PLAN_IS_FOR_HOST,
  PLAN_MORE_COUNT,
  PLAN_MORE_GENERATIONS,
  PLAN_PLAIN,
  PLAN_PLAIN_COUNT,
  PLAN_PLAIN_NODES,
  PLAN_QUEUES_ARE_FOR_HOST,
  PLAN_REPLIES_ARE_FOR_HOST,
  PLAN_SET_BYTES,
  PLAN_SET_COUNT,
  PLAN_SET_WAYS,
  PLAN_SUBJECT,
  PLAN_SUBJECT_LENGTH,
  RECORD_BODY,
  RECORD_CONTEXT,
  RECORD_HEADER_LENGTH,
  RECORD_IS_PLAIN,
  RECORD_KIND,
  RECORD_KIND_LENT,
  RECORD_KIND_WRAP,
  RECORD_LENGTH,
  RECORD_LINE_LENGTH,
  RECORD_ORIGIN,
  RECORD_QUEUE_COUNT,
  RECORD_REST_LENGTH,
  RECORD_SUBJECT_LENGTH,
  RING_DATA,
  RING_END_BYTES,
  RING_END_CAPACITY,
  RING_END_OTHER,
  RING_END_POSITION,
  RING_END_RING,
  RING_HEAD,
  RING_TAIL,
  SUBSCRIPTION_BYTES,
  SUBSCRIPTION_DELIVERED,
  SUBSCRIPTION_EXPIRED_NEXT,
  SUBSCRIPTION_MAX,
  TARGET_CONNECTION,
  TARGET_PREFIX,
  TARGET_PREFIX_LENGTH,
  TARGET_STRIDE,
  TARGET_SUBSCRIPTION,
} from "../../memory/layout.ts";
import { createEngine, type Engine, type EngineHost } from "../engine.ts";
import type { CrowdedMemory } from "./crowded_memory.ts";
import { allNodes } from "./model_node.ts";
import {
  CONTROL_LINE_BYTES_MAX,
  flagsOf,
  type NodeSpecification,
  type PlanSpecification,
  planKey,
  prefixOf,
  text,
  write,
} from "./specification.ts";

/** The base of addresses in iovecs. Its low half makes 32-bit sums carry. */
const MEMORY_BASE = 0x7f12_fffe_0000n;
const GENERATION_COUNT = 8;
const HASH_SEED = 0x9d39_247e_3377_6d41n;

export interface RealNodeSizes {
  outboxCount: number;
  receiveBytes: number;
  arenaBytes: number;
  /** False for speed: outboxes are only emptied, and their bytes are not looked at. */
  isCollecting?: boolean;
}

export class RealNode {
  readonly node: number;
  readonly engine: Engine;
  readonly area: number;
  readonly receive: number;
  readonly scratch: number;
  /** By slot: all that was written out. */
  readonly output: string[] = [];
  readonly traced: [number, number][] = [];
  readonly sentLarge: { node: number; isPlain: boolean; queues: number[]; wantsTaker: boolean }[] = [];
  /** The bytes that attach() adds, while a large message is at hand. */
  large = "";
  readonly #memory: CrowdedMemory;
  readonly #specification: NodeSpecification;
  readonly #connections: number;
  readonly #subscriptions: number;
  readonly #dirty: number;
  readonly #picks: number;
  readonly #planSets: number;
  readonly #accountNames: number;
  readonly #arenaEnd: number;
  readonly #generations: number;
  readonly #isCollecting: boolean;
  readonly #outboxes: number[] = [];
  readonly #plans = new Map<string, number>();
  #arenaAt: number;

  constructor(
    memory: CrowdedMemory,
    specification: NodeSpecification,
    sizes: RealNodeSizes,
    random: bigint,
    memoryBase: bigint = MEMORY_BASE,
  ) {
    this.#memory = memory;
    this.#specification = specification;
    this.node = specification.node;
    this.#isCollecting = sizes.isCollecting ?? true;
    const name = (region: string) => `node ${this.node} ${region}`;
    const slots = specification.connections.length + 1;
    this.area = memory.take(name("area"), AREA_LOCAL_BUCKETS);
    this.#connections = memory.take(name("connections"), slots * CONNECTION_BYTES);
    this.#subscriptions = memory.take(
      name("subscriptions"),
      specification.subscriptions.length * SUBSCRIPTION_BYTES,
    );
    this.#dirty = memory.take(name("dirty list"), sizes.outboxCount * 4);
    this.#picks = memory.take(name("picks"), 64 * 8);
    this.#planSets = memory.take(name("plan sets"), PLAN_SET_COUNT * PLAN_SET_BYTES);
    this.#generations = memory.take(name("generations"), GENERATION_COUNT * 4);
    this.#arenaAt = memory.take(name("plan arena"), sizes.arenaBytes);
    this.#arenaEnd = this.#arenaAt + sizes.arenaBytes;
    this.receive = memory.take(name("receive buffer"), sizes.receiveBytes);
    this.scratch = memory.take(name("scratch"), 8192);
    this.#accountNames = memory.take(name("account names"), ACCOUNT_NAME_SLOTS * ACCOUNT_NAME_BYTES);

    const { area } = this;
    this.#set(area + AREA_NODE, this.node);
    this.#set(area + AREA_NODE_COUNT, NODES_MAX);
    this.#set(area + AREA_DROPS_NOTHING, specification.dropsNothing ? 1 : 0);
    this.#setLong(area + AREA_MEMORY_BASE, memoryBase);
    this.#setLong(area + AREA_HASH_SEED, HASH_SEED);
    this.#set(area + AREA_CONTROL_LINE_MAX, CONTROL_LINE_BYTES_MAX);
    this.#setLong(area + AREA_RANDOM, random);
    this.#set(area + AREA_CONNECTIONS, this.#connections);
    this.#set(area + AREA_DIRTY, this.#dirty);
    this.#set(area + AREA_PICKS, this.#picks);
    this.#set(area + AREA_PLAN_SLOTS, this.#planSets);
    this.#set(area + AREA_ACCOUNT_NAMES, this.#accountNames);
    for (let index = 0; index < sizes.outboxCount; index++) {
      this.#giveOutbox(memory.take(name(`outbox ${index}`), OUTBOX_BYTES));
    }
    for (let slot = 0; slot < slots; slot++) this.output.push("");
    for (const [index, connection] of specification.connections.entries()) {
      const address = this.connection(index + 1);
      this.#set(address + CONNECTION_FLAGS, flagsOf(connection));
      this.#set(address + CONNECTION_CONTEXT, connection.context);
      this.#set(address + CONNECTION_PAYLOAD_MAX, connection.payloadBytesMax);
    }
    for (const [index, { max }] of specification.subscriptions.entries()) {
      this.#set(this.subscription(index) + SUBSCRIPTION_MAX, max);
    }
    this.engine = createEngine(memory.memory, area, this.#host(memoryBase));
  }

  connection(slot: number): number {
    return this.#connections + slot * CONNECTION_BYTES;
  }

  subscription(index: number): number {
    return this.#subscriptions + index * SUBSCRIPTION_BYTES;
  }

  word(address: number): number {
    return this.#memory.words[address >> 2]!;
  }

  long(address: number): number {
    return Number(this.#memory.longs[address >> 3]!);
  }

  #set(address: number, value: number): void {
    this.#memory.words[address >> 2] = value;
  }

  #setLong(address: number, value: bigint): void {
    this.#memory.longs[address >> 3] = value;
  }

  /** A word of the area. */
  get(field: number): number {
    return this.word(this.area + field);
  }

  /** From now on, lends other nodes what lies there. Returns the nodes that were lent what was lent before. */
  lend(address: number, lengthBytes: number): number[] {
    const nodes = this.get(AREA_LENT_TO);
    this.clear(AREA_LENT_TO);
    this.#set(this.area + AREA_LENDS, address);
    this.#set(this.area + AREA_LENDS_BYTES, lengthBytes);
    return Array.from({ length: NODES_MAX }, (_, node) => node).filter((node) => (nodes & (1 << node)) !== 0);
  }

  clear(field: number): void {
    this.#set(this.area + field, 0);
  }

  setFlags(slot: number, flags: number): void {
    const connection = { ...this.#specification.connections[slot - 1]!, flags };
    this.#set(this.connection(slot) + CONNECTION_FLAGS, flagsOf(connection));
  }

  counters(slot: number) {
    const at = this.connection(slot);
    return {
      sent: {
        messages: this.long(at + CONNECTION_OUT_MESSAGES),
        bytes: this.long(at + CONNECTION_OUT_BYTES),
      },
      received: {
        messages: this.long(at + CONNECTION_IN_MESSAGES),
        bytes: this.long(at + CONNECTION_IN_BYTES),
      },
    };
  }

  total() {
    const { area } = this;
    return {
      inMessages: this.long(area + AREA_IN_MESSAGES),
      inBytes: this.long(area + AREA_IN_BYTES),
      outMessages: this.long(area + AREA_OUT_MESSAGES),
      outBytes: this.long(area + AREA_OUT_BYTES),
    };
  }

  delivered(index: number): number {
    return this.long(this.subscription(index) + SUBSCRIPTION_DELIVERED);
  }

  /** The same in bytes. Only the targets of links have counters for them. */
  deliveredBytes(index: number): number {
    return this.long(this.subscription(index) + SUBSCRIPTION_DELIVERED + 8);
  }

  /** Indexes of the subscriptions that have reached their maximum. */
  expired(): number[] {
    const indexes: number[] = [];
    let at = this.get(AREA_EXPIRED);
    while (at !== 0) {
      indexes.push((at - this.#subscriptions) / SUBSCRIPTION_BYTES);
      at = this.word(at + SUBSCRIPTION_EXPIRED_NEXT);
    }
    return indexes;
  }

  unpublished(): number[] {
    const nodes = this.get(AREA_UNPUBLISHED);
    return Array.from({ length: NODES_MAX }, (_, node) => node).filter((node) => (nodes >>> node) & 1);
  }

  // Outboxes.

  #giveOutbox(outbox: number): void {
    this.#outboxes.push(outbox);
    this.#set(outbox, this.get(AREA_OUTBOX_FREE));
    this.#set(this.area + AREA_OUTBOX_FREE, outbox);
  }

  #host(memoryBase: bigint): EngineHost {
    return {
      flush: (slot) => {
        this.#collect(slot, memoryBase);
      },
      reclaim: () => this.flushAll(memoryBase),
      flushAll: () => this.flushAll(memoryBase),
      attach: (slot, skipped) => {
        this.#collect(slot, memoryBase);
        this.output[slot] += `${this.large.slice(skipped)}\r\n`;
      },
      sendLarge: (node, isPlain, pickCount, wantsTaker) => {
        const queues: number[] = [];
        for (let pick = this.#picks; pick < this.#picks + pickCount * 8; pick += 8) {
          if (this.word(pick) === node) queues.push(this.word(pick + 4));
        }
        this.sentLarge.push({ node, isPlain: isPlain !== 0, queues, wantsTaker: wantsTaker !== 0 });
      },
      note: (slot, target) => {
        const subscription = this.word(target + TARGET_SUBSCRIPTION);
        this.traced.push([slot, (subscription - this.#subscriptions) / SUBSCRIPTION_BYTES]);
      },
    };
  }

  /** Writes out every outbox and takes it back. */
  flushAll(memoryBase: bigint = MEMORY_BASE): void {
    const count = this.get(AREA_DIRTY_COUNT);
    for (let index = 0; index < count; index++) {
      const slot = this.word(this.#dirty + index * 4);
      const connection = this.connection(slot);
      this.#collect(slot, memoryBase);
      const outbox = this.word(connection + CONNECTION_OUTBOX);
      this.#set(outbox, this.get(AREA_OUTBOX_FREE));
      this.#set(this.area + AREA_OUTBOX_FREE, outbox);
      this.#set(connection + CONNECTION_OUTBOX, 0);
      this.#set(connection + CONNECTION_CURSOR, 0);
    }
    this.clear(AREA_DIRTY_COUNT);
    this.clear(AREA_HAS_GATHERED);
  }

  /** Adds what the outbox of a connection holds to its output and empties it. */
  #collect(slot: number, memoryBase: bigint): void {
    const connection = this.connection(slot);
    const outbox = this.word(connection + CONNECTION_OUTBOX);
    const data = outbox + OUTBOX_DATA;
    const cursor = this.word(connection + CONNECTION_CURSOR);
    const limit = this.word(connection + CONNECTION_LIMIT);
    const segment = this.word(connection + CONNECTION_SEGMENT);
    const iovecs = this.word(connection + CONNECTION_IOVECS);
    if (!this.#outboxes.includes(outbox)) throw new Error(`slot ${slot}: no outbox lies at ${outbox}`);
    if (limit !== outbox + OUTBOX_BYTES - OUTBOX_SLACK) throw new Error(`slot ${slot}: wrong limit`);
    if (segment < data || segment > cursor || cursor > limit) {
      throw new Error(`slot ${slot}: segment ${segment - outbox}, cursor ${cursor - outbox} in its outbox`);
    }
    if (iovecs > OUTBOX_IOVECS_MAX - 1)
      throw new Error(`slot ${slot}: ${iovecs} iovecs leave no room for one`);
    this.#set(connection + CONNECTION_CURSOR, data);
    this.#set(connection + CONNECTION_SEGMENT, data);
    this.#set(connection + CONNECTION_IOVECS, 0);
    if (!this.#isCollecting) return;
    let ownAt = data;
    let hasGathered = false;
    for (let iovec = outbox; iovec < outbox + iovecs * 16; iovec += 16) {
      const address = Number(this.#memory.longs[iovec >> 3]! - memoryBase);
      const length = this.long(iovec + 8);
      const isOwn = address === ownAt && address + length <= segment;
      if (isOwn) ownAt += length;
      else {
        hasGathered = true;
        if (!this.#isGatherable(address, length)) {
          throw new Error(`slot ${slot}: an iovec names ${length} bytes at ${address}`);
        }
      }
      this.output[slot] += text(this.#memory.bytes, address, address + length);
    }
    if (ownAt !== segment) throw new Error(`slot ${slot}: iovecs name other bytes than were framed`);
    if (hasGathered && this.get(AREA_HAS_GATHERED) !== 1) throw new Error("gathered bytes are not announced");
    this.output[slot] += text(this.#memory.bytes, segment, cursor);
  }

  /** Whether bytes lie where payloads are received: the receive buffer, the scratch, a ring. */
  #isGatherable(address: number, length: number): boolean {
    return this.#memory.regions.some(
      ({ name, start, end }) =>
        /receive buffer|scratch|ring/.test(name) && address >= start && address + length <= end,
    );
  }

  // Plans.

  /** Whether the cache holds a plan whose generations stand still. */
  hasPlan(context: number, subject: string): boolean {
    const plan = this.#plans.get(planKey(context, subject));
    if (plan === undefined) return false;
    for (let at = plan + PLAN_GENERATIONS; at < plan + PLAN_GENERATIONS + 32; at += 8) {
      if (this.word(this.word(at)) !== this.word(at + 4)) return false;
    }
    const more = this.word(plan + PLAN_MORE_GENERATIONS);
    for (let at = more; at < more + this.word(plan + PLAN_MORE_COUNT) * 8; at += 8) {
      if (this.word(this.word(at)) !== this.word(at + 4)) return false;
    }
    return true;
  }

  /** Makes the plans that depend on a generation word stale. */
  invalidate(generation: number): void {
    const address = this.#generations + (generation % GENERATION_COUNT) * 4;
    this.#set(address, this.word(address) + 1);
  }

  #takeArena(bytes: number): number {
    const at = this.#arenaAt;
    this.#arenaAt += (bytes + 15) & ~15;
    if (this.#arenaAt + 15 > this.#arenaEnd) throw new Error("the test's plan arena is full");
    return at;
  }

  #takeText(value: string): number {
    const at = this.#takeArena(value.length);
    write(this.#memory.bytes, at, value);
    return at;
  }

  /** Writes a plan into the arena and names it in its set. */
  install(specification: PlanSpecification): number {
    const { subject, context, delivered = subject, moreGenerations = 0 } = specification;
    const plan = this.#takeArena(PLAN_SUBJECT + subject.length);
    write(this.#memory.bytes, plan + PLAN_SUBJECT, subject);
    const hash = this.engine.hash(plan + PLAN_SUBJECT, subject.length) | 0;
    this.#set(plan + PLAN_HASH, hash);
    this.#set(plan + PLAN_SUBJECT_LENGTH, subject.length);
    this.#set(plan + PLAN_CONTEXT, context);
    const { isForHost, queuesAreForHost, repliesAreForHost } = specification;
    this.#set(
      plan + PLAN_FLAGS,
      (isForHost ? PLAN_IS_FOR_HOST : 0) |
        (queuesAreForHost ? PLAN_QUEUES_ARE_FOR_HOST : 0) |
        (repliesAreForHost ? PLAN_REPLIES_ARE_FOR_HOST : 0),
    );
    this.#set(plan + PLAN_ACCOUNT, specification.account);
    const bits = (nodes: Iterable<number>) => [...nodes].reduce((map, node) => map | (1 << node), 0);
    this.#set(plan + PLAN_PLAIN_NODES, bits(specification.plainNodes));
    this.#set(plan + PLAN_ALL_NODES, bits(allNodes(specification)));
    for (let index = 0; index < 4; index++) {
      const generation = this.#generations + ((subject.length + index * 3) % GENERATION_COUNT) * 4;
      this.#set(plan + PLAN_GENERATIONS + index * 8, generation);
      this.#set(plan + PLAN_GENERATIONS + index * 8 + 4, this.word(generation));
    }
    this.#set(plan + PLAN_DELIVERED, this.#takeText(delivered));
    this.#set(plan + PLAN_DELIVERED_LENGTH, delivered.length);
    const more = this.#takeArena(moreGenerations * 8);
    this.#set(plan + PLAN_MORE_GENERATIONS, more);
    this.#set(plan + PLAN_MORE_COUNT, moreGenerations);
    for (let index = 0; index < moreGenerations; index++) {
      const generation = this.#generations + ((subject.length + index * 5) % GENERATION_COUNT) * 4;
      this.#set(more + index * 8, generation);
      this.#set(more + index * 8 + 4, this.word(generation));
    }
    this.#set(plan + PLAN_PLAIN_COUNT, specification.plain.length);
    this.#set(plan + PLAN_PLAIN, this.#arenaAt);
    for (const index of specification.plain) this.#writeTarget(delivered, index);
    this.#set(plan + PLAN_GROUP_COUNT, specification.groups.length);
    this.#set(plan + PLAN_GROUPS, this.#arenaAt);
    for (const { queue, locals, nodes } of specification.groups) {
      const group = this.#takeArena(GROUP_BYTES);
      const addresses = this.#takeArena(locals.length * 4);
      const members = this.#takeArena(nodes.length * 8);
      this.#set(group + GROUP_QUEUE, queue);
      this.#set(group + GROUP_LOCAL_COUNT, locals.length);
      this.#set(group + GROUP_NODE_COUNT, nodes.length);
      this.#set(
        group + GROUP_WEIGHT,
        nodes.reduce((sum, { weight }) => sum + weight, locals.length),
      );
      this.#set(group + GROUP_NODES, members);
      this.#set(group + GROUP_LOCALS, addresses);
      for (const [index, { node, weight }] of nodes.entries()) {
        this.#set(members + index * 8, node);
        this.#set(members + index * 8 + 4, weight);
      }
      for (const [index, local] of locals.entries()) {
        this.#set(addresses + index * 4, this.#writeTarget(delivered, local));
      }
      this.#set(group + GROUP_STRIDE, this.#arenaAt - group);
    }
    this.#name(plan, hash, context, subject);
    return plan;
  }

  #writeTarget(subject: string, index: number): number {
    const { slot, sid } = this.#specification.subscriptions[index]!;
    const { link } = this.#specification.connections[slot - 1]!;
    const prefix = `${link === undefined ? "H" : ""}${prefixOf(link, subject, sid)}`;
    const target = this.#takeArena(TARGET_PREFIX + prefix.length);
    this.#set(target + TARGET_CONNECTION, this.connection(slot));
    this.#set(target + TARGET_SUBSCRIPTION, this.subscription(index));
    this.#set(target + TARGET_PREFIX_LENGTH, prefix.length);
    this.#set(target + TARGET_STRIDE, this.#arenaAt - target);
    write(this.#memory.bytes, target + TARGET_PREFIX, prefix);
    return target;
  }

  /** Enters a plan into its set, in place of the subject's stale plan or in a free way. */
  #name(plan: number, hash: number, context: number, subject: string): void {
    const stale = this.#plans.get(planKey(context, subject));
    const set = this.#planSets + (hash & (PLAN_SET_COUNT - 1)) * PLAN_SET_BYTES;
    for (let way = set; way < set + PLAN_SET_WAYS * 8; way += 8) {
      const named = this.word(way + 4);
      if (named !== 0 && named !== stale) continue;
      this.#set(way, hash);
      this.#set(way + 4, plan);
      this.#plans.set(planKey(context, subject), plan);
      return;
    }
    throw new Error("the test's subjects share a set");
  }

  // Accounts.

  /** Enters a name into its slot, over what is there. */
  nameAccount(name: string, id: number): void {
    const slot = this.#slotOfAccount(name);
    this.#set(slot + ACCOUNT_NAME_LENGTH, name.length);
    this.#set(slot + ACCOUNT_NAME_ID, id);
    write(this.#memory.bytes, slot + ACCOUNT_NAME_TEXT, name);
  }

  /** The id that the table has for a name. */
  idOfAccount(name: string): number | undefined {
    const slot = this.#slotOfAccount(name);
    const start = slot + ACCOUNT_NAME_TEXT;
    const named = text(this.#memory.bytes, start, start + this.word(slot + ACCOUNT_NAME_LENGTH));
    return named === name ? this.word(slot + ACCOUNT_NAME_ID) : undefined;
  }

  forgetAccounts(): void {
    const end = this.#accountNames + ACCOUNT_NAME_SLOTS * ACCOUNT_NAME_BYTES;
    this.#memory.bytes.fill(0, this.#accountNames, end);
  }

  #slotOfAccount(name: string): number {
    return this.#accountNames + (this.hashOf(name) & (ACCOUNT_NAME_SLOTS - 1)) * ACCOUNT_NAME_BYTES;
  }

  // Rings.

  /** The records in a ring that its consumer has not taken. Checks their form. */
  records(ring: number, capacity: number, consumerPosition: number, producerPosition: number) {
    const records: object[] = [];
    let position = consumerPosition >>> 0;
    while (position !== producerPosition >>> 0) {
      const record = ring + RING_DATA + (position & (capacity - 1));
      const length = this.word(record + RECORD_LENGTH);
      if (length % 16 !== 0 || length === 0) throw new Error(`a record is ${length} bytes long`);
      if (record + length > ring + RING_DATA + capacity) throw new Error("a record crosses the ring's end");
      position = (position + length) >>> 0;
      if (this.word(record + RECORD_KIND) === RECORD_KIND_WRAP) continue;
      const queueCount = this.word(record + RECORD_QUEUE_COUNT);
      const queues: number[] = [];
      for (let index = 0; index < queueCount; index++) {
        queues.push(this.word(record + RECORD_BODY + index * 4));
      }
      const subject = (record + RECORD_BODY + queueCount * 4 + 15) & ~15;
      const subjectEnd = subject + this.word(record + RECORD_SUBJECT_LENGTH);
      const isLent = this.word(record + RECORD_KIND) === RECORD_KIND_LENT;
      const line = isLent ? this.word(record + length - 4) : subjectEnd;
      const payload = line + this.word(record + RECORD_LINE_LENGTH);
      const end = line + this.word(record + RECORD_REST_LENGTH);
      records.push({
        context: this.word(record + RECORD_CONTEXT),
        subject: text(this.#memory.bytes, subject, subjectEnd),
        line: text(this.#memory.bytes, line, payload),
        payload: text(this.#memory.bytes, payload, end),
        headerLength: this.word(record + RECORD_HEADER_LENGTH),
        queues,
        isPlain: this.word(record + RECORD_IS_PLAIN),
        origin: this.word(record + RECORD_ORIGIN),
        length,
      });
    }
    return records;
  }

  hashOf(subject: string): number {
    write(this.#memory.bytes, this.scratch, subject);
    return this.engine.hash(this.scratch, subject.length) | 0;
  }
}

/** Joins two nodes by a ring of `capacity` bytes whose positions begin at `start`. Returns its address. */
export function joinByRing(
  memory: CrowdedMemory,
  from: RealNode,
  to: RealNode,
  capacity: number,
  start: number,
): number {
  const ring = memory.take(`ring ${from.node} to ${to.node}`, RING_DATA + capacity);
  const ends = [
    from.area + AREA_OUT_RINGS + to.node * RING_END_BYTES,
    to.area + AREA_IN_RINGS + from.node * RING_END_BYTES,
  ];
  const { words } = memory;
  for (const end of ends) {
    words[(end + RING_END_RING) >> 2] = ring;
    words[(end + RING_END_CAPACITY) >> 2] = capacity;
    words[(end + RING_END_POSITION) >> 2] = start;
    words[(end + RING_END_OTHER) >> 2] = start;
  }
  words[(ring + RING_HEAD) >> 2] = start;
  words[(ring + RING_TAIL) >> 2] = start;
  return ring;
}
