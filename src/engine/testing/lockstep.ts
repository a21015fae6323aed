/** Nodes joined by rings. Each is a real node and its model, which are told the same and must do the same. */
import {
  AREA_ACCOUNT,
  AREA_ACCOUNT_LENGTH,
  AREA_CONTEXT,
  AREA_EXPIRED,
  AREA_FULL_NODE,
  AREA_HEADER_LENGTH,
  AREA_IN_RINGS,
  AREA_LINE_LENGTH,
  AREA_MESSAGE_END,
  AREA_OUT_RINGS,
  AREA_REPLY,
  AREA_REPLY_LENGTH,
  AREA_REST,
  AREA_RESUME,
  AREA_STALLED_BY,
  AREA_SUBJECT,
  AREA_SUBJECT_HASH,
  AREA_SUBJECT_LENGTH,
  REASON_ACCOUNT,
  REASON_DONE,
  REASON_HOST_PLAN,
  REASON_MISS,
  REASON_NO_RESPONDERS,
  REASON_OTHER,
  REASON_RING_FULL,
  REASON_STALLED,
  REASON_UNSERVED,
  REASON_UNTAKEN,
  RECORD_BODY,
  RECORD_KIND,
  RECORD_KIND_LENT,
  RECORD_KIND_MESSAGE,
  RECORD_SUBJECT_LENGTH,
  RECORD_TRIED,
  RECORD_WANTS_TAKER,
  RING_END_BYTES,
  RING_END_POSITION,
  RING_TAIL,
} from "../../memory/layout.ts";
import { CrowdedMemory } from "./crowded_memory.ts";
import { parseLine } from "./model_lines.ts";
import { isLent, ModelNode, type ScanResult } from "./model_node.ts";
import { ModelRing } from "./model_ring.ts";
import { joinByRing, RealNode } from "./real_node.ts";
import {
  CONTROL_LINE_BYTES_MAX,
  type Message,
  type NodeSpecification,
  type PlanSpecification,
  planKey,
  text,
  write,
} from "./specification.ts";

export interface WorldSpecification {
  nodes: NodeSpecification[];
  outboxCount: number;
  ringCapacity: number;
  /** Where ring positions begin: a multiple of 16 below 2³². */
  ringStart: number;
  random: bigint;
}

/** One memory for all tests, because making one reserves 4 GiB of addresses. */
export const memory = new CrowdedMemory();
/** The accounts that the host knows by name, and their ids. */
export const ACCOUNTS: ReadonlyMap<string, number> = new Map([
  ["$G", 1],
  ["A".repeat(56), 2],
  ["n".repeat(112), 1],
]);
const RECEIVE_BYTES = 192 * 1024;
/** So many buffers are read into in turn. What a node has lent of one is taken before it is read into again. */
const RECEIVE_BUFFERS = 3;
/** The most that one read brings, so that it fits behind a message that was kept. */
const READ_BYTES = 80 * 1024;

class Difference extends Error {}

function same(what: string, real: unknown, model: unknown): void {
  const [shown, wanted] = [JSON.stringify(real), JSON.stringify(model)];
  if (shown === wanted) return;
  let at = 0;
  while (shown[at] === wanted[at]) at++;
  const around = (value: string) => value.slice(Math.max(0, at - 80), at + 160);
  throw new Difference(
    `${what}: the engine has ${shown.length} characters …${around(shown)}…, the model ${wanted.length} …${around(wanted)}…`,
  );
}

export class Lockstep {
  readonly real = new Map<number, RealNode>();
  readonly model = new Map<number, ModelNode>();
  readonly #rings: { from: number; to: number; address: number; model: ModelRing }[] = [];
  /** By node and slot: bytes that a connection has sent and that are not a whole line or message yet. */
  readonly #kept = new Map<string, string>();
  /** The receive buffer that a node read into last, and to which nodes it has lent that and those before. */
  readonly #buffers = new Map<number, { at: number; lentTo: number[][] }>();
  /** What each scan left to the host, in order. */
  readonly handed: string[] = [];

  constructor(world: WorldSpecification) {
    memory.clear();
    for (const specification of world.nodes) {
      const sizes = {
        outboxCount: world.outboxCount,
        receiveBytes: RECEIVE_BYTES * RECEIVE_BUFFERS,
        arenaBytes: 1 << 19,
      };
      const { node } = specification;
      this.real.set(node, new RealNode(memory, specification, sizes, world.random));
      this.model.set(node, new ModelNode(structuredClone(specification), world.random));
    }
    for (const [from, fromModel] of this.model) {
      for (const to of this.model.keys()) {
        if (from === to) continue;
        const address = joinByRing(
          memory,
          this.real.get(from)!,
          this.real.get(to)!,
          world.ringCapacity,
          world.ringStart,
        );
        const model = new ModelRing(world.ringCapacity, world.ringStart);
        fromModel.rings.set(to, model);
        this.#rings.push({ from, to, address, model });
      }
    }
  }

  /** A connection sends `input`, which arrives in pieces cut at `cuts`. What is not complete yet is kept. */
  send(node: number, slot: number, input: string, cuts: number[], offset = 0): void {
    const ends = new Set([...cuts.map((cut) => cut % (input.length + 1)), input.length]);
    for (let end = READ_BYTES; end < input.length; end += READ_BYTES) ends.add(end);
    let from = 0;
    for (const end of [...ends].sort((a, b) => a - b)) {
      this.#receive(node, slot, input.slice(from, end), input.slice(end), offset);
      from = end;
    }
  }

  #receive(node: number, slot: number, piece: string, after: string, offset: number): void {
    const real = this.real.get(node)!;
    const model = this.model.get(node)!;
    const key = `${node} ${slot}`;
    const input = (this.#kept.get(key) ?? "") + piece;
    const base = this.#nextBuffer(node) + offset;
    // What lies behind the end is not received yet, but may look like the rest of a message.
    write(memory.bytes, base, `${input}${after}\r\nPUB a 0\r\n\r\n`.slice(0, RECEIVE_BYTES - offset));
    let at = 0;
    let fullAt = "";
    for (;;) {
      const isLink = model.connections[slot - 1]!.link !== undefined;
      const scan = isLink ? real.engine.scanLink : real.engine.scan;
      const reason = scan(slot, base + at, base + input.length);
      const expected = model.scan(input, at, slot, real);
      const resume = real.get(AREA_RESUME) - base;
      same("scan()", [reason, resume], [expected.reason, expected.resume]);
      at = resume;
      if (reason === REASON_DONE) break;
      if (reason === REASON_OTHER) {
        const next = afterForeign(input, at, model, slot);
        if (next < 0) break;
        this.handed.push(`foreign ${input.slice(at, next)}`);
        at = next;
      } else if (reason === REASON_RING_FULL) {
        same("the full node", real.get(AREA_FULL_NODE), expected.fullNode);
        const full = `node ${expected.fullNode} at ${at}`;
        if (fullAt === full) throw new Difference("a ring that was emptied has no room");
        fullAt = full;
        this.publish(node);
        this.drain(node, expected.fullNode!, 1 << 30, true);
      } else {
        this.#checkFound(real, base, expected, reason);
        const { message } = expected;
        if (reason === REASON_MISS) this.#install(node, expected.context!, message!);
        else if (reason === REASON_ACCOUNT) {
          const id = ACCOUNTS.get(message!.account!);
          if (id !== undefined) real.nameAccount(message!.account!, id);
          else {
            this.handed.push(`unknown ${message!.account}`);
            at = expected.messageEnd!;
          }
        } else if (reason === REASON_HOST_PLAN) {
          this.handed.push(`planned ${message!.subject} ${message!.line}${message!.payload}`);
          at = expected.messageEnd!;
        } else if (reason === REASON_NO_RESPONDERS) this.handed.push(`unanswered ${message!.reply}`);
      }
    }
    this.#kept.set(key, input.slice(at));
    real.flushAll();
  }

  /** The buffer that a node reads into next. */
  #nextBuffer(node: number): number {
    const real = this.real.get(node)!;
    const last = this.#buffers.get(node) ?? { at: 0, lentTo: [] };
    const at = (last.at + 1) % RECEIVE_BUFFERS;
    const start = real.receive + at * RECEIVE_BYTES;
    const lentTo = [...last.lentTo, real.lend(start, RECEIVE_BYTES)];
    const due = lentTo.length === RECEIVE_BUFFERS ? lentTo.shift()! : [];
    this.#buffers.set(node, { at, lentTo });
    if (due.length > 0) this.publish(node);
    for (const to of due) this.drain(node, to, 1 << 30, true);
    return start;
  }

  #checkFound(real: RealNode, base: number, expected: ScanResult, reason: number): void {
    const message = expected.message!;
    const range = (address: number, length: number) => text(memory.bytes, address, address + length);
    const found = {
      subject: range(real.get(AREA_SUBJECT), real.get(AREA_SUBJECT_LENGTH)),
      line: range(real.get(AREA_REST), real.get(AREA_LINE_LENGTH)),
      reply: range(real.get(AREA_REPLY), real.get(AREA_REPLY_LENGTH)),
      headerLength: real.get(AREA_HEADER_LENGTH),
      messageEnd: real.get(AREA_MESSAGE_END) - base,
    };
    same("what was found", found, {
      subject: message.subject,
      line: message.line,
      reply: message.reply,
      headerLength: message.headerLength,
      messageEnd: expected.messageEnd,
    });
    if (reason === REASON_NO_RESPONDERS) return;
    if (reason === REASON_ACCOUNT) {
      same("the account", range(real.get(AREA_ACCOUNT), real.get(AREA_ACCOUNT_LENGTH)), message.account);
      return;
    }
    same("the hash", real.get(AREA_SUBJECT_HASH), real.hashOf(message.subject));
    same("the context", real.get(AREA_CONTEXT), expected.context);
  }

  #install(node: number, context: number, { subject }: Message): void {
    const model = this.model.get(node)!;
    const key = planKey(context, subject);
    if (!model.plans.has(key)) {
      const empty = { plain: [], groups: [], plainNodes: [], isForHost: false };
      model.plans.set(key, { context, account: context, subject, ...empty });
    }
    this.real.get(node)!.install(model.plans.get(key)!);
  }

  /** Publishes a message that the host has parsed, in the memory or outside. */
  publishOne(node: number, slot: number, context: number, message: Message, isLarge: boolean): void {
    const wantsTaker = message.reply !== "";
    const real = this.real.get(node)!;
    const model = this.model.get(node)!;
    if (!real.hasPlan(context, message.subject)) this.#install(node, context, message);
    const specification = model.plans.get(planKey(context, message.subject))!;
    const plan = real.install(specification);
    const { line, headerLength, payload } = message;
    for (;;) {
      const full = model.fullNode(specification, message, isLarge);
      write(memory.bytes, real.scratch, isLarge ? line : `${line}${payload}\r\n`);
      real.large = payload;
      const publisher = real.connection(slot);
      real.engine.describe(publisher, real.scratch, line.length, headerLength, payload.length, isLarge);
      const taken = real.engine.publishOne(plan, wantsTaker);
      const takers = full >= 0 ? -1 : model.publish(specification, message, slot, isLarge, wantsTaker);
      same("publishOne()", taken, takers);
      real.flushAll();
      if (full < 0) return;
      same("the full node", real.get(AREA_FULL_NODE), full);
      this.publish(node);
      this.drain(node, full, 1 << 30, true);
    }
  }

  /** Shows other nodes what was written for them. */
  publish(node: number): void {
    const real = this.real.get(node)!;
    const model = this.model.get(node)!;
    same(
      "unpublished nodes",
      real.unpublished(),
      [...model.unpublished].sort((a, b) => a - b),
    );
    for (const to of model.unpublished) {
      real.engine.publish(to);
      model.rings.get(to)!.publish();
    }
    model.unpublished.clear();
    same("unpublished nodes after publish()", real.unpublished(), []);
  }

  /** Node `to` takes what `from` has sent. With `isAll`, it takes everything and gives the room back. */
  drain(from: number, to: number, bytesMax: number, isAll: boolean): void {
    const real = this.real.get(to)!;
    const model = this.model.get(to)!;
    const ring = this.model.get(from)!.rings.get(to)!;
    for (;;) {
      same("available()", real.engine.available(from), ring.available);
      const reason = real.engine.drain(from, bytesMax);
      const expected = model.drain(ring, bytesMax, real);
      same("drain()", reason, expected.reason);
      const resume = real.get(AREA_RESUME);
      if (reason === REASON_MISS) {
        const kind = isLent(expected.message!) ? RECORD_KIND_LENT : RECORD_KIND_MESSAGE;
        same("the record's kind", real.word(resume + RECORD_KIND), kind);
        same("the context", real.get(AREA_CONTEXT), expected.context);
        this.#install(to, expected.context!, expected.message!);
      } else if (reason === REASON_HOST_PLAN) {
        this.handed.push(`recorded ${expected.message!.subject} ${expected.message!.line}`);
        real.engine.skip(from, resume);
        ring.take();
      } else if (reason === REASON_UNTAKEN) {
        this.handed.push(`untaken ${expected.message!.subject} ${expected.message!.line}`);
        const { length } = expected.message!.subject;
        same("the record nobody took", real.word(resume + RECORD_SUBJECT_LENGTH), length);
      } else if (reason === REASON_UNSERVED) {
        const { message, queues, wantsTaker } = expected;
        this.handed.push(`unserved ${message!.subject} ${message!.line}`);
        const left = queues!.map((_, i) => real.word(resume + RECORD_BODY + i * 4));
        same("the groups nobody served", left, queues);
        same("whether anybody took it", real.word(resume + RECORD_WANTS_TAKER) !== 0, wantsTaker);
        same("the record's tried nodes", real.word(resume + RECORD_TRIED), 0);
      } else if (reason === REASON_STALLED) {
        same("the origin", resume, expected.origin);
        real.clear(AREA_STALLED_BY);
        model.isStalled = false;
      } else {
        same("whether there may be more", resume, expected.isMore ? 1 : 0);
        if (!isAll || !expected.isMore) break;
      }
    }
    real.flushAll();
    if (!isAll) return;
    real.engine.release(from);
    ring.release();
  }

  setFlags(node: number, slot: number, flags: number): void {
    this.real.get(node)!.setFlags(slot, flags);
    this.model.get(node)!.connections[slot - 1]!.flags = flags;
  }

  /** Changes who gets a subject, and makes older plans stale. */
  replan(node: number, plan: PlanSpecification, generation: number): void {
    this.model.get(node)!.plans.set(planKey(plan.context, plan.subject), plan);
    // The plan of this subject depends on this word, among others.
    this.real.get(node)!.invalidate(plan.subject.length + (generation % 4) * 3);
  }

  /** Compares everything that can be seen, and forgets what would grow. */
  compare(): void {
    for (const [node, real] of this.real) {
      const model = this.model.get(node)!;
      const name = (what: string) => `node ${node}, ${what}`;
      for (let slot = 1; slot <= model.connections.length; slot++) {
        same(name(`bytes to slot ${slot}`), real.output[slot], model.output[slot]);
        same(name(`counters of slot ${slot}`), real.counters(slot), {
          sent: model.sent[slot],
          received: model.received[slot],
        });
        real.output[slot] = "";
        model.output[slot] = "";
      }
      same(name("totals"), real.total(), model.total);
      for (const index of model.subscriptions.keys()) {
        same(name(`deliveries to ${index}`), real.delivered(index), model.delivered[index]);
      }
      same(name("expired subscriptions"), real.expired(), model.expired);
      real.clear(AREA_EXPIRED);
      model.expired = [];
      same(name("STALLED_BY"), real.get(AREA_STALLED_BY) !== 0, model.isStalled);
      real.clear(AREA_STALLED_BY);
      model.isStalled = false;
      same(name("traces"), real.traced, model.traced);
      same(name("large messages to nodes"), real.sentLarge, model.sentLarge);
    }
    for (const { from, to, address, model } of this.#rings) this.#compareRing(from, to, address, model);
    const strays = memory.strayWrites();
    if (strays.length > 0) throw new Difference(`stray writes: ${strays.join("; ")}`);
  }

  /** What the real ring between two nodes holds. */
  recordsTo(from: number, to: number): object[] {
    const { address, model } = this.#rings.find((ring) => ring.from === from && ring.to === to)!;
    const { produced, consumed } = this.#positions(from, to);
    return this.real.get(from)!.records(address, model.capacity, consumed, produced);
  }

  #positions(from: number, to: number) {
    return {
      produced: this.real.get(from)!.get(AREA_OUT_RINGS + to * RING_END_BYTES + RING_END_POSITION),
      consumed: this.real.get(to)!.get(AREA_IN_RINGS + from * RING_END_BYTES + RING_END_POSITION),
    };
  }

  #compareRing(from: number, to: number, address: number, model: ModelRing): void {
    const receiver = this.real.get(to)!;
    const { produced } = this.#positions(from, to);
    const name = `ring ${from} to ${to}`;
    same(`${name}, producer's position`, produced >>> 0, model.position % 2 ** 32);
    same(`${name}, tail`, receiver.word(address + RING_TAIL) >>> 0, model.tail % 2 ** 32);
    const records = this.recordsTo(from, to);
    const expected = model.records.map(({ context, message, queues, isPlain, origin, length }) => ({
      context,
      subject: message.subject,
      line: message.line,
      payload: `${message.payload}\r\n`,
      headerLength: message.headerLength,
      queues,
      isPlain: isPlain ? 1 : 0,
      origin,
      length,
    }));
    same(name, records, expected);
  }
}

/** Where to go on after something that is not for the engine; −1 to wait for more bytes. */
function afterForeign(input: string, at: number, model: ModelNode, slot: number): number {
  const feed = input.indexOf("\n", at);
  if (feed < 0) return input.length - at > 2 * CONTROL_LINE_BYTES_MAX ? input.length : -1;
  const line = parseLine(input, at, model.connections[slot - 1]!);
  if (line !== undefined && input.length < line.payloadEnd + 2) return -1;
  return feed + 1;
}
