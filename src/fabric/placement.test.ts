import { describe, expect, test } from "bun:test";
import { createEngine, loadEngineCode } from "../engine/engine.ts";
import { NO_HOST } from "../engine/no_host.ts";
import {
  NODE_ACCEPTOR,
  NODE_IS_DEAD,
  NODE_IS_UP,
  NODE_LOAD,
  NODE_SHARD_FIRST,
  NODE_STATE,
} from "../memory/map.ts";
import { createSharedMemory, nodeWord } from "../memory/shared_memory.ts";
import { ControlReader } from "./control.ts";
import { Placement } from "./placement.ts";

const SEEDS = new Uint32Array([1, 2, 3, 4]);
const FIRST = NODE_SHARD_FIRST;
const SECOND = NODE_SHARD_FIRST + 1;

function place(hasLinksShard: boolean) {
  const shared = createSharedMemory(2, SEEDS, hasLinksShard);
  const { words, map } = shared;
  for (let node = FIRST; node < map.nodeCount; node++) words[nodeWord(node, NODE_STATE)] = NODE_IS_UP;
  return { shared, links: map.linksNode, placement: new Placement(shared, loadEngineCode(), () => {}) };
}

/** The commands that were handed to a node. */
function takeAll(shared: ReturnType<typeof place>["shared"], node: number): unknown[] {
  const engine = createEngine(shared.memory, shared.map.area(node).area, NO_HOST);
  const reader = new ControlReader();
  const taken: unknown[] = [];
  for (let record = engine.peek(NODE_ACCEPTOR); record !== 0; record = engine.peek(NODE_ACCEPTOR)) {
    taken.push(reader.read(shared, record));
    engine.skip(NODE_ACCEPTOR, record);
  }
  return taken;
}

describe("Placement", () => {
  test("gives clients to the shard with the fewest, equal ones in turn", () => {
    const { shared, placement } = place(true);
    shared.words[nodeWord(SECOND, NODE_LOAD)] = 2;
    for (let fd = 10; fd < 16; fd++) expect(placement.place("client", fd, "10.0.0.1", 1000 + fd)).toBe(true);
    const fds = (node: number) => takeAll(shared, node).map((message) => (message as { fd: number }).fd);
    expect(fds(FIRST)).toEqual([10, 11, 13, 15]);
    expect(fds(SECOND)).toEqual([12, 14]);
  });

  test("gives links to the links shard, and says what they came for", () => {
    const { shared, links, placement } = place(true);
    expect(placement.place("gateway", 10, "10.0.0.1", 1000)).toBe(true);
    expect(placement.place("leafnodes", 11, "::1", 1001)).toBe(true);
    expect(takeAll(shared, links)).toEqual([
      { type: "accept", listener: "gateway", fd: 10, ip: "10.0.0.1", port: 1000 },
      { type: "accept", listener: "leafnodes", fd: 11, ip: "::1", port: 1001 },
    ]);
    expect(shared.words[nodeWord(links, NODE_LOAD)]).toBe(2);
    expect(takeAll(shared, FIRST)).toEqual([]);
  });

  test("has no place for what nobody serves", () => {
    expect(place(false).placement.place("cluster", 10, "10.0.0.1", 1000)).toBe(false);
    const { shared, links, placement } = place(true);
    shared.words[nodeWord(links, NODE_LOAD)] = shared.map.slotCount(links) - 1;
    expect(placement.place("cluster", 10, "10.0.0.1", 1000)).toBe(false);
    for (const node of [FIRST, SECOND]) shared.words[nodeWord(node, NODE_STATE)] = NODE_IS_DEAD;
    expect(placement.place("client", 10, "10.0.0.1", 1000)).toBe(false);
  });
});
