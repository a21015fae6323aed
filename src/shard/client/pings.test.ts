import { expect, test } from "bun:test";
import { AREA_STALE_CONNECTIONS } from "../../memory/layout.ts";
import { NODE_SHARD_FIRST } from "../../memory/map.ts";
import { createSharedMemory } from "../../memory/shared_memory.ts";
import * as errors from "../../protocol/errors.ts";
import type { Connection } from "../connection.ts";
import { onPingTimer } from "./pings.ts";

const INTERVAL_MS = 1000;
const NOW_MS = 100_000;

/** Fires the ping timer of a client that sent something this long ago. Returns what was done. */
function fire(lastInputAgoMs: number, connection: Partial<Connection>) {
  const shared = createSharedMemory(1, new Uint32Array(4), false);
  const done: string[] = [];
  const timers: number[] = [];
  const client = {
    slot: 1,
    webSocket: null,
    lastInputMs: NOW_MS - lastInputAgoMs,
    pingSentMs: 0,
    pingsOutstanding: 0,
    label: "c",
    ...connection,
  } as Connection;
  const shard = {
    node: NODE_SHARD_FIRST,
    shared,
    options: { pingIntervalMs: INTERVAL_MS, pingMax: 2, webSocket: null },
    nowMs: NOW_MS,
    outbound: { append: () => void done.push("ping") },
    timers: { set: (_id: number, atMs: number) => void timers.push(atMs) },
    fail: (_connection: Connection, code: number) => void done.push(`fail ${code}`),
    log() {},
    traceLog: { sent() {} },
  };
  onPingTimer(shard as never, client);
  const { area } = shared.map.area(NODE_SHARD_FIRST);
  const stale = shared.words[(area + AREA_STALE_CONNECTIONS) >> 2]!;
  return { done, timers, stale, outstanding: client.pingsOutstanding };
}

test("a client that says something is pinged the first time, and once an hour, to measure", () => {
  expect(fire(10, {}).done).toEqual(["ping"]);
  const active = fire(10, { pingSentMs: NOW_MS - 5000 });
  expect(active).toMatchObject({ done: [], outstanding: 0, timers: [NOW_MS + INTERVAL_MS] });
  expect(fire(10, { pingSentMs: NOW_MS - 3_600_000 }).done).toEqual(["ping"]);
});

test("a silent one is pinged until as many are unanswered as may be, and then is stale", () => {
  const silent = { pingSentMs: NOW_MS - 5000 };
  expect(fire(5000, { ...silent, pingsOutstanding: 1 })).toMatchObject({
    done: ["ping"],
    outstanding: 2,
    stale: 0,
  });
  expect(fire(5000, { ...silent, pingsOutstanding: 2 })).toEqual({
    done: [`fail ${errors.ERROR_STALE_CONNECTION}`],
    outstanding: 2,
    stale: 1,
    timers: [],
  });
});
