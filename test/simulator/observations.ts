/** What was delivered, compared with what the rules of NATS allow and, once things are quiet, demand. */
import type { LinkMessage } from "../../src/link/core/link.ts";
import { isSubset } from "../../src/subject/subset.ts";
import { payloadText, type VirtualServer, type VirtualSubscription } from "./virtual_server.ts";

interface Published {
  readonly server: VirtualServer;
  readonly cluster: string;
}

interface Expected {
  readonly number: number;
  readonly account: string;
  readonly subject: string;
  /** Ids of subscriptions that get it. */
  readonly plain: readonly string[];
  /** Groups of which one member gets it. */
  readonly queues: ReadonlySet<string>;
  /** Whether they all do. */
  readonly isCertain: boolean;
}

export class Observations {
  readonly #violate: (text: string) => void;
  readonly #published = new Map<number, Published>();
  /** Ids of subscriptions that got a message, by its number. */
  #receivers = new Map<number, string[]>();
  /** Groups that were served, by message. */
  #served = new Map<number, string[]>();
  /** Last message of a server that a subscription got. */
  readonly #last = new Map<string, number>();
  readonly #expected: Expected[] = [];
  readonly #questions = new Map<number, VirtualSubscription>();
  readonly #answers = new Map<string, number>();
  #isQuiet = false;
  count = 0;

  constructor(violate: (text: string) => void) {
    this.#violate = violate;
  }

  published(number: number, server: VirtualServer, cluster: string): void {
    this.#published.set(number, { server, cluster });
  }

  delivered(subscription: VirtualSubscription, message: LinkMessage): void {
    this.count++;
    const text = payloadText(message);
    if (text === "answer") this.#answers.set(subscription.id, (this.#answers.get(subscription.id) ?? 0) + 1);
    const number = Number(text);
    const source = this.#published.get(number);
    if (source === undefined) return;
    const { id, account, subject, queue, server } = subscription;
    if (message.account !== account || !isSubset(message.subject, subject)) {
      this.#violate(
        `message ${number} on ${message.account} ${message.subject} came to ${account} ${subject}`,
      );
    }
    if (message.subject.startsWith("_GR_.") || message.reply.startsWith("_GR_.")) {
      this.#violate(`message ${number} came to a client with ${message.subject} ${message.reply}`);
    }
    const receivers = this.#receivers.getOrInsertComputed(number, () => []);
    if (receivers.includes(id)) this.#violate(`message ${number} came to ${id} of ${server.name} twice`);
    receivers.push(id);
    if (queue !== "") {
      const served = this.#served.getOrInsertComputed(number, () => []);
      if (served.includes(queue)) this.#violate(`message ${number} came to two members of ${queue}`);
      served.push(queue);
    } else if (this.#isQuiet || source.server === server) this.#checkOrder(id, source.server.name, number);
  }

  /** From now on nothing changes. */
  rest(): void {
    this.#isQuiet = true;
    this.#last.clear();
  }

  /**
   * Notes that a message that was just published goes to everybody who wants it now. `unless plain`: to groups only if
   * nobody has plain interest in it.
   */
  expect(
    number: number,
    account: string,
    subject: string,
    servers: readonly VirtualServer[],
    groups: "always" | "unless plain" = "always",
  ): void {
    const wanting = servers.flatMap((server) => {
      return [...server.subscriptions].filter((subscription) => {
        return subscription.account === account && isSubset(subject, subscription.subject);
      });
    });
    const plain = wanting.filter(({ queue }) => queue === "").map(({ id }) => id);
    const queues = new Set(wanting.map(({ queue }) => queue).filter((queue) => queue !== ""));
    const isCertain = groups === "always" || plain.length === 0;
    this.#expected.push({ number, account, subject, plain, queues, isCertain });
  }

  asked(number: number, inbox: VirtualSubscription): void {
    this.#questions.set(number, inbox);
  }

  judge(): void {
    for (const { number, account, subject, plain, queues, isCertain } of this.#expected) {
      const from = this.#published.get(number)!.server.name;
      const what = `message ${number} on ${account} ${subject} from ${from}`;
      const receivers = this.#receivers.get(number) ?? [];
      for (const id of plain) if (!receivers.includes(id)) this.#violate(`${what} did not come to ${id}`);
      const served = this.#served.get(number) ?? [];
      for (const queue of isCertain ? queues : [])
        if (!served.includes(queue)) this.#violate(`${what} came to nobody of ${queue}`);
      for (const queue of served)
        if (!queues.has(queue)) this.#violate(`${what} came to ${queue}, which is gone`);
    }
    for (const [number, inbox] of this.#questions) {
      const count = this.#answers.get(inbox.id) ?? 0;
      if (count !== 1) this.#violate(`question ${number} of ${inbox.server.name} had ${count} answers`);
    }
  }

  #checkOrder(subscription: string, publisher: string, number: number): void {
    const key = `${subscription} ${publisher}`;
    const last = this.#last.get(key) ?? 0;
    if (number < last)
      this.#violate(`message ${number} of ${publisher} came to ${subscription} after ${last}`);
    this.#last.set(key, number);
  }
}
