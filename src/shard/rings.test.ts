import { describe, expect, test } from "bun:test";
import {
  CONNECTION_FLAGS,
  CONNECTION_IS_CLOSED,
  PLAN_FLAGS,
  PLAN_QUEUES_ARE_FOR_HOST,
  RECORD_BODY,
  RECORD_KIND,
  RECORD_KIND_RESUME,
  RECORD_LENGTH,
  RING_IS_AWAITED,
  RING_TAIL,
} from "../memory/layout.ts";
import { NODE_IS_ASLEEP } from "../memory/map.ts";
import { nodeWord } from "../memory/shared_memory.ts";
import type { FakeSocket } from "./testing/fake_poller.ts";
import { msg, pub, ShardHarness } from "./testing/shard_harness.ts";

/** Runs turns of one shard only, until it has read everything that its client sent. */
function readAll(harness: ShardHarness, index: number, client: FakeSocket): void {
  while (client.toServer.length > 0) harness.turn(index);
}

/** What a client received since the last call, without the PINGs of a server that lasts longer than two seconds. */
function messagesOf(client: FakeSocket): string {
  return client.take().replaceAll("PING\r\n", "");
}

/** Together more than the 4 MiB that a ring holds. */
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
    expect(messagesOf(subscriber) === expected).toBe(true);
  });

  test("ends when the other shard has made room, not when it looks again", async () => {
    const harness = new ShardHarness(2);
    const publisher = harness.connect(0);
    harness.connect(1).send("SUB a 1\r\n");
    harness.settle();
    const { map, words } = harness.shared;
    const ring = map.ring(harness.shards[0]!.node, harness.shards[1]!.node);
    const tailWord = (ring + RING_TAIL) >> 2;
    publisher.send(pub("a", "x"));
    readAll(harness, 0, publisher);
    Atomics.store(words, (ring + RING_IS_AWAITED) >> 2, 1);
    const waiting = Atomics.waitAsync(words, tailWord, Atomics.load(words, tailWord));
    harness.turn(1);
    expect(await waiting.value).toBe("ok");
    expect(Atomics.load(words, (ring + RING_IS_AWAITED) >> 2)).toBe(0);
  });

  test("does not wait for a shard that was told to stop", () => {
    const harness = new ShardHarness(2, { maxPayloadBytes: 16 << 20 });
    const publisher = harness.connect(0);
    harness.connect(1).send("SUB a 1\r\n");
    harness.settle();
    publisher.send(pub("a", "x".repeat(12 << 20)));
    harness.control(1, { type: "stop", leavesSockets: false });
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
    expect(messagesOf(far) === expected).toBe(true);
    const received = near.take();
    for (const subject of ["near", "far"]) {
      const numbers = [...received.matchAll(new RegExp(`MSG ${subject}\\.(\\d+) `, "g"))].map(
        ([, number]) => number,
      );
      expect(numbers).toEqual(Array.from({ length: MESSAGES }, (_, i) => `${i}`));
    }
  });
});

describe("a request that only another shard can take", () => {
  const NOBODY = "HMSG inbox 1 33 33\r\nNATS/1.0 503\r\nNats-Subject: a\r\n\r\n\r\n";

  function setUp() {
    const harness = new ShardHarness(2);
    const requester = harness.connect(0, { headers: true, no_responders: true });
    const responder = harness.connect(1);
    requester.send("SUB inbox 1\r\n");
    responder.send("SUB a 1\r\nSUB b q 2\r\n");
    harness.settle();
    return { harness, requester, responder };
  }

  test.each(["a", "b"])("is told to the client if nobody there takes it any more", (subject) => {
    const { harness, requester, responder } = setUp();
    for (const payload of ["", PAYLOAD, "x".repeat(200_000)]) {
      requester.send(pub(`${subject} inbox`, payload));
      readAll(harness, 0, requester);
    }
    // The subscriber goes between the turn that published and the one that delivers.
    const { connections, shared } = harness.shards[1]!;
    for (const connection of connections)
      if (connection != null)
        shared.words[(connection.address + CONNECTION_FLAGS) >> 2]! |= CONNECTION_IS_CLOSED;
    harness.settle();
    expect(responder.take()).toBe("");
    expect(messagesOf(requester)).toBe(NOBODY.replace(": a", `: ${subject}`).repeat(3));
  });

  test("is told to the client in order where the ring back is full", () => {
    const { harness, requester } = setUp();
    requester.send("SUB inbox.* 2\r\n");
    harness.settle();
    const count = 40;
    for (let i = 0; i < count; i++)
      requester.send(pub(`a inbox.${i}`, i % 10 === 9 ? "x".repeat(80_000) : ""));
    readAll(harness, 0, requester);
    const { connections, engine, node, shared } = harness.shards[1]!;
    for (const connection of connections)
      if (connection != null)
        shared.words[(connection.address + CONNECTION_FLAGS) >> 2]! |= CONNECTION_IS_CLOSED;
    const requesters = node - 1;
    for (
      let at = engine.reserve(requesters, RECORD_BODY);
      at !== 0;
      at = engine.reserve(requesters, RECORD_BODY)
    ) {
      shared.words[(at + RECORD_LENGTH) >> 2] = RECORD_BODY;
      shared.words[(at + RECORD_KIND) >> 2] = RECORD_KIND_RESUME;
      engine.commit(requesters, RECORD_BODY);
    }
    harness.turn(1);
    harness.settle();
    const answered = [...messagesOf(requester).matchAll(/HMSG inbox\.(\d+) /g)].map(([, i]) => Number(i));
    expect(answered).toEqual(Array.from({ length: count }, (_, i) => i));
  });
});

test("sendControl() wakes whom it tells something", () => {
  const harness = new ShardHarness(2);
  const { node, shared } = harness.shards[1]!;
  shared.words[nodeWord(node, NODE_IS_ASLEEP)] = 1;
  harness.rings[0]!.sendControl(node, { type: "shrink", count: 1 });
  expect(harness.woken).toEqual([1]);
});

describe("drainAll()", () => {
  test("lets beforeDrain() see what is there first, and takes nothing that is published in it", () => {
    const harness = new ShardHarness(2);
    const publisher = harness.connect(0);
    const subscriber = harness.connect(1);
    subscriber.send("SUB a 1\r\n");
    harness.settle();
    const rings = harness.rings[1]!;
    const seen: string[] = [];
    let isFirst = true;
    rings.beforeDrain = () => {
      seen.push(subscriber.take());
      if (!isFirst) return;
      isFirst = false;
      publisher.send(pub("a", "later"));
      readAll(harness, 0, publisher);
    };
    publisher.send(pub("a", "1"), pub("a", PAYLOAD), pub("a", "3"));
    readAll(harness, 0, publisher);
    harness.turn(1);
    seen.push(subscriber.take());
    harness.settle();
    seen.push(subscriber.take());
    const first = msg("a", 1, "1") + msg("a", 1, PAYLOAD) + msg("a", 1, "3");
    expect(seen.join("|")).toBe(`|${first}||${msg("a", 1, "later")}`);
  });

  test("hands over what plans leave to the host: records and large messages, to be served and not again", () => {
    const harness = new ShardHarness(2);
    const publisher = harness.connect(0);
    const subscriber = harness.connect(1);
    subscriber.send("SUB a 1\r\nSUB a q 2\r\n");
    harness.settle();
    const { shared, plans } = harness.shards[1]!;
    const handed: string[] = [];
    harness.rings[1]!.onHostDelivery = ({ message, isPlain, queues }) => {
      return handed.push(`${message.payloadLength} ${isPlain} ${queues.length}`);
    };
    // Plans get the flag that those of a shard with links would have.
    const build = plans.build.bind(plans);
    plans.build = (...subject) => {
      const plan = build(...subject);
      shared.words[(plan + PLAN_FLAGS) >> 2]! |= PLAN_QUEUES_ARE_FOR_HOST;
      return plan;
    };
    publisher.send(pub("a", "small"), pub("a", "x".repeat(200_000)), pub("a", "last"));
    harness.settle();
    expect(handed).toEqual(["5 true 1", "200000 true 1", "4 true 1"]);
    expect(subscriber.take()).toBe("");
  });
});

describe("catchUp()", () => {
  const COUNT = 1000;
  const all = msg("a", 1, PAYLOAD).repeat(COUNT);

  /** A subscriber on shard 1; several turns' worth of messages to it, published on shard 0, lie in the ring. */
  function behind(subscriptions: string): { harness: ShardHarness; subscriber: FakeSocket } {
    const harness = new ShardHarness(2);
    const publisher = harness.connect(0);
    const subscriber = harness.connect(1);
    harness.connect(1).send("SUB a 1\r\n");
    subscriber.send(subscriptions);
    harness.settle();
    publisher.send(pub("a", PAYLOAD).repeat(COUNT), "PING\r\n");
    readAll(harness, 0, publisher);
    expect(publisher.take()).toBe("PONG\r\n");
    return { harness, subscriber };
  }

  test("brings a PONG behind what was published before the PING", () => {
    const { harness, subscriber } = behind("SUB a 1\r\n");
    subscriber.send("PING\r\n");
    harness.settle();
    expect(messagesOf(subscriber) === `${all}PONG\r\n`).toBe(true);
  });

  test("gives a subscription that ends what was published before", () => {
    const { harness, subscriber } = behind("SUB a 1\r\n");
    subscriber.send("UNSUB 1\r\n");
    harness.settle();
    expect(messagesOf(subscriber) === all).toBe(true);
  });

  test("gives a subscription that begins nothing of what was published before", () => {
    const { harness, subscriber } = behind("");
    subscriber.send("SUB a 1\r\n");
    harness.settle();
    expect(messagesOf(subscriber)).toBe("");
  });

  test("gives the subscriptions of a client that begins anew what was published before", () => {
    const { harness, subscriber } = behind("SUB a 1\r\n");
    subscriber.send('CONNECT {"verbose":false}\r\n');
    harness.settle();
    expect(messagesOf(subscriber) === all).toBe(true);
  });
});

describe("a message for a queue group whose members are gone where it was sent", () => {
  const LARGE = "x".repeat(200_000);

  /** The payloads of everything that `client` received. */
  const payloads = (client: FakeSocket) =>
    [...messagesOf(client).matchAll(/MSG \S+ \S+ (?:\S+ )?\d+\r\n(.*)\r\n/g)].map(([, payload]) => payload);

  test("goes to another shard's, once a subscription has had as many as it wanted", () => {
    const harness = new ShardHarness(3);
    const publisher = harness.connect(0);
    const [few, many] = [harness.connect(1), harness.connect(2)];
    few.send("SUB a q 1\r\nUNSUB 1 3\r\n");
    many.send("SUB a q 1\r\n");
    harness.settle();
    const sent = Array.from({ length: 200 }, (_, i) => `${i}`);
    for (const payload of sent) publisher.send(pub("a", payload));
    publisher.send(pub("a", LARGE), pub("a", LARGE), pub("a", LARGE), pub("a", LARGE));
    harness.settle();
    const [ofFew, ofMany] = [payloads(few), payloads(many)];
    expect(ofFew.length).toBe(3);
    const byNumber = (a = "", b = "") => Number(a) - Number(b);
    const all = [...ofFew, ...ofMany].sort(byNumber);
    expect(all.length).toBe(204);
    expect(new Set(all)).toEqual(new Set([...sent, LARGE]));
  });

  test("comes back to its publisher's shard, but not to a publisher that wants no echo", () => {
    const harness = new ShardHarness(2);
    const publisher = harness.connect(0, { echo: false });
    const [here, there] = [harness.connect(0), harness.connect(1)];
    publisher.send("SUB a q 1\r\n");
    here.send("SUB a q 1\r\n");
    there.send("SUB a q 1\r\nUNSUB 1 1\r\n");
    harness.settle();
    for (let i = 0; i < 100; i++) publisher.send(pub("a", `${i}`));
    harness.settle();
    expect(payloads(publisher)).toEqual([]);
    expect(payloads(there).length).toBe(1);
    expect(payloads(here).length).toBe(99);
  });

  test("is told as a request that nobody took, once, where no member is left", () => {
    const harness = new ShardHarness(3);
    const publisher = harness.connect(0, { headers: true, no_responders: true });
    const [first, second] = [harness.connect(1), harness.connect(2)];
    publisher.send("SUB inbox 1\r\n");
    first.send("SUB a q 1\r\nUNSUB 1 1\r\n");
    harness.settle();
    for (let i = 0; i < 5; i++) publisher.send(pub("a", `${i}`, "inbox"));
    readAll(harness, 0, publisher);
    harness.settle();
    expect(payloads(first)).toEqual(["0"]);
    expect(messagesOf(publisher).match(/ 503/g)?.length).toBe(4);
    // Every member on either shard refuses: the message is passed on to each shard once.
    first.send("SUB a q 2\r\n");
    second.send("SUB a q 2\r\n");
    harness.settle();
    for (const [client, index] of [
      [first, 1],
      [second, 2],
    ] as const) {
      const { words } = harness.shared;
      const connection = harness.shards[index]!.connections.find((other) => other !== null)!;
      expect(client.isEnded).toBe(false);
      words[(connection.address + CONNECTION_FLAGS) >> 2]! |= CONNECTION_IS_CLOSED;
    }
    publisher.send(pub("a", "x", "inbox"));
    harness.settle();
    expect(messagesOf(publisher).match(/ 503/g)?.length).toBe(1);
  });
});
