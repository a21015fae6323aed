import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadRuntime } from "./mod.ts";
import { AF_UNIX, SOCK_DGRAM, SOCK_NONBLOCK } from "./posix/libc.ts";
import { encodeUnixAddress, openUnixDatagram } from "./unix_datagram.ts";

const opened = (await loadRuntime()).openPosix();
if (!opened.ok) throw new Error(opened.reason);
const { posix } = opened;

const folder = mkdtempSync(join(tmpdir(), "midge-datagram-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** Starts a daemon. Returns its socket, which is at `path`. */
function listen(path: string): number {
  const address = encodeUnixAddress(path)!;
  const fd = posix.functions.socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
  expect(posix.functions.bind(fd, posix.addressOf(address), address.length)).toBe(0);
  return fd;
}

/** The next datagram; undefined if none waits. */
function receive(fd: number): string | undefined {
  const bytes = new Uint8Array(new ArrayBuffer(1024));
  const length = posix.recv(fd, posix.addressOf(bytes), bytes.length, 0);
  return length < 0 ? undefined : new TextDecoder().decode(bytes.slice(0, length));
}

const encode = (text: string) => new TextEncoder().encode(text);

describe("openUnixDatagram()", () => {
  test("sends each message as one datagram", () => {
    const path = join(folder, "log");
    const daemon = listen(path);
    const transport = openUnixDatagram(posix, path);
    transport?.send(encode("<30>first"));
    transport?.send(encode("<30>second"));
    expect([receive(daemon), receive(daemon), receive(daemon)]).toEqual([
      "<30>first",
      "<30>second",
      undefined,
    ]);
    transport?.close();
    posix.close(daemon);
  });

  test("is undefined where nobody listens, and where the path is too long for an address", () => {
    expect(openUnixDatagram(posix, join(folder, "nobody"))).toBeUndefined();
    expect(openUnixDatagram(posix, `${folder}/${"x".repeat(110)}`)).toBeUndefined();
  });

  test("loses messages while the daemon is gone, and reaches one that was started again", () => {
    const path = join(folder, "restarted");
    const first = listen(path);
    const transport = openUnixDatagram(posix, path)!;
    posix.close(first);
    transport.send(encode("lost"));
    rmSync(path);
    transport.send(encode("lost too"));
    const second = listen(path);
    transport.send(encode("heard"));
    expect([receive(second), receive(second)]).toEqual(["heard", undefined]);
    transport.close();
    transport.send(encode("after the end"));
    posix.close(second);
  });
});
