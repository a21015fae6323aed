import { describe, expect, test } from "bun:test";
import type { FakeSocket } from "./testing/fake_poller.ts";
import { msg, pub, ShardHarness } from "./testing/shard_harness.ts";

/** A shard's turns, and only its, until it has read everything its client sent. */
function readAll(harness: ShardHarness, index: number, client: FakeSocket): void {
  while (client.toServer.length > 0) harness.turn(index);
}

/** More than the 4 MiB that a ring holds. */
const MESSAGES = 5000;
const PAYLOAD = "x".repeat(1000);

describe("waitForRoom()", () => {
  test("loses, doubles and reorders nothing when the ring was full", () => {
    const harness = new ShardHarness(2);
    const publisher = harness.connect(0);
    const subscriber = harness.connect(1);
    subscriber.send("SUB a.* 1\r\n");
    harness.settle();
    let expected = "";
    for (let i = 0; i < MESSAGES; i++) {
      const subject = `a.${i % 7}`;
      publisher.send(pub(subject, `${i} ${PAYLOAD}`));
      expected += msg(subject, 1, `${i} ${PAYLOAD}`);
    }
    readAll(harness, 0, publisher);
    harness.settle();
    expect(subscriber.take() === expected).toBe(true);
  });

  test("does not wait for a shard that was told to stop", () => {
    const harness = new ShardHarness(2, { maxPayloadBytes: 16 << 20 });
    const publisher = harness.connect(0);
    harness.connect(1).send("SUB a 1\r\n");
    harness.settle();
    publisher.send(pub("a", "x".repeat(12 << 20)));
    harness.control(1, { type: "stop" });
    readAll(harness, 0, publisher);
    expect(publisher.toServer.length).toBe(0);
  });

  test("leaves a message its own plan, whatever arrived meanwhile", () => {
    const harness = new ShardHarness(2);
    const publisher = harness.connect(0, { verbose: true });
    const near = harness.connect(0);
    near.send("SUB near.* n\r\nSUB far.* m\r\n");
    const far = harness.connect(1);
    far.send("SUB far.* f\r\n");
    harness.settle();
    for (let i = 0; i < MESSAGES; i++) {
      publisher.send(pub(`far.${i}`, PAYLOAD));
      far.send(pub(`near.${i}`, "y"));
    }
    readAll(harness, 0, publisher);
    harness.settle();
    let expected = "";
    for (let i = 0; i < MESSAGES; i++) expected += msg(`far.${i}`, "f", PAYLOAD);
    expect(far.take() === expected).toBe(true);
    const received = near.take();
    for (const subject of ["near", "far"]) {
      const numbers = [...received.matchAll(new RegExp(`MSG ${subject}\\.(\\d+) `, "g"))].map(
        ([, number]) => number,
      );
      expect(numbers).toEqual(Array.from({ length: MESSAGES }, (_, i) => `${i}`));
    }
  });
});
