/**
 * What the engine alone costs per message, in one thread: scanning and framing, crossing a ring, hashing, looking up a
 * plan. Run it with `bun bench/micro/engine.ts` or `deno run -A bench/micro/engine.ts`.
 */
import { measure } from "mitata";
import { CrowdedMemory } from "../../src/engine/testing/crowded_memory.ts";
import { joinByRing, RealNode } from "../../src/engine/testing/real_node.ts";
import {
  type ConnectionSpecification,
  type LinkKind,
  type PlanSpecification,
  write,
} from "../../src/engine/testing/specification.ts";
import {
  CONNECTION_TAKES_HEADERS,
  CONTEXT_FROM_ROUTE,
  REASON_DONE,
  REASON_OTHER,
} from "../../src/memory/layout.ts";

const NODE = 3;
const OTHER_NODE = 4;
const MESSAGES = 500;
const SUBSCRIBERS = 10;
const WARM_UP_MS = 400;
const SUBJECT = "orders.created.eu";
const PLAN = { context: 1, account: 1, isForHost: false, groups: [], plainNodes: [] };

const memory = new CrowdedMemory();

/**
 * A node that is joined to another by a ring, with a publisher in slot 1 and subscribers after it: clients or links.
 */
function makeNodes(publisherLink?: LinkKind, subscriberLink?: LinkKind) {
  memory.clear();
  const connections = Array.from({ length: SUBSCRIBERS + 1 }, (_, index): ConnectionSpecification => {
    const link = index === 0 ? publisherLink : subscriberLink;
    const connection = { flags: CONNECTION_TAKES_HEADERS, payloadBytesMax: 1 << 20 };
    if (link === undefined) return { ...connection, context: 1 };
    return { ...connection, link, context: link === "route" ? CONTEXT_FROM_ROUTE : 1 };
  });
  const subscriptions = Array.from({ length: SUBSCRIBERS }, (_, index) => ({
    slot: index + 2,
    sid: subscriberLink === undefined ? `${index + 1}` : "$G",
    max: 0,
  }));
  const sizes = { outboxCount: 16, receiveBytes: 512 << 10, arenaBytes: 1 << 20, isCollecting: false };
  const make = (node: number) =>
    new RealNode(memory, { node, connections, subscriptions, plans: [] }, sizes, 1n);
  const [node, other] = [make(NODE), make(OTHER_NODE)];
  joinByRing(memory, node, other, 4 << 20, 0);
  node.nameAccount("$G", 1);
  return { node, other };
}

function subscribe(node: RealNode, plan: Partial<PlanSpecification>, subject = SUBJECT): void {
  node.install({ ...PLAN, plain: [], ...plan, subject });
}

const firstSubscribers = (count: number) => Array.from({ length: count }, (_, index) => index);

/** Fills a receive buffer with MESSAGES publications, one subject after the other, and returns their end. */
function receive(node: RealNode, payloadBytes: number, subjects = [SUBJECT], verb = "PUB"): number {
  let at = node.receive;
  for (let index = 0; index < MESSAGES; index++) {
    const message = `${verb} ${subjects[index % subjects.length]} ${payloadBytes}\r\n${"x".repeat(payloadBytes)}\r\n`;
    write(memory.bytes, at, message);
    at += message.length;
  }
  return at;
}

/** The same with a header block of this length, whose lines have about 32 bytes. */
function receiveWithHeaders(node: RealNode, headerBytes: number): number {
  const line = "Traced-Id: 0123456789abcdefgh\r\n";
  const lines = line.repeat(Math.ceil(headerBytes / line.length)).slice(0, headerBytes - 14);
  const block = `NATS/1.0\r\n${lines}\r\n\r\n`;
  let at = node.receive;
  for (let index = 0; index < MESSAGES; index++) {
    const sizes = `${block.length} ${block.length + 16}`;
    const message = `HPUB ${SUBJECT} ${sizes}\r\n${block}${"x".repeat(16)}\r\n`;
    write(memory.bytes, at, message);
    at += message.length;
  }
  return at;
}

function check(reason: number, wanted: number): void {
  if (reason !== wanted) throw new Error(`the engine came back with reason ${reason}, not ${wanted}`);
}

async function report(name: string, count: number, work: () => void): Promise<void> {
  // Each engine is compiled again, and V8 takes a while to compile it well.
  const warm = performance.now() + WARM_UP_MS;
  while (performance.now() < warm) work();
  const { min, p25, p50 } = await measure(work, { min_cpu_time: 300e6 });
  const each = (ns: number) => (ns / count).toFixed(1).padStart(8);
  console.log(`${name.padEnd(56)}${each(min)}${each(p25)}${each(p50)}`);
}

// On a busy machine, the least is the steadiest of the three.
console.log(`${"ns per message".padEnd(56)}${"least".padStart(8)}${"p25".padStart(8)}${"p50".padStart(8)}`);

for (const payloadBytes of [16, 128]) {
  for (const subscribers of [0, 1, 10]) {
    const { node } = makeNodes();
    subscribe(node, { plain: firstSubscribers(subscribers) });
    const end = receive(node, payloadBytes);
    await report(`scan, ${payloadBytes} B to ${subscribers} subscribers`, MESSAGES, () => {
      check(node.engine.scan(1, node.receive, end), REASON_DONE);
      node.flushAll();
    });
  }
}

for (const headerBytes of [40, 400]) {
  const { node } = makeNodes();
  subscribe(node, { plain: firstSubscribers(1) });
  const end = receiveWithHeaders(node, headerBytes);
  await report(`scan, 16 B with ${headerBytes} B of headers to 1 subscriber`, MESSAGES, () => {
    check(node.engine.scan(1, node.receive, end), REASON_DONE);
    node.flushAll();
  });
}

for (const payloadBytes of [1024]) {
  const { node } = makeNodes();
  subscribe(node, { plain: firstSubscribers(1) });
  const end = receive(node, payloadBytes);
  await report(`scan, ${payloadBytes} B to 1 subscriber, gathered`, MESSAGES, () => {
    check(node.engine.scan(1, node.receive, end), REASON_DONE);
    node.flushAll();
  });
}

for (const payloadBytes of [16, 128]) {
  const { node, other } = makeNodes();
  subscribe(node, { plainNodes: [OTHER_NODE] });
  subscribe(other, { plain: firstSubscribers(1) });
  const end = receive(node, payloadBytes);
  await report(`scan to a ring, drain to 1 subscriber, ${payloadBytes} B`, MESSAGES, () => {
    check(node.engine.scan(1, node.receive, end), REASON_DONE);
    node.engine.publish(OTHER_NODE);
    check(other.engine.drain(NODE, 1 << 30), REASON_DONE);
    other.flushAll();
    other.engine.release(NODE);
  });
  await report(`  of which scan to a ring, ${payloadBytes} B`, MESSAGES, () => {
    check(node.engine.scan(1, node.receive, end), REASON_DONE);
    node.engine.publish(OTHER_NODE);
    for (let record = other.engine.peek(NODE); record !== 0; record = other.engine.peek(NODE)) {
      other.engine.skip(NODE, record);
    }
    other.engine.release(NODE);
  });
}

for (const [link, verb, context] of [
  ["route", "RMSG $G", CONTEXT_FROM_ROUTE | 1],
  ["leaf", "LMSG", 1],
] as const) {
  for (const subscribers of [1, 10]) {
    const { node } = makeNodes(link);
    subscribe(node, { context, plain: firstSubscribers(subscribers) });
    const end = receive(node, 16, [SUBJECT], verb);
    await report(`scanLink, 16 B of a ${link} to ${subscribers} subscribers`, MESSAGES, () => {
      check(node.engine.scanLink(1, node.receive, end), REASON_DONE);
      node.flushAll();
    });
  }
  const { node, other } = makeNodes(undefined, link);
  subscribe(node, { plainNodes: [OTHER_NODE] });
  subscribe(other, { plain: firstSubscribers(1) });
  const end = receive(node, 16);
  await report(`scan to a ring, drain to a ${link}, 16 B`, MESSAGES, () => {
    check(node.engine.scan(1, node.receive, end), REASON_DONE);
    node.engine.publish(OTHER_NODE);
    check(other.engine.drain(NODE, other.engine.available(NODE)), REASON_DONE);
    other.flushAll();
    other.engine.release(NODE);
  });
}

{
  const { node } = makeNodes();
  subscribe(node, { groups: [{ queue: 1, locals: firstSubscribers(10), nodes: [] }] });
  const end = receive(node, 16);
  await report("scan, 16 B to one of a queue group of 10", MESSAGES, () => {
    check(node.engine.scan(1, node.receive, end), REASON_DONE);
    node.flushAll();
  });
}

for (const subjectCount of [1, 2, 100]) {
  const { node } = makeNodes();
  const subjects = Array.from({ length: subjectCount }, (_, index) => `orders.created.${10 + index}`);
  for (const subject of subjects) subscribe(node, {}, subject);
  const end = receive(node, 16, subjects);
  const lookup = subjectCount === 1 ? "the connection's last" : `in its set, ${subjectCount} in turn`;
  await report(`scan, 16 B to nobody, plan ${lookup}`, MESSAGES, () => {
    check(node.engine.scan(1, node.receive, end), REASON_DONE);
  });
}

for (const length of [8, 17, 64]) {
  const { node } = makeNodes();
  write(memory.bytes, node.scratch, "s".repeat(length));
  await report(`hash of ${length} bytes, called from outside`, 1000, () => {
    for (let index = 0; index < 1000; index++) node.engine.hash(node.scratch, length);
  });
}

{
  const { node } = makeNodes();
  write(memory.bytes, node.receive, "PING\r\nPING\r\nPING\r\n");
  await report("scan that finds another verb, called from outside", 1000, () => {
    for (let index = 0; index < 1000; index++) {
      check(node.engine.scan(1, node.receive, node.receive + 18), REASON_OTHER);
    }
  });
}
