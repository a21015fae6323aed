/**
 * Shards in one thread with random clients; one seed is one history. After every burst of publications, the messages
 * that each client received are compared with what NATS promises. A seed that finds a bug becomes a test with a name.
 */
import { expect, test } from "bun:test";
import { subjectMatchesText } from "../subject/text.ts";
import type { FakeSocket } from "./testing/fake_poller.ts";
import { ShardHarness } from "./testing/shard_harness.ts";

const SHARDS = 3;
const CLIENTS_MAX = 12;
const ROUNDS = 25;
const SUBJECTS = ["a", "a.b", "a.b.c", "b", "b.a", "c.c.c.c"];
const PATTERNS = [...SUBJECTS, "*", ">", "a.*", "a.>", "*.b", "*.*.c", "b.>", "d"];
const QUEUES = ["red", "blue", "green"];
const PAYLOAD_BYTES = [0, 3, 30, 500, 511, 512, 600, 5000, 70_000, 98_304, 98_305, 200_000];

/** Less than a ring holds: two shards that wait for each other would need a thread each. */
const BYTES_PER_ROUND = 3_000_000;

interface Subscription {
  readonly pattern: string;
  readonly queue: string;
  /** Messages it may still receive. */
  left: number;
}

interface Client {
  readonly name: string;
  readonly socket: FakeSocket;
  readonly shard: number;
  readonly echo: boolean;
  readonly subscriptions: Map<string, Subscription>;
  lastSid: number;
  lastMessage: number;
}

interface Message {
  readonly publisher: Client;
  readonly number: number;
  readonly subject: string;
  readonly length: number;
}

class Simulation {
  readonly #harness = new ShardHarness(SHARDS);
  readonly #clients: Client[] = [];
  #state: number;
  #names = 0;

  constructor(seed: number) {
    this.#state = seed;
  }

  run(): void {
    for (let round = 0; round < ROUNDS; round++) {
      this.#changeInterest();
      this.#harness.settle();
      const messages = this.#publish();
      this.#harness.settle();
      for (const { socket } of this.#clients) socket.roomBytes = Number.POSITIVE_INFINITY;
      this.#harness.settle();
      this.#check(messages);
    }
    for (const { socket } of this.#clients) socket.isEnded = true;
    this.#harness.settle();
    for (const { table } of this.#harness.shards) expect(table.count).toBe(0);
    expect(this.#harness.index.statistics().entries).toBe(0);
  }

  #changeInterest(): void {
    for (let changes = this.#below(12); changes >= 0; changes--) {
      const client = this.#clients[this.#below(CLIENTS_MAX)];
      const choice = this.#below(10);
      if (client === undefined) this.#connect();
      else if (choice === 0) this.#close(client);
      else if (choice < 7) this.#subscribe(client);
      else this.#unsubscribe(client);
    }
  }

  #connect(): void {
    const shard = this.#below(SHARDS);
    const echo = this.#below(4) !== 0;
    this.#clients.push({
      name: `c${++this.#names}`,
      socket: this.#harness.connect(shard, { echo, verbose: false }),
      shard,
      echo,
      subscriptions: new Map(),
      lastSid: 0,
      lastMessage: 0,
    });
  }

  #close(client: Client): void {
    if (this.#below(2) === 0) client.socket.isEnded = true;
    else client.socket.isReset = true;
    this.#clients.splice(this.#clients.indexOf(client), 1);
  }

  #subscribe(client: Client): void {
    const sid = `${++client.lastSid}${this.#below(5) === 0 ? "-a-long-subscription-id" : ""}`;
    const queue = this.#below(3) === 0 ? this.#one(QUEUES) : "";
    const pattern = this.#one(PATTERNS);
    client.socket.send(`SUB ${pattern} ${queue} ${sid}\r\n`);
    let left = Number.POSITIVE_INFINITY;
    if (queue === "" && this.#below(3) === 0) {
      left = 1 + this.#below(5);
      client.socket.send(`UNSUB ${sid} ${left}\r\n`);
    }
    client.subscriptions.set(sid, { pattern, queue, left });
  }

  #unsubscribe(client: Client): void {
    const [sid] = [...client.subscriptions.keys()].slice(this.#below(client.subscriptions.size + 1));
    if (sid === undefined) return;
    client.socket.send(`UNSUB ${sid}\r\n`);
    client.subscriptions.delete(sid);
  }

  #publish(): Message[] {
    const messages: Message[] = [];
    if (this.#clients.length === 0) return messages;
    let bytesLeft = BYTES_PER_ROUND;
    for (let count = this.#below(60); count > 0 && bytesLeft > 0; count--) {
      const publisher = this.#one(this.#clients);
      const number = ++publisher.lastMessage;
      const subject = this.#one(SUBJECTS);
      const start = `${publisher.name}:${number}:`;
      const payload = start + "x".repeat(this.#one(PAYLOAD_BYTES));
      const reply = this.#below(4) === 0 ? `reply.${publisher.name} ` : "";
      this.#sendCut(publisher.socket, `PUB ${subject} ${reply}${payload.length}\r\n${payload}\r\n`);
      if (this.#below(10) === 0) publisher.socket.send("PING\r\n");
      if (this.#below(10) === 0) this.#one(this.#clients).socket.roomBytes = this.#below(200_000);
      if (this.#below(5) === 0) this.#harness.turn(this.#below(SHARDS));
      bytesLeft -= payload.length;
      messages.push({ publisher, number, subject, length: payload.length });
    }
    return messages;
  }

  /** Sends text in pieces: sometimes joined to what was sent before, sometimes cut anywhere. */
  #sendCut(socket: FakeSocket, text: string): void {
    const at = this.#below(3) === 0 ? this.#below(text.length) : 0;
    const before = socket.toServer.at(-1);
    if (before !== undefined && at === 0 && before.length < 50_000) {
      socket.toServer.pop();
      socket.send(`${new TextDecoder().decode(before)}${text}`);
    } else socket.send(text.slice(0, at), text.slice(at));
  }

  #check(messages: readonly Message[]): void {
    const byName = new Map(
      messages.map((message) => [`${message.publisher.name}:${message.number}`, message]),
    );
    const queued = new Map<string, number>();
    for (const client of this.#clients) {
      const received = new Map<string, Message[]>();
      for (const { subject, sid, payload } of readMessages(client.socket.take())) {
        const [name, number] = payload.split(":", 2);
        const message = byName.get(`${name}:${number}`);
        if (message === undefined)
          throw new Error(`${client.name} received a message of another time: ${name}:${number}`);
        expect(subject).toBe(message.subject);
        expect(payload.length).toBe(message.length);
        const list = received.get(sid) ?? [];
        list.push(message);
        received.set(sid, list);
      }
      for (const [sid, list] of received) {
        const subscription = client.subscriptions.get(sid);
        if (subscription === undefined) throw new Error(`${client.name} received for ${sid}, which is gone`);
        this.#checkOrder(list);
        for (const { subject, publisher, number } of list) {
          expect(subjectMatchesText(subscription.pattern, subject)).toBe(true);
          expect(publisher === client && !client.echo).toBe(false);
          const key = `${subscription.queue} ${publisher.name}:${number}`;
          if (subscription.queue !== "") queued.set(key, (queued.get(key) ?? 0) + 1);
        }
      }
      for (const [sid, subscription] of client.subscriptions) {
        if (subscription.queue !== "") continue;
        const wanted = messages.filter((message) => takes(client, subscription, message)).length;
        expect(received.get(sid)?.length ?? 0).toBe(Math.min(wanted, subscription.left));
        subscription.left -= wanted;
        if (subscription.left <= 0) client.subscriptions.delete(sid);
      }
    }
    for (const message of messages) {
      for (const queue of QUEUES) {
        const hasMember = this.#clients.some((client) =>
          [...client.subscriptions.values()].some(
            (subscription) => subscription.queue === queue && takes(client, subscription, message),
          ),
        );
        const key = `${queue} ${message.publisher.name}:${message.number}`;
        expect([key, queued.get(key) ?? 0]).toEqual([key, hasMember ? 1 : 0]);
      }
    }
  }

  /** A message is never received after a later one of the same publisher. */
  #checkOrder(list: readonly Message[]): void {
    const last = new Map<Client, number>();
    for (const { publisher, number } of list) {
      expect(number).toBeGreaterThan(last.get(publisher) ?? 0);
      last.set(publisher, number);
    }
  }

  #one<T>(list: readonly T[]): T {
    return list[this.#below(list.length)]!;
  }

  /** An integer in [0, limit). */
  #below(limit: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * limit);
  }
}

function takes(client: Client, { pattern }: Subscription, { publisher, subject }: Message): boolean {
  return (client.echo || publisher !== client) && subjectMatchesText(pattern, subject);
}

function* readMessages(text: string): Generator<{ subject: string; sid: string; payload: string }> {
  for (let at = 0; at < text.length; ) {
    const lineEnd = text.indexOf("\r\n", at);
    const words = text.slice(at, lineEnd).split(" ");
    at = lineEnd + 2;
    if (words[0] === "PONG" || words[0] === "PING") continue;
    if (words[0] !== "MSG") throw new Error(`unexpected line: ${words.join(" ")}`);
    const length = Number(words.at(-1));
    expect(text.slice(at + length, at + length + 2)).toBe("\r\n");
    yield { subject: words[1]!, sid: words[2]!, payload: text.slice(at, at + length) };
    at += length + 2;
  }
}

test.each([1, 2, 3, 4])(
  "shards keep NATS's promises to random clients, seed %d",
  (seed) => {
    new Simulation(seed as number).run();
  },
  60_000,
);
