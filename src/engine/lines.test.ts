import { describe, expect, test } from "bun:test";
import {
  AREA_HEARS_TRACEPARENT,
  AREA_MESSAGE_END,
  AREA_RESUME,
  CONNECTION_TAKES_HEADERS,
  GATHER_BYTES_MIN,
  IN_PLACE_BYTES_MAX,
  REASON_DONE,
  REASON_MISS,
  REASON_OTHER,
} from "../memory/layout.ts";
import { foreignTo } from "./testing/foreign_lines.ts";
import { Lockstep, memory } from "./testing/lockstep.ts";
import { CONTROL_LINE_BYTES_MAX, write } from "./testing/specification.ts";

const NODE = 3;

/** A node with two connections that take headers. `a` goes to both; the second one echoes. */
function oneNode(flags = CONNECTION_TAKES_HEADERS, outboxCount = 4) {
  const lockstep = new Lockstep({
    nodes: [
      {
        node: NODE,
        connections: [1, 2].map(() => ({ flags, payloadBytesMax: 1 << 20, context: 1 })),
        subscriptions: [
          { slot: 1, sid: "1", max: 0 },
          { slot: 2, sid: "22", max: 0 },
        ],
        plans: ["a", "b"].map((subject) => ({
          context: 1,
          account: 1,
          subject,
          isForHost: false,
          plain: [0, 1],
          groups: [],
          plainNodes: [],
        })),
      },
    ],
    outboxCount,
    ringCapacity: 1024,
    ringStart: 0,
    random: 1n,
  });
  return { lockstep, real: lockstep.real.get(NODE)! };
}

/** The contents of all regions, without the area's words that say where to go on. */
function snapshot(real: { area: number; receive: number }): string {
  const hash = memory.regions
    .filter(({ name }) => !/receive buffer|scratch|plan sets/.test(name))
    .map(({ start, end }) => {
      let sum = 7;
      for (let at = start; at < end; at++) {
        const isResult = at >= real.area + AREA_RESUME && at < real.area + AREA_MESSAGE_END + 24;
        if (!isResult) sum = (Math.imul(sum, 31) + memory.bytes[at]!) | 0;
      }
      return sum;
    });
  return hash.join();
}

const MESSAGES = [
  "PUB a 0\r\n\r\n",
  "PUB a 5\r\nhello\r\n",
  "PUB a r 2\r\n\r\n\r\n",
  "HPUB a 0 0\r\n\r\n",
  "HPUB a 3 5\r\nhdrxx\r\n",
  "HPUB a answer.here 2 12\r\nhhPUB a 0\r\n\r\r\n",
];

describe("scan()", () => {
  test("leaves every line that is not plain to the host, and touches nothing", () => {
    const { real } = oneNode();
    real.install({
      context: 1,
      account: 1,
      subject: "a",
      isForHost: false,
      plain: [0],
      groups: [],
      plainNodes: [],
    });
    const before = snapshot(real);
    for (const line of foreignTo(undefined)) {
      for (let offset = 0; offset < 16; offset++) {
        const start = real.receive + offset;
        write(memory.bytes, start, line);
        const reason = real.engine.scan(1, start, start + line.length);
        expect(`${reason} ${real.get(AREA_RESUME) - start} ${line}`).toBe(`${REASON_OTHER} 0 ${line}`);
      }
    }
    expect(snapshot(real)).toBe(before);
  });

  test("hands back what may ask for a trace, wherever in its headers, and traceparent where an account listens", () => {
    const { real } = oneNode();
    real.install({
      context: 1,
      account: 1,
      subject: "a",
      isForHost: false,
      plain: [],
      groups: [],
      plainNodes: [],
    });
    const isTaken = (header: string, behind = "") => {
      const message = `HPUB a ${header.length} ${header.length + behind.length}\r\n${header}${behind}\r\n`;
      write(memory.bytes, real.receive, message);
      return real.engine.scan(1, real.receive, real.receive + message.length) === REASON_DONE;
    };
    const hears = (value: number) => {
      memory.words[(real.area + AREA_HEARS_TRACEPARENT) >> 2] = value;
    };
    for (let length = 0; length < 40; length++) {
      const before = `NATS/1.0\r\nA:${"b".repeat(length)}\r\n`;
      expect(isTaken(`${before}Nats-Trace-Dest:x\r\n\r\n`)).toBe(false);
      expect(isTaken(`${before}nats-trace-dest:x\r\n\r\n`)).toBe(true);
      expect(isTaken(`${before}Nats-Trace-Desk:x\r\n\r\n`)).toBe(true);
      expect(isTaken(`${before}\r\n`, "\r\nNats-Trace-Dest:x\r\n\r\n")).toBe(true);
      expect(isTaken(`${before}traceparent:x\r\n\r\n`)).toBe(true);
      hears(1);
      expect(isTaken(`${before}traceparent:x\r\n\r\n`)).toBe(false);
      expect(isTaken(`${before}TraceParent:x\r\n\r\n`)).toBe(false);
      expect(isTaken(`${before}\r\n`, "\r\ntraceparent:x\r\n\r\n")).toBe(true);
      hears(0);
    }
  });

  test("hands HPUB back to a host whose client takes no headers", () => {
    const { real } = oneNode(0);
    write(memory.bytes, real.receive, "HPUB a 0 0\r\n\r\n");
    expect(real.engine.scan(1, real.receive, real.receive + 14)).toBe(REASON_OTHER);
  });

  test("waits for a message cut at any byte, whatever lies behind what was received", () => {
    const { real } = oneNode();
    real.install({
      context: 1,
      account: 1,
      subject: "a",
      isForHost: false,
      plain: [0],
      groups: [],
      plainNodes: [],
    });
    const before = snapshot(real);
    for (const message of MESSAGES) {
      for (let offset = 0; offset < 16; offset++) {
        const start = real.receive + offset;
        write(memory.bytes, start, message);
        for (let length = 1; length < message.length; length++) {
          const reason = real.engine.scan(1, start, start + length);
          expect([reason, real.get(AREA_RESUME) - start, length]).toEqual([REASON_OTHER, 0, length]);
        }
      }
    }
    expect(snapshot(real)).toBe(before);
    expect(real.engine.scan(1, real.receive, real.receive)).toBe(REASON_DONE);
  });

  test("does the same with a stream in two pieces, cut at any byte", () => {
    const stream = `${MESSAGES.join("")}PING\r\n${MESSAGES.join("")}`;
    for (let cut = 0; cut <= stream.length; cut++) {
      const { lockstep } = oneNode();
      lockstep.send(NODE, 1, stream, [cut], cut % 16);
      lockstep.compare();
      expect(lockstep.handed).toEqual(["foreign PING\r\n"]);
    }
  });

  test("finds blanks at any length and offset of subject, reply and payload", () => {
    const { lockstep } = oneNode();
    for (let length = 1; length <= 80; length++) {
      const word = "w".repeat(length);
      const stream = [
        `PUB ${word} 0\r\n\r\n`,
        `PUB a ${word} 0\r\n\r\n`,
        `HPUB a ${word} 1 1\r\nh\r\n`,
        `PUB a ${length}\r\n${word}\r\n`,
      ].join("");
      for (let offset = 0; offset < 16; offset++) lockstep.send(NODE, 1, stream, [], offset);
    }
    lockstep.compare();
    expect(lockstep.handed).toEqual([]);
  });

  test("tells subjects apart that differ in any one byte", () => {
    const { real } = oneNode();
    const plan = { context: 1, account: 1, isForHost: false, plain: [], groups: [], plainNodes: [] };
    for (let length = 1; length <= 80; length++) {
      const subject = "s".repeat(length);
      const installed = real.install({ ...plan, subject });
      // The plan of a connection's last message is compared by its subject, without the hash.
      write(memory.bytes, real.receive, `PUB ${subject} 0\r\n\r\n`);
      const end = real.receive + length + 10;
      expect(real.engine.scan(1, real.receive, end)).toBe(REASON_DONE);
      expect(installed).toBeGreaterThan(0);
      for (let at = 0; at < length; at++) {
        memory.bytes[real.receive + 4 + at] = 0x74;
        expect(real.engine.scan(1, real.receive, end)).toBe(REASON_MISS);
        memory.bytes[real.receive + 4 + at] = 0x73;
      }
    }
  });

  test("misses a plan as soon as any of its four generations has moved", () => {
    const { real } = oneNode();
    const plan = { context: 1, account: 1, isForHost: false, plain: [], groups: [], plainNodes: [] };
    write(memory.bytes, real.receive, "PUB c 0\r\n\r\n");
    const scan = () => real.engine.scan(1, real.receive, real.receive + 11);
    for (let index = 0; index < 4; index++) {
      expect(scan()).toBe(REASON_MISS);
      real.install({ ...plan, subject: "c" });
      expect(scan()).toBe(REASON_DONE);
      real.invalidate(1 + index * 3);
    }
    expect(scan()).toBe(REASON_MISS);
  });

  test("takes lines of up to CONTROL_LINE_BYTES_MAX and leaves longer ones, however much of them is reply", () => {
    for (const [more, handed] of [
      [0, 0],
      [1, 1],
      [70_000, 1],
    ] as const) {
      const { lockstep } = oneNode();
      const reply = "r".repeat(CONTROL_LINE_BYTES_MAX - "a  0".length + more);
      lockstep.send(NODE, 1, `PUB a ${reply} 0\r\n\r\n`, []);
      lockstep.compare();
      expect(lockstep.handed.filter((line) => line.startsWith("foreign PUB")).length).toBe(handed);
    }
  });

  test("sends payloads around the sizes where it gathers, and leaves the ones too large for the buffer", () => {
    const { lockstep } = oneNode();
    for (const edge of [GATHER_BYTES_MIN, 4096, IN_PLACE_BYTES_MAX]) {
      for (let size = edge - 2; size <= Math.min(edge + 2, IN_PLACE_BYTES_MAX); size++) {
        lockstep.send(NODE, 1, `PUB a ${size}\r\n${"p".repeat(size)}\r\n`, []);
        lockstep.send(NODE, 2, `HPUB a 2 ${size}\r\n${"h".repeat(size)}\r\n`, []);
        lockstep.compare();
      }
    }
    expect(lockstep.handed).toEqual([]);
    lockstep.send(NODE, 1, `PUB a ${IN_PLACE_BYTES_MAX + 1}\r\n`, []);
    expect(lockstep.handed.length).toBe(1);
  });

  test("flushes before the iovecs or the bytes of an outbox run out", () => {
    for (const size of [GATHER_BYTES_MIN, GATHER_BYTES_MIN - 1, 0, 1, 2, 3, 16, 100]) {
      const { lockstep } = oneNode(0, 2);
      const count = Math.floor(80_000 / (size + 12));
      lockstep.send(NODE, 1, `PUB a ${size}\r\n${"p".repeat(size)}\r\n`.repeat(count), []);
      lockstep.compare();
      expect(lockstep.model.get(NODE)!.total.outMessages).toBe(count * 2);
    }
  });

  test("serves more subscribers than there are outboxes", () => {
    const { lockstep } = oneNode(0, 1);
    lockstep.send(NODE, 1, "PUB a 600\r\n".concat("x".repeat(600), "\r\n").repeat(50), [100, 2000]);
    lockstep.compare();
    expect(lockstep.model.get(NODE)!.sent[2]!.messages).toBe(50);
  });
});
