import { expect, test } from "bun:test";
import { createEngine, loadEngineCode } from "../engine/engine.ts";
import { NO_HOST } from "../engine/no_host.ts";
import { controlPieces, sendPiece } from "../fabric/control.ts";
import { NODE_IS_UP, NODE_SHARD_FIRST, NODE_STATE } from "../memory/map.ts";
import { createSharedMemory, nodeWord } from "../memory/shared_memory.ts";
import { handedLeaf } from "../shard/handed_leaf.ts";
import { ShardHarness } from "../shard/testing/shard_harness.ts";
import { closeHandedOver, closeSockets, resetNode } from "./node_reset.ts";

test("closeSockets() tells connections that were no clients yet from those that were", () => {
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
  const lost = closeSockets(harness.shared, NODE_SHARD_FIRST, (fd) => closed.push(fd));
  expect(lost).toEqual({ sockets: 3, upgrading: 2 });
  expect(closed.length).toBe(3);
});

test("closeHandedOver() closes the sockets of leaf nodes that the dead shard never took, once", () => {
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
  const closeAll = () => closeHandedOver(shared, linksNode, (fd) => closed.push(fd));
  expect(closeAll()).toBe(2);
  expect(closed).toEqual([71, 72]);
  resetNode(shared, linksNode, seeds);
  expect(closeAll()).toBe(0);
});
