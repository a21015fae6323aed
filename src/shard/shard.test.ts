import { describe, expect, test } from "bun:test";
import { CONNECTION_OUTBOX } from "../memory/layout.ts";
import { NODE_LOAD, NODE_SHARD_FIRST } from "../memory/map.ts";
import { nodeWord } from "../memory/shared_memory.ts";
import { FakeSocket } from "./testing/fake_poller.ts";
import { msg, pub, ShardHarness } from "./testing/shard_harness.ts";
import { standingClock } from "./testing/standing_clock.ts";

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

  test("reads large messages straight to where they are collected, in pieces of any length", () => {
    const harness = new ShardHarness(1);
    const [publisher, subscriber] = [harness.connect(), harness.connect()];
    subscriber.send("SUB > 1\r\n");
    harness.settle();
    // The lengths are around the least that is read in this way; the last piece of a message also begins the next one.
    const payloads = [100_000, 200_000, 900_000].map((length) =>
      Array.from({ length }, (_, i) => String.fromCharCode(97 + ((i * 7) % 26))).join(""),
    );
    const sent = payloads.map((payload) => pub("large", payload) + pub("small", "x")).join("");
    for (const pieceBytes of [65_535, 65_536, 99_000, 131_072, 600_001, sent.length]) {
      for (let from = 0; from < sent.length; from += pieceBytes) {
        publisher.send(sent.slice(from, from + pieceBytes));
        harness.settle();
      }
      const expected = payloads
        .map((payload) => msg("large", "1", payload) + msg("small", "1", "x"))
        .join("");
      expect(subscriber.take() === expected).toBe(true);
    }
    expect(harness.pollers[0]!.bytesReadInto).toBeGreaterThan((6 * 900_000) / 2);
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

  test("keeps a publisher from a congested consumer, and loses nothing once it reads again", () => {
    const harness = new ShardHarness(1);
    const publisher = harness.connect();
    const consumer = harness.connect();
    consumer.send("SUB a 1\r\n");
    harness.settle();
    consumer.roomBytes = 100_000;
    let expected = "";
    for (let i = 0; i < 20; i++) {
      const payload = `${i}`.padStart(60_000, "x");
      publisher.send(pub("a", payload));
      expected += msg("a", 1, payload);
    }
    for (let i = 0; i < 15; i++) harness.turn();
    expect(publisher.wantsRead).toBe(false);
    let received = "";
    for (let room = 1; received.length < expected.length; room = room * 3 + 1) {
      consumer.roomBytes = room % 400_000;
      harness.turn();
      received += consumer.take();
    }
    expect(received === expected).toBe(true);
  });

  describe("with consumers that have more pending than max_pending", () => {
    const clock = standingClock();

    /** This many messages for a consumer that takes nothing and one that takes everything. */
    function flood(messages: number, options: ConstructorParameters<typeof ShardHarness>[1] = {}) {
      const harness = new ShardHarness(1, { maxPendingBytes: 100_000, pingIntervalMs: 1e9, ...options });
      const publisher = harness.connect();
      const [slow, quick] = [harness.connect(), harness.connect()];
      for (const client of [slow, quick]) client.send("SUB a 1\r\n");
      harness.settle();
      slow.roomBytes = 10;
      for (let i = 0; i < messages; i++) publisher.send(pub("a", "x".repeat(60_000)));
      harness.settle();
      return { harness, publisher, slow, quick };
    }

    function pass(harness: ShardHarness, ms: number): void {
      clock.nowMs += ms;
      harness.settle();
    }

    const received = (client: FakeSocket) => client.take().split("MSG a").length - 1;

    test("closes one that takes nothing of it for a moment, and nobody else", () => {
      const { harness, slow, quick } = flood(2);
      pass(harness, 240);
      expect(slow.isClosed).toBe(false);
      pass(harness, 20);
      expect([slow.isClosed, received(quick)]).toEqual([true, 2]);
      expect(harness.logLines.some((line) => line.includes("MaxPending of 100000 Exceeded"))).toBe(true);
    });

    test("keeps one that takes what was too much", () => {
      const { harness, slow, publisher } = flood(2);
      slow.roomBytes = 30_000;
      pass(harness, 260);
      expect(slow.isClosed).toBe(false);
      slow.roomBytes = 1e9;
      pass(harness, 260);
      publisher.send(pub("a", "x"));
      pass(harness, 30);
      expect([slow.isClosed, received(slow)]).toEqual([false, 3]);
    });

    test("is sent little more meanwhile, though much comes", () => {
      const { harness, quick, publisher } = flood(2);
      const send = () => {
        received(quick);
        publisher.send(pub("a", "x".repeat(1000)).repeat(100));
        clock.nowMs += 20;
        for (let i = 0; i < 5; i++) harness.turn();
        return received(quick);
      };
      // The shard learns only from the first messages that they go to a congested consumer.
      expect(send()).toBe(100);
      expect(send()).toBeLessThan(20);
    });

    test("drops what is for one that is congested already when a reload says so, and stops when it says otherwise", () => {
      const { harness, publisher, slow } = flood(2, { maxPendingBytes: 1_000_000 });
      const [shard] = harness.shards;
      const reload = (dropsInsteadOfStalling: boolean) => {
        const options = { ...shard!.options, maxPendingBytes: 1_000_000, dropsInsteadOfStalling };
        harness.control(0, { type: "options", options, info: shard!.info });
        harness.settle();
      };
      const send = (payload: string) => {
        publisher.send(pub("a", payload));
        pass(harness, 20);
      };
      for (let i = 0; i < 12; i++) send("x".repeat(60_000));
      reload(true);
      send("dropped");
      reload(false);
      send("kept");
      slow.roomBytes = 1e9;
      pass(harness, 20);
      const text = slow.take();
      expect([text.includes("dropped"), text.includes("kept")]).toEqual([false, true]);
    });

    test("keeps one for whom messages are dropped until its write deadline", () => {
      const options = { dropsInsteadOfStalling: true, writeDeadlineMs: 2000, maxPendingBytes: 250_000 };
      const { harness, slow } = flood(8, options);
      pass(harness, 1000);
      expect(slow.isClosed).toBe(false);
      pass(harness, 2000);
      expect(slow.isClosed).toBe(true);
      expect(harness.logLines.some((line) => line.includes("WriteDeadline"))).toBe(true);
    });

    test("closes at once where messages are dropped, but not yet for it, and one is too long for what is left", () => {
      const { harness, slow, quick } = flood(2, { dropsInsteadOfStalling: true });
      expect([slow.isClosed, received(quick)]).toEqual([true, 2]);
      expect(harness.logLines.some((line) => line.includes("MaxPending of 100000 Exceeded"))).toBe(true);
    });
  });

  test("takes the outbox back of a connection that goes, before somebody else has its slot", () => {
    const harness = new ShardHarness(1);
    const [shard] = harness.shards;
    const { outbound, connections, shared } = shard!;
    const [going, other] = [harness.connect(), harness.connect()];
    const header = shared.words.slice(0, 4);
    const [goes, stays] = connections.filter((connection) => connection !== null);
    outbound.appendText(goes!, "PING\r\n");
    outbound.appendText(stays!, "PING\r\n");
    outbound.discard(goes!);
    const outbox = (goes!.address + CONNECTION_OUTBOX) >> 2;
    expect(shared.words[outbox]).toBe(0);
    outbound.appendText(goes!, "INFO\r\n");
    outbound.flushAll();
    expect([going.take(), other.take()]).toEqual(["INFO\r\n", "PING\r\n"]);
    expect(shared.words.slice(0, 4)).toEqual(header);
  });

  describe("whose writes take long", () => {
    const clock = standingClock();

    /** Leaves out the server's first PING, which the clock reaches. */
    const withoutPing = (text: string) => text.replace("PING\r\n", "");

    /** Clients that subscribe to `a`. Each write to one of them takes `writeMs`. */
    function consumersOf(harness: ShardHarness, count: number, writeMs: number): FakeSocket[] {
      const consumers = Array.from({ length: count }, () => harness.connect());
      for (const consumer of consumers) consumer.send("SUB a 1\r\n");
      harness.settle();
      for (const consumer of consumers) {
        consumer.accept = (bytes) => {
          clock.nowMs += writeMs;
          return FakeSocket.prototype.accept.call(consumer, bytes);
        };
      }
      return consumers;
    }

    test("leaves some of them to later turns, and serves others in between", () => {
      const harness = new ShardHarness(1);
      const [publisher, other] = [harness.connect(), harness.connect()];
      const consumers = consumersOf(harness, 200, 4);
      const payloads = ["x".repeat(30_000), "small", "y".repeat(20_000)];
      publisher.send(payloads.map((payload) => pub("a", payload)).join(""));
      other.send("PING\r\n");
      harness.turn();
      expect(other.take()).toBe("PONG\r\n");
      const texts = consumers.map((consumer) => consumer.take());
      const reached = texts.filter((text) => text !== "").length;
      expect([reached > 10, reached < 100]).toEqual([true, true]);
      other.send("PING\r\n");
      harness.turn();
      expect(other.take()).toBe("PONG\r\n");
      harness.settle();
      const expected = payloads.map((payload) => msg("a", 1, payload)).join("");
      for (const [i, consumer] of consumers.entries()) {
        expect(withoutPing(texts[i] + consumer.take()) === expected).toBe(true);
      }
    });

    test("leaves what one client sends to later turns, and serves others in between", () => {
      const harness = new ShardHarness(1);
      const [publisher, other] = [harness.connect(), harness.connect()];
      const consumers = consumersOf(harness, 40, 10);
      const message = pub("a", "x".repeat(400));
      const count = 300;
      publisher.send(message.repeat(count));
      publisher.isEnded = true;
      let turns = 0;
      const texts = consumers.map(() => "");
      for (; !publisher.isClosed; turns++) {
        other.send("PING\r\n");
        harness.turn();
        expect(other.take()).toBe("PONG\r\n");
        for (const [i, consumer] of consumers.entries()) texts[i] += consumer.take();
        if (turns === 0) expect(Math.max(...texts.map(({ length }) => length))).toBeLessThan(100_000);
      }
      harness.settle();
      expect(turns).toBeGreaterThan(1);
      const expected = msg("a", 1, "x".repeat(400)).repeat(count);
      for (const [i, consumer] of consumers.entries()) {
        expect(withoutPing(texts[i] + consumer.take()) === expected).toBe(true);
      }
    });

    /** A publisher with as many small messages for 100 consumers as can be framed before an outbox is full. */
    function framing() {
      const harness = new ShardHarness(1);
      const publisher = harness.connect();
      const consumers = consumersOf(harness, 100, 0);
      for (const consumer of consumers) consumer.writes = 0;
      const count = 4000;
      publisher.send(pub("a", "").repeat(count));
      const isComplete = () =>
        consumers.every((consumer) => withoutPing(consumer.take()) === msg("a", 1, "").repeat(count));
      return { harness, publisher, consumers, isComplete };
    }

    test("looks at the clock after many deliveries, though nothing is written yet", () => {
      const { harness, isComplete } = framing();
      performance.now = () => (clock.nowMs += 2);
      harness.turn();
      expect(harness.shards[0]!.connections.some((connection) => connection?.isPostponed)).toBe(true);
      harness.settle();
      expect(isComplete()).toBe(true);
    });

    test("writes out what is framed once it is much, for all outboxes would be full at one time", () => {
      const { harness, consumers, isComplete } = framing();
      harness.turn();
      expect(consumers.every(({ writes }) => writes > 1)).toBe(true);
      expect(isComplete()).toBe(true);
    });

    test("leaves the rest of what delivers nothing to later turns, too", () => {
      const harness = new ShardHarness(1, { pingIntervalMs: 1e9 });
      const [busy, other] = [harness.connect(), harness.connect()];
      performance.now = () => clock.nowMs++;
      busy.send(Array.from({ length: 2000 }, (_, i) => `SUB a.${i} ${i}\r\n`).join(""));
      other.send("PING\r\n");
      harness.turn();
      expect(harness.shards[0]!.connections.some((connection) => connection?.isPostponed)).toBe(true);
      expect(other.take()).toBe("PONG\r\n");
      harness.settle();
      other.send(pub("a.1999", "x"));
      harness.settle();
      expect(withoutPing(busy.take())).toBe(msg("a.1999", 1999, "x"));
    });

    test("takes no more of who makes it wait for another shard, once that has lasted long", () => {
      const harness = new ShardHarness(2, { pingIntervalMs: 1e9 });
      const publisher = harness.connect(1);
      const consumers = consumersOf(harness, 40, 10);
      // Short enough to be copied into the ring.
      const message = pub("a", "x".repeat(500));
      const pieces = Math.ceil(harness.shared.map.ringBytes / (200 * message.length)) + 1;
      for (let i = 0; i < pieces; i++) publisher.send(message.repeat(200));
      const isPostponed = () => harness.shards[1]!.connections.some((connection) => connection?.isPostponed);
      for (let i = 0; i < pieces && !isPostponed(); i++) harness.turn(1);
      expect(isPostponed()).toBe(true);
      harness.settle();
      for (const consumer of consumers) {
        expect(consumer.take().match(/MSG a 1 500\r\n/g)?.length).toBe(200 * pieces);
      }
    });

    test("reads the rest of a message, although what other shards send takes all of each turn", () => {
      const harness = new ShardHarness(2);
      const [publisher, other] = [harness.connect(1), harness.connect()];
      consumersOf(harness, 40, 10);
      other.send(`PUB b 2000\r\n${"x".repeat(500)}`, `${"x".repeat(1500)}\r\nPING\r\n`);
      for (let turns = 0; turns < 3; turns++) {
        publisher.send(pub("a", "x".repeat(2000)).repeat(10));
        harness.turn(1);
        harness.turn(0);
      }
      expect(withoutPing(other.take())).toBe("PONG\r\n");
    });

    test("writes to more consumers than it has outboxes for once a turn, not once a message", () => {
      const harness = new ShardHarness(1);
      const publisher = harness.connect();
      const { outboxCount } = harness.shared.map.area(NODE_SHARD_FIRST);
      const consumers = Array.from({ length: outboxCount + 100 }, () => harness.open());
      for (const consumer of consumers) consumer.send('CONNECT {"verbose":false}\r\nSUB a 1\r\n');
      harness.settle();
      for (const consumer of consumers) {
        consumer.take();
        consumer.writes = 0;
      }
      const payloads = Array.from({ length: 30 }, (_, i) => `${i}`);
      publisher.send(payloads.map((payload) => pub("a", payload)).join(""));
      harness.settle();
      const expected = payloads.map((payload) => msg("a", 1, payload)).join("");
      for (const consumer of consumers)
        expect([consumer.take(), consumer.writes < 4]).toEqual([expected, true]);
    });

    test("calls nobody slow to whom it had no time to write", () => {
      const harness = new ShardHarness(1, {
        maxPendingBytes: 100_000,
        writeDeadlineMs: 1e9,
        pingIntervalMs: 1e9,
      });
      const publisher = harness.connect();
      const consumers = consumersOf(harness, 40, 150);
      const payload = "x".repeat(30_000);
      publisher.send(pub("a", payload).repeat(20));
      harness.settle();
      const expected = msg("a", 1, payload).repeat(20);
      for (const consumer of consumers) expect(withoutPing(consumer.take()) === expected).toBe(true);
    });
  });

  test("cuts headers off behind a reply with any control byte in it", () => {
    const harness = new ShardHarness(1);
    const [publisher, plain] = [harness.open(), harness.open()];
    publisher.send('CONNECT {"verbose":false,"headers":true}\r\n');
    plain.send('CONNECT {"verbose":false}\r\nSUB a 1\r\n');
    harness.settle();
    plain.take();
    const controls = Array.from({ length: 0x20 }, (_, code) => String.fromCharCode(code)).filter(
      (text) => !/[\t\n\r]/.test(text),
    );
    for (const control of controls) {
      publisher.send(`HPUB a in${control}.box 12 17\r\nNATS/1.0\r\n\r\nhello\r\n`);
      harness.settle();
      expect(plain.take()).toBe(`MSG a 1 in${control}.box 5\r\nhello\r\n`);
    }
  });

  test("counts connections that it opens like those that come, and opens none where all slots are spoken for", () => {
    const harness = new ShardHarness(1);
    const { words, map } = harness.shared;
    const load = nodeWord(NODE_SHARD_FIRST, NODE_LOAD);
    expect(harness.shards[0]!.openDialled("127.0.0.1", 1)?.isLink).toBe(true);
    expect(words[load]).toBe(1);
    words[load] = map.slotCount(NODE_SHARD_FIRST) - 2;
    expect(harness.shards[0]!.openDialled("127.0.0.1", 1)).toBe(null);
    expect(words[load]).toBe(map.slotCount(NODE_SHARD_FIRST) - 2);
  });

  test("stops with clients' sockets closed, or left to the end of the process", () => {
    for (const leavesSockets of [false, true]) {
      const harness = new ShardHarness(1);
      const client = harness.connect(0);
      harness.control(0, { type: "stop", leavesSockets });
      harness.settle();
      expect(client.isClosed).toBe(!leavesSockets);
      expect(harness.shards[0]!.connections.every((connection) => connection === null)).toBe(true);
    }
  });

  const SCRIPT =
    'CONNECT {"verbose":false,"headers":true,"no_responders":true}\r\nSUB a.* 1\r\nsub a.b  q\t2\r\n' +
    "PUB a.b 5\r\nhello\r\nPUB  a.b r\t3\r\nabc\r\nHPUB a.c 12 13\r\nNATS/1.0\r\n\r\nx\r\n" +
    "UNSUB 1 4\r\nPING\r\nPUB a.d 0\r\n\r\nPUB a.d 1\r\nz\r\nSUB r.1 3\r\nPUB nobody r.1 0\r\n\r\nPING\r\n";

  test("answers the same however its input is cut in two", () => {
    const harness = new ShardHarness(1);
    const answer = (pieces: string[]) => {
      const client = harness.open();
      harness.settle();
      client.take();
      client.send(...pieces);
      harness.settle();
      client.isEnded = true;
      harness.settle();
      return client.take();
    };
    const whole = answer([SCRIPT]);
    expect(whole).toContain("MSG a.b 1 r 3\r\nabc\r\n");
    expect(whole).toContain("HMSG a.c 1 12 13\r\nNATS/1.0\r\n\r\nx\r\n");
    expect(whole).toContain("HMSG r.1 3 ");
    expect(whole).not.toContain("z");
    for (let at = 1; at < SCRIPT.length; at++) {
      expect(answer([SCRIPT.slice(0, at), SCRIPT.slice(at)])).toBe(whole);
    }
    expect(answer([...SCRIPT])).toBe(whole);
  });
});
