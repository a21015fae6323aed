import { afterEach, describe, expect, test } from "bun:test";
import { Buffer } from "node:buffer";
import { once } from "node:events";
import type { Socket } from "node:net";
import { setImmediate } from "node:timers/promises";
import { deflated } from "../../protocol/websocket/testing/deflated.ts";
import { frame } from "../../protocol/websocket/testing/frames.ts";
import { READ_FAILED, READABLE, type StreamSource, WOULD_BLOCK, WRITABLE } from "../poller.ts";
import { writeIovec } from "../posix/posix.ts";
import { connectPeer, turnUntil as turnPollerUntil } from "../testing/peer.ts";
import { inflaterForTests, runtimeSubject, tlsSubject } from "../testing/poller_subjects.ts";
import { createSlowDeflater } from "./testing/slow_deflater.ts";
import { WebSocketPoller } from "./websocket_poller.ts";

const SLOT = 5;
const TURNS_MAX = 5000;
const IOVEC_OFFSET = 1024;
const DATA_OFFSET = 65536 + 2048;
const READ_OFFSET = 1024 * 1024;
const PACKING_OFFSET = 2 * 1024 * 1024;
const DEFLATING_OFFSET = 3 * 1024 * 1024;
const READ_BYTES = 65536;
const MEMORY_PAGES = 64;
const TERMS = { isMasked: true, isCompressed: true, frameBytesMax: 0, compressedFrameBytesMax: 0 };
const PLAIN = { ...TERMS, isCompressed: false };

const cases = [
  { subject: tlsSubject, openInflater: inflaterForTests },
  { subject: runtimeSubject, openInflater: () => null },
];

for (const { subject, openInflater } of cases) {
  describe(`WebSocketPoller (${subject.kind})`, () => {
    const memory = new WebAssembly.Memory({ initial: MEMORY_PAGES, maximum: MEMORY_PAGES, shared: true });
    const bytes = new Uint8Array(memory.buffer);
    const iovecs = new Uint32Array(memory.buffer, IOVEC_OFFSET, 4 * 64);
    const cleanups: (() => void)[] = [];

    afterEach(() => {
      for (const cleanup of cleanups.splice(0).reverse()) cleanup();
    });

    /** A poller that holds the far end of a connection, and what its peer has received. */
    async function open(
      terms = TERMS,
    ): Promise<{ poller: WebSocketPoller; socket: Socket; received: Buffer[] }> {
      const poller = new WebSocketPoller(subject.open(memory), {
        memory: bytes,
        packing: PACKING_OFFSET,
        packingBytes: 65536,
        deflating: DEFLATING_OFFSET,
        openDeflater: () => createSlowDeflater(bytes),
        openInflater,
      });
      poller.messageBytesMax = 1024 * 1024;
      cleanups.push(() => poller.dispose());
      const take = (source: StreamSource) => {
        poller.add(SLOT, source);
        poller.startFrames(SLOT, terms, "server");
      };
      const { socket, received } = await connectPeer(subject, take, cleanups);
      return { poller, socket, received };
    }

    const turnUntil = (poller: WebSocketPoller, isDone: (flags: number) => boolean) =>
      turnPollerUntil(poller, SLOT, TURNS_MAX, isDone);

    /** Reads until this text is complete. */
    async function readText(poller: WebSocketPoller, wanted: string): Promise<void> {
      let text = "";
      await turnUntil(poller, (flags) => {
        if ((flags & READABLE) !== 0) {
          const count = poller.read(SLOT, READ_OFFSET, READ_BYTES);
          if (count > 0) text += Buffer.from(bytes.slice(READ_OFFSET, READ_OFFSET + count)).toString();
        }
        return text.length >= wanted.length;
      });
      expect(text === wanted).toBe(true);
    }

    function writeOnce(poller: WebSocketPoller, text: string): number {
      bytes.set(Buffer.from(text), DATA_OFFSET);
      writeIovec(iovecs, 0, poller.memoryBase + DATA_OFFSET, text.length);
      return poller.writeGathered(SLOT, IOVEC_OFFSET, 1);
    }

    test("reads payloads and writes frames, pongs among them", async () => {
      const { poller, socket, received } = await open(PLAIN);
      socket.write(frame({ payload: "hel" }));
      socket.write(frame({ opcode: 9, payload: "p" }));
      socket.write(frame({ payload: "lo" }));
      await readText(poller, "hello");
      expect(writeOnce(poller, "world")).toBe(5);
      await turnUntil(poller, () => Buffer.concat(received).length >= 10);
      expect(Buffer.concat(received).toString("latin1")).toBe("\x8a\x01p\x82\x05world");
    });

    test("what is inflated past the caller's buffer is reported without an event of the socket's", async () => {
      const { poller, socket } = await open();
      const text = Array.from({ length: 60_000 }, (_, i) => `${i}.`).join("");
      expect(text.length).toBeGreaterThan(3 * READ_BYTES);
      socket.write(frame({ payload: deflated(text), reserved: 0x40 }));
      await readText(poller, text);
      expect(poller.read(SLOT, READ_OFFSET, READ_BYTES)).toBe(WOULD_BLOCK);
    });

    test("a stream that is not to be read is not reported, whatever waits", async () => {
      const { poller, socket } = await open();
      socket.write(frame({ payload: deflated("x".repeat(100_000)), reserved: 0x40 }));
      let taken = 0;
      await turnUntil(poller, (flags) => {
        if ((flags & READABLE) !== 0) taken = poller.read(SLOT, READ_OFFSET, READ_BYTES);
        return taken > 0;
      });
      poller.setInterest(SLOT, false, false);
      for (let i = 0; i < 20; i++) {
        expect(poller.wait(0)).toBe(0);
        await setImmediate();
      }
      poller.setInterest(SLOT, true, false);
      await readText(poller, "x".repeat(100_000 - taken));
    });

    test("a goodbye ends the stream, and is said back", async () => {
      const { poller, socket, received } = await open();
      socket.write(Buffer.concat([frame({ payload: "last" }), frame({ opcode: 8, payload: "" })]));
      await readText(poller, "last");
      await turnUntil(poller, (flags) => (flags & READABLE) !== 0);
      expect(poller.read(SLOT, READ_OFFSET, READ_BYTES)).toBe(0);
      poller.endFrames(SLOT, 1000, "Client Closed");
      poller.close(SLOT);
      await once(socket, "close");
      expect(Buffer.concat(received).toString("latin1")).toBe("\x88\x00");
    });

    test("a violation fails the read, and the peer is told", async () => {
      const { poller, socket, received } = await open();
      socket.write(frame({ payload: "x", mask: null }));
      let result = WOULD_BLOCK;
      await turnUntil(poller, (flags) => {
        if ((flags & READABLE) !== 0) result = poller.read(SLOT, READ_OFFSET, READ_BYTES);
        return result !== WOULD_BLOCK;
      });
      expect(result).toBe(READ_FAILED);
      expect(poller.lastError()).toBe("mask bit missing");
      poller.endFrames(SLOT, 0, "");
      poller.close(SLOT);
      await once(socket, "close");
      expect(Buffer.concat(received).toString("latin1")).toBe("\x88\x12\x03\xeamask bit missing");
    });

    test("a peer that does not read gets every frame whole once it does, and its pongs", async () => {
      const { poller, socket, received } = await open(PLAIN);
      socket.pause();
      const text = "0123456789".repeat(6000);
      const wanted: string[] = [];
      let pending = Buffer.alloc(0);
      // Until the kernel's buffers are full.
      while (pending.length === 0) {
        const taken = Math.max(0, writeOnce(poller, text));
        wanted.push(text);
        pending = Buffer.from(text.slice(taken));
        await setImmediate();
      }
      socket.write(frame({ opcode: 9, payload: "meanwhile" }));
      await turnUntil(poller, (flags) => {
        if ((flags & READABLE) === 0) return false;
        poller.read(SLOT, READ_OFFSET, READ_BYTES);
        return true;
      });
      poller.setInterest(SLOT, true, true);
      socket.resume();
      const chunk = new Uint8Array(new ArrayBuffer(65536));
      await turnUntil(poller, (flags) => {
        if ((flags & WRITABLE) !== 0 && pending.length > 0) {
          chunk.set(pending);
          const taken = poller.write(SLOT, chunk, 0, pending.length);
          if (taken > 0) pending = pending.subarray(taken);
        }
        return pending.length === 0;
      });
      poller.endFrames(SLOT, 1001, "bye");
      poller.close(SLOT);
      await once(socket, "close");
      const { payload, others } = parse(Buffer.concat(received));
      expect(payload === wanted.join("")).toBe(true);
      expect(others).toEqual(["10 meanwhile", "8 \x03\xe9bye"]);
    });
  });
}

/** The payload of binary frames, and the texts of the others. */
function parse(bytes: Buffer): { payload: string; others: string[] } {
  const pieces: Buffer[] = [];
  const others: string[] = [];
  for (let at = 0; at < bytes.length; ) {
    const opcode = bytes[at]! & 15;
    let length = bytes[at + 1]!;
    at += 2;
    if (length === 126) {
      length = bytes.readUInt16BE(at);
      at += 2;
    } else if (length === 127) {
      length = Number(bytes.readBigUInt64BE(at));
      at += 8;
    }
    const piece = bytes.subarray(at, at + length);
    if (opcode === 2) pieces.push(piece);
    else others.push(`${opcode} ${piece.toString("latin1")}`);
    at += length;
  }
  return { payload: Buffer.concat(pieces).toString("latin1"), others };
}
