import { describe, expect, test } from "bun:test";
import {
  AREA_ACCOUNT,
  AREA_ACCOUNT_LENGTH,
  AREA_MESSAGE_END,
  AREA_RESUME,
  CONNECTION_HAS_NO_ECHO,
  CONNECTION_TAKES_HEADERS,
  CONTEXT_FROM_GATEWAY,
  CONTEXT_FROM_ROUTE,
  REASON_ACCOUNT,
  REASON_DONE,
  REASON_HOST_PLAN,
  REASON_OTHER,
} from "../memory/layout.ts";
import { foreignTo } from "./testing/foreign_lines.ts";
import { Lockstep, memory } from "./testing/lockstep.ts";
import type { RealNode } from "./testing/real_node.ts";
import {
  CONTROL_LINE_BYTES_MAX,
  type LinkKind,
  type PlanSpecification,
  text,
  write,
} from "./testing/specification.ts";

const NODE = 3;
const LINKS: readonly LinkKind[] = ["route", "gateway", "leaf"];
/** Slots of the connections: one of each kind of link, and a client. */
const [ROUTE, GATEWAY, LEAF, CLIENT] = [1, 2, 3, 4] as const;
const CONTEXTS = [CONTEXT_FROM_ROUTE | 1, CONTEXT_FROM_GATEWAY | 1, 9, 1];

/** A node where subject `a` goes to all of them, and to the route twice, once as from a leaf node's cluster. */
function setUp(flags = CONNECTION_TAKES_HEADERS, plan: Partial<PlanSpecification> = {}) {
  const connection = { flags, payloadBytesMax: 1 << 20 };
  const lockstep = new Lockstep({
    nodes: [
      {
        node: NODE,
        connections: [
          { ...connection, link: "route", context: CONTEXT_FROM_ROUTE },
          { ...connection, link: "gateway", context: CONTEXT_FROM_GATEWAY },
          { ...connection, link: "leaf", context: 9 },
          { ...connection, context: 1 },
        ],
        subscriptions: [
          { slot: ROUTE, sid: "$G", max: 0 },
          { slot: ROUTE, sid: "lc", max: 0 },
          { slot: GATEWAY, sid: "$G", max: 0 },
          { slot: LEAF, sid: "", max: 1 },
          { slot: CLIENT, sid: "1", max: 0 },
        ],
        plans: CONTEXTS.map((context) => ({
          context,
          account: 1,
          subject: "a",
          isForHost: false,
          plain: [0, 1, 2, 3, 4],
          groups: [],
          plainNodes: [],
          ...plan,
        })),
      },
    ],
    outboxCount: 4,
    ringCapacity: 1024,
    ringStart: 0,
    random: 1n,
  });
  const real = lockstep.real.get(NODE)!;
  /** What each connection has got since the last call. */
  const take = () => real.output.slice(1).map((output, index) => [LINKS[index] ?? "client", output]);
  return { lockstep, real, take };
}

function scan(real: RealNode, slot: number, input: string) {
  write(memory.bytes, real.receive, input);
  const reason = real.engine.scanLink(slot, real.receive, real.receive + input.length);
  return { reason, resume: real.get(AREA_RESUME) - real.receive };
}

describe("scanLink()", () => {
  test("delivers what a route sends in everybody's own words", () => {
    const { lockstep, take } = setUp();
    lockstep.send(NODE, ROUTE, "RMSG $G a 2\r\nhi\r\nRMSG $G a re.ply 2\r\nho\r\n", []);
    expect(take()).toEqual([
      [
        "route",
        "RMSG $G a 2\r\nhi\r\nLMSG lc $G a 0 2\r\nhi\r\nRMSG $G a re.ply 2\r\nho\r\nLMSG lc $G a re.ply 0 2\r\nho\r\n",
      ],
      ["gateway", "RMSG $G a 2\r\nhi\r\nRMSG $G a re.ply 2\r\nho\r\n"],
      ["leaf", "LMSG a 2\r\nhi\r\nLMSG a re.ply 2\r\nho\r\n"],
      ["client", "MSG a 1 2\r\nhi\r\nMSG a 1 re.ply 2\r\nho\r\n"],
    ]);
    lockstep.compare();
  });

  test("writes an H before headers, but where the cluster of a leaf node is named", () => {
    const { lockstep, take } = setUp();
    lockstep.send(NODE, LEAF, "HMSG a r 1 3\r\nhxx\r\n", []);
    expect(take()).toEqual([
      ["route", "HMSG $G a r 1 3\r\nhxx\r\nLMSG lc $G a r 1 3\r\nhxx\r\n"],
      ["gateway", "HMSG $G a r 1 3\r\nhxx\r\n"],
      ["leaf", "HMSG a r 1 3\r\nhxx\r\n"],
      ["client", "HMSG a 1 r 1 3\r\nhxx\r\n"],
    ]);
  });

  test("takes an empty header block for none", () => {
    const { lockstep, take } = setUp();
    lockstep.send(NODE, GATEWAY, "HMSG $G a 0 2\r\nxx\r\n", []);
    expect(take()).toEqual([
      ["route", "RMSG $G a 2\r\nxx\r\nLMSG lc $G a 0 2\r\nxx\r\n"],
      ["gateway", "RMSG $G a 2\r\nxx\r\n"],
      ["leaf", "LMSG a 2\r\nxx\r\n"],
      ["client", "MSG a 1 2\r\nxx\r\n"],
    ]);
  });

  test("keeps headers from links that take none, small payloads and gathered ones", () => {
    for (const size of [2, 600, 5000]) {
      const { lockstep, take } = setUp(0);
      const payload = "p".repeat(size);
      lockstep.send(NODE, ROUTE, `HMSG $G a r 3 ${size + 3}\r\nhhh${payload}\r\n`, []);
      const rest = `${size}\r\n${payload}\r\n`;
      expect(take()).toEqual([
        ["route", `RMSG $G a r ${rest}LMSG lc $G a r 0 ${rest}`],
        ["gateway", `RMSG $G a r ${rest}`],
        ["leaf", `LMSG a r ${rest}`],
        ["client", `MSG a 1 r ${rest}`],
      ]);
      lockstep.compare();
    }
  });

  test("attaches large messages behind the frames of links", () => {
    for (const headerLength of [-1, 0, 5]) {
      for (const flags of [0, CONNECTION_TAKES_HEADERS]) {
        const { lockstep } = setUp(flags);
        const payload = "headxtoo large to copy".repeat(40);
        const sizes = headerLength < 0 ? `${payload.length}` : `${headerLength} ${payload.length}`;
        const message = { subject: "a", reply: "r", line: `r ${sizes}\r\n`, headerLength, payload };
        lockstep.publishOne(NODE, CLIENT, 1, message, true);
        lockstep.compare();
      }
    }
  });

  test("sends nothing back to a link, and counts messages and bytes where its target says", () => {
    const { lockstep, real, take } = setUp(CONNECTION_HAS_NO_ECHO);
    lockstep.send(NODE, LEAF, "LMSG a 1\r\nx\r\nLMSG a 1\r\nx\r\n", []);
    expect(take()[LEAF - 1]).toEqual(["leaf", ""]);
    lockstep.send(NODE, ROUTE, "RMSG $G a 1\r\nx\r\nRMSG $G a 1\r\nx\r\n", []);
    expect(take()[LEAF - 1]).toEqual(["leaf", "LMSG a 1\r\nx\r\n".repeat(2)]);
    expect([0, 1, 2, 3].map((index) => real.delivered(index))).toEqual([2, 2, 4, 2]);
    expect([0, 1, 2].map((index) => real.deliveredBytes(index))).toEqual([2, 2, 4]);
    expect(real.delivered(4)).toBe(4);
    lockstep.compare();
  });

  test("leaves every line that is not plain to the host", () => {
    for (const [slot, link] of [
      [ROUTE, "route"],
      [GATEWAY, "gateway"],
      [LEAF, "leaf"],
    ] as const) {
      const { lockstep, real } = setUp();
      real.nameAccount("$G", 1);
      for (const line of foreignTo(link)) {
        expect([line, scan(real, slot, line)]).toEqual([line, { reason: REASON_OTHER, resume: 0 }]);
      }
      lockstep.compare();
    }
  });

  test("takes the account of a route of one alone from its context", () => {
    const context = CONTEXT_FROM_ROUTE | 1;
    const lockstep = new Lockstep({
      nodes: [
        {
          node: NODE,
          connections: [
            { flags: CONNECTION_TAKES_HEADERS, payloadBytesMax: 1 << 20, link: "dedicated", context },
            { flags: CONNECTION_TAKES_HEADERS, payloadBytesMax: 1 << 20, context: 1 },
          ],
          subscriptions: [
            { slot: 1, sid: "lc", max: 0 },
            { slot: 2, sid: "1", max: 0 },
          ],
          plans: [{ ...CONTEXT_PLAN, context, plain: [0, 1] }],
        },
      ],
      outboxCount: 4,
      ringCapacity: 1024,
      ringStart: 0,
      random: 1n,
    });
    lockstep.send(NODE, 1, "RMSG a 2\r\nhi\r\nHMSG a r 1 3\r\nhxx\r\n", []);
    expect(lockstep.real.get(NODE)!.output.slice(1)).toEqual([
      "LMSG lc a 0 2\r\nhi\r\nLMSG lc a r 1 3\r\nhxx\r\n",
      "MSG a 1 2\r\nhi\r\nHMSG a 1 r 1 3\r\nhxx\r\n",
    ]);
    for (const line of foreignTo("dedicated")) {
      expect([line, scan(lockstep.real.get(NODE)!, 1, line)]).toEqual([
        line,
        { reason: REASON_OTHER, resume: 0 },
      ]);
    }
    lockstep.compare();
  });

  test("waits for a message cut at any byte", () => {
    const messages = [
      [ROUTE, "RMSG $G a 0\r\n\r\n"],
      [ROUTE, "RMSG $G a reply 5\r\nhello\r\n"],
      [GATEWAY, "HMSG $G a reply 2 12\r\nhhRMSG a 0\r\n\r\n"],
      [LEAF, "LMSG a 0\r\n\r\n"],
      [LEAF, "HMSG a r 3 5\r\nhdrxx\r\n"],
    ] as const;
    for (const [slot, message] of messages) {
      const { lockstep, real } = setUp();
      real.nameAccount("$G", 1);
      write(memory.bytes, real.receive, message);
      for (let length = 1; length < message.length; length++) {
        const reason = real.engine.scanLink(slot, real.receive, real.receive + length);
        expect([message, length, reason]).toEqual([message, length, REASON_OTHER]);
      }
      lockstep.compare();
      for (let cut = 0; cut <= message.length; cut++)
        lockstep.send(NODE, slot, message.repeat(2), [cut], cut % 16);
      lockstep.compare();
      expect(lockstep.handed).toEqual([]);
    }
  });

  test("takes lines of up to CONTROL_LINE_BYTES_MAX, the account among their words", () => {
    for (const [slot, start] of [
      [ROUTE, "RMSG $G a "],
      [LEAF, "LMSG a "],
    ] as const) {
      for (const more of [0, 1]) {
        const { lockstep } = setUp();
        const reply = "r".repeat(CONTROL_LINE_BYTES_MAX - (start.length - 5) - 2 + more);
        lockstep.send(NODE, slot, `${start}${reply} 0\r\n\r\n`, []);
        lockstep.compare();
        // The host gets a foreign line, and an empty one, which was its payload.
        expect(lockstep.handed.length).toBe(2 * more);
      }
    }
  });

  test("flushes before the frames that are written anew fill an outbox", () => {
    for (const size of [0, 1, 2, 3, 10, 100, 511]) {
      const { lockstep } = setUp(0);
      const message = `HMSG $G a r 3 ${size + 3}\r\nhhh${"p".repeat(size)}\r\n`;
      lockstep.send(NODE, GATEWAY, message.repeat(Math.ceil(140_000 / (size + 12))), []);
      lockstep.compare();
    }
  });

  test("asks for the account that a message names, once for each name, until it is told to forget", () => {
    const { real } = setUp();
    const message = "HMSG NOBODY a r 1 3\r\nhxx\r\n";
    expect(scan(real, ROUTE, `RMSG $G a 0\r\n\r\n${message}`)).toEqual({ reason: REASON_ACCOUNT, resume: 0 });
    real.nameAccount("$G", 1);
    real.install({ ...CONTEXT_PLAN, context: CONTEXT_FROM_ROUTE | 1 });
    expect(scan(real, ROUTE, `RMSG $G a 0\r\n\r\n${message}`)).toEqual({
      reason: REASON_ACCOUNT,
      resume: 15,
    });
    const name = real.get(AREA_ACCOUNT);
    expect(text(memory.bytes, name, name + real.get(AREA_ACCOUNT_LENGTH))).toBe("NOBODY");
    expect(real.get(AREA_MESSAGE_END) - real.receive).toBe(15 + message.length);
    expect(scan(real, ROUTE, "RMSG $G a 0\r\n\r\n").reason).toBe(REASON_DONE);
    real.forgetAccounts();
    expect(scan(real, ROUTE, "RMSG $G a 0\r\n\r\n").reason).toBe(REASON_ACCOUNT);
    // The id is another account's now, and must not be taken for the old one's.
    real.nameAccount("$G", 2);
    real.install({ ...CONTEXT_PLAN, context: CONTEXT_FROM_ROUTE | 2, isForHost: true });
    expect(scan(real, ROUTE, "RMSG $G a 0\r\n\r\n").reason).toBe(REASON_HOST_PLAN);
  });

  test("tells accounts apart that differ in any one byte", () => {
    const { real } = setUp();
    for (const length of [1, 2, 15, 16, 17, 56, 112]) {
      const name = "n".repeat(length);
      real.nameAccount(name, 1);
      real.install({ ...CONTEXT_PLAN, context: CONTEXT_FROM_ROUTE | 1 });
      expect(scan(real, ROUTE, `RMSG ${name} a 0\r\n\r\n`).reason).toBe(REASON_DONE);
      for (let at = 0; at < length; at++) {
        const other = `${name.slice(0, at)}N${name.slice(at + 1)}`;
        expect(scan(real, ROUTE, `RMSG ${other} a 0\r\n\r\n`).reason).toBe(REASON_ACCOUNT);
      }
    }
  });

  test("leaves to the host what the plan says: all, or what has a reply", () => {
    for (const [plan, isWithReply, reason] of [
      [{ repliesAreForHost: true }, true, REASON_HOST_PLAN],
      [{ repliesAreForHost: true }, false, REASON_DONE],
      [{ queuesAreForHost: true }, true, REASON_DONE],
      [{ isForHost: true }, false, REASON_HOST_PLAN],
    ] as const) {
      const { real } = setUp();
      real.install({ ...CONTEXT_PLAN, context: 9, ...plan });
      expect(scan(real, LEAF, `LMSG a ${isWithReply ? "r " : ""}0\r\n\r\n`).reason).toBe(reason);
      expect(scan(real, LEAF, `HMSG a ${isWithReply ? "r " : ""}0 0\r\n\r\n`).reason).toBe(reason);
    }
  });
});

test("scan() sees no flag of a plan but that it is for the host", () => {
  const { lockstep, take } = setUp(0, { queuesAreForHost: true, repliesAreForHost: true });
  lockstep.send(NODE, CLIENT, "PUB a r 0\r\n\r\n", []);
  expect(take()[CLIENT - 1]).toEqual(["client", "MSG a 1 r 0\r\n\r\n"]);
  expect(lockstep.handed).toEqual([]);
});

const CONTEXT_PLAN = { account: 1, subject: "a", isForHost: false, plain: [], groups: [], plainNodes: [] };
