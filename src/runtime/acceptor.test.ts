import { afterEach, describe, expect, test } from "bun:test";
import { Acceptor, type AcceptorHandlers, type AcceptorPosix } from "./acceptor.ts";
import { loadRuntime } from "./mod.ts";
import { EMFILE } from "./posix/libc.ts";
import { listenTcp } from "./posix/listen.ts";

const opened = (await loadRuntime()).openPosix();
if (!opened.ok) throw new Error(opened.reason);
const posix = opened.posix;

const BACKLOG = 128;
const TIMEOUT_MS = 5000;

interface Seen {
  readonly connections: { listenerId: number; fd: number; ip: string; port: number }[];
  readonly pauses: { listenerId: number; error: string; pauseMs: number }[];
  wakes: number;
}

describe("Acceptor", () => {
  const cleanups: (() => void)[] = [];
  afterEach(() => {
    for (const cleanup of cleanups.splice(0).reverse()) cleanup();
  });

  function openAcceptor(libc: AcceptorPosix = posix, onWake?: (acceptor: Acceptor) => void) {
    const seen: Seen = { connections: [], pauses: [], wakes: 0 };
    const handlers: AcceptorHandlers = {
      onConnection(listenerId, fd, ip, port) {
        seen.connections.push({ listenerId, fd, ip, port });
        cleanups.push(() => posix.close(fd));
      },
      onPause: (listenerId, error, pauseMs) => seen.pauses.push({ listenerId, error, pauseMs }),
      onWake: () => {
        seen.wakes++;
        onWake?.(acceptor);
      },
    };
    const acceptor = new Acceptor(libc, handlers);
    cleanups.push(() => acceptor.dispose());
    return { acceptor, seen };
  }

  async function listen(acceptor: Acceptor, id: number): Promise<number> {
    const result = await listenTcp(posix, "127.0.0.1", 0, BACKLOG);
    if (!result.ok) throw new Error(result.error);
    acceptor.addListener(id, result.fd);
    return result.port;
  }

  /** Starts a connection and returns our port. */
  function dial(port: number): number {
    const fd = posix.connectSocket("127.0.0.1", port);
    expect(fd).toBeGreaterThan(0);
    cleanups.push(() => posix.close(fd));
    const local = posix.localAddress(fd);
    return typeof local === "number" ? 0 : local.port;
  }

  test("hands over connections of several listeners with the peer's address", async () => {
    const { acceptor, seen } = openAcceptor();
    const portA = await listen(acceptor, 10);
    const portB = await listen(acceptor, 20);
    const peers = [dial(portA), dial(portB), dial(portA)];
    while (seen.connections.length < 3) acceptor.turn(TIMEOUT_MS);
    const ofListener = (id: number) =>
      seen.connections.filter((c) => c.listenerId === id).map(({ ip, port }) => ({ ip, port }));
    expect(ofListener(10)).toEqual([
      { ip: "127.0.0.1", port: peers[0]! },
      { ip: "127.0.0.1", port: peers[2]! },
    ]);
    expect(ofListener(20)).toEqual([{ ip: "127.0.0.1", port: peers[1]! }]);
  });

  test("takes more connections than fit one batch", async () => {
    const { acceptor, seen } = openAcceptor();
    const port = await listen(acceptor, 1);
    for (let i = 0; i < 100; i++) dial(port);
    while (seen.connections.length < 100) acceptor.turn(TIMEOUT_MS);
    expect(new Set(seen.connections.map((c) => c.fd)).size).toBe(100);
  });

  test("calls onWake once for wakes that come together, and again for the next", () => {
    const { acceptor, seen } = openAcceptor();
    posix.signalEventfd(acceptor.wakeHandle);
    posix.signalEventfd(acceptor.wakeHandle);
    acceptor.turn(TIMEOUT_MS);
    expect(seen.wakes).toBe(1);
    acceptor.turn(0);
    expect(seen.wakes).toBe(1);
    posix.signalEventfd(acceptor.wakeHandle);
    acceptor.turn(TIMEOUT_MS);
    expect(seen.wakes).toBe(2);
  });

  test("removeListener() and stop() free the port", async () => {
    const { acceptor, seen } = openAcceptor(posix, (self) => self.stop());
    const portA = await listen(acceptor, 1);
    const portB = await listen(acceptor, 2);
    acceptor.removeListener(1);
    const again = await listenTcp(posix, "127.0.0.1", portA, BACKLOG);
    expect(again.ok).toBe(true);
    if (again.ok) posix.close(again.fd);
    dial(portB);
    while (seen.connections.length === 0) acceptor.turn(TIMEOUT_MS);
    expect(seen.connections[0]?.listenerId).toBe(2);
    posix.signalEventfd(acceptor.wakeHandle);
    acceptor.run();
    const stopped = await listenTcp(posix, "127.0.0.1", portB, BACKLOG);
    expect(stopped.ok).toBe(true);
    if (stopped.ok) posix.close(stopped.fd);
  });

  test("rests ever longer while file descriptors are missing, then goes on", async () => {
    let failures = 3;
    let polls = 0;
    const libc: AcceptorPosix = {
      accept: (fd) => (failures-- > 0 ? -EMFILE : posix.accept(fd)),
      addressOf: (view) => posix.addressOf(view),
      close: (fd) => posix.close(fd),
      drainEventfd: (fd) => posix.drainEventfd(fd),
      eventfd: () => posix.eventfd(),
      poll(address, count, timeoutMs) {
        polls++;
        return posix.poll(address, count, timeoutMs);
      },
      signalEventfd: (fd) => posix.signalEventfd(fd),
    };
    const { acceptor, seen } = openAcceptor(libc);
    dial(await listen(acceptor, 7));
    while (seen.connections.length === 0) acceptor.turn(TIMEOUT_MS);
    const error = "too many open files";
    expect(seen.pauses).toEqual([
      { listenerId: 7, error, pauseMs: 10 },
      { listenerId: 7, error, pauseMs: 20 },
      { listenerId: 7, error, pauseMs: 40 },
    ]);
    // Each failure costs one poll that sees the listener and one that sleeps.
    expect(polls).toBe(7);
  });

  test("hears a wake during a pause", async () => {
    const libc: AcceptorPosix = {
      accept: () => -EMFILE,
      addressOf: (view) => posix.addressOf(view),
      close: (fd) => posix.close(fd),
      drainEventfd: (fd) => posix.drainEventfd(fd),
      eventfd: () => posix.eventfd(),
      poll: (address, count, timeoutMs) => posix.poll(address, count, timeoutMs),
      signalEventfd: (fd) => posix.signalEventfd(fd),
    };
    const { acceptor, seen } = openAcceptor(libc);
    dial(await listen(acceptor, 7));
    acceptor.turn(TIMEOUT_MS);
    expect(seen.pauses.length).toBe(1);
    posix.signalEventfd(acceptor.wakeHandle);
    acceptor.turn(TIMEOUT_MS);
    expect(seen.wakes).toBe(1);
  });
});
