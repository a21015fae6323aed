import { describe, expect, test } from "bun:test";
import { msg, pub, ShardHarness } from "./testing/shard_harness.ts";

describe("Shard", () => {
  test("greets with INFO and answers PING", () => {
    const harness = new ShardHarness(1);
    const client = harness.open();
    harness.settle();
    expect(client.take()).toMatch(/^INFO \{.*\} \r\n$/);
    client.send('CONNECT {"verbose":false}\r\nPING\r\n');
    harness.settle();
    expect(client.take()).toBe("PONG\r\n");
  });

  test("delivers what is published to a subscription", () => {
    const harness = new ShardHarness(1);
    const client = harness.connect();
    client.send(`SUB a.* 1\r\n${pub("a.b", "hello", "r")}PING\r\n`);
    harness.settle();
    expect(client.take()).toBe(`${msg("a.b", 1, "hello", "r")}PONG\r\n`);
  });

  test("does not wait for ever for a node that no record was written for", () => {
    const harness = new ShardHarness(2);
    const near = harness.connect(0);
    const far = harness.connect(1);
    far.send("SUB before 1\r\nSUB q g 2\r\n");
    near.send("SUB q g 1\r\n");
    harness.settle();
    for (let round = 0; round < 20; round++) {
      near.send(pub("before", "x".repeat(200)));
      harness.settle();
      for (let size = 0; size < 1000; size += 100) {
        near.send(pub("q", "x".repeat(size)));
        harness.settle();
      }
    }
    expect((near.take() + far.take()).split("MSG q").length - 1).toBe(200);
  });
});
