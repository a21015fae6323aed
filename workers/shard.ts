/** A shard's thread: waits for its start message, builds the shard, runs it. */
import process from "node:process";
import { CONNECTIONS_PER_SHARD_MAX, NODE_WAKE_WORD } from "../src/memory/map.ts";
import { nodeWord, openSharedMemory } from "../src/memory/shared_memory.ts";
import { EpollPoller, wakeEpollPoller } from "../src/runtime/epoll_poller.ts";
import { loadRuntime } from "../src/runtime/mod.ts";
import { TlsPoller } from "../src/runtime/openssl/tls_poller.ts";
import type { Poller } from "../src/runtime/poller.ts";
import type { TlsLayer } from "../src/runtime/tls.ts";
import { Shard, type ShardDependencies } from "../src/shard/shard.ts";
import type { ShardReport, ShardStart } from "../src/shard/shard_options.ts";
import type { UpgradeHost } from "../src/shard/upgrades.ts";

const BACKLOG = 4096;

const report = (message: ShardReport) => self.postMessage(message);

/** What this thread has open. */
let poller: Poller | null = null;
let stopListening = () => {};

self.onmessage = async ({ data }: MessageEvent<ShardStart>) => {
  // The next message comes after the shard has stopped: to dispose.
  self.onmessage = () => {
    poller?.dispose();
    report({ type: "disposed" });
  };
  try {
    await serve(data);
    report({ type: "stopped" });
  } catch (error) {
    stopListening();
    // Descriptors are closed by main: other threads may be about to write to this one's eventfd.
    if (poller?.kind === "runtime") poller.dispose();
    report({
      type: "failed",
      error: error instanceof Error ? (error.stack ?? error.message) : String(error),
    });
  }
};

async function serve(start: ShardStart): Promise<void> {
  const { bytes, words } = openSharedMemory(start.memory);
  const runtime = await loadRuntime();
  let wake: ShardDependencies["wake"];
  let secured: Poller & TlsLayer;
  if (start.transport === "epoll") {
    const opened = runtime.openPosix();
    if (!opened.ok) throw new Error(opened.reason);
    const { posix } = opened;
    const openOpenSsl = () => {
      const library = runtime.openOpenSsl(posix);
      if (!library.ok) throw new Error(library.reason);
      return library.openSsl;
    };
    const epoll = new EpollPoller(posix, bytes, CONNECTIONS_PER_SHARD_MAX);
    secured = new TlsPoller(epoll, posix, bytes, CONNECTIONS_PER_SHARD_MAX, openOpenSsl);
    wake = (handle) => wakeEpollPoller(posix, handle);
  } else {
    const { SocketPoller, wakeSocketPoller } = await import("../src/runtime/socket_poller.ts");
    secured = new SocketPoller({
      memory: bytes,
      slotsMax: CONNECTIONS_PER_SHARD_MAX,
      wakeWords: words,
      wakeIndex: nodeWord(start.node, NODE_WAKE_WORD),
    });
    wake = (handle) => wakeSocketPoller(words, handle);
  }
  const webSocket = start.options.webSocket === null ? null : await openWebSockets(secured, bytes);
  poller = webSocket?.layer ?? secured;
  const shard = new Shard(start, {
    poller,
    tls: secured,
    webSocket,
    wake,
    report,
    ask: (question) => start.links.postMessage(question),
    collectGarbage: () => runtime.collectGarbage(),
    residentBytes: () => process.memoryUsage.rss(),
    stopListening: () => stopListening(),
  });
  const failedToAccept = Promise.withResolvers<never>();
  const ports: number[] = [];
  for (const { listener, ...listen } of start.listen) {
    const { listenWithRuntime } = await import("../src/runtime/socket_listener.ts");
    const listening = await listenWithRuntime({
      ...listen,
      backlog: BACKLOG,
      onConnection: (socket, ip, peerPort) => {
        try {
          shard.acceptOwn(socket, ip, peerPort, listener);
        } catch (error) {
          failedToAccept.reject(error);
        }
      },
    });
    if (!listening.ok) {
      stopListening();
      report({ type: "cannotListen", listener, error: listening.error });
      return;
    }
    ports.push(listening.port);
    const stopOthers = stopListening;
    stopListening = () => {
      stopOthers();
      listening.close();
    };
  }
  report({ type: "ready", ports });
  await Promise.race([shard.run(), failedToAccept.promise]);
}

/** What only a server with a port for WebSockets needs, and loads. */
async function openWebSockets(inner: Poller & TlsLayer, memory: Uint8Array) {
  const [{ WebSocketPoller }, { Upgrades }] = await Promise.all([
    import("../src/runtime/websocket/websocket_poller.ts"),
    import("../src/shard/upgrades.ts"),
  ]);
  const layer = new WebSocketPoller(inner, memory);
  return { layer, createUpgrades: (host: UpgradeHost) => new Upgrades(host, inner, layer) };
}
