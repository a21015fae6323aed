import { describe, expect, test } from "bun:test";
import type { S2Codec } from "./s2_codec.ts";
import { RoomBytes, SharedRoom } from "./shared_room.ts";

const ROOM = 100;
const ROOM_BYTES = 5000;

/** A room that two streams share. It counts the bytes that are put aside and brought back. */
function createRoom() {
  const memory = new Uint8Array(ROOM + ROOM_BYTES);
  const copied = { out: 0, back: 0 };
  const { subarray, set } = Uint8Array.prototype;
  memory.subarray = (start = 0, end = memory.length) => {
    copied.out += end - start;
    return subarray.call(memory, start, end) as Uint8Array<ArrayBuffer>;
  };
  memory.set = (from, at) => {
    copied.back += from.length;
    set.call(memory, from, at);
  };
  const codec = { move: (to, from, length) => void memory.copyWithin(to, from, from + length) } as S2Codec;
  const room = new SharedRoom(memory, ROOM, ROOM_BYTES, codec);
  const add = (bytes: RoomBytes, value: number, count = 1) => {
    bytes.enter();
    memory.fill(value, bytes.end, bytes.end + count);
    bytes.end += count;
  };
  return { memory, copied, add, streams: [new RoomBytes(room), new RoomBytes(room)] as const };
}

describe("RoomBytes", () => {
  test("puts each byte aside once, and brings it back once, in however many turns it came", () => {
    const { memory, copied, add, streams } = createRoom();
    const [one, other] = streams;
    add(one, 1, 1000);
    add(other, 2, 1000);
    for (let turn = 0; turn < 500; turn++) {
      add(one, 3);
      add(other, 4);
    }
    expect([one.length, other.length, copied]).toEqual([1500, 1500, { out: 2999, back: 0 }]);
    one.enter();
    one.gather();
    expect([copied, one.start, one.end]).toEqual([{ out: 3000, back: 1500 }, ROOM, ROOM + 1500]);
    const here = memory.slice(one.start, one.end);
    expect([here.subarray(0, 1000), here.subarray(1000)].map((part) => new Set(part))).toEqual([
      new Set([1]),
      new Set([3]),
    ]);
  });

  test("is taken from where it lies, without coming back", () => {
    const { memory, copied, add, streams } = createRoom();
    const [one, other] = streams;
    add(one, 1, 10);
    one.take(0, 4);
    add(other, 2, 1000);
    one.take(4, 4);
    one.take(8, 2);
    expect(memory.slice(0, 11)).toEqual(new Uint8Array(11).fill(1, 0, 10));
    expect([one.length, other.length, copied]).toEqual([0, 1000, { out: 6, back: 6 }]);
  });

  test("has room aside at once for what is expected, as far as there may be so much", () => {
    const { copied, add, streams } = createRoom();
    const [one, other] = streams;
    one.expectedBytes = 2 * ROOM_BYTES;
    for (let turn = 0; turn < 10; turn++) {
      add(one, 1, 100);
      add(other, 2);
    }
    one.enter();
    one.gather();
    expect(copied).toEqual({ out: 1010, back: 1000 });
  });

  test("holds as much aside as there is room for, and nothing once the stream is gone", () => {
    const { add, streams } = createRoom();
    const [one, other] = streams;
    add(one, 1, ROOM_BYTES - 1);
    add(other, 2);
    add(one, 1);
    add(other, 2);
    expect([one.length, other.length]).toEqual([ROOM_BYTES, 2]);
    one.leave();
    other.leave();
    expect([one.length, other.length]).toEqual([0, 0]);
  });
});
