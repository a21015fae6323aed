import { describe, expect, test } from "bun:test";
import { createEngine } from "../../engine/engine.ts";
import { NO_HOST } from "../../engine/no_host.ts";
import { HeldMessage, messageBytes } from "../../fabric/held_message.ts";
import { MappedReplies } from "../../fabric/mapped_replies.ts";
import { readRecord, recordBytes, writeRecord } from "../../fabric/message_record.ts";
import { createInterestIndex } from "../../interest/interest_index.ts";
import {
  AREA_CONTEXT,
  AREA_CONTROL_LINE_MAX,
  AREA_NOW_MS,
  AREA_OUTBOX_FREE,
  AREA_OWN_REPLY_PREFIX,
  AREA_SUBJECT,
  AREA_SUBJECT_HASH,
  AREA_SUBJECT_LENGTH,
  CONNECTION_BYTES,
  CONNECTION_CONTEXT,
  CONNECTION_CURSOR,
  CONNECTION_FLAGS,
  CONNECTION_IS_GATEWAY,
  CONNECTION_IS_LINK,
  CONNECTION_IS_ROUTE,
  CONNECTION_OUTBOX,
  CONNECTION_PAYLOAD_MAX,
  CONNECTION_TAKES_HEADERS,
  CONTEXT_FROM_GATEWAY,
  CONTEXT_IS_ANSWER,
  MAPPED_REPLY_MS,
  MAPPED_REPLY_SPARE_MS,
  OUTBOX_BYTES,
  OUTBOX_DATA,
  PLAN_ALL_NODES,
  REASON_DONE,
  REASON_HOST_PLAN,
  REASON_MISS,
  REASON_OTHER,
  RECORD_LENGTH,
} from "../../memory/layout.ts";
import { NODE_SHARD_FIRST } from "../../memory/map.ts";
import { createSharedMemory } from "../../memory/shared_memory.ts";
import { PlanCache } from "../../shard/plans/plan_cache.ts";
import { NO_ROOM, type PlanRules, type TargetRules } from "../../shard/plans/plan_rules.ts";
import { byteStringOf, bytesOf } from "../../subject/byte_string.ts";

const OWN = "_GR_.F2cAWZ.U18XED.";
const OTHER = "_GR_.u4xB6R.abcdef.";
const ACCOUNT = 1;
const [INBOUND, OUTBOUND, ROUTE] = [1, 2, 3] as const;

/**
 * The engines of a links shard and of a shard of clients, with plans by which everything goes to the links in `wanted`.
 */
function setUp(wanted: readonly number[] = []) {
  const shared = createSharedMemory(1, new Uint32Array([1, 2, 3, 4]), true);
  const { bytes, words, map } = shared;
  const index = createInterestIndex({ buffer: shared.buffer, ...map.index }, { hashSeed: [1, 2, 3, 4] });
  const node = map.linksNode;
  const regions = map.area(node);
  const links = createEngine(shared.memory, regions.area, NO_HOST);
  const shard = createEngine(shared.memory, map.area(NODE_SHARD_FIRST).area, NO_HOST);
  const set = (address: number, value: number) => {
    words[address >> 2] = value;
  };
  const word = (offset: number) => words[(regions.area + offset) >> 2]!;
  set(regions.area + AREA_NOW_MS, 1);
  set(regions.area + AREA_CONTROL_LINE_MAX, 4096);
  bytes.set(bytesOf(OWN), regions.area + AREA_OWN_REPLY_PREFIX);
  for (let i = 0; i < 3; i++) {
    const outbox = regions.outboxes + i * OUTBOX_BYTES;
    set(outbox, word(AREA_OUTBOX_FREE));
    set(regions.area + AREA_OUTBOX_FREE, outbox);
  }
  const connection = (slot: number) => regions.connections + slot * CONNECTION_BYTES;
  const flags = CONNECTION_IS_LINK | CONNECTION_TAKES_HEADERS;
  set(connection(INBOUND) + CONNECTION_FLAGS, flags | CONNECTION_IS_GATEWAY);
  set(connection(INBOUND) + CONNECTION_CONTEXT, CONTEXT_FROM_GATEWAY | ACCOUNT);
  set(connection(INBOUND) + CONNECTION_PAYLOAD_MAX, 1 << 20);
  set(connection(OUTBOUND) + CONNECTION_FLAGS, flags | CONNECTION_IS_GATEWAY);
  set(connection(ROUTE) + CONNECTION_FLAGS, flags | CONNECTION_IS_ROUTE);

  const rules: PlanRules = {
    resolve: () => ({ account: ACCOUNT, isForHost: false, delivered: null, imports: [] }),
  };
  const targets: TargetRules = {
    members: null,
    flagsOf: () => 0,
    writePlain: (leg, context, _from, writer) => {
      const subject = byteStringOf(bytes, leg.start, leg.start + leg.length);
      const prefix = context === (ACCOUNT | CONTEXT_IS_ANSWER) ? "RMSG $G " : `RMSG $G ${subject} `;
      for (const slot of wanted) {
        const at = writer.add(connection(slot), 0, prefix.length);
        if (at === NO_ROOM) return false;
        bytes.set(bytesOf(prefix), at);
      }
      return true;
    },
  };
  const plans = new PlanCache(
    shared,
    links,
    index,
    node,
    new MappedReplies(shared, links, node),
    rules,
    targets,
  );
  const replies = new MappedReplies(shared, shard, NODE_SHARD_FIRST);
  const ofClients = map.area(NODE_SHARD_FIRST);
  const clientPlans = new PlanCache(shared, shard, index, NODE_SHARD_FIRST, replies, rules, {
    ...targets,
    writePlain: () => true,
  });
  /** Builds a plan for what is being looked up. */
  const build = (slot: number) => {
    const [subject, length] = [word(AREA_SUBJECT), word(AREA_SUBJECT_LENGTH)];
    plans.build(connection(slot), word(AREA_CONTEXT), subject, length, word(AREA_SUBJECT_HASH));
    return { subject: byteStringOf(bytes, subject, subject + length), context: word(AREA_CONTEXT) };
  };
  const put = (text: string) => {
    bytes.set(bytesOf(text), regions.scratch);
    return [regions.scratch, text.length] as const;
  };
  return {
    noteYoung: (subject: string) => links.noteYoung(...put(subject)),
    recall: (subject: string) => links.recall(ACCOUNT, ...put(subject)) !== 0,
    want: (subject: string) => index.addPlain(NODE_SHARD_FIRST, ACCOUNT, bytesOf(subject), 0, subject.length),
    wantInGroup: (subject: string) =>
      index.addQueue(NODE_SHARD_FIRST, ACCOUNT, bytesOf(subject), 0, subject.length, bytesOf("q"), 0, 1),
    /** The other cluster sends something. Returns what was looked up for it, and why the engine stopped in the end. */
    receive: (input: string) => {
      bytes.set(bytesOf(input), regions.receive);
      const scan = () => links.scanLink(INBOUND, regions.receive, regions.receive + input.length);
      let reason = scan();
      const built = reason === REASON_MISS ? build(INBOUND) : null;
      if (built !== null) reason = scan();
      return { reason, built };
    },
    /** The messages for the shard of clients, as they stand in records. */
    records: () => {
      links.publish(NODE_SHARD_FIRST);
      const lines: string[] = [];
      for (let record = shard.peek(node); record !== 0; record = shard.peek(node)) {
        const { message } = readRecord(shared, record);
        lines.push(
          `${byteStringOf(message.subject)}|${byteStringOf(message.line)}|${byteStringOf(message.bytes)}`,
        );
        shard.skip(node, record);
      }
      return lines;
    },
    /** A client here publishes a message that the links shard gets. */
    publish: (subject: string, reply: string, payload = "ok", headers = "", goesBack = false) => {
      const content = messageBytes(bytesOf(payload), bytesOf(headers));
      const message = HeldMessage.of(ACCOUNT, 0, bytesOf(subject), reply, content);
      const delivery = { message, isPlain: true, queues: new Int32Array(0), wantsTaker: true, goesBack };
      const length = (recordBytes(delivery) + 15) & ~15;
      const record = shard.reserve(node, length);
      set(record + RECORD_LENGTH, length);
      writeRecord(shared, record, delivery);
      shard.commit(node, length);
      shard.publish(node);
      const drain = () => links.drain(NODE_SHARD_FIRST, links.available(NODE_SHARD_FIRST));
      let reason = drain();
      const built = reason === REASON_MISS ? build(0) : null;
      if (built !== null) reason = drain();
      return { reason, built };
    },
    /** Whether a client's message goes to the links shard, and whether the plan that said so before is still valid. */
    goesAfar: (subject: string) => {
      const at = ofClients.scratch;
      bytes.set(bytesOf(subject), at);
      const found = shard.findPlan(0, ACCOUNT, at, subject.length);
      const hash = shard.hash(at, subject.length);
      const plan = found || clientPlans.build(ofClients.connections, ACCOUNT, at, subject.length, hash);
      return { isKnown: found !== 0, isAfar: words[(plan + PLAN_ALL_NODES) >> 2] === 1 << node };
    },
    /**
     * A client publishes by the plan of its shard. Returns whether the record says that nobody else has the message, or
     * undefined without a record.
     */
    publishByPlan: (subject: string) => {
      const at = ofClients.scratch;
      const rest = at + 256;
      bytes.set(bytesOf(subject), at);
      bytes.set(bytesOf("2\r\nok\r\n"), rest);
      const hash = shard.hash(at, subject.length);
      const plan = clientPlans.build(ofClients.connections, ACCOUNT, at, subject.length, hash);
      shard.describe(ofClients.connections, rest, 3, -1, 2, false);
      shard.publishOne(plan, false);
      shard.publish(node);
      const record = links.peek(NODE_SHARD_FIRST);
      if (record === 0) return undefined;
      const { goesBack } = readRecord(shared, record);
      links.skip(NODE_SHARD_FIRST, record);
      return goesBack;
    },
    letTimePass: () => {
      words[(regions.area + AREA_NOW_MS) >> 2]! += MAPPED_REPLY_MS + MAPPED_REPLY_SPARE_MS;
      links.forgetOver();
    },
    /** What a link was sent; it is forgotten after that. */
    sent: (slot: number) => {
      const outbox = words[(connection(slot) + CONNECTION_OUTBOX) >> 2]!;
      if (outbox === 0) return "";
      return byteStringOf(bytes, outbox + OUTBOX_DATA, words[(connection(slot) + CONNECTION_CURSOR) >> 2]!);
    },
  };
}

describe("a request from another cluster", () => {
  test("is delivered under the reply that its mapped one stands for, which is remembered", () => {
    const { want, receive, records, recall } = setUp();
    want("svc");
    expect(receive(`RMSG svc ${OTHER}inbox.1 2\r\nhi\r\n`)).toEqual({
      reason: REASON_DONE,
      built: { subject: "svc", context: CONTEXT_FROM_GATEWAY | ACCOUNT },
    });
    expect(receive(`HMSG svc ${OTHER}inbox.2 12 14\r\nNATS/1.0\r\n\r\nhi\r\n`).reason).toBe(REASON_DONE);
    expect(records()).toEqual(["svc|inbox.1 2\r\n|hi\r\n", "svc|inbox.2 12 14\r\n|NATS/1.0\r\n\r\nhi\r\n"]);
    expect([recall("inbox.1"), recall("inbox.2"), recall("svc")]).toEqual([true, true, false]);
  });

  test("keeps its mapped reply where it goes on to other servers, and then nothing is remembered", () => {
    const { receive, recall, sent } = setUp([ROUTE]);
    expect(receive(`RMSG svc ${OTHER}inbox.1 2\r\nhi\r\n`).reason).toBe(REASON_DONE);
    expect(sent(ROUTE)).toBe(`RMSG $G svc ${OTHER}inbox.1 2\r\nhi\r\n`);
    expect(recall("inbox.1")).toBe(false);
  });

  test("is the host's where the reply means more: acknowledgements, answers to services, what is not mapped", () => {
    const { want, receive } = setUp();
    want("svc");
    for (const reply of [`${OTHER}$JS.ACK.a`, `${OTHER}_R_.a`, `${OTHER}_GR_.a`, "_GR_.x.y.z", OTHER, "_GR_"])
      expect(receive(`RMSG svc ${reply} 2\r\nhi\r\n`).reason).toBe(REASON_OTHER);
  });
});

describe("an answer to another cluster", () => {
  test("goes to the gateway under the mapped subject, and one plan serves all", () => {
    const { want, receive, publish, sent } = setUp([OUTBOUND]);
    want("svc");
    for (const inbox of ["inbox.1", "inbox.2"]) receive(`RMSG svc ${OTHER}${inbox} 2\r\nhi\r\n`);
    const before = sent(OUTBOUND).length;
    expect(publish("inbox.1", "")).toEqual({
      reason: REASON_DONE,
      built: { subject: "_GR_.u4xB6R.", context: ACCOUNT | CONTEXT_IS_ANSWER },
    });
    expect(publish("inbox.2", "again", "yes")).toEqual({ reason: REASON_DONE, built: null });
    expect(publish("inbox.1", "", "hi", "NATS/1.0\r\n\r\n")).toEqual({ reason: REASON_DONE, built: null });
    expect(sent(OUTBOUND).slice(before)).toBe(
      `RMSG $G ${OTHER}inbox.1 2\r\nok\r\n` +
        `RMSG $G ${OTHER}inbox.2 again 3\r\nyes\r\n` +
        `HMSG $G ${OTHER}inbox.1 12 14\r\nNATS/1.0\r\n\r\nhi\r\n`,
    );
  });

  test("goes to the links shard whatever plan there was, until the reply is over", () => {
    const { want, receive, goesAfar, letTimePass } = setUp();
    want("svc");
    expect(goesAfar("inbox.1")).toEqual({ isKnown: false, isAfar: false });
    expect(goesAfar("inbox.1")).toEqual({ isKnown: true, isAfar: false });
    receive(`RMSG svc ${OTHER}inbox.1 2\r\nhi\r\n`);
    expect(goesAfar("inbox.1")).toEqual({ isKnown: false, isAfar: true });
    expect(goesAfar("inbox.1")).toEqual({ isKnown: true, isAfar: true });
    letTimePass();
    expect(goesAfar("inbox.1")).toEqual({ isKnown: false, isAfar: false });
  });

  test("is the links shard's alone, which leaves it to the host where the reply is over when it comes", () => {
    const { want, receive, publish, publishByPlan, letTimePass } = setUp([OUTBOUND]);
    want("svc");
    receive(`RMSG svc ${OTHER}inbox.1 2\r\nhi\r\n`);
    expect(publishByPlan("inbox.1")).toBe(true);
    expect(publish("inbox.1", "", "ok", "", true).reason).toBe(REASON_DONE);
    letTimePass();
    expect(publish("inbox.1", "", "ok", "", true)).toEqual({ reason: REASON_HOST_PLAN, built: null });
  });

  test("whose gateway is gone goes nowhere, and its publisher is not told", () => {
    const { want, receive, publish } = setUp();
    want("svc");
    receive(`RMSG svc ${OTHER}inbox.1 2\r\nhi\r\n`);
    expect(publish("inbox.1", "r").reason).toBe(REASON_DONE);
  });
});

describe("a request to another cluster", () => {
  test("leaves with a mapped reply if that was subscribed to lately, for gateways alone", () => {
    const { noteYoung, publish, sent } = setUp([OUTBOUND, ROUTE]);
    publish("svc", "old");
    noteYoung("young");
    publish("svc", "young");
    publish("svc", "young", "hi", "NATS/1.0\r\n\r\n");
    publish("svc", "");
    expect(sent(OUTBOUND)).toBe(
      "RMSG $G svc old 2\r\nok\r\n" +
        `RMSG $G svc ${OWN}young 2\r\nok\r\n` +
        `HMSG $G svc ${OWN}young 12 14\r\nNATS/1.0\r\n\r\nhi\r\n` +
        "RMSG $G svc 2\r\nok\r\n",
    );
    expect(sent(ROUTE)).toBe(
      "RMSG $G svc old 2\r\nok\r\n" +
        "RMSG $G svc young 2\r\nok\r\n" +
        "HMSG $G svc young 12 14\r\nNATS/1.0\r\n\r\nhi\r\n" +
        "RMSG $G svc 2\r\nok\r\n",
    );
  });
});

describe("an answer from another cluster", () => {
  test("goes on under its own subject, by plans of its own", () => {
    const { want, receive, records } = setUp();
    want("inbox.1");
    expect(receive(`RMSG ${OWN}inbox.1 2\r\nok\r\n`)).toEqual({
      reason: REASON_DONE,
      built: { subject: "inbox.1", context: CONTEXT_FROM_GATEWAY | CONTEXT_IS_ANSWER | ACCOUNT },
    });
    expect(records()).toEqual(["inbox.1|2\r\n|ok\r\n"]);
  });

  test("is the host's where groups are to be served, or it is for another server", () => {
    const { wantInGroup, receive } = setUp();
    wantInGroup("inbox.1");
    expect(receive(`RMSG ${OWN}inbox.1 2\r\nok\r\n`).reason).toBe(REASON_HOST_PLAN);
    for (const subject of [
      `${OTHER}inbox.1`,
      "_GR_.F2cAWZ.abcdef.inbox.1",
      `${OWN}_R_.a`,
      OWN,
      `${OWN}$JS.ACK.a`,
    ])
      expect(receive(`RMSG ${subject} 2\r\nok\r\n`).reason).toBe(REASON_OTHER);
  });
});
