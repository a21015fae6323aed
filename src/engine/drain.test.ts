import { describe, expect, test } from "bun:test";
import { AREA_RESUME, REASON_DONE, REASON_HOST_PLAN, REASON_MISS, RECORD_LENGTH } from "../memory/layout.ts";
import { memory } from "./testing/lockstep.ts";
import { joinByRing, RealNode } from "./testing/real_node.ts";
import { type PlanSpecification, write } from "./testing/specification.ts";

const [FROM, TO] = [1, 2];
const QUEUE = 7;
const PLAN = { context: 1, account: 1, isForHost: false, plain: [0], groups: [], plainNodes: [] };

/** A node whose clients publish to another node: `a` goes to plain subscriptions there, `q` to a queue group. */
function setUp(plan: Partial<PlanSpecification> = {}, capacity = 1024, start = 0) {
  memory.clear();
  const sizes = { outboxCount: 2, receiveBytes: 4096, arenaBytes: 1 << 16 };
  const connections = [{ flags: 0, payloadBytesMax: 1000, context: 1 }];
  const subscriptions = [{ slot: 1, sid: "1", max: 0 }];
  const make = (node: number) =>
    new RealNode(memory, { node, connections, subscriptions, plans: [] }, sizes, 1n);
  const [from, to] = [make(FROM), make(TO)];
  joinByRing(memory, from, to, capacity, start);
  from.install({ ...PLAN, subject: "a", plain: [], plainNodes: [TO] });
  const groups = [{ queue: QUEUE, locals: [], nodes: [{ node: TO, weight: 1 }] }];
  from.install({ ...PLAN, subject: "q", plain: [], groups });
  for (const subject of ["a", "q"]) {
    to.install({ ...PLAN, subject, groups: [{ queue: QUEUE, locals: [0], nodes: [] }], ...plan });
  }
  const publish = (...messages: string[]) => {
    for (const message of messages) {
      write(memory.bytes, from.receive, message);
      const reason = from.engine.scan(1, from.receive, from.receive + message.length);
      expect([message, reason]).toEqual([message, REASON_DONE]);
    }
    from.engine.publish(TO);
  };
  const take = () => {
    to.flushAll();
    const output = to.output[1];
    to.output[1] = "";
    return output;
  };
  return { from, to, publish, take };
}

const message = (payload: string) => `PUB a ${payload.length}\r\n${payload}\r\n`;
const delivered = (payload: string) => `MSG a 1 ${payload.length}\r\n${payload}\r\n`;

describe("drain()", () => {
  test("with what was available takes just that, wherever the ring's end is skipped", () => {
    for (let start = 0; start < 1024; start += 16) {
      const { to, publish, take } = setUp({}, 1024, 2 ** 32 - 2048 + start);
      expect(to.engine.available(FROM)).toBe(0);
      for (let round = 0; round < 8; round++) {
        publish(message("first".repeat(round)), message("second"));
        const available = to.engine.available(FROM);
        publish(message("later"));
        const before = to.engine.taken(FROM);
        expect(to.engine.drain(FROM, available)).toBe(REASON_DONE);
        expect((to.engine.taken(FROM) - before) | 0).toBe(available);
        expect(take()).toBe(delivered("first".repeat(round)) + delivered("second"));
        expect(to.engine.drain(FROM, to.engine.available(FROM))).toBe(REASON_DONE);
        expect(take()).toBe(delivered("later"));
        expect(to.engine.available(FROM)).toBe(0);
        to.engine.release(FROM);
      }
    }
  });

  test("goes on after a miss with what is left of it", () => {
    const { to, publish, take } = setUp();
    publish(message("1"), message("2"));
    const until = to.engine.taken(FROM) + to.engine.available(FROM);
    publish(message("3"));
    to.invalidate(1);
    expect(to.engine.drain(FROM, until - to.engine.taken(FROM))).toBe(REASON_MISS);
    to.install({ ...PLAN, subject: "a" });
    expect(to.engine.drain(FROM, until - to.engine.taken(FROM))).toBe(REASON_DONE);
    expect(take()).toBe(delivered("1") + delivered("2"));
  });

  test.each<[string, Partial<PlanSpecification>, string[]]>([
    ["nothing", {}, []],
    ["records that name a group", { queuesAreForHost: true }, ["q 0", "q r 0"]],
    ["messages with a reply", { repliesAreForHost: true }, ["a r 0", "a 1 0", "q r 0"]],
    ["all", { isForHost: true }, ["a 0", "a r 0", "a 1 0", "q 0", "q r 0"]],
  ])("leaves to the host %s", (_, plan, handed) => {
    const { to, publish } = setUp(plan);
    const seen: string[] = [];
    for (const line of ["a 0", "a r 0", "a 1 0", "q 0", "q r 0"]) {
      publish(`PUB ${line}\r\n\r\n`);
      if (to.engine.drain(FROM, 1) === REASON_DONE) continue;
      seen.push(line);
      const record = to.get(AREA_RESUME);
      expect(to.word(record + RECORD_LENGTH)).toBe(to.engine.available(FROM));
      expect(to.engine.drain(FROM, 1)).toBe(REASON_HOST_PLAN);
      to.engine.skip(FROM, record);
    }
    expect(seen).toEqual(handed);
    expect(to.engine.available(FROM)).toBe(0);
  });
});
