import type { S2Codec } from "./s2_codec.ts";

/** A part of the region that several streams take turns in. */
export class SharedRoom {
  readonly memory: Uint8Array;
  readonly start: number;
  readonly end: number;
  readonly codec: S2Codec;
  /** The stream whose bytes lie here now. */
  tenant: RoomBytes | null = null;

  constructor(memory: Uint8Array, start: number, lengthBytes: number, codec: S2Codec) {
    this.memory = memory;
    this.start = start;
    this.end = start + lengthBytes;
    this.codec = codec;
  }
}

const NOTHING = new Uint8Array(0);

/**
 * Bytes of one stream in such a room. They stay there until another stream needs the room, and are put aside then.
 * Mostly there are none, or no other stream comes in between. However often that happens before they are gathered, each
 * byte is put aside once and comes back once: bytes that come meanwhile are put in the room where they belong, behind
 * the others.
 */
export class RoomBytes {
  /** After `enter()` and `gather()`, where they lie in the memory. Their difference is always how many there are. */
  start = 0;
  end = 0;
  /** How many there are going to be, as far as is known. */
  expectedBytes = 0;
  readonly #room: SharedRoom;
  /** The first of them while they are not in the room, or all of them while another stream has it. */
  #aside: Uint8Array = NOTHING;
  #asideBytes = 0;

  constructor(room: SharedRoom) {
    this.#room = room;
  }

  get length(): number {
    return this.end - this.start;
  }

  /**
   * Takes the room, until another stream does. Bytes that come may be added behind `end`. If there are none yet, they
   * begin where the room begins. Bytes that lie aside are not back yet.
   */
  enter(): void {
    const room = this.#room;
    if (room.tenant !== this) {
      const { tenant } = room;
      if (tenant !== null) tenant.#putAside();
      room.tenant = this;
      const { length } = this;
      this.start = room.start;
      this.end = room.start + length;
    } else if (this.start === this.end) {
      this.start = room.start;
      this.end = room.start;
    }
  }

  /** Brings back what lies aside, so that all bytes are in the room. To be called after `enter()`. */
  gather(): void {
    if (this.#asideBytes === 0) return;
    this.#room.memory.set(this.#aside.subarray(0, this.#asideBytes), this.start);
    this.#forgetAside();
  }

  /** Copies the first bytes to an address. It needs no `enter()`, but nothing was added since all were in the room. */
  take(to: number, count: number): void {
    const { memory, tenant, codec } = this.#room;
    const { start } = this;
    if (tenant === this) codec.move(to, start, count);
    else memory.set(this.#aside.subarray(start, start + count), to);
    this.start += count;
    if (this.start === this.end) this.#forgetAside();
  }

  /** Gives up the bytes, because the stream is gone. */
  leave(): void {
    if (this.#room.tenant === this) this.#room.tenant = null;
    this.start = 0;
    this.end = 0;
    this.#forgetAside();
  }

  #putAside(): void {
    const { memory, start: roomStart, end: roomEnd } = this.#room;
    const { length } = this;
    if (this.#aside.length < length) {
      const wanted = Math.max(length, this.expectedBytes, 2 * this.#aside.length);
      const grown = new Uint8Array(Math.min(wanted, roomEnd - roomStart));
      grown.set(this.#aside.subarray(0, this.#asideBytes));
      this.#aside = grown;
    }
    this.#aside.set(memory.subarray(this.start + this.#asideBytes, this.end), this.#asideBytes);
    this.#asideBytes = length;
    this.start = 0;
    this.end = length;
  }

  #forgetAside(): void {
    this.#aside = NOTHING;
    this.#asideBytes = 0;
  }
}
