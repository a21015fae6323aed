/** A part of the region that several streams take turns in. */
export class SharedRoom {
  readonly memory: Uint8Array;
  readonly start: number;
  readonly end: number;
  /** Whose bytes lie here now. */
  tenant: RoomBytes | null = null;

  constructor(memory: Uint8Array, start: number, lengthBytes: number) {
    this.memory = memory;
    this.start = start;
    this.end = start + lengthBytes;
  }
}

const NOTHING = new Uint8Array(0);

/**
 * Bytes of one stream in such a room. They stay where they are until another stream needs the room, and are copied aside then:
 * mostly there are none, or nobody comes in between.
 */
export class RoomBytes {
  /** Where they are in the memory, after `enter()`; how many they are at any time. */
  start = 0;
  end = 0;
  readonly #room: SharedRoom;
  #aside: Uint8Array = NOTHING;

  constructor(room: SharedRoom) {
    this.#room = room;
  }

  get length(): number {
    return this.end - this.start;
  }

  /** Has the room to itself, until another does. What is empty begins where the room does. */
  enter(): void {
    const room = this.#room;
    const { tenant, memory } = room;
    if (tenant !== this) {
      if (tenant !== null) tenant.#putAside();
      room.tenant = this;
      const { length } = this;
      if (length > 0) memory.set(this.#aside, room.start);
      this.#aside = NOTHING;
      this.start = room.start;
      this.end = room.start + length;
    } else if (this.start === this.end) {
      this.start = room.start;
      this.end = room.start;
    }
  }

  /** The stream is gone. */
  leave(): void {
    if (this.#room.tenant === this) this.#room.tenant = null;
    this.start = 0;
    this.end = 0;
    this.#aside = NOTHING;
  }

  #putAside(): void {
    if (this.start < this.end) this.#aside = this.#room.memory.slice(this.start, this.end);
    this.end -= this.start;
    this.start = 0;
  }
}
