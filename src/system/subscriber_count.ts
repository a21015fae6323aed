/**
 * How many subscriptions of an account there are on all servers. Each is asked, and has half a second to answer.
 * Source: nats-server debugSubscribers, nsubsRequest.
 */
import { newNuid } from "../base/nuid.ts";
import type { InternalMessage } from "../fabric/internal_client.ts";
import type { SystemHost } from "./host.ts";
import type { Messenger } from "./messenger.ts";

const REQUESTS = "$SYS.REQ.ACCOUNT.NSUBS";
const ANSWER_MS_MAX = 500;
const INBOX_CHARACTERS = 8;

interface Question {
  count: number;
  answersLeft: number;
  readonly answered: PromiseWithResolvers<void>;
}

export class SubscriberCount {
  readonly #host: SystemHost;
  readonly #messenger: Messenger;
  readonly #inbox: string;
  readonly #serverCount: () => number;
  /** By the inbox that answers come to. */
  readonly #questions = new Map<string, Question>();

  /** `serverCount` is how many other servers there are. */
  constructor(host: SystemHost, messenger: Messenger, serverHash: string, serverCount: () => number) {
    this.#host = host;
    this.#messenger = messenger;
    this.#inbox = `$SYS._INBOX.${serverHash}`;
    this.#serverCount = serverCount;
    messenger.subscribe(REQUESTS, (message) => void this.#answer(message));
    messenger.subscribe(`${this.#inbox}.*`, (message) => this.#takeAnswer(message));
  }

  /** `queue` null: whatever the group. */
  async count(account: string, subject: string, queue: string | null): Promise<number> {
    const answersLeft = this.#messenger.isHeard(REQUESTS) ? this.#serverCount() : 0;
    const question = { count: 0, answersLeft, answered: Promise.withResolvers<void>() };
    const inbox = `${this.#inbox}.${newNuid().slice(-INBOX_CHARACTERS)}`;
    if (answersLeft > 0) {
      this.#questions.set(inbox, question);
      const group = queue === null ? {} : { queue: new TextEncoder().encode(queue).toBase64() };
      this.#messenger.request(REQUESTS, inbox, { acc: account, subject, ...group });
    }
    const own = await this.#host.countSubscribers(account, subject, queue);
    if (answersLeft > 0) {
      const timer = setTimeout(() => question.answered.resolve(), ANSWER_MS_MAX);
      await question.answered.promise;
      clearTimeout(timer);
      this.#questions.delete(inbox);
    }
    return own + question.count;
  }

  async #answer(message: InternalMessage): Promise<void> {
    const asked = message.reply === "" ? null : readQuestion(textOf(message));
    if (asked === null) return;
    try {
      const count = await this.#host.countSubscribers(asked.account, asked.subject, asked.queue);
      this.#messenger.sendText(message.reply, String(count));
    } catch (error) {
      this.#host.logError(`Subscribers are not counted: ${(error as Error).message}`);
    }
  }

  #takeAnswer(message: InternalMessage): void {
    const question = this.#questions.get(message.subject);
    const count = Number(textOf(message));
    if (question === undefined || !Number.isInteger(count)) return;
    question.count += count;
    question.answersLeft--;
    if (question.answersLeft === 0) question.answered.resolve();
  }
}

function textOf({ content: { bytes, headerBytes } }: InternalMessage): string {
  return new TextDecoder().decode(bytes.slice(headerBytes));
}

/** Null for what is no such request. */
function readQuestion(text: string): { account: string; subject: string; queue: string | null } | null {
  try {
    const { acc: account, subject, queue } = JSON.parse(text) ?? {};
    if (typeof account !== "string" || typeof subject !== "string") return null;
    const group = typeof queue === "string" && queue !== "" ? Uint8Array.fromBase64(queue) : null;
    return { account, subject, queue: group === null ? null : new TextDecoder().decode(group) };
  } catch {
    return null;
  }
}
