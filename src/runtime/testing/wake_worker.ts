// A worker that does nothing but `poller.run`. It answers each wake by adding 1 to the reply word.
import { EpollPoller } from "../epoll_poller.ts";
import { loadRuntime } from "../mod.ts";
import type { Poller } from "../poller.ts";
import { SocketPoller } from "../socket_poller.ts";

export interface WakeWorkerStart {
  readonly kind: Poller["kind"];
  readonly memory: WebAssembly.Memory;
}

export const WAKE_WORD = 0;
/** How often the worker has slept and been woken. */
export const REPLY_WORD = 1;
/** The worker's wake handle + 1 once it is about to sleep for the first time. */
export const HANDLE_WORD = 2;
/** 1 asks the worker to end, 2 says that `run` has resolved. */
export const STOP_WORD = 3;

addEventListener("message", async (event) => {
  const { kind, memory } = (event as MessageEvent<WakeWorkerStart>).data;
  const bytes = new Uint8Array(memory.buffer);
  const words = new Int32Array(memory.buffer);
  const poller = await openPoller(kind, bytes, words);
  let turns = 0;
  await poller.run(() => {
    Atomics.store(words, HANDLE_WORD, poller.wakeHandle + 1);
    Atomics.notify(words, HANDLE_WORD);
    poller.wait(-1);
    // With epoll the first wait sleeps; the runtime poller sleeps after its first turn.
    if (kind === "epoll" || turns++ > 0) {
      Atomics.add(words, REPLY_WORD, 1);
      Atomics.notify(words, REPLY_WORD);
    }
    if (Atomics.load(words, STOP_WORD) === 1) poller.stop();
  });
  poller.dispose();
  Atomics.store(words, STOP_WORD, 2);
  Atomics.notify(words, STOP_WORD);
});

async function openPoller(kind: Poller["kind"], bytes: Uint8Array, words: Int32Array): Promise<Poller> {
  if (kind === "runtime") {
    return new SocketPoller({ memory: bytes, slotsMax: 8, wakeWords: words, wakeIndex: WAKE_WORD });
  }
  const opened = (await loadRuntime()).openPosix();
  if (!opened.ok) throw new Error(opened.reason);
  return new EpollPoller(opened.posix, bytes, 8);
}
