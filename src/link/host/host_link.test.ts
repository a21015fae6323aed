import { describe, expect, test } from "bun:test";
import type { S2Effort, S2Terms } from "../../runtime/s2/s2_layer.ts";
import { S2_BETTER, S2_BLOCK_BYTES_MAX, S2_FAST } from "../../runtime/s2/s2_region.ts";
import { HostLink, type HostLinkParts } from "./host_link.ts";
import { linkConnection } from "./testing/link_connection.ts";

const EARLY_BYTES = 131_072;

/** An accepted link, and what its compression is told. */
function accept() {
  const connection = linkConnection();
  const logged: string[] = [];
  const started: S2Terms[] = [];
  const told: string[] = [];
  const parts = {
    shard: {
      outbound: { flush: () => told.push("flush"), pendingBytes: () => 300 },
    },
    compression: {
      startS2: (_slot: number, terms: S2Terms) => void started.push(terms),
      setS2Effort: (_slot: number, effort: S2Effort) => void told.push(`effort ${effort}`),
      setS2BlockMax: (_slot: number, bytesMax: number) => void told.push(`blocks ${bytesMax}`),
      returnS2: (_slot: number, start: number, end: number) => void told.push(`back ${start} ${end}`),
    },
    log: (level: string, text: string) => void logged.push(`${level} ${text}`),
  };
  const origin = { isDialled: false, isWebSocket: false };
  const link = new HostLink(parts as unknown as HostLinkParts, "leaf", connection, origin);
  return { connection, link, logged, started, told };
}

describe("HostLink.compress()", () => {
  test("sends what is queued in clear", () => {
    const { link, started, told } = accept();
    link.compress("s2_fast");
    expect(started).toMatchObject([{ effort: S2_FAST, clearBytes: 300 }]);
    expect(link.hasTurned).toBe(true);
    link.returnRest(10, 20);
    link.compress("s2_best");
    expect([started.length, told, link.hasTurned]).toEqual([
      1,
      ["flush", "back 10 20", `effort ${S2_BETTER}`],
      false,
    ]);
  });

  test("takes large chunks only of who has logged in", () => {
    const late = accept();
    late.link.compress("s2_fast");
    expect(late.started).toMatchObject([{ blockBytesMax: EARLY_BYTES }]);
    late.link.trust();
    expect(late.told).toEqual(["flush", `blocks ${S2_BLOCK_BYTES_MAX}`]);

    const early = accept();
    early.link.trust();
    early.link.compress("s2_fast");
    expect(early.started).toMatchObject([{ blockBytesMax: S2_BLOCK_BYTES_MAX }]);
    expect(early.told).toEqual(["flush"]);
  });

  test("has what is no S2 logged, unless the shard does that, as it does of WebSockets", () => {
    for (const hasFrames of [false, true]) {
      const { connection, link, logged, started } = accept();
      connection.hasFrames = hasFrames;
      link.compress("s2_fast");
      started[0]!.onBroken("s2: a chunk of unknown type 80");
      const line = "error 10.0.0.2:6222 - lid:7 - read error: s2: a chunk of unknown type 80";
      expect([logged, link.hasTurned]).toEqual([hasFrames ? [] : [line], !hasFrames]);
    }
  });
});
