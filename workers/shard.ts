/** A shard's thread: waits for its start message, builds the shard, runs it. */
import { CONNECTIONS_PER_SHARD_MAX, NODE_WAKE_WORD } from "../src/memory/map.ts";
import { nodeWord, openSharedMemory } from "../src/memory/shared_memory.ts";
import { EpollPoller, wakeEpollPoller } from "../src/runtime/epoll_poller.ts";
import { loadRuntime } from "../src/runtime/mod.ts";
import { listenWithRuntime } from "../src/runtime/socket_listener.ts";
import { SocketPoller, wakeSocketPoller } from "../src/runtime/socket_poller.ts";
import { Shard, type ShardDependencies } from "../src/shard/shard.ts";
import type { ShardReport, ShardStart } from "../src/shard/shard_options.ts";

const BACKLOG = 4096;

const report = (message: ShardReport) => self.postMessage(message);

self.onmessage = async ({ data }: MessageEvent<ShardStart>) => {
  self.onmessage = null;
  try {
    await serve(data);
    report({ type: "stopped" });
  } catch (error) {
    report({
      type: "failed",
      error: error instanceof Error ? (error.stack ?? error.message) : String(error),
    });
  }
};

async function serve(start: ShardStart): Promise<void> {
  const { bytes, words } = openSharedMemory(start.memory);
  const runtime = await loadRuntime();
  const collectGarbage = () => runtime.collectGarbage();
  let dependencies: ShardDependencies;
  let stopListening = () => {};
  if (start.transport === "epoll") {
    const opened = runtime.openPosix();
    if (!opened.ok) throw new Error(opened.reason);
    const { posix } = opened;
    dependencies = {
      poller: new EpollPoller(posix, bytes, CONNECTIONS_PER_SHARD_MAX),
      wake: (handle) => wakeEpollPoller(posix, handle),
      report,
      collectGarbage,
      stopListening,
    };
  } else {
    dependencies = {
      poller: new SocketPoller({
        memory: bytes,
        slotsMax: CONNECTIONS_PER_SHARD_MAX,
        wakeWords: words,
        wakeIndex: nodeWord(start.node, NODE_WAKE_WORD),
      }),
      wake: (handle) => wakeSocketPoller(words, handle),
      report,
      collectGarbage,
      stopListening: () => stopListening(),
    };
  }
  const shard = new Shard(start, dependencies);
  let port = 0;
  if (start.listen !== null) {
    const listener = await listenWithRuntime({
      ...start.listen,
      backlog: BACKLOG,
      reusePort: start.listen.reusePort,
      onConnection: (socket, ip, peerPort) => shard.acceptOwn(socket, ip, peerPort),
    });
    if (!listener.ok) throw new Error(listener.error);
    port = listener.port;
    stopListening = () => listener.close();
  }
  report({ type: "ready", port });
  await shard.run();
}
