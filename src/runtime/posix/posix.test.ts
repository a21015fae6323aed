import { afterAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { loadRuntime } from "../mod.ts";
import { errnoText, errnoTextOf } from "./errno.ts";
import {
  EAGAIN,
  ECONNREFUSED,
  ECONNRESET,
  EINVAL,
  EPIPE,
  EPOLL_CTL_ADD,
  EPOLLIN,
  IPPROTO_TCP,
  POLLIN,
  SO_ERROR,
  SO_LINGER,
  SOL_SOCKET,
  TCP_NODELAY,
} from "./libc.ts";
import { listenTcp } from "./listen.ts";
import { type AcceptedSocket, type Posix, writeIovec } from "./posix.ts";

const opened = (await loadRuntime()).openPosix();
if (!opened.ok) throw new Error(opened.reason);
const posix: Posix = opened.posix;

const openFds: number[] = [];
afterAll(() => {
  for (const fd of openFds) posix.close(fd);
});

const BACKLOG = 16;
const pollfds = new DataView(new ArrayBuffer(8));
const pollfdsAddress = posix.addressOf(pollfds);
const memory = new WebAssembly.Memory({ initial: 2, maximum: 2, shared: true });
const bytes = new Uint8Array(memory.buffer);
const iovecWords = new Uint32Array(memory.buffer, 4096, 16);
const base = posix.addressOf(bytes);
const iovecAddress = base + 4096;

async function listenOnLoopback(): Promise<{ fd: number; port: number }> {
  const result = await listenTcp(posix, "127.0.0.1", 0, BACKLOG);
  if (!result.ok) throw new Error(result.error);
  openFds.push(result.fd);
  return result;
}

function waitReadable(fd: number): void {
  pollfds.setInt32(0, fd, true);
  pollfds.setInt16(4, POLLIN, true);
  expect(posix.poll(pollfdsAddress, 1, 5000)).toBe(1);
}

function acceptOne(listenFd: number): AcceptedSocket {
  waitReadable(listenFd);
  const accepted = posix.accept(listenFd);
  if (typeof accepted === "number") throw new Error(`accept: ${errnoText(-accepted)}`);
  return accepted;
}

async function connectedPair(): Promise<{ near: number; far: number }> {
  const { fd, port } = await listenOnLoopback();
  const near = posix.connectSocket("127.0.0.1", port);
  expect(near).toBeGreaterThan(0);
  return { near, far: acceptOne(fd).fd };
}

function writeText(fd: number, ...parts: string[]): number {
  let offset = 0;
  for (const [i, part] of parts.entries()) {
    const encoded = new TextEncoder().encode(part);
    bytes.set(encoded, offset);
    writeIovec(iovecWords, i, base + offset, encoded.length);
    offset += encoded.length;
  }
  return posix.writev(fd, iovecAddress, parts.length);
}

function readBytes(fd: number): number {
  writeIovec(iovecWords, 0, base + 65536, 1024);
  return posix.readv(fd, iovecAddress, 1);
}

describe("Posix", () => {
  test("writev gathers from shared memory, readv fills it, send and recv take one piece", async () => {
    const { near, far } = await connectedPair();
    expect(writeText(near, "hel", "lo ", "world")).toBe(11);
    waitReadable(far);
    expect(readBytes(far)).toBe(11);
    expect(new TextDecoder().decode(bytes.slice(65536, 65536 + 11))).toBe("hello world");
    expect(posix.send(far, base + 65536, 5, 0)).toBe(5);
    waitReadable(near);
    expect(posix.recv(near, base + 70000, 100, 0)).toBe(5);
    expect(new TextDecoder().decode(bytes.slice(70000, 70005))).toBe("hello");
    posix.close(near);
    waitReadable(far);
    expect(readBytes(far)).toBe(0);
    posix.close(far);
  });

  test("errno() tells EAGAIN from ECONNRESET and EPIPE, many times over", async () => {
    for (let round = 0; round < 50; round++) {
      const { near, far } = await connectedPair();
      expect(readBytes(far)).toBe(-1);
      expect(posix.errno()).toBe(EAGAIN);
      // Closing with linger 0 sends a reset. struct linger is two ints; the first is on/off.
      const linger = new DataView(new ArrayBuffer(8));
      linger.setInt32(0, 1, true);
      const lingerAddress = posix.addressOf(linger);
      expect(posix.functions.setsockopt(near, SOL_SOCKET, SO_LINGER, lingerAddress, 8)).toBe(0);
      posix.close(near);
      waitReadable(far);
      expect(readBytes(far)).toBe(-1);
      expect(posix.errno()).toBe(ECONNRESET);
      expect(writeText(far, "x")).toBe(-1);
      expect(posix.errno()).toBe(EPIPE);
      posix.close(far);
    }
  });

  test("accept and localAddress report both ends, a v4-mapped peer as IPv4", async () => {
    const wildcard = await listenTcp(posix, "0.0.0.0", 0, BACKLOG);
    if (!wildcard.ok) throw new Error(wildcard.error);
    openFds.push(wildcard.fd);
    const near = posix.connectSocket("127.0.0.1", wildcard.port);
    const accepted = acceptOne(wildcard.fd);
    const nearAddress = posix.localAddress(near);
    expect(nearAddress).toEqual({ ip: "127.0.0.1", port: accepted.port });
    expect(accepted.ip).toBe("127.0.0.1");
    expect(posix.peerAddress(accepted.fd)).toEqual(nearAddress);
    expect(posix.localAddress(accepted.fd)).toEqual({ ip: "127.0.0.1", port: wildcard.port });
    posix.close(near);
    posix.close(accepted.fd);
  });

  test("a wildcard listens on IPv6 too, as nats-server does", async () => {
    const wildcard = await listenTcp(posix, "0.0.0.0", 0, BACKLOG);
    if (!wildcard.ok) throw new Error(wildcard.error);
    openFds.push(wildcard.fd);
    expect(posix.localAddress(wildcard.fd)).toEqual({ ip: "::", port: wildcard.port });
    const near = posix.connectSocket("::1", wildcard.port);
    const accepted = acceptOne(wildcard.fd);
    expect(accepted.ip).toBe("::1");
    posix.close(near);
    posix.close(accepted.fd);
  });

  test("accept with an empty queue returns −EAGAIN", async () => {
    const { fd } = await listenOnLoopback();
    expect(posix.accept(fd)).toBe(-EAGAIN);
  });

  test("connectSocket() reports a refusal through SO_ERROR once poll sees it", async () => {
    const { fd, port } = await listenOnLoopback();
    posix.close(openFds.splice(openFds.indexOf(fd), 1)[0]!);
    const near = posix.connectSocket("127.0.0.1", port);
    expect(near).toBeGreaterThan(0);
    waitReadable(near);
    expect(posix.socketOption(near, SOL_SOCKET, SO_ERROR)).toBe(ECONNREFUSED);
    posix.close(near);
  });

  test("cold calls return a negated errno", () => {
    expect(posix.close(-1)).toBe(-9);
    expect(posix.connectSocket("not an address", 4222)).toBe(-EINVAL);
    expect(posix.kill(posix.processId(), 0)).toBe(0);
    expect(posix.processId()).toBe(process.pid);
  });

  test("socket options are set and read back", async () => {
    const { near, far } = await connectedPair();
    expect(posix.socketOption(far, IPPROTO_TCP, TCP_NODELAY)).toBe(1);
    expect(posix.socketOption(near, IPPROTO_TCP, TCP_NODELAY)).toBe(0);
    expect(posix.setSocketOption(near, IPPROTO_TCP, TCP_NODELAY, 1)).toBe(0);
    expect(posix.socketOption(near, IPPROTO_TCP, TCP_NODELAY)).toBe(1);
    posix.close(near);
    posix.close(far);
  });

  test("an eventfd wakes an epoll until it is drained, and carries its u32", () => {
    const epollFd = posix.epollCreate();
    const eventFd = posix.eventfd();
    const events = new DataView(new ArrayBuffer(posix.epollEvent.bytes * 4));
    const eventsAddress = posix.addressOf(events);
    expect(posix.epollControl(epollFd, EPOLL_CTL_ADD, eventFd, EPOLLIN, 0xfffffffe)).toBe(0);
    expect(posix.epollWait(epollFd, eventsAddress, 4, 0)).toBe(0);
    posix.signalEventfd(eventFd);
    posix.signalEventfd(eventFd);
    for (let round = 0; round < 2; round++) {
      expect(posix.epollWait(epollFd, eventsAddress, 4, -1)).toBe(1);
      expect(events.getUint32(0, true)).toBe(EPOLLIN);
      expect(events.getUint32(posix.epollEvent.dataOffset, true)).toBe(0xfffffffe);
    }
    posix.drainEventfd(eventFd);
    expect(posix.epollWait(epollFd, eventsAddress, 4, 0)).toBe(0);
    posix.signalEventfd(eventFd);
    expect(posix.epollWait(epollFd, eventsAddress, 4, 0)).toBe(1);
    posix.close(eventFd);
    posix.close(epollFd);
  });
});

test("nameThread() names this thread in the 15 bytes there are", () => {
  const readName = () => readFileSync("/proc/thread-self/comm", "utf8").trimEnd();
  const before = readName();
  expect(posix.nameThread("a-name-of-17-byte")).toBe(0);
  expect(readName()).toBe("a-name-of-17-by");
  posix.nameThread(before);
  expect(readName()).toBe(before);
});

describe("listenTcp()", () => {
  test("says in Go's words that an address is in use", async () => {
    const { port } = await listenOnLoopback();
    expect(await listenTcp(posix, "127.0.0.1", port, BACKLOG)).toEqual({
      ok: false,
      error: `listen tcp 127.0.0.1:${port}: bind: address already in use`,
    });
    expect(await listenTcp(posix, "0.0.0.0", port, BACKLOG)).toEqual({
      ok: false,
      error: `listen tcp 0.0.0.0:${port}: bind: address already in use`,
    });
  });

  test("refuses a port out of range and an address that is not ours", async () => {
    expect(await listenTcp(posix, "127.0.0.1", 70000, BACKLOG)).toEqual({
      ok: false,
      error: "listen tcp: address 70000: invalid port",
    });
    expect(await listenTcp(posix, "192.0.2.1", 4222, BACKLOG)).toEqual({
      ok: false,
      error: "listen tcp 192.0.2.1:4222: bind: cannot assign requested address",
    });
  });

  test("resolves a name to its IPv4 address", async () => {
    const result = await listenTcp(posix, "localhost", 0, BACKLOG);
    if (!result.ok) throw new Error(result.error);
    openFds.push(result.fd);
    expect(posix.localAddress(result.fd)).toEqual({ ip: "127.0.0.1", port: result.port });
  });
});

test("errnoText() falls back to the number, errnoTextOf() to the message", () => {
  expect(errnoText(EPIPE)).toBe("broken pipe");
  expect(errnoText(4095)).toBe("errno 4095");
  expect(errnoTextOf(Object.assign(new Error("x"), { code: "EPIPE" }))).toBe("broken pipe");
  expect(errnoTextOf(new Error("something else"))).toBe("something else");
});
