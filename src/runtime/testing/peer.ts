import type { Buffer } from "node:buffer";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { setImmediate } from "node:timers/promises";
import type { Poller, StreamSource } from "../poller.ts";
import type { PollerSubject } from "./poller_subjects.ts";

/**
 * Connects to a poller of the subject's kind; `take` is given the far end. Returns the peer's socket and what it has
 * received. `cleanups` are called in reverse.
 */
export async function connectPeer(
  subject: Pick<PollerSubject, "listen">,
  take: (source: StreamSource) => void,
  cleanups: (() => void)[],
): Promise<{ socket: Socket; received: Buffer[] }> {
  const taken = Promise.withResolvers<void>();
  const listener = await subject.listen((source) => {
    take(source);
    taken.resolve();
  });
  cleanups.push(() => listener.close());
  const socket = connect({ port: listener.port, host: "127.0.0.1" });
  const received: Buffer[] = [];
  socket.on("data", (chunk: Buffer) => received.push(chunk));
  socket.on("error", () => {});
  cleanups.push(() => socket.destroy());
  await once(socket, "connect");
  await taken.promise;
  return { socket, received };
}

/** Takes turns until `isDone`, which is given the flags of the slot's events. */
export async function turnUntil(
  poller: Poller,
  slot: number,
  turnsMax: number,
  isDone: (flags: number) => boolean,
): Promise<void> {
  for (let turn = 0; turn < turnsMax; turn++) {
    const count = poller.wait(0);
    let flags = 0;
    for (let i = 0; i < count; i++) if (poller.eventSlot(i) === slot) flags |= poller.eventFlags(i);
    if (isDone(flags)) return;
    await setImmediate();
  }
  throw new Error("it did not come to that");
}
