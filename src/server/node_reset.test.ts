import { expect, test } from "bun:test";
import { NODE_SHARD_FIRST } from "../memory/map.ts";
import { ShardHarness } from "../shard/testing/shard_harness.ts";
import { closeSockets } from "./node_reset.ts";

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
