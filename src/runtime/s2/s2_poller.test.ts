import { afterEach, describe, expect, test } from "bun:test";
import type { Socket } from "node:net";
import { STREAM_NAME } from "../../protocol/s2_chunks.ts";
import { unframeS2 } from "../../protocol/s2_stream.ts";
import {
  type Poller,
  READ_FAILED,
  READABLE,
  type StreamSource,
  WOULD_BLOCK,
  WRITABLE,
  WRITE_FAILED,
} from "../poller.ts";
import { writeIovec } from "../posix/posix.ts";
import { connectPeer, turnUntil as turnPollerUntil } from "../testing/peer.ts";
import { runtimeSubject, tlsSubject } from "../testing/poller_subjects.ts";
import type { S2Terms } from "./s2_layer.ts";
import { S2Poller } from "./s2_poller.ts";
import { S2_BLOCK_BYTES_MAX, S2_STORED } from "./s2_region.ts";
import { compressedChunk, MEMORY_BYTES, REGION, slowCodec } from "./testing/slow_codec.ts";

const SLOT = 5;
const TURNS_MAX = 20_000;
const IOVECS = 1024;
const DATA = 65536;
const READ = 1024 * 1024;
const READ_BYTES = 65536;
const BYTES_MAX = 64 * 1024 * 1024;
const TERMS: S2Terms = {
  effort: S2_STORED,
  clearBytes: 0,
  blockBytesMax: S2_BLOCK_BYTES_MAX,
  onBroken() {},
};
const ascii = (text: string) => new TextEncoder().encode(text);

for (const subject of [tlsSubject, runtimeSubject]) {
  describe(`S2Poller (${subject.kind})`, () => {
    const pages = MEMORY_BYTES / 65536;
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
    const bytes = new Uint8Array(memory.buffer);
    const iovecs = new Uint32Array(memory.buffer, IOVECS, 4 * 64);
    const cleanups: (() => void)[] = [];

    afterEach(() => {
      for (const cleanup of cleanups.splice(0).reverse()) cleanup();
    });

    /** A poller that holds the far end of a connection, and what its peer has received. */
    async function open(): Promise<{
      poller: S2Poller;
      socket: Socket;
      received: Uint8Array[];
      problems: string[];
    }> {
      const poller = new S2Poller(subject.open(memory), {
        memory: bytes,
        region: REGION,
        openCodec: () => slowCodec(bytes),
      });
      cleanups.push(() => poller.dispose());
      const problems: string[] = [];
      const take = (source: StreamSource) => {
        poller.add(SLOT, source);
        poller.startS2(SLOT, { ...TERMS, onBroken: (problem) => problems.push(problem) });
      };
      const { socket, received } = await connectPeer(subject, take, cleanups);
      return { poller, socket, received, problems };
    }

    const turnUntil = (poller: S2Poller, isDone: (flags: number) => boolean) =>
      turnPollerUntil(poller, SLOT, TURNS_MAX, isDone);

    const streamOf = (received: readonly Uint8Array[]) =>
      Uint8Array.from(received.flatMap((chunk) => [...chunk]));

    test("gives what is in a stream, more of it than fits a read without the socket having more", async () => {
      const { poller, socket } = await open();
      const run = new Uint8Array(300_000).fill(97);
      socket.write(STREAM_NAME);
      socket.write(compressedChunk(run, true));
      socket.write(compressedChunk(ascii("the end"), false));
      let text = "";
      await turnUntil(poller, (flags) => {
        if ((flags & READABLE) === 0) return false;
        const count = poller.read(SLOT, READ, READ_BYTES);
        if (count > 0) text += new TextDecoder().decode(bytes.slice(READ, READ + count));
        return text.endsWith("the end");
      });
      expect(text.length).toBe(300_007);
    });

    test("a peer that does not read gets everything later, in order, and the writer is told to wait", async () => {
      const { poller, socket, received } = await open();
      socket.pause();
      const pieces = 40;
      const piece = Uint8Array.from({ length: 150_000 }, (_, i) => 97 + (i % 26));
      let offered = 0;
      let start = 0;
      let wasBlocked = false;
      poller.setInterest(SLOT, true, true);
      await turnUntil(poller, (flags) => {
        if ((flags & WRITABLE) === 0 && wasBlocked) socket.resume();
        while (offered < pieces) {
          bytes.set(piece, DATA);
          writeIovec(iovecs, 0, poller.memoryBase + DATA + start, piece.length - start);
          const taken = poller.writeGathered(SLOT, IOVECS, 1);
          if (taken === WOULD_BLOCK) {
            wasBlocked = true;
            break;
          }
          start += taken;
          if (start < piece.length) continue;
          offered++;
          start = 0;
        }
        return offered === pieces;
      });
      // Nobody wants to write any more, but what the layer has kept still goes out.
      poller.setInterest(SLOT, true, false);
      socket.resume();
      const total = () => received.reduce((sum, chunk) => sum + chunk.length, 0);
      await turnUntil(poller, () => total() >= pieces * piece.length + pieces * 10);
      await turnUntil(
        poller,
        () => (unframeS2(streamOf(received), BYTES_MAX)?.length ?? 0) >= pieces * piece.length,
      );
      const text = unframeS2(streamOf(received), BYTES_MAX)!;
      expect(text.length).toBe(pieces * piece.length);
      expect(text.every((byte, i) => byte === 97 + ((i % 150_000) % 26))).toBe(true);
    });

    test("says what was wrong with a stream, and goes on with others", async () => {
      const { poller, socket, problems } = await open();
      socket.write("PING\r\n");
      let outcome = WOULD_BLOCK;
      await turnUntil(poller, (flags) => {
        if ((flags & READABLE) !== 0) outcome = poller.read(SLOT, READ, READ_BYTES);
        return outcome !== WOULD_BLOCK;
      });
      expect(outcome).toBe(READ_FAILED);
      expect(poller.lastError()).toBe("s2: what was sent is no stream of S2");
      expect(problems).toEqual(["s2: what was sent is no stream of S2"]);
      poller.close(SLOT);
      expect(poller.wait(0)).toBe(0);
    });
  });
}

describe("S2Poller over streams that do as they are told", () => {
  /** A poller below S2Poller, on which each slot's socket is reset. */
  function open() {
    const bytes = new Uint8Array(new ArrayBuffer(MEMORY_BYTES));
    const words = new Int32Array(bytes.buffer);
    const incoming: Uint8Array[] = [];
    const interest: unknown[] = [];
    let roomBytes = 0;
    const take = (lengthBytes: number) => {
      if (roomBytes < 0) return roomBytes;
      const taken = Math.min(roomBytes, lengthBytes);
      roomBytes -= taken;
      return taken > 0 ? taken : WOULD_BLOCK;
    };
    const inner = {
      memoryBase: 0,
      setInterest: (...wanted: unknown[]) => interest.push(wanted),
      wait: () => 1,
      eventSlot: () => SLOT,
      eventFlags: () => WRITABLE,
      read: (_slot: number, offset: number) => {
        const piece = incoming.shift();
        if (piece === undefined) return READ_FAILED;
        bytes.set(piece, offset);
        return piece.length;
      },
      write: (_slot: number, _bytes: Uint8Array, start: number, end: number) => take(end - start),
      writeGathered: (_slot: number, iovec: number) => take(words[(iovec >> 2) + 2]!),
      lastError: () => "connection reset by peer",
    } as unknown as Poller;
    const poller = new S2Poller(inner, { memory: bytes, region: REGION, openCodec: () => slowCodec(bytes) });
    const makeRoom = (count: number) => {
      roomBytes = count;
    };
    return { poller, iovecs: new Uint32Array(bytes.buffer, IOVECS, 4), incoming, interest, makeRoom };
  }

  test("tells why the call failed that failed last, not an earlier one of another stream", () => {
    const { poller, iovecs, incoming, makeRoom } = open();
    const failRead = () => {
      incoming.push(ascii("PING\r\n"));
      poller.startS2(SLOT, TERMS);
      expect(poller.read(SLOT, READ, READ_BYTES)).toBe(READ_FAILED);
      expect(poller.lastError()).toBe("s2: what was sent is no stream of S2");
    };
    failRead();
    makeRoom(6);
    expect(poller.write(SLOT + 1, ascii("PONG\r\n"), 0, 6)).toBe(6);
    expect(poller.lastError()).toBe("s2: what was sent is no stream of S2");
    expect(poller.read(SLOT + 1, READ, READ_BYTES)).toBe(READ_FAILED);
    expect(poller.lastError()).toBe("connection reset by peer");
    makeRoom(WRITE_FAILED);
    writeIovec(iovecs, 0, DATA, 6);
    for (const slot of [SLOT, SLOT + 1]) {
      failRead();
      expect(poller.write(slot, ascii("PONG\r\n"), 0, 6)).toBe(WRITE_FAILED);
      expect(poller.lastError()).toBe("connection reset by peer");
      failRead();
      expect(poller.writeGathered(slot, IOVECS, 1)).toBe(WRITE_FAILED);
      expect(poller.lastError()).toBe("connection reset by peer");
    }
  });

  test("who waited for room before is not forgotten once the layer's own bytes are out", () => {
    const { poller, interest, makeRoom } = open();
    poller.setInterest(SLOT, true, true);
    poller.startS2(SLOT, TERMS);
    makeRoom(10);
    expect(poller.write(SLOT, new Uint8Array(new ArrayBuffer(500)), 0, 500)).toBe(500);
    makeRoom(1000);
    poller.wait(0);
    expect(interest).toEqual([
      [SLOT, true, true],
      [SLOT, true, true],
      [SLOT, true, true],
    ]);
  });
});
