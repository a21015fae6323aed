import { expect, test } from "bun:test";
import {
  AREA_MESSAGE_END,
  AREA_RESUME,
  CONNECTION_TAKES_HEADERS,
  CONNECTION_WANTS_NO_RESPONDERS,
  CONTEXT_FROM_ROUTE,
  REASON_ACCOUNT,
  REASON_HOST_PLAN,
  REASON_MISS,
  REASON_NO_RESPONDERS,
  REASON_RING_FULL,
} from "../memory/layout.ts";
import { SUBJECTS } from "./testing/arbitraries.ts";
import { foreignTo } from "./testing/foreign_lines.ts";
import { memory } from "./testing/lockstep.ts";
import { joinByRing, RealNode } from "./testing/real_node.ts";
import { type LinkKind, type NodeSpecification, write } from "./testing/specification.ts";

const SOUP_BYTES = 64 * 1024;
const SOUPS = 100;
const RUNS_PER_SOUP = 20_000;

/** A small generator of random numbers, so that a failing soup can be made again. */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return Math.floor(((state >>> 0) / 2 ** 32) * below);
  };
}

const KINDS: readonly (LinkKind | undefined)[] = [undefined, "route", "leaf"];

const PIECES = [
  "PUB a 3\r\nabc\r\n",
  "PUB b r 0\r\n\r\n",
  "HPUB a 2 4\r\nhhpp\r\n",
  "HPUB orders.created r 0 3\r\nppp\r\n",
  `PUB a 600\r\n${"x".repeat(600)}\r\n`,
  `HPUB b 90 700\r\n${"y".repeat(700)}\r\n`,
  "RMSG $G a 3\r\nabc\r\n",
  "HMSG $G b 2 4\r\nhhpp\r\n",
  `RMSG $G a r 600\r\n${"x".repeat(600)}\r\n`,
  "LMSG a r 3\r\nabc\r\n",
  "HMSG b 2 4\r\nhhpp\r\n",
  "PUB ",
  "HPUB ",
  "RMSG ",
  "HMSG $G ",
  "LMSG ",
  "\r\n",
  " ",
  "0",
  "9",
  "98304",
  "4294967295",
  "\0",
  "\u00ff",
  ...SUBJECTS,
];

function soup(seed: number, kind: LinkKind | undefined): string {
  const next = random(seed);
  const pieces = [...PIECES, ...foreignTo(kind).filter((line) => line.length < 100)];
  const verb = kind === undefined ? "PUB" : kind === "leaf" ? "LMSG" : "RMSG $G";
  let result = "";
  while (result.length < SOUP_BYTES) {
    const choice = next(10);
    if (choice === 0) result += String.fromCharCode(next(256));
    else if (choice === 1) {
      const size = next(100);
      result += `${verb} ${SUBJECTS[next(SUBJECTS.length)]} ${size}\r\n${"z".repeat(size)}\r\n`;
    } else result += pieces[next(pieces.length)];
  }
  return result.slice(0, SOUP_BYTES);
}

function makeNodes(link: LinkKind | undefined): { real: RealNode; other: RealNode } {
  memory.clear();
  const specification: NodeSpecification = {
    node: 1,
    connections: [0, 1, 2].map((index) => ({
      flags: CONNECTION_TAKES_HEADERS * (index & 1) + CONNECTION_WANTS_NO_RESPONDERS,
      payloadBytesMax: 0x7fff_ffff,
      context: link === "route" ? CONTEXT_FROM_ROUTE : 1,
      ...(link === undefined ? {} : { link }),
    })),
    subscriptions: [
      { slot: 1, sid: "1", max: 0 },
      { slot: 2, sid: "s".repeat(100), max: 0 },
      { slot: 3, sid: "3", max: 1000 },
    ],
    plans: [],
  };
  const sizes = { outboxCount: 2, receiveBytes: SOUP_BYTES, arenaBytes: 1 << 20, isCollecting: false };
  const real = new RealNode(memory, specification, sizes, 1n);
  const other = new RealNode(memory, { ...specification, node: 2 }, { ...sizes, outboxCount: 1 }, 1n);
  joinByRing(memory, real, other, 1 << 18, 2 ** 32 - 65536);
  for (const [index, subject] of SUBJECTS.entries()) {
    real.install({
      context: link === "route" ? CONTEXT_FROM_ROUTE | 1 : 1,
      account: 1,
      subject,
      isForHost: index === 2,
      repliesAreForHost: index === 4,
      plain: [[0, 1, 2], [], [], [1]][index % 4]!,
      groups: index % 3 === 0 ? [{ queue: 3, locals: [2], nodes: [{ node: 2, weight: 2 }] }] : [],
      plainNodes: index % 5 === 0 ? [2] : [],
    });
  }
  real.nameAccount("$G", 1);
  return { real, other };
}

test.each(KINDS.map((kind) => [kind ?? "client", kind] as const))(
  `%s: scanning survives ${(SOUPS * RUNS_PER_SOUP) / 1e6} million runs over hostile bytes and writes only where it may`,
  (_, kind) => {
    const { real, other } = makeNodes(kind);
    const { engine, receive } = real;
    // The regions that scan() only reads: all but the connections, outboxes, lists, the area and the ring.
    const constant = memory.regions.filter(({ name }) => /arena|plan sets|generations/.test(name));
    const sum = () =>
      constant.map(({ start, end }) => {
        let hash = 7;
        for (let index = start >> 2; index < end >> 2; index++)
          hash = Math.imul(hash ^ memory.words[index]!, 0x85ebca6b);
        return hash;
      });
    const before = sum();
    const scan = kind === undefined ? engine.scan : engine.scanLink;
    const verb = kind === undefined ? "PUB" : "MSG";
    const reasons = new Array<number>(8).fill(0);
    for (let seed = 1; seed <= SOUPS; seed++) {
      const cooked = soup(seed, kind);
      write(memory.bytes, receive, cooked);
      const next = random(-seed);
      for (let run = 0; run < RUNS_PER_SOUP; run++) {
        // Half of the runs begin where a message might begin.
        let start = next(SOUP_BYTES - 2);
        if (run & 1) start = Math.max(0, cooked.indexOf(verb, start) - (run & 2 ? 1 : 0));
        const length = next(run % 50 === 0 ? SOUP_BYTES : 200);
        const end = receive + Math.min(SOUP_BYTES, start + length);
        const at = receive + start;
        const reason = scan(1 + (run % 3), at, end);
        reasons[reason]!++;
        const resume = real.get(AREA_RESUME);
        if (resume < at || resume > end) throw new Error(`soup ${seed}, run ${run}: resumes at ${resume}`);
        if ((reason === REASON_MISS || reason === REASON_HOST_PLAN) && real.get(AREA_MESSAGE_END) > end) {
          throw new Error(`soup ${seed}, run ${run}: a message ends past what was received`);
        }
        if (reason === REASON_RING_FULL) {
          engine.publish(other.node);
          for (let record = other.engine.peek(1); record !== 0; record = other.engine.peek(1)) {
            other.engine.skip(1, record);
          }
          other.engine.release(1);
        }
        real.flushAll();
      }
      const strays = memory.strayWrites();
      if (strays.length > 0) throw new Error(`soup ${seed}: ${strays.join("; ")}`);
      for (let index = 0; index < cooked.length; index++) {
        if (memory.bytes[receive + index] !== cooked.charCodeAt(index)) {
          throw new Error(`soup ${seed}: a received byte changed`);
        }
      }
    }
    expect(sum()).toEqual(before);
    const last = kind === undefined ? [REASON_NO_RESPONDERS] : kind === "route" ? [REASON_ACCOUNT] : [];
    for (const reason of [REASON_MISS, REASON_HOST_PLAN, REASON_RING_FULL, ...last]) {
      expect(reasons[reason]!).toBeGreaterThan(10);
    }
  },
  60_000,
);
