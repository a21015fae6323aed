import { describe, expect, test } from "bun:test";
import { Buffer } from "node:buffer";
import { INDEX_FULL } from "../interest/interest_index.ts";
import { PAGE_BYTES, REGION_PAGES_MIN } from "../memory/interest_layout.ts";
import { CONTEXT_IS_RESPONSE } from "../memory/layout.ts";
import { NODE_FAR, NODE_SHARD_FIRST } from "../memory/map.ts";
import { byteStringOf, bytesOf } from "../subject/byte_string.ts";
import type { InternalClient, InternalMessage } from "./internal_client.ts";
import { twoClients } from "./testing/two_clients.ts";

const ACCOUNT = 7;
const IMPORTER = 8;
/** How long a slow handler takes. */
const HANDLER_MS = 1;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Subscribes, and collects what comes. */
function collect(client: InternalClient, subject: string, queue = "") {
  const messages: InternalMessage[] = [];
  let arrived = Promise.withResolvers<void>();
  const unsubscribe = client.subscribe(ACCOUNT, subject, queue, (message) => {
    messages.push(message);
    arrived.resolve();
    arrived = Promise.withResolvers();
  });
  const next = async () => {
    if (messages.length === 0) await arrived.promise;
    return messages.shift()!;
  };
  return { messages, next, unsubscribe };
}

const payloadOf = ({ content: { bytes, headerBytes } }: InternalMessage) =>
  decoder.decode(bytes.subarray(headerBytes));

describe("publish()", () => {
  test("reaches another node's subscriptions, with reply and headers", async () => {
    const { main, logins, stop } = twoClients();
    const inbox = collect(logins, "a.*");
    expect(main.publish(ACCOUNT, "a.b", encoder.encode("hi"), "reply.to")).toBe(1);
    const plain = await inbox.next();
    expect([plain.account, plain.subject, plain.reply, payloadOf(plain)]).toEqual([
      ACCOUNT,
      "a.b",
      "reply.to",
      "hi",
    ]);
    const headers = encoder.encode("NATS/1.0\r\nA: b\r\n\r\n");
    main.publish(ACCOUNT, "a.c", encoder.encode("with"), "", headers);
    const withHeaders = await inbox.next();
    expect([withHeaders.reply, withHeaders.content.headerBytes, payloadOf(withHeaders)]).toEqual([
      "",
      headers.length,
      "with",
    ]);
    await stop();
  });

  test("hands large payloads over whole", async () => {
    const { main, logins, stop } = twoClients();
    const inbox = collect(logins, "large");
    const payload = new Uint8Array(1 << 20).map((_, i) => i % 251);
    main.publish(ACCOUNT, "large", payload);
    const { content } = await inbox.next();
    expect(Buffer.compare(content.bytes, payload)).toBe(0);
    await stop();
  });

  test("reaches neither itself nor other accounts, nor what was unsubscribed", async () => {
    const { main, logins, stop } = twoClients();
    const own = collect(main, ">");
    const gone = collect(logins, "a");
    gone.unsubscribe();
    expect(main.publish(ACCOUNT, "a", new Uint8Array(0))).toBe(0);
    collect(logins, "a");
    expect(main.publish(ACCOUNT + 1, "a", new Uint8Array(0))).toBe(0);
    expect(own.messages).toEqual([]);
    await stop();
  });

  test("serves each queue group once", async () => {
    const { main, logins, stop } = twoClients();
    const members = [
      collect(logins, "job", "q"),
      collect(logins, "job", "q"),
      collect(logins, "job", "other"),
    ];
    const last = collect(logins, "done");
    for (let i = 0; i < 20; i++) expect(main.publish(ACCOUNT, "job", new Uint8Array(0))).toBe(2);
    main.publish(ACCOUNT, "done", new Uint8Array(0));
    await last.next();
    const [first, second, other] = members.map(({ messages }) => messages.length);
    expect([first! + second!, other]).toEqual([20, 20]);
    await stop();
  });

  test("has groups far away served by the node with the links, and only where nobody nearer does", async () => {
    const { main, index, sentToShard, sentToLinks, stop } = twoClients();
    const [job, far, near] = [bytesOf("job"), bytesOf("far"), bytesOf("near")];
    index.addQueue(NODE_FAR, ACCOUNT, job, 0, job.length, far, 0, far.length, 100);
    const farId = index.lastQueueId;
    index.addQueue(NODE_FAR, ACCOUNT, job, 0, job.length, near, 0, near.length, 100);
    index.addQueue(NODE_SHARD_FIRST, ACCOUNT, job, 0, job.length, near, 0, near.length);
    const nearId = index.lastQueueId;
    expect(main.hasInterest(ACCOUNT, "job")).toBe(true);
    for (let i = 0; i < 20; i++) {
      expect(main.publish(ACCOUNT, "job", new Uint8Array(0))).toBe(2);
      expect([...sentToShard()!.queues]).toEqual([nearId]);
      expect([...sentToLinks()!.queues]).toEqual([farId]);
    }
    await stop();
  });

  test("sends answers to the shard that waits for them, whatever the interest", async () => {
    const { main, sentToShard, stop } = twoClients({
      nodeOfReply: (account, subject) =>
        account === ACCOUNT && subject.startsWith("_R_.") ? NODE_SHARD_FIRST : -1,
      legsOf: () => [],
    });
    expect(main.hasInterest(ACCOUNT, "_R_.x.y")).toBe(true);
    expect(main.publish(ACCOUNT, "_R_.x.y", encoder.encode("answer"))).toBe(1);
    const { message } = sentToShard()!;
    expect(message.context).toBe(ACCOUNT | CONTEXT_IS_RESPONSE);
    expect(byteStringOf(message.subject)).toBe("_R_.x.y");
    await stop();
  });

  test("sends answers to other clusters to the node with the links, though nobody here wants them", async () => {
    const { main, stop, sentToLinks, remember } = twoClients();
    expect(main.hasInterest(1, "inbox.1")).toBe(false);
    remember(1, "_GR_.u4xB6R.U18XED.inbox.1");
    expect(main.hasInterest(1, "inbox.1")).toBe(true);
    expect(main.publish(1, "inbox.1", encoder.encode("ok"))).toBe(1);
    expect(main.publish(2, "inbox.1", encoder.encode("ok"))).toBe(0);
    await stop();
    const delivery = sentToLinks()!;
    expect([delivery.isPlain, byteStringOf(delivery.message.subject)]).toEqual([true, "inbox.1"]);
    expect(sentToLinks()).toBe(null);
  });

  test("reaches who imports the message", async () => {
    const { main, logins, stop } = twoClients({
      nodeOfReply: () => -1,
      legsOf: (account, subject) =>
        account === ACCOUNT ? [{ account: IMPORTER, subject: bytesOf(`mine.${subject}`) }] : [],
    });
    expect(main.hasInterest(ACCOUNT, "event")).toBe(false);
    logins.subscribe(IMPORTER, "mine.*", "", () => {});
    expect(main.hasInterest(ACCOUNT, "event")).toBe(true);
    expect(main.publish(ACCOUNT, "event", new Uint8Array(0))).toBe(1);
    await stop();
  });
});

test("hasInterest() leaves the client's own subscriptions out", async () => {
  const { main, logins, stop } = twoClients();
  collect(main, "a");
  expect(main.hasInterest(ACCOUNT, "a")).toBe(false);
  collect(logins, "*", "q");
  expect(main.hasInterest(ACCOUNT, "a")).toBe(true);
  await stop();
});

describe("where clients have filled the index", () => {
  /** A subject so long that the full index has no room for it. */
  const SUBJECT = `own.${"x".repeat(200)}`;

  function filled() {
    const clients = twoClients(undefined, REGION_PAGES_MIN * PAGE_BYTES);
    const { index } = clients;
    for (let i = 0; ; i++) {
      const bytes = encoder.encode(`${SUBJECT}.${i}`);
      if (index.addPlain(NODE_SHARD_FIRST, ACCOUNT, bytes, 0, bytes.length) === INDEX_FULL) return clients;
    }
  }

  for (const queue of ["", "q"]) {
    test(`subscribe() of the server's own is told about and heard of no more, queue "${queue}"`, async () => {
      const { main, index, stop, errors } = filled();
      const unsubscribe = main.subscribe(ACCOUNT, SUBJECT, queue, () => {});
      expect(errors).toEqual([`No room to subscribe to [${SUBJECT}]: nothing will be heard there`]);
      unsubscribe();
      index.invariants();
      await stop();
    });
  }

  test("what was subscribed before goes on, and there is room again once something goes", async () => {
    const { main, logins, index, stop, errors } = twoClients(undefined, REGION_PAGES_MIN * PAGE_BYTES);
    const before = collect(logins, "before");
    const added: number[] = [];
    for (let i = 0; added.at(-1) !== INDEX_FULL; i++) {
      const bytes = encoder.encode(`${SUBJECT}.${i}`);
      added.push(index.addPlain(NODE_SHARD_FIRST, ACCOUNT, bytes, 0, bytes.length));
    }
    main.publish(ACCOUNT, "before", encoder.encode("hi"));
    expect(payloadOf(await before.next())).toBe("hi");
    for (const entry of added.slice(0, -1)) index.removePlain(NODE_SHARD_FIRST, entry);
    const after = collect(logins, SUBJECT);
    main.publish(ACCOUNT, SUBJECT, encoder.encode("again"));
    expect(payloadOf(await after.next())).toBe("again");
    expect(errors).toEqual([]);
    await stop();
  });
});

describe("run()", () => {
  test("leaves the thread time for others, however much comes", async () => {
    const { main, logins, stop } = twoClients();
    let count = 0;
    main.subscribe(ACCOUNT, "again", "", () => {
      count++;
      logins.publish(ACCOUNT, "again", encoder.encode("and again"));
      for (const endMs = performance.now() + HANDLER_MS; performance.now() < endMs; );
    });
    logins.publish(ACCOUNT, "again", encoder.encode("once"));
    const startMs = performance.now();
    for (let timers = 0; timers < 5; timers++) await new Promise((resolve) => setTimeout(resolve, 1));
    expect(count).toBeGreaterThan(0);
    // A ring holds some thousand of these.
    expect(performance.now() - startMs).toBeLessThan(1000 * HANDLER_MS);
    await stop();
  });
});
