import { expect, test } from "bun:test";
import { createEngine, loadEngineCode } from "../../engine/engine.ts";
import { NO_HOST } from "../../engine/no_host.ts";
import { controlPieces, sendPiece } from "../../fabric/control.ts";
import { createInterestIndex } from "../../interest/interest_index.ts";
import { MatchResult } from "../../interest/match_result.ts";
import { LOCK } from "../../memory/interest_layout.ts";
import {
  HEADER_CONNECTION_COUNT,
  NODE_FAR,
  NODE_IS_DEAD,
  NODE_IS_UP,
  NODE_LOAD,
  NODE_SHARD_FIRST,
  NODE_STATE,
} from "../../memory/map.ts";
import { createSharedMemory, nodeWord } from "../../memory/shared_memory.ts";
import { handedLeaf } from "../../shard/links/handed_leaf.ts";
import { ShardHarness } from "../../shard/testing/shard_harness.ts";
import { dropInterest, leaveNode } from "./dead_node.ts";
import { resetNode } from "./node_reset.ts";

test("leaveNode() counts off the clients, not those that were none yet", () => {
  const info = { host: "h", port: 1 };
  const rules = {
    isSecure: false,
    origins: { isSameRequired: false, allowed: [] },
    allowsCompression: false,
    headers: [],
    cookieNames: { jwt: "", user: "", password: "", token: "" },
  };
  const rest = { handshakeTimeoutMs: 0, pingIntervalMs: 1000, loginTimeoutMs: 1000, takesLeafs: false };
  const harness = new ShardHarness(1, { webSocket: { rules, tls: null, info, ...rest } });
  harness.connect();
  const left = harness.connect();
  harness.open(0, "websocket");
  harness.open(0, "websocket");
  const gone = harness.open(0, "websocket");
  left.isEnded = true;
  gone.isEnded = true;
  harness.settle();
  const closed: number[] = [];
  const { words } = harness.shared;
  expect(words[HEADER_CONNECTION_COUNT]).toBe(1);
  expect(leaveNode(harness.shared, NODE_SHARD_FIRST, (fd) => closed.push(fd))).toBe(3);
  expect(closed.length).toBe(3);
  expect(words[HEADER_CONNECTION_COUNT]).toBe(0);
  expect(words[nodeWord(NODE_SHARD_FIRST, NODE_STATE)]).toBe(NODE_IS_DEAD);
});

test("leaveNode() closes the sockets of leaf nodes that the dead shard never took, once", () => {
  const seeds = new Uint32Array(4);
  const shared = createSharedMemory(2, seeds, true);
  const { linksNode } = shared.map;
  shared.words[nodeWord(linksNode, NODE_STATE)] = NODE_IS_UP;
  const terms = { isCompressed: false, isMasked: true, frameBytesMax: 0, compressedFrameBytesMax: 0 };
  for (const fd of [71, 72]) {
    const node = NODE_SHARD_FIRST + fd - 71;
    const engine = createEngine(shared.memory, shared.map.area(node).area, NO_HOST, loadEngineCode());
    const leaf = handedLeaf(
      { kind: "epoll", fd, ssl: 0 },
      { ip: "127.0.0.1", port: fd, tls: null },
      { terms, forwardedFor: "" },
    );
    for (const message of [{ type: "stop" }, leaf, { type: "stop", text: "x".repeat(100_000) }])
      for (const piece of controlPieces(message))
        expect(sendPiece(engine, shared, linksNode, piece)).toBe(true);
  }
  const closed: number[] = [];
  const leave = () => leaveNode(shared, linksNode, (fd) => closed.push(fd));
  shared.words[nodeWord(linksNode, NODE_LOAD)] = 2;
  leave();
  expect(closed).toEqual([71, 72]);
  expect(shared.words[nodeWord(linksNode, NODE_LOAD)]).toBe(0);
  resetNode(shared, linksNode, seeds);
  shared.words[nodeWord(linksNode, NODE_STATE)] = NODE_IS_UP;
  leave();
  expect(closed).toEqual([71, 72]);
});

test("dropInterest() drops what far nodes want with the links shard, and nothing where the index cannot be trusted", () => {
  const shared = createSharedMemory(1, new Uint32Array(4), true);
  const { linksNode } = shared.map;
  const region = { buffer: shared.buffer, ...shared.map.index };
  const index = createInterestIndex(region, { hashSeed: [1, 2, 3, 4] });
  const subject = new TextEncoder().encode("a");
  for (const node of [NODE_SHARD_FIRST, linksNode]) index.addPlain(node, 1, subject, 0, 1);
  const queue = new TextEncoder().encode("q");
  index.addQueue(NODE_FAR, 1, subject, 0, 1, queue, 0, 1);
  const found = new MatchResult();
  const nodes = () => {
    index.match(1, subject, 0, 1, found);
    return [found.plainNodes, found.queueCount];
  };
  const lock = (owner: number) =>
    Atomics.store(new Int32Array(shared.buffer, region.byteOffset), LOCK, owner + 1);
  expect(nodes()).toEqual([(1 << NODE_SHARD_FIRST) | (1 << linksNode), 1]);
  for (const owner of [linksNode, NODE_FAR]) {
    lock(owner);
    expect(dropInterest(index, linksNode, shared)).toBe(false);
  }
  lock(-1);
  expect(dropInterest(index, linksNode, shared)).toBe(true);
  expect(nodes()).toEqual([1 << NODE_SHARD_FIRST, 0]);
});
