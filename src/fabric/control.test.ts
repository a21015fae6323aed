import { describe, expect, test } from "bun:test";
import { createEngine } from "../engine/engine.ts";
import { NO_HOST } from "../engine/no_host.ts";
import { NODE_MAIN, NODE_SHARD_FIRST } from "../memory/map.ts";
import { createSharedMemory } from "../memory/shared_memory.ts";
import { type ControlPiece, ControlReader, controlPieces, sendPiece } from "./control.ts";

/** Main's ring to a shard. */
function setUp() {
  const shared = createSharedMemory(1, new Uint32Array([1, 2, 3, 4]));
  const engineOf = (node: number) => createEngine(shared.memory, shared.map.area(node).area, NO_HOST);
  const [main, shard] = [engineOf(NODE_MAIN), engineOf(NODE_SHARD_FIRST)];
  /** The message that a reader returns for each of the pieces, which are sent one after the other. */
  const read = (reader: ControlReader, pieces: readonly ControlPiece[]) =>
    pieces.flatMap((piece) => {
      expect(sendPiece(main, shared, NODE_SHARD_FIRST, piece)).toBe(true);
      const record = shard.peek(NODE_MAIN);
      const message = reader.read(shared, record);
      shard.skip(NODE_MAIN, record);
      shard.release(NODE_MAIN);
      return message === undefined ? [] : [message];
    });
  return { read };
}

const SHORT = { type: "short" };
/** A message of three pieces. Its characters have two bytes, which a cut may separate. */
const LONG = { type: "long", text: "é".repeat(40_000) };

describe("ControlReader", () => {
  test("gives messages of one piece and of several, in their order", () => {
    const { read } = setUp();
    const pieces = [SHORT, LONG, SHORT, LONG].flatMap(controlPieces);
    expect(pieces.length).toBe(8);
    expect(read(new ControlReader(), pieces)).toEqual([SHORT, LONG, SHORT, LONG]);
  });

  test("ignores the rest of a message whose beginning went to a reader before it", () => {
    const { read } = setUp();
    for (const from of [1, 2]) {
      const reader = new ControlReader();
      expect(read(reader, [...controlPieces(LONG).slice(from), ...controlPieces(LONG)])).toEqual([LONG]);
      expect(read(reader, controlPieces(SHORT))).toEqual([SHORT]);
    }
  });

  test("forgets a message that its sender did not finish", () => {
    const { read } = setUp();
    for (const count of [1, 2]) {
      const unfinished = controlPieces(LONG).slice(0, count);
      expect(read(new ControlReader(), [...unfinished, ...controlPieces(SHORT)])).toEqual([SHORT]);
    }
  });
});
