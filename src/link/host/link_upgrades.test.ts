import { describe, expect, test } from "bun:test";
import { acceptKey } from "../../protocol/websocket/accept_key.ts";
import { READ_FAILED, WOULD_BLOCK } from "../../runtime/poller.ts";
import { PHASE_HANDSHAKE, PHASE_SETTLED } from "../../shard/connection.ts";
import { byteStringOf, bytesOf } from "../../subject/byte_string.ts";
import type { LinkUpgradeOutcome } from "../core/link.ts";
import { FakeClock } from "../core/testing/fake_clock.ts";
import { LinkUpgrades, type LinkUpgradesOptions } from "./link_upgrades.ts";
import { linkConnection } from "./testing/link_connection.ts";

const RECEIVE = 64;

/** A link that has asked for the upgrade, over a socket that a test controls. */
function open(takesRequest = true) {
  const clock = new FakeClock();
  const bytes = new Uint8Array(8192);
  const incoming: string[] = [];
  const outcomes: LinkUpgradeOutcome[] = [];
  const started: object[] = [];
  let sent = "";
  let end = WOULD_BLOCK;
  const poller = {
    write: (_slot: number, from: Uint8Array, start: number, to: number) => {
      if (!takesRequest) return WOULD_BLOCK;
      sent += byteStringOf(from, start, to);
      return to - start;
    },
    read: (_slot: number, offset: number) => {
      const piece = incoming.shift();
      if (piece === undefined) return end;
      bytes.set(bytesOf(piece), offset);
      return piece.length;
    },
    lastError: () => "connection reset by peer",
  };
  const shard = {
    poller,
    receiveBuffers: { take: () => RECEIVE },
    shared: { bytes },
  };
  const upgrades = new LinkUpgrades({
    shard: shard as unknown as LinkUpgradesOptions["shard"],
    dialler: { localAddress: () => ({ ip: "10.0.0.1", port: 40000 }) },
    frames: {
      startFrames: (slot, terms, side, behind) =>
        started.push({ slot, side, behind: byteStringOf(behind!), isMasked: terms.isMasked }),
    },
    clock,
  });
  const connection = linkConnection("10.0.0.2", 443);
  const link = { connection, remoteIp: "10.0.0.2", remotePort: 443 };
  const asked = {
    host: "hub:443",
    path: "",
    wantsCompression: false,
    wantsNoMasking: false,
    timeoutMs: 1000,
  };
  upgrades.start(link, asked, (outcome) => outcomes.push(outcome));
  const key = /Sec-WebSocket-Key: (\S+)/.exec(sent)?.[1] ?? "";
  const answer = [
    "HTTP/1.1 101 Switching Protocols",
    "Upgrade: websocket",
    "Connection: Upgrade",
    `Sec-WebSocket-Accept: ${acceptKey(key)}`,
    "\r\n",
  ].join("\r\n");
  const feed = (...pieces: string[]) => {
    for (const piece of pieces) {
      incoming.push(piece);
      upgrades.proceed(link);
    }
  };
  const endWith = (result: number) => {
    end = result;
    upgrades.proceed(link);
  };
  return { clock, connection, upgrades, link, outcomes, started, answer, feed, endWith, sent: () => sent };
}

describe("LinkUpgrades", () => {
  test("asks, and hands the frames behind the answer to the layer", () => {
    const { connection, upgrades, link, outcomes, started, answer, feed, sent } = open();
    expect(sent()).toStartWith("GET /leafnode HTTP/1.1\r\nHost: hub:443\r\n");
    expect(connection.phase).toBe(PHASE_HANDSHAKE);
    expect(upgrades.isUnderWay(link)).toBe(true);
    feed(answer.slice(0, 20), `${answer.slice(20)}first frame`);
    expect(outcomes).toEqual([{ ok: true, isMasked: true, isCompressed: false }]);
    expect(started).toEqual([{ slot: 1, side: "client", behind: "first frame", isMasked: true }]);
    expect([connection.phase, connection.hasFrames]).toEqual([PHASE_SETTLED, true]);
    expect(upgrades.isUnderWay(link)).toBe(false);
  });

  test("says once why there is no WebSocket", () => {
    const problemOf = (end: (opened: ReturnType<typeof open>) => void, takesRequest = true) => {
      const opened = open(takesRequest);
      end(opened);
      opened.clock.advance(10_000);
      expect(opened.outcomes).toHaveLength(1);
      expect(opened.started).toEqual([]);
      const [outcome] = opened.outcomes;
      return outcome!.ok ? "" : outcome!.problem;
    };
    const ends = "read tcp 10.0.0.1:40000->10.0.0.2:443";
    expect(problemOf(({ feed }) => feed("HTTP/1.1 404 Not Found\r\n\r\n"))).toBe(
      "invalid websocket connection",
    );
    expect(problemOf(({ feed }) => feed("HTTP/1.1 101 x\r\n: y\r\n\r\n"))).toBe("malformed HTTP response");
    expect(problemOf(({ endWith }) => endWith(0))).toBe("unexpected EOF");
    expect(problemOf(({ endWith }) => endWith(READ_FAILED))).toBe(`${ends}: read: connection reset by peer`);
    expect(problemOf(({ clock }) => clock.advance(1000))).toBe(`${ends}: i/o timeout`);
    expect(problemOf(() => {}, false)).toBe("the request could not be written");
    const tooLong = Array.from({ length: 20 }, () => "x".repeat(4000));
    expect(
      problemOf(({ feed, upgrades, link }) => {
        for (const piece of tooLong) if (upgrades.isUnderWay(link)) feed(piece);
      }),
    ).toContain("too long");
  });

  test("a connection that is gone hears of nothing more", () => {
    const { clock, upgrades, link, outcomes } = open();
    upgrades.ended(link);
    clock.advance(10_000);
    expect(outcomes).toEqual([]);
  });
});
