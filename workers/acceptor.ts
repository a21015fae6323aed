/** The acceptor's thread: accepts for main and hands each connection to the shard that has the fewest. */

import type { AcceptorReport, AcceptorStart } from "../src/fabric/acceptor_messages.ts";
import { Placement } from "../src/fabric/placement.ts";
import { HEADER_ACCEPTOR_STOP } from "../src/memory/map.ts";
import { openSharedMemory } from "../src/memory/shared_memory.ts";
import { Acceptor } from "../src/runtime/acceptor.ts";
import { wakeEpollPoller } from "../src/runtime/epoll_poller.ts";
import { loadRuntime } from "../src/runtime/mod.ts";

/** Connections after which garbage is collected: this thread never returns to its event loop, which would do it. */
const ACCEPTED_PER_COLLECTION = 4096;

const report = (message: AcceptorReport) => self.postMessage(message);

self.onmessage = async ({ data }: MessageEvent<AcceptorStart>) => {
  self.onmessage = null;
  const runtime = await loadRuntime();
  const opened = runtime.openPosix();
  if (!opened.ok) throw new Error(opened.reason);
  const { posix } = opened;
  const shared = openSharedMemory(data.memory);
  let accepted = 0;
  const placement = new Placement(shared, (handle) => wakeEpollPoller(posix, handle));
  const acceptor = new Acceptor(posix, {
    onConnection: (listener, fd, ip, port) => {
      if (!placement.place(fd, ip, port, listener)) posix.close(fd);
      if (++accepted % ACCEPTED_PER_COLLECTION === 0) runtime.collectGarbage();
    },
    onPause: (_listener, error, pauseMs) =>
      report({ type: "paused", text: `Cannot accept connections: ${error}; trying again in ${pauseMs} ms` }),
    onWake: () => {
      if (Atomics.load(shared.words, HEADER_ACCEPTOR_STOP) !== 0) acceptor.stop();
    },
  });
  for (const { listener, fd } of data.listeners) acceptor.addListener(listener, fd);
  report({ type: "ready", wakeHandle: acceptor.wakeHandle });
  acceptor.run();
  acceptor.dispose();
  report({ type: "stopped" });
};
