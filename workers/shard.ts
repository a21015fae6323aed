/** A shard's thread: it waits for its start message, builds the shard and runs it. */
import { createDeflater } from "../src/engine/deflater.ts";
import type { ListenerKind } from "../src/fabric/listeners.ts";
import { NODE_WAKE_WORD, PACKING_BYTES } from "../src/memory/map.ts";
import { nodeWord, openSharedMemory } from "../src/memory/shared_memory.ts";
import type { Dialler } from "../src/runtime/dialling.ts";
import { EpollPoller } from "../src/runtime/epoll_poller.ts";
import { loadRuntime } from "../src/runtime/mod.ts";
import { TlsPoller } from "../src/runtime/openssl/tls_poller.ts";
import type { Poller } from "../src/runtime/poller.ts";
import type { TlsLayer } from "../src/runtime/tls.ts";
import { wakeEpollPoller, wakeSocketPoller } from "../src/runtime/wake_poller.ts";
import type { FramingMeans } from "../src/runtime/websocket/websocket_poller.ts";
import type { UpgradeHost } from "../src/shard/client/upgrades.ts";
import type { HandedLeaf } from "../src/shard/links/handed_leaf.ts";
import { Shard, type ShardDependencies } from "../src/shard/shard.ts";
import type { ShardMessage, ShardReport } from "../src/shard/shard_messages.ts";
import type { ShardStart } from "../src/shard/shard_options.ts";

const BACKLOG = 4096;

const report = (message: ShardReport, transfer: Transferable[] = []) => self.postMessage(message, transfer);

/** What this thread has open, to be closed if it fails. */
let poller: Poller | null = null;
let shard: Shard | null = null;
/** Leaf nodes that came before there was a shard. */
const early: HandedLeaf[] = [];
const listeners: { readonly kind: ListenerKind; close(): void }[] = [];

function stopListening(kinds: readonly ListenerKind[] | "all"): void {
  for (const { kind, close } of listeners) if (kinds === "all" || kinds.includes(kind)) close();
}

self.onmessage = async ({ data }: MessageEvent<ShardStart>) => {
  self.onmessage = ({ data: message }: MessageEvent<ShardMessage>) => {
    if (message.type === "handedLeaf") {
      if (shard === null) early.push(message);
      else shard.acceptHanded(message);
    } else {
      poller?.dispose();
      report({ type: "disposed" });
    }
  };
  try {
    await serve(data);
    report({ type: "stopped" });
  } catch (error) {
    stopListening("all");
    // Main closes the descriptors, because other threads may be about to write to this one's eventfd.
    if (poller?.kind === "runtime") poller.dispose();
    report({
      type: "failed",
      error: error instanceof Error ? (error.stack ?? error.message) : String(error),
    });
  }
};

async function serve(start: ShardStart): Promise<void> {
  const { bytes, words, map } = openSharedMemory(start.memory);
  const slotsMax = map.slotCount(start.node);
  const runtime = await loadRuntime();
  let openInflater: FramingMeans["openInflater"] = () => null;
  let wake: ShardDependencies["wake"];
  let secured: Poller & TlsLayer & Dialler;
  if (start.transport === "epoll") {
    const opened = runtime.openPosix();
    if (!opened.ok) throw new Error(opened.reason);
    const { posix } = opened;
    const openOpenSsl = () => {
      const library = runtime.openOpenSsl(posix);
      if (!library.ok) throw new Error(library.reason);
      return library.openSsl;
    };
    openInflater = () => runtime.openInflater(posix);
    const epoll = new EpollPoller(posix, bytes, slotsMax);
    secured = new TlsPoller(epoll, posix, bytes, slotsMax, openOpenSsl);
    wake = (handle) => wakeEpollPoller(posix, handle);
  } else {
    const { SocketPoller } = await import("../src/runtime/socket_poller.ts");
    secured = new SocketPoller({
      memory: bytes,
      slotsMax,
      wakeWords: words,
      wakeIndex: nodeWord(start.node, NODE_WAKE_WORD),
    });
    wake = (handle) => wakeSocketPoller(words, handle);
  }
  const { packing, deflating } = map.area(start.node);
  const framing: FramingMeans = {
    memory: bytes,
    packing,
    packingBytes: PACKING_BYTES,
    deflating,
    openDeflater: () => createDeflater(start.memory, deflating, start.deflateCode!),
    openInflater,
  };
  let createLinks: ShardDependencies["createLinks"] = null;
  let webSocket: ShardDependencies["webSocket"] = null;
  poller = secured;
  if (start.node === map.linksNode) {
    const [{ ShardLinks }, { WebSocketPoller }, { S2Poller }, { createS2Codec }] = await Promise.all([
      import("../src/link/host/shard_links.ts"),
      import("../src/runtime/websocket/websocket_poller.ts"),
      import("../src/runtime/s2/s2_poller.ts"),
      import("../src/engine/s2_codec.ts"),
    ]);
    const region = map.compression;
    const openCodec = () => createS2Codec(start.memory, region, start.s2Code!);
    const compression = new S2Poller(secured, { memory: bytes, region, openCodec });
    // Leaf nodes may connect and be dialled by WebSocket, also after a reload.
    const frames = new WebSocketPoller(compression, framing);
    poller = frames;
    webSocket = { layer: frames, createUpgrades: null };
    createLinks = (shard) => new ShardLinks(shard, { dialler: secured, frames, compression });
  } else if (start.options.webSocket !== null) {
    const { layer, createUpgrades } = await openWebSockets(secured, framing);
    poller = layer;
    webSocket = { layer, createUpgrades };
  }
  const served = new Shard(start, {
    poller,
    tls: secured,
    webSocket,
    wake,
    report,
    // As text, which costs both threads less than an object.
    ask: (question) => start.logins.postMessage(JSON.stringify(question)),
    collectGarbage: () => runtime.collectGarbage(),
    collectRecentGarbage: () => runtime.collectRecentGarbage(),
    residentBytes: () => runtime.residentBytes(),
    stopListening,
    createLinks,
  });
  shard = served;
  for (const leaf of early.splice(0)) served.acceptHanded(leaf);
  const failedToAccept = Promise.withResolvers<never>();
  const ports: number[] = [];
  for (const own of start.listen) {
    const { listenWithRuntime } = await import("../src/runtime/socket_listener.ts");
    const listener = await listenWithRuntime({
      ...own,
      backlog: BACKLOG,
      onConnection: (socket, ip, peerPort) => {
        try {
          served.acceptOwn(own.kind, socket, ip, peerPort);
        } catch (error) {
          failedToAccept.reject(error);
        }
      },
    });
    if (!listener.ok) {
      report({ type: "cannotListen", listener: own, error: listener.error });
      stopListening("all");
      return;
    }
    ports.push(listener.port);
    listeners.push({ kind: own.kind, close: () => listener.close() });
  }
  report({ type: "ready", ports });
  await Promise.race([served.run(), failedToAccept.promise]);
}

/** Loads what only a server with a port for WebSockets needs. */
async function openWebSockets(inner: Poller & TlsLayer, framing: FramingMeans) {
  const [{ WebSocketPoller }, { Upgrades }] = await Promise.all([
    import("../src/runtime/websocket/websocket_poller.ts"),
    import("../src/shard/client/upgrades.ts"),
  ]);
  const layer = new WebSocketPoller(inner, framing);
  return { layer, createUpgrades: (host: UpgradeHost) => new Upgrades(host, inner, layer) };
}
