/** A link whose both ends compress, with a script at one of them. */
import { Buffer } from "node:buffer";
import type { Socket } from "node:net";
import { Duplex } from "node:stream";
import { unframeS2 } from "../../src/protocol/s2_stream.ts";
import { chunkOf, maskedChecksum } from "../../src/protocol/testing/chunks.ts";
import { RawClient } from "./raw_client.ts";
import { RawLink } from "./raw_link.ts";

/** What a stream begins with. */
export const STREAM_NAME = Buffer.from("ff06000053327354774f", "hex");
const CHUNK_BYTES_MAX = 8 * 1024 * 1024;

/** Bytes as a chunk that is not compressed. */
export function storedChunk(bytes: Uint8Array): Uint8Array {
  return chunkOf(1, bytes, maskedChecksum(bytes));
}

/** The same link in S2 from now on: what was sent and received before is not. */
export function turnToS2(link: RawLink): S2Link {
  const { client } = link;
  client.release();
  return new S2Link(new S2Socket(client.socket));
}

/** Reads and writes like any other; `raw` writes what need be no S2. */
export class S2Link extends RawLink {
  readonly #socket: S2Socket;

  constructor(socket: S2Socket) {
    super(RawClient.over(socket as unknown as Socket));
    this.#socket = socket;
  }

  /** Everything that has come, as it came. */
  get received(): Buffer {
    return Buffer.concat(this.#socket.received);
  }

  raw(...pieces: readonly Uint8Array[]): void {
    this.#socket.inner.write(Buffer.concat(pieces));
  }
}

class S2Socket extends Duplex {
  readonly inner: Socket;
  readonly received: Buffer[] = [];
  #rest = Buffer.alloc(0);

  constructor(inner: Socket) {
    super();
    this.inner = inner;
    inner.on("data", (bytes: Buffer) => this.#take(bytes));
    inner.on("end", () => this.push(null));
    inner.on("error", (error) => this.destroy(error));
    inner.on("close", () => this.destroy());
  }

  get localPort(): number | undefined {
    return this.inner.localPort;
  }

  setNoDelay(isOn: boolean): this {
    this.inner.setNoDelay(isOn);
    return this;
  }

  override _read(): void {}

  override _write(bytes: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    this.inner.write(Buffer.concat([STREAM_NAME, storedChunk(bytes)]), done);
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.inner.destroy();
    done(error);
  }

  #take(bytes: Buffer): void {
    this.received.push(bytes);
    let rest = Buffer.concat([this.#rest, bytes]);
    while (rest.length >= 4) {
      const length = 4 + (rest.readUInt32LE(0) >>> 8);
      if (rest.length < length) break;
      const plain = unframeS2(rest.subarray(0, length), CHUNK_BYTES_MAX);
      if (plain === null) throw new Error(`a chunk that is none: ${rest.subarray(0, 40).toString("hex")}`);
      if (rest[0]! <= 1 && maskedChecksum(plain) !== rest.readUInt32LE(4))
        throw new Error("the checksum of a chunk is wrong");
      if (plain.length > 0) this.push(Buffer.from(plain));
      rest = rest.subarray(length);
    }
    this.#rest = rest;
  }
}
