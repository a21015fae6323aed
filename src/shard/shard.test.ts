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

  test("refuses a line longer than max_control_line although the message is plain", () => {
    const harness = new ShardHarness(1);
    const subscriber = harness.connect();
    subscriber.send("SUB > 1\r\n");
    harness.settle();
    const client = harness.connect();
    client.send(pub("s".repeat(100_000), "x"));
    harness.settle();
    expect(client.take()).toContain("-ERR 'maximum control line exceeded'\r\n");
    expect(subscriber.take()).toBe("");
  });

  test("takes lines up to a max_control_line above the default, however long the parts of a frame get", () => {
    const harness = new ShardHarness(1, { maxControlLineBytes: 1 << 20 });
    const client = harness.connect();
    const sid = "9".repeat(16_000);
    const subject = "s".repeat(8000);
    const reply = "r".repeat(8000);
    client.send(`SUB > ${sid}\r\n`, pub(subject, "x".repeat(500), reply), pub("a", "x"));
    harness.settle();
    expect(client.take()).toBe(msg(subject, sid, "x".repeat(500), reply) + msg("a", sid, "x"));
    client.send(pub(subject, "x".repeat(500), "r".repeat(9000)));
    harness.settle();
    expect(client.take()).toContain("-ERR 'maximum control line exceeded'\r\n");
  });

  test("survives an endless line although max_control_line is larger than the receive buffer", () => {
    const harness = new ShardHarness(1, { maxControlLineBytes: 2 ** 31 - 1 });
    const client = harness.connect();
    for (let i = 0; i < 10; i++) client.send(i === 0 ? "CONNECT " : "", "x".repeat(100_000));
    harness.settle();
    expect(client.take()).toContain("-ERR 'maximum control line exceeded'\r\n");
  });

  test("removes the subscriptions of a consumer that fails and hangs up in the same turn", () => {
    const harness = new ShardHarness(1);
    const publisher = harness.connect();
    const consumer = harness.connect();
    consumer.send("SUB a 1\r\n");
    harness.settle();
    consumer.isReset = true;
    publisher.send(pub("a", "x".repeat(512)).repeat(200));
    harness.settle();
    expect(consumer.isClosed).toBe(true);
    expect(harness.shards[0]!.table.count).toBe(0);
    const next = harness.connect();
    publisher.send(pub("a", "not for you"));
    harness.settle();
    expect(next.take()).toBe("");
  });

  test("closes a refused connection as soon as the reason is on its way", () => {
    const harness = new ShardHarness(1);
    const client = harness.connect();
    client.roomBytes = 0;
    client.send("PUB a 9999999\r\n");
    harness.settle();
    expect(client.isClosed).toBe(false);
    client.roomBytes = 100;
    harness.settle();
    expect(client.take()).toBe("-ERR 'Maximum Payload Violation'\r\n");
    expect(client.isClosed).toBe(true);
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
