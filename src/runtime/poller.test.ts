import { afterEach, describe, expect, test } from "bun:test";
import { Buffer } from "node:buffer";
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { setImmediate } from "node:timers/promises";
import { CONNECT_FAILED, CONNECTED, type Dialler } from "./dialling.ts";
import {
  HANGUP,
  type Poller,
  READ_FAILED,
  READABLE,
  WOULD_BLOCK,
  WRITABLE,
  WRITE_FAILED,
  writeOnce,
} from "./poller.ts";
import { writeIovec } from "./posix/posix.ts";
import {
  epollSubject,
  listenWithoutRoom,
  type PollerSubject,
  runtimeSubject,
  tlsSubject,
} from "./testing/poller_subjects.ts";
import {
  HANDLE_WORD,
  REPLY_WORD,
  STOP_WORD,
  WAKE_WORD,
  type WakeWorkerStart,
} from "./testing/wake_worker.ts";

const IOVEC_OFFSET = 1024;
const DATA_OFFSET = 65536;
const MEMORY_PAGES = 32;

const subjects: Record<string, PollerSubject> = {
  epoll: epollSubject,
  "epoll, with TLS for other streams": tlsSubject,
  runtime: runtimeSubject,
};

for (const [name, subject] of Object.entries(subjects)) {
  describe(`Poller (${name})`, () => {
    const memory = new WebAssembly.Memory({ initial: MEMORY_PAGES, maximum: MEMORY_PAGES, shared: true });
    const bytes = new Uint8Array(memory.buffer);
    const iovecs = new Uint32Array(memory.buffer, IOVEC_OFFSET, 64);
    const cleanups: (() => void)[] = [];

    afterEach(() => {
      for (const cleanup of cleanups.splice(0).reverse()) cleanup();
    });

    function openPoller(): Poller & Dialler {
      const poller = subject.open(memory);
      cleanups.push(() => poller.dispose());
      return poller;
    }

    /** Connects a client whose other end the poller holds under `slot`. */
    async function connectTo(poller: Poller, slot: number): Promise<Socket> {
      const added = Promise.withResolvers<void>();
      const listener = await subject.listen((source) => {
        poller.add(slot, source);
        added.resolve();
      });
      cleanups.push(() => listener.close());
      const client = connect({ port: listener.port, host: "127.0.0.1" });
      client.on("error", () => {});
      cleanups.push(() => client.destroy());
      await once(client, "connect");
      await added.promise;
      return client;
    }

    /** Waits until the poller reports all of `flags` for `slot`; returns what it reported. */
    async function waitFor(poller: Poller, slot: number, flags: number): Promise<number> {
      for (;;) {
        const events = poller.wait(0);
        for (let i = 0; i < events; i++) {
          if (poller.eventSlot(i) === slot && (poller.eventFlags(i) & flags) === flags) {
            return poller.eventFlags(i);
          }
        }
        await setImmediate();
      }
    }

    /** Reads until `count` bytes, the end or a failure. Returns the text and the last result. */
    async function readText(poller: Poller, slot: number, count: number) {
      let text = "";
      let result = 1;
      while (text.length < count && result > 0) {
        await waitFor(poller, slot, READABLE);
        result = poller.read(slot, DATA_OFFSET, 4096);
        if (result > 0) text += new TextDecoder().decode(bytes.slice(DATA_OFFSET, DATA_OFFSET + result));
      }
      return { text, result };
    }

    /** Collects everything that arrives at `client`. */
    function collect(client: Socket): Uint8Array[] {
      const chunks: Uint8Array[] = [];
      client.on("data", (chunk: Uint8Array) => chunks.push(chunk));
      return chunks;
    }

    test("reads what a client sends, at the offset asked for and no more than asked for", async () => {
      const poller = openPoller();
      const client = await connectTo(poller, 5);
      expect(poller.read(5, DATA_OFFSET, 100)).toBe(WOULD_BLOCK);
      client.write("hello world");
      await waitFor(poller, 5, READABLE);
      bytes.fill(0, DATA_OFFSET, DATA_OFFSET + 32);
      expect(poller.read(5, DATA_OFFSET + 3, 5)).toBe(5);
      expect(new TextDecoder().decode(bytes.slice(DATA_OFFSET, DATA_OFFSET + 10))).toBe("\0\0\0hello\0\0");
      expect((await readText(poller, 5, 6)).text).toBe(" world");
      expect(poller.read(5, DATA_OFFSET, 100)).toBe(WOULD_BLOCK);
      expect(poller.wait(0)).toBe(0);
    });

    test("readInto() reads to a part of a private buffer, and fails as read() does", async () => {
      const poller = openPoller();
      const client = await connectTo(poller, 5);
      const own = new Uint8Array(new ArrayBuffer(16));
      expect(poller.readInto(5, own, 0, 16)).toBe(WOULD_BLOCK);
      client.write("hello world");
      await waitFor(poller, 5, READABLE);
      expect(poller.readInto(5, own, 3, 8)).toBe(5);
      expect(new TextDecoder().decode(own)).toBe(`\0\0\0hello${"\0".repeat(8)}`);
      expect((await readText(poller, 5, 6)).text).toBe(" world");
      client.end();
      await waitFor(poller, 5, READABLE);
      expect(poller.readInto(5, own, 0, 16)).toBe(0);
    });

    test("reports the end of the stream as a read of 0, again and again", async () => {
      const poller = openPoller();
      const client = await connectTo(poller, 0);
      client.end("bye");
      expect((await readText(poller, 0, 3)).text).toBe("bye");
      await waitFor(poller, 0, READABLE);
      expect(poller.read(0, DATA_OFFSET, 100)).toBe(0);
      await waitFor(poller, 0, READABLE);
      expect(poller.read(0, DATA_OFFSET, 100)).toBe(0);
    });

    test("reports a reset as HANGUP and READ_FAILED, then WRITE_FAILED", async () => {
      const poller = openPoller();
      const client = await connectTo(poller, 1);
      client.resetAndDestroy();
      await waitFor(poller, 1, HANGUP);
      expect(poller.read(1, DATA_OFFSET, 100)).toBe(READ_FAILED);
      expect(poller.lastError()).toBe("connection reset by peer");
      expect(poller.write(1, new Uint8Array(new ArrayBuffer(4)), 0, 4)).toBe(WRITE_FAILED);
    });

    test("hands a stream to another poller, with what was not read, both ways and to its end", async () => {
      const first = openPoller();
      const second = openPoller();
      const client = await connectTo(first, 3);
      const received = collect(client);
      client.write("one two");
      await waitFor(first, 3, READABLE);
      expect(first.read(3, DATA_OFFSET, 4)).toBe(4);
      second.add(7, first.handOver(3));
      expect(first.wait(0)).toBe(0);
      expect((await readText(second, 7, 3)).text).toBe("two");
      expect(writeOnce(second, 7, new TextEncoder().encode("three"))).toBe(true);
      // This is more than what lies between the two can keep.
      const long = "x".repeat(2_000_000);
      client.write(long);
      expect((await readText(second, 7, long.length)).text).toBe(long);
      await connectTo(first, 3);
      client.end("bye");
      expect((await readText(second, 7, 3)).text).toBe("bye");
      await waitFor(second, 7, READABLE);
      expect(second.read(7, DATA_OFFSET, 100)).toBe(0);
      second.close(7);
      await once(client, "close");
      expect(Buffer.concat(received).toString()).toBe("three");
    });

    test("a stream that was handed over ends for the client when its poller closes it", async () => {
      const first = openPoller();
      const second = openPoller();
      const client = await connectTo(first, 3);
      const received = collect(client);
      second.add(7, first.handOver(3));
      writeOnce(second, 7, new TextEncoder().encode("last words"));
      second.close(7);
      await once(client, "end");
      expect(Buffer.concat(received).toString()).toBe("last words");
    });

    test("a stream that was handed over ends for the client with the poller that has it", async () => {
      const first = openPoller();
      const second = subject.open(memory);
      const client = await connectTo(first, 3);
      client.resume();
      second.add(7, first.handOver(3));
      client.write("ping");
      expect((await readText(second, 7, 4)).text).toBe("ping");
      second.dispose();
      await once(client, "close");
    });

    test("reports nothing without interest, and what is still true once it is back", async () => {
      const poller = openPoller();
      const quiet = await connectTo(poller, 1);
      const other = await connectTo(poller, 2);
      poller.setInterest(1, false, false);
      quiet.write("x");
      other.write("y");
      await waitFor(poller, 2, READABLE);
      await setImmediate();
      const events = poller.wait(0);
      for (let i = 0; i < events; i++) expect(poller.eventSlot(i)).toBe(2);
      poller.setInterest(1, true, false);
      expect((await readText(poller, 1, 1)).text).toBe("x");
      poller.setInterest(1, false, true);
      expect(await waitFor(poller, 1, WRITABLE)).toBe(WRITABLE);
      expect(await waitFor(poller, 1, WRITABLE)).toBe(WRITABLE);
    });

    test("writeGathered() sends the pieces in order, write() a part of a private buffer", async () => {
      const poller = openPoller();
      const client = await connectTo(poller, 3);
      const chunks = collect(client);
      const pieces = ["MSG foo 1 5\r\n", "hello", "\r\n"];
      let offset = DATA_OFFSET;
      for (const [i, piece] of pieces.entries()) {
        bytes.set(new TextEncoder().encode(piece), offset);
        writeIovec(iovecs, i, poller.memoryBase + offset, piece.length);
        offset += 4096;
      }
      expect(poller.writeGathered(3, IOVEC_OFFSET, pieces.length)).toBe(pieces.join("").length);
      const own = new Uint8Array(new ArrayBuffer(16));
      own.set(new TextEncoder().encode("..PING\r\n.."));
      expect(poller.write(3, own, 2, 8)).toBe(6);
      own.fill(0);
      const expected = `${pieces.join("")}PING\r\n`;
      while (Buffer.concat(chunks).length < expected.length) await setImmediate();
      expect(Buffer.concat(chunks).toString()).toBe(expected);
    });

    test("takes a backlog in short writes, blocks, and reports WRITABLE when the reader goes on", async () => {
      const poller = openPoller();
      const client = await connectTo(poller, 4);
      client.pause();
      const blockBytes = 1 << 20;
      for (let i = 0; i < blockBytes; i++) bytes[DATA_OFFSET + i] = (i * 31) >> 3;
      let sentBytes = 0;
      const sendMore = () => {
        const start = sentBytes % blockBytes;
        const half = (blockBytes - start) >> 1;
        writeIovec(iovecs, 0, poller.memoryBase + DATA_OFFSET + start, half);
        writeIovec(iovecs, 1, poller.memoryBase + DATA_OFFSET + start + half, blockBytes - start - half);
        const result = poller.writeGathered(4, IOVEC_OFFSET, 2);
        if (result > 0) sentBytes += result;
        return result;
      };
      let result = sendMore();
      // It takes a while to fill the kernel's buffers. What counts is that writes block in the end.
      while (result !== WOULD_BLOCK || client.bytesRead === 0) {
        if (result === WOULD_BLOCK) break;
        expect(result).toBeGreaterThan(0);
        expect(sentBytes).toBeLessThan(64 * blockBytes);
        result = sendMore();
      }
      const chunks = collect(client);
      client.resume();
      poller.setInterest(4, true, true);
      const targetBytes = sentBytes + 2 * blockBytes;
      while (sentBytes < targetBytes) {
        await waitFor(poller, 4, WRITABLE);
        while (sentBytes < targetBytes && sendMore() > 0);
      }
      poller.close(4);
      await once(client, "end");
      const received = Buffer.concat(chunks);
      expect(received.length).toBe(sentBytes);
      for (let offset = 0; offset < sentBytes; offset += blockBytes) {
        const piece = received.subarray(offset, Math.min(offset + blockBytes, sentBytes));
        expect(piece.equals(bytes.subarray(DATA_OFFSET, DATA_OFFSET + piece.length))).toBe(true);
      }
    });

    test("close() drops the slot's events of this turn and frees the slot", async () => {
      const poller = openPoller();
      const first = await connectTo(poller, 7);
      first.write("old");
      await waitFor(poller, 7, READABLE);
      const events = poller.wait(0);
      expect(events).toBe(1);
      poller.close(7);
      expect(poller.eventFlags(0)).toBe(0);
      const second = await connectTo(poller, 7);
      second.write("new");
      expect((await readText(poller, 7, 3)).text).toBe("new");
    });

    test("close() lets written bytes out before the end of the stream", async () => {
      const poller = openPoller();
      const client = await connectTo(poller, 7);
      const chunks = collect(client);
      const farewell = new Uint8Array(new ArrayBuffer(64)).fill(0x2b);
      expect(poller.write(7, farewell, 0, 64)).toBe(64);
      poller.close(7);
      await once(client, "end");
      expect(Buffer.concat(chunks).length).toBe(64);
    });

    /** Starts a server with the runtime's sockets. Returns its port, and the socket that connects to it. */
    async function serve(host: string): Promise<{ port: number; accepted: Promise<Socket> }> {
      const server = createServer();
      const accepted = once(server, "connection").then(([socket]) => {
        cleanups.push(() => (socket as Socket).destroy());
        return socket as Socket;
      });
      server.listen(0, host);
      await once(server, "listening");
      cleanups.push(() => server.close());
      const address = server.address();
      return { port: typeof address === "object" ? (address?.port ?? 0) : 0, accepted };
    }

    /** Opens a connection, driven by events as in a shard. Returns the outcome. */
    async function dial(poller: Poller & Dialler, slot: number, ip: string, port: number): Promise<number> {
      let result = poller.connect(slot, ip, port);
      while (result === WOULD_BLOCK) {
        const events = poller.wait(0);
        for (let i = 0; i < events && result === WOULD_BLOCK; i++) {
          if (poller.eventSlot(i) === slot && poller.eventFlags(i) !== 0) result = poller.finishConnect(slot);
        }
        await setImmediate();
      }
      return result;
    }

    for (const ip of ["127.0.0.1", "::1"]) {
      test(`connect() reaches who listens on ${ip}, and the stream is like one that came in`, async () => {
        const poller = openPoller();
        const { port, accepted } = await serve(ip);
        expect(await dial(poller, 3, ip, port)).toBe(CONNECTED);
        const peer = await accepted;
        expect(poller.localAddress(3)).toEqual({ ip, port: peer.remotePort! });
        expect(poller.read(3, DATA_OFFSET, 100)).toBe(WOULD_BLOCK);
        peer.write("INFO");
        expect((await readText(poller, 3, 4)).text).toBe("INFO");
        const chunks = collect(peer);
        expect(poller.write(3, new Uint8Array(new ArrayBuffer(4)).fill(0x2b), 0, 4)).toBe(4);
        while (chunks.length === 0) await setImmediate();
        expect(Buffer.concat(chunks).toString()).toBe("++++");
        peer.end();
        expect((await readText(poller, 3, 1)).result).toBe(0);
      });
    }

    test("connect() says why there is no connection, and the slot may be used again", async () => {
      const poller = openPoller();
      const { port, accepted } = await serve("127.0.0.1");
      const closed = createServer().listen(0, "127.0.0.1");
      await once(closed, "listening");
      const { port: closedPort } = closed.address() as { port: number };
      closed.close();
      await once(closed, "close");
      expect(await dial(poller, 3, "127.0.0.1", closedPort)).toBe(CONNECT_FAILED);
      expect(poller.dialError()).toBe(`dial tcp 127.0.0.1:${closedPort}: connect: connection refused`);
      poller.close(3);
      expect(await dial(poller, 3, "127.0.0.1", port)).toBe(CONNECTED);
      await accepted;
    });

    test("connect() to an address without a way to it fails in words, too", async () => {
      const poller = openPoller();
      expect(await dial(poller, 3, "255.255.255.255", 4222)).toBe(CONNECT_FAILED);
      // The sockets of Bun 1.4 have the same text for everything that fails at once.
      const why = poller.dialError().replace("connection refused", "network is unreachable");
      expect(subject.kind === "runtime" ? why : poller.dialError()).toBe(
        "dial tcp 255.255.255.255:4222: connect: network is unreachable",
      );
    });

    test("a connection without an outcome has no events, and is closed at once", async () => {
      const poller = openPoller();
      const { port, close } = listenWithoutRoom();
      cleanups.push(close);
      let slot = 10;
      const eventsOf = async () => {
        let events = 0;
        for (let i = 0; i < 20 && events === 0; i++) {
          events = poller.wait(0);
          await setImmediate();
        }
        return events;
      };
      // The kernel keeps a few connections for a server that does not accept them.
      for (; slot < 16; slot++) {
        expect(poller.connect(slot, "127.0.0.1", port)).toBe(WOULD_BLOCK);
        if ((await eventsOf()) === 0) break;
        expect(poller.finishConnect(slot)).toBe(CONNECTED);
      }
      expect(slot < 16).toBe(true);
      expect(poller.finishConnect(slot)).toBe(WOULD_BLOCK);
      poller.close(slot);
      expect(await eventsOf()).toBe(0);
    });

    test("add() refuses a slot that is taken", async () => {
      const poller = openPoller();
      await connectTo(poller, 7);
      expect(() => poller.add(7, 0)).toThrow();
    });

    test("run() serves turns until stop(), with and without a timeout", async () => {
      const poller = openPoller();
      const asked = [0, 1, 0, 1, 1];
      let turns = 0;
      await poller.run(() => {
        poller.wait(asked[turns++]!);
        if (turns === asked.length) poller.stop();
      });
      expect(turns).toBe(asked.length);
    });

    test("a wake before a wait without timeout ends it", async () => {
      const poller = openPoller();
      let turns = 0;
      subject.wake(memory, poller.wakeHandle);
      await poller.run(() => {
        expect(poller.wait(-1)).toBe(0);
        if (++turns === 3) poller.stop();
        else subject.wake(memory, poller.wakeHandle);
      });
      expect(turns).toBe(3);
    });

    test("run() in a worker sleeps until another thread wakes it", async () => {
      const words = new Int32Array(memory.buffer);
      for (const word of [WAKE_WORD, REPLY_WORD, HANDLE_WORD, STOP_WORD]) words[word] = 0;
      const worker = new Worker(new URL("./testing/wake_worker.ts", import.meta.url), { type: "module" });
      worker.postMessage({ kind: subject.kind, memory } satisfies WakeWorkerStart);
      await wordIsNot(words, HANDLE_WORD, 0);
      const wakeHandle = words[HANDLE_WORD]! - 1;
      for (let round = 0; round < 20; round++) {
        const replies = Atomics.load(words, REPLY_WORD);
        subject.wake(memory, wakeHandle);
        await wordIsNot(words, REPLY_WORD, replies);
      }
      Atomics.store(words, STOP_WORD, 1);
      subject.wake(memory, wakeHandle);
      await wordIsNot(words, STOP_WORD, 1);
      expect(words[STOP_WORD]).toBe(2);
      worker.terminate();
    });
  });
}

test("the runtime's poller takes a turn for a stream that comes between turns, which may bring timers", async () => {
  const memory = new WebAssembly.Memory({ initial: MEMORY_PAGES, maximum: MEMORY_PAGES, shared: true });
  const poller = runtimeSubject.open(memory);
  const added = Promise.withResolvers<void>();
  let hasStream = false;
  const running = poller.run(() => {
    poller.wait(-1);
    if (!hasStream) return;
    poller.stop();
    added.resolve();
  });
  const listener = await runtimeSubject.listen((source) => {
    hasStream = true;
    poller.add(0, source);
  });
  // It sends nothing, so there is no other event.
  const client = connect({ port: listener.port, host: "127.0.0.1" });
  await added.promise;
  await running;
  client.destroy();
  listener.close();
  poller.dispose();
});

async function wordIsNot(words: Int32Array, index: number, value: number): Promise<void> {
  const waiting = Atomics.waitAsync(words, index, value);
  if (waiting.async) await waiting.value;
}
