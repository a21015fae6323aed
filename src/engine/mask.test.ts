import { expect, test } from "bun:test";
import fc from "fast-check";
import { MEMORY_PAGES } from "../memory/map.ts";
import { createUnmask } from "../protocol/websocket/mask.ts";
import { createEngine } from "./engine.ts";
import { NO_HOST } from "./no_host.ts";

const memory = new WebAssembly.Memory({ initial: MEMORY_PAGES, maximum: MEMORY_PAGES, shared: true });
const bytes = new Uint8Array(memory.buffer, 0, 4096);
const { unmask } = createEngine(memory, 65536, NO_HOST);

test("unmask() does what the TypeScript one does, at any place and length, and touches nothing behind", () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 200 }),
      fc.nat(40),
      fc.nat(40),
      fc.integer(),
      (payload, place, distance, mask) => {
        const [from, to] = [1000 + place + distance, 1000 + place];
        const model = new Uint8Array(4096).fill(0xaa);
        model.set(payload, from);
        bytes.set(model);
        createUnmask(model, new Int32Array(model.buffer))(to, from, payload.length, mask);
        unmask(to, from, payload.length, mask);
        const end = to + payload.length;
        expect([...bytes.subarray(to, end)]).toEqual([...model.subarray(to, end)]);
        expect(bytes.subarray(0, to).every((byte) => byte === 0xaa)).toBe(true);
        expect(bytes.subarray(from + payload.length).every((byte) => byte === 0xaa)).toBe(true);
      },
    ),
  );
});
