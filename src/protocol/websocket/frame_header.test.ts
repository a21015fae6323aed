import { expect, test } from "bun:test";
import {
  BINARY,
  FINAL_BIT,
  PING,
  serverHeaderBytes,
  writeClientHeader,
  writeServerHeader,
} from "./frame_header.ts";

const header = (payloadBytes: number) => {
  const bytes = new Uint8Array(16);
  const end = writeServerHeader(bytes, 3, FINAL_BIT | BINARY, payloadBytes);
  expect(end - 3).toBe(serverHeaderBytes(payloadBytes));
  return [...bytes.subarray(3, end)];
};

test("writeServerHeader() takes as few bytes as the length allows", () => {
  expect(header(0)).toEqual([0x82, 0]);
  expect(header(125)).toEqual([0x82, 125]);
  expect(header(126)).toEqual([0x82, 126, 0, 126]);
  expect(header(65535)).toEqual([0x82, 126, 0xff, 0xff]);
  expect(header(65536)).toEqual([0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]);
  expect(header(0x1_8765_4321)).toEqual([0x82, 127, 0, 0, 0, 1, 0x87, 0x65, 0x43, 0x21]);
});

test("writeClientHeader() ends with the mask", () => {
  const bytes = new Uint8Array(16);
  const end = writeClientHeader(bytes, 0, FINAL_BIT | PING, 5, new Uint8Array([1, 2, 3, 4]));
  expect([...bytes.subarray(0, end)]).toEqual([0x89, 0x85, 1, 2, 3, 4]);
});
