import { setImmediate } from "node:timers/promises";
import type { Dialler } from "../dialling.ts";
import { EpollPoller } from "../epoll_poller.ts";
import { loadRuntime } from "../mod.ts";
import { TlsPoller } from "../openssl/tls_poller.ts";
import type { Poller, StreamSource } from "../poller.ts";
import { POLLIN } from "../posix/libc.ts";
import { listenTcp } from "../posix/listen.ts";
import { listenWithRuntime } from "../socket_listener.ts";
import { SocketPoller } from "../socket_poller.ts";
import type { TlsLayer } from "../tls.ts";
import { wakeEpollPoller, wakeSocketPoller } from "../wake_poller.ts";
import { WAKE_WORD } from "./wake_worker.ts";

export const SLOTS_MAX = 64;
const BACKLOG = 64;

const runtime = await loadRuntime();
const opened = runtime.openPosix();
if (!opened.ok) throw new Error(opened.reason);
const { posix } = opened;

/** What differs between pollers: how they are made, where connections come from, and how they are woken. */
export interface PollerSubject<P extends Poller & Dialler = Poller & Dialler> {
  readonly kind: Poller["kind"];
  open(memory: WebAssembly.Memory): P;
  listen(onConnection: (source: StreamSource) => void): Promise<{ port: number; close(): void }>;
  wake(memory: WebAssembly.Memory, wakeHandle: number): void;
}

async function listenWithEpoll(onConnection: (source: StreamSource) => void) {
  const listener = await listenTcp(posix, "127.0.0.1", 0, BACKLOG);
  if (!listener.ok) throw new Error(listener.error);
  const pollfd = new DataView(new ArrayBuffer(8));
  pollfd.setInt32(0, listener.fd, true);
  pollfd.setInt16(4, POLLIN, true);
  let isOpen = true;
  const acceptAll = async () => {
    while (isOpen) {
      if (posix.poll(posix.addressOf(pollfd), 1, 0) > 0) {
        const accepted = posix.accept(listener.fd);
        if (typeof accepted !== "number") onConnection(accepted.fd);
      }
      await setImmediate();
    }
    posix.close(listener.fd);
  };
  void acceptAll();
  return {
    port: listener.port,
    close: () => {
      isOpen = false;
    },
  };
}

/** A port where connections are not accepted. After the first few, they have no outcome. */
export function listenWithoutRoom(): { port: number; close(): void } {
  const fd = posix.listenSocket("127.0.0.1", 0, { backlog: 0, isDualStack: false });
  if (typeof fd === "object") throw new Error(`${fd.step}: ${fd.errno}`);
  const address = posix.localAddress(fd);
  return { port: typeof address === "number" ? 0 : address.port, close: () => posix.close(fd) };
}

/** OpenSSL of this thread, which the tests that need it must have. */
export function openSslForTests() {
  const library = runtime.openOpenSsl(posix);
  if (!library.ok) throw new Error(library.reason);
  return library.openSsl;
}

/** The system's zlib, which the tests that need it must have. */
export function inflaterForTests() {
  const inflater = runtime.openInflater(posix);
  if (inflater === null) throw new Error("there is no libz");
  return inflater;
}

export const epollSubject: PollerSubject = {
  kind: "epoll",
  open: (memory) => new EpollPoller(posix, new Uint8Array(memory.buffer), SLOTS_MAX),
  listen: listenWithEpoll,
  wake: (_memory, wakeHandle) => wakeEpollPoller(posix, wakeHandle),
};

export const tlsSubject: PollerSubject<Poller & Dialler & TlsLayer> = {
  ...epollSubject,
  open(memory) {
    const bytes = new Uint8Array(memory.buffer);
    const inner = new EpollPoller(posix, bytes, SLOTS_MAX);
    return new TlsPoller(inner, posix, bytes, SLOTS_MAX, openSslForTests);
  },
};

export const runtimeSubject: PollerSubject<Poller & Dialler & TlsLayer> = {
  kind: "runtime",
  open: (memory) =>
    new SocketPoller({
      memory: new Uint8Array(memory.buffer),
      slotsMax: SLOTS_MAX,
      wakeWords: new Int32Array(memory.buffer),
      wakeIndex: WAKE_WORD,
    }),
  async listen(onConnection) {
    const listener = await listenWithRuntime({
      host: "127.0.0.1",
      port: 0,
      backlog: BACKLOG,
      reusePort: false,
      onConnection,
    });
    if (!listener.ok) throw new Error(listener.error);
    return listener;
  },
  wake: (memory, wakeHandle) => wakeSocketPoller(new Int32Array(memory.buffer), wakeHandle),
};
