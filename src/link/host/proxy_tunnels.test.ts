import { describe, expect, test } from "bun:test";
import { READ_FAILED, WOULD_BLOCK } from "../../runtime/poller.ts";
import { byteStringOf, bytesOf } from "../../subject/byte_string.ts";
import { FakeClock } from "../core/testing/fake_clock.ts";
import { ProxyTunnels, type ProxyTunnelsOptions } from "./proxy_tunnels.ts";
import { linkConnection } from "./testing/link_connection.ts";

const RECEIVE = 64;

/** A tunnel that is asked for, over a socket that a test controls. */
function open() {
  const clock = new FakeClock();
  const bytes = new Uint8Array(1024);
  const socket = { incoming: "", sent: "", end: WOULD_BLOCK as number };
  const poller = {
    write: (_slot: number, from: Uint8Array, start: number, to: number) => {
      socket.sent += byteStringOf(from, start, to);
      return to - start;
    },
    read: (_slot: number, offset: number, count: number) => {
      const piece = socket.incoming.slice(0, count);
      if (piece === "") return socket.end;
      socket.incoming = socket.incoming.slice(count);
      bytes.set(bytesOf(piece), offset);
      return piece.length;
    },
    lastError: () => "connection reset by peer",
  };
  const tunnels = new ProxyTunnels({
    shard: {
      poller,
      receiveBuffers: { take: () => RECEIVE },
      shared: { bytes },
    } as unknown as ProxyTunnelsOptions["shard"],
    tls: {} as ProxyTunnelsOptions["tls"],
    dialler: { localAddress: () => ({ ip: "10.0.0.1", port: 40000 }) },
    clock,
  });
  const connection = linkConnection("10.0.0.9", 3128);
  const outcomes: (string | null)[] = [];
  const proxy = { host: "proxy", port: 3128, user: "us", password: "pw", timeoutMs: 500, tls: null };
  tunnels.start(connection, proxy, "hub:7422", (problem) => outcomes.push(problem));
  const take = (text: string) => {
    socket.incoming += text;
    tunnels.proceed(connection);
  };
  return { clock, connection, outcomes, socket, take, tunnels };
}

describe("ProxyTunnels", () => {
  test("asks, and leaves to the hub what comes behind the answer", () => {
    const { connection, outcomes, socket, take, tunnels } = open();
    expect(socket.sent).toBe(
      "CONNECT hub:7422 HTTP/1.1\r\nHost: hub:7422\r\nProxy-Authorization: Basic dXM6cHc=\r\n\r\n",
    );
    take("HTTP/1.1 200 OK\r\nVia: x\r\n");
    expect([outcomes, tunnels.isUnderWay(connection)]).toEqual([[], true]);
    take("\r\nINFO {}\r\n");
    expect([outcomes, tunnels.isUnderWay(connection)]).toEqual([[null], false]);
    expect(socket.incoming).toBe("INFO {}\r\n");
  });

  test("says why there is none", () => {
    const refused = open();
    refused.take("HTTP/1.1 403 Forbidden\r\n\r\n");
    expect(refused.outcomes).toEqual(["proxy CONNECT failed: 403 Forbidden"]);
    const ended = open();
    ended.socket.end = 0;
    ended.take("HTTP/1.1 200");
    expect(ended.outcomes).toEqual(["failed to read proxy response: unexpected EOF"]);
    const reset = open();
    reset.socket.end = READ_FAILED;
    reset.take("");
    expect(reset.outcomes).toEqual([
      "failed to read proxy response: read tcp 10.0.0.1:40000->10.0.0.9:3128: read: connection reset by peer",
    ]);
    const endless = open();
    endless.take("x".repeat(70_000));
    expect(endless.outcomes).toEqual(["failed to read proxy response: it is too long"]);
  });

  test("waits no longer than it may, and not for a socket that is gone", () => {
    const late = open();
    late.clock.advance(499);
    expect(late.outcomes).toEqual([]);
    late.clock.advance(1);
    expect(late.outcomes).toEqual([
      "failed to read proxy response: read tcp 10.0.0.1:40000->10.0.0.9:3128: i/o timeout",
    ]);
    const gone = open();
    gone.tunnels.ended(gone.connection);
    gone.clock.advance(1000);
    expect(gone.outcomes).toEqual([]);
  });
});
