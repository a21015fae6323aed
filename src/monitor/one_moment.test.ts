import { expect, test } from "bun:test";
import { atOneMoment } from "./one_moment.ts";
import { FakeSource, serverSnapshot, shardSnapshot } from "./testing/fake_source.ts";

test("atOneMoment() takes one snapshot of the server, and reads shards before they have its questions", async () => {
  const source = new FakeSource();
  let questions = 0;
  source.server = async () => serverSnapshot({ nowMs: ++questions });
  source.shards = async () => [shardSnapshot("0", { waitingBytes: questions })];
  const moment = atOneMoment(source);
  expect((await moment.server()).nowMs).toBe(1);
  expect((await moment.server()).nowMs).toBe(1);
  expect((await moment.shards())[0]!.waitingBytes).toBe(0);
});
