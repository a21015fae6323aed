import { expect, test } from "bun:test";
import { runtimeCompressor } from "../../protocol/websocket/runtime_compressor.ts";
import { bytes, takeAll, testCompressor } from "../../protocol/websocket/testing/compressor_cases.ts";
import { compressorForTests } from "../testing/poller_subjects.ts";

testCompressor("LibzCompressor", compressorForTests);

test("what one compresses the other inflates", () => {
  const message = bytes("MSG a.b 1 5\r\nhello\r\n".repeat(100));
  const libz = compressorForTests();
  const [ours, theirs] = [libz.deflate(message).slice(), runtimeCompressor.deflate(message)];
  expect(Buffer.from(takeAll(runtimeCompressor.inflate([ours], message.length)!)).equals(message)).toBe(true);
  expect(Buffer.from(takeAll(libz.inflate([theirs], message.length)!)).equals(message)).toBe(true);
});
