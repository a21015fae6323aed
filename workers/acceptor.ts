/** The acceptor's thread: it accepts connections and hands each of them to a shard. */
import type { AcceptorReport, AcceptorStart } from "../src/fabric/listeners.ts";
import { Placement } from "../src/fabric/placement.ts";
import { HEADER_LISTENERS_CLOSED } from "../src/memory/map.ts";
import { openSharedMemory } from "../src/memory/shared_memory.ts";
import { Acceptor } from "../src/runtime/acceptor.ts";
import { loadRuntime } from "../src/runtime/mod.ts";
import { wakeEpollPoller } from "../src/runtime/wake_poller.ts";

/** After so many connections, garbage is collected. This thread never returns to its event loop, which would do it. */
const ACCEPTED_PER_COLLECTION = 1024;

const report = (message: AcceptorReport) => self.postMessage(message);

self.onmessage = async ({ data }: MessageEvent<AcceptorStart>) => {
  self.onmessage = null;
  const runtime = await loadRuntime();
  const opened = runtime.openPosix();
  if (!opened.ok) throw new Error(opened.reason);
  const { posix } = opened;
  const { memory, engineCode, listeners } = data;
  const shared = openSharedMemory(memory);
  let accepted = 0;
  let closed = 0;
  const placement = new Placement(shared, engineCode, (handle) => wakeEpollPoller(posix, handle));
  const acceptor = new Acceptor(posix, {
    onConnection: (index, fd, ip, port) => {
      if (!placement.place(listeners[index]!.kind, fd, ip, port)) posix.close(fd);
      if (++accepted % ACCEPTED_PER_COLLECTION === 0) runtime.collectRecentGarbage();
    },
    onPause: (_index, error, pauseMs) =>
      report({ type: "paused", text: `Cannot accept connections: ${error}; trying again in ${pauseMs} ms` }),
    onWake: () => {
      const wanted = Atomics.load(shared.words, HEADER_LISTENERS_CLOSED);
      if (wanted === -1) {
        acceptor.stop();
        return;
      }
      for (const index of listeners.keys()) {
        if ((wanted & ~closed & (1 << index)) === 0) continue;
        acceptor.removeListener(index);
        report({ type: "closed", index });
      }
      closed = wanted;
    },
  });
  for (const [index, { fd }] of listeners.entries()) acceptor.addListener(index, fd);
  report({ type: "ready", wakeHandle: acceptor.wakeHandle });
  acceptor.run();
  acceptor.dispose();
  report({ type: "stopped" });
};
