import { expect, test } from "bun:test";
import {
  AREA_ACCOUNT,
  AREA_ACCOUNT_LENGTH,
  AREA_CONTEXT,
  AREA_RESUME,
  CONNECTION_BYTES,
  CONNECTION_CONTEXT,
  CONNECTION_PAYLOAD_MAX,
  CONTEXT_FROM_ROUTE,
  REASON_ACCOUNT,
  REASON_MISS,
} from "../memory/layout.ts";
import { NODE_SHARD_FIRST } from "../memory/map.ts";
import { bytesOf } from "../subject/byte_string.ts";
import { AccountNames } from "./account_names.ts";
import { ShardHarness } from "./testing/shard_harness.ts";

test("the engine finds the accounts that it was told, among more than the table holds, until they are forgotten", () => {
  const harness = new ShardHarness(1);
  const { shared, engine } = harness.shards[0]!;
  const { words, bytes, map } = shared;
  const regions = map.area(NODE_SHARD_FIRST);
  const names = new AccountNames(shared, engine, NODE_SHARD_FIRST);
  const slot = 9;
  const connection = regions.connections + slot * CONNECTION_BYTES;
  words[(connection + CONNECTION_CONTEXT) >> 2] = CONTEXT_FROM_ROUTE;
  words[(connection + CONNECTION_PAYLOAD_MAX) >> 2] = 1 << 20;
  const word = (offset: number) => words[(regions.area + offset) >> 2]!;
  const scan = (account: string) => {
    const input = bytesOf(`RMSG ${account} a 0\r\n\r\n`);
    bytes.set(input, regions.receive);
    const reason = engine.scanLink(slot, regions.receive, regions.receive + input.length);
    expect(word(AREA_RESUME)).toBe(regions.receive);
    return reason;
  };
  const contextOf = (account: string, id: number) => {
    if (scan(account) === REASON_ACCOUNT) {
      expect(word(AREA_ACCOUNT_LENGTH)).toBe(account.length);
      names.set(word(AREA_ACCOUNT), word(AREA_ACCOUNT_LENGTH), id);
    }
    expect(scan(account)).toBe(REASON_MISS);
    return word(AREA_CONTEXT);
  };
  for (let round = 0; round < 2; round++) {
    for (let id = 0; id < 2000; id++) {
      const account = id % 2 === 0 ? `A${id}` : "N".repeat(108) + `${id}`.padStart(4, "0");
      expect(contextOf(account, id)).toBe(CONTEXT_FROM_ROUTE | id);
    }
  }
  expect(scan("A1998")).toBe(REASON_MISS);
  names.clear();
  expect(scan("A1998")).toBe(REASON_ACCOUNT);
});
