import { expect, test } from "bun:test";
import { once } from "node:events";
import { connect } from "node:net";
import { setImmediate } from "node:timers/promises";
import { createEngine, loadEngineCode } from "../../engine/engine.ts";
import { NO_HOST } from "../../engine/no_host.ts";
import { ControlReader } from "../../fabric/control.ts";
import { NODE_ACCEPTOR, NODE_IS_UP, NODE_SHARD_FIRST, NODE_STATE } from "../../memory/map.ts";
import { createSharedMemory, nodeWord } from "../../memory/shared_memory.ts";
import { loadRuntime } from "../../runtime/mod.ts";
import { listenTcp } from "../../runtime/posix/listen.ts";
import { AcceptorThread } from "./acceptor_thread.ts";

const opened = (await loadRuntime()).openPosix();
if (!opened.ok) throw new Error(opened.reason);
const { posix } = opened;

async function listen(): Promise<{ fd: number; port: number }> {
  const result = await listenTcp(posix, "127.0.0.1", 0, 16);
  if (!result.ok) throw new Error(result.error);
  return result;
}

/** Whether somebody listens. */
async function isOpen(port: number): Promise<boolean> {
  const socket = connect({ port, host: "127.0.0.1" });
  try {
    await once(socket, "connect");
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

test("AcceptorThread hands over what comes to each port, and closes them one by one", async () => {
  const shared = createSharedMemory(1, new Uint32Array([1, 2, 3, 4]), true);
  const { words, map } = shared;
  for (const node of [NODE_SHARD_FIRST, map.linksNode]) words[nodeWord(node, NODE_STATE)] = NODE_IS_UP;
  const problems: string[] = [];
  const acceptor = new AcceptorThread(shared, loadEngineCode(), posix, {
    log: (_level, text) => problems.push(text),
    fatal: (text) => problems.push(text),
  });
  const [clients, leafs, gateways] = [await listen(), await listen(), await listen()];
  await acceptor.accept([
    { kind: "client", fd: clients.fd },
    { kind: "leafnodes", fd: leafs.fd },
    { kind: "gateway", fd: gateways.fd },
  ]);

  /** What the next connection came for that a node was handed. */
  async function nextAt(node: number): Promise<unknown> {
    const engine = createEngine(shared.memory, map.area(node).area, NO_HOST);
    while (engine.peek(NODE_ACCEPTOR) === 0) await setImmediate();
    const record = engine.peek(NODE_ACCEPTOR);
    const message = new ControlReader().read(shared, record) as { listener: string; fd: number };
    engine.skip(NODE_ACCEPTOR, record);
    engine.release(NODE_ACCEPTOR);
    posix.close(message.fd);
    return message.listener;
  }

  for (const port of [clients.port, leafs.port, gateways.port]) expect(await isOpen(port)).toBe(true);
  expect(await nextAt(NODE_SHARD_FIRST)).toBe("client");
  expect(await nextAt(map.linksNode)).toBe("leafnodes");
  expect(await nextAt(map.linksNode)).toBe("gateway");

  await acceptor.close(["client", "leafnodes"]);
  expect(await isOpen(clients.port)).toBe(false);
  expect(await isOpen(leafs.port)).toBe(false);
  expect(await isOpen(gateways.port)).toBe(true);
  expect(await nextAt(map.linksNode)).toBe("gateway");

  // Those that are closed already are no news.
  await acceptor.close(["client", "gateway"]);
  expect(await isOpen(gateways.port)).toBe(false);
  await acceptor.stop();
  expect(problems).toEqual([]);
});
