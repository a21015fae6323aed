/**
 * Answers what is asked of the server in the system account. Whoever may publish there may ask; other accounts reach a
 * few of the subjects by the imports that every account has (`account/system_services.ts`).
 * Source: nats-server initEventTracking, zReq.
 */
import { type ClientInfo, readClientInfo } from "../account/client_info.ts";
import { REQUEST_INFO_HEADER } from "../account/request_info.ts";
import type { InternalMessage } from "../fabric/internal_client.ts";
import { headerValue } from "../protocol/headers.ts";
import type { ClientAnnouncer } from "./client_announcer.ts";
import {
  ACCOUNT_ENDPOINTS,
  ALL_ACCOUNTS_STATZ,
  type Answer,
  FILTER_STRUCT,
  SERVER_ENDPOINTS,
  STATSZ_STRUCT,
} from "./endpoints.ts";
import type { SystemHost } from "./host.ts";
import type { Messenger } from "./messenger.ts";
import { isMeant } from "./request_filter.ts";
import { type OptionStruct, type RequestOptions, readOptions } from "./request_options.ts";
import type { SubscriberCount } from "./subscriber_count.ts";
import { userInfo } from "./user_info.ts";

const BAD_REQUEST = 400;
const FAILED = 500;
/**
 * How many requests of one kind may wait for their turn, and how many bytes. Clients of any account may ask as fast as
 * they can.
 */
const WAITING_MAX = 4096;
const WAITING_BYTES_MAX = 1024 * 1024;
/** Of `$SYS.REQ.ACCOUNT.<account>.<name>`. */
const ACCOUNT_TOKEN = 3;

const CLIENT_ID_STRUCT: OptionStruct = { name: "KickClientReq", parts: { "": { cid: "uint64" } } };
const CONNS_STRUCT: OptionStruct = { name: "accNumConnsReq", parts: { "": { acc: "string" } } };

/** Sends the server's summary: to a requestor, or to everybody ("") because somebody asked for that. */
export type SendStatistics = (reply: string) => Promise<void>;

/** Why an action failed; undefined for success. */
type Problem = string | undefined;

export class RequestService {
  readonly #host: SystemHost;
  readonly #messenger: Messenger;
  readonly #announcer: ClientAnnouncer;
  readonly #sendStatistics: SendStatistics;
  readonly #subscribers: SubscriberCount;
  /** Summaries are sent one after the other. */
  #lastSummary: Promise<void> = Promise.resolve();

  constructor(
    host: SystemHost,
    messenger: Messenger,
    announcer: ClientAnnouncer,
    sendStatistics: SendStatistics,
    subscribers: SubscriberCount,
  ) {
    this.#host = host;
    this.#messenger = messenger;
    this.#announcer = announcer;
    this.#sendStatistics = sendStatistics;
    this.#subscribers = subscribers;
    this.#subscribe();
  }

  #subscribe(): void {
    const { id } = this.#messenger.servers.identity;
    const { monitor } = this.#host;
    const own = `$SYS.REQ.SERVER.${id}`;
    const all = "$SYS.REQ.SERVER.PING";

    for (const subject of [all, `${all}.STATSZ`, `${own}.STATSZ`]) {
      this.#messenger.subscribe(subject, (message) => this.#answerStatistics(message));
    }
    for (const prefix of [all, own]) {
      this.#messenger.subscribe(`${prefix}.IDZ`, (message) => this.#answerId(message));
      for (const [name, endpoint] of Object.entries(SERVER_ENDPOINTS)) {
        this.#serve(`${prefix}.${name}`, endpoint.options, (options) => endpoint.answer(monitor, options));
      }
    }
    for (const [name, endpoint] of Object.entries(ACCOUNT_ENDPOINTS)) {
      this.#serve(`$SYS.REQ.ACCOUNT.*.${name}`, endpoint.options, (options, account) =>
        endpoint.answer(monitor, options, account),
      );
    }
    this.#serve("$SYS.REQ.ACCOUNT.PING.STATZ", ALL_ACCOUNTS_STATZ.options, (options) =>
      ALL_ACCOUNTS_STATZ.answer(monitor, options),
    );
    this.#queued("$SYS.REQ.ACCOUNT.*.CONNS", (message) => this.#answerCount(message));
    this.#queued("$SYS.REQ.USER.*.INFO", (message) => this.#answerUser(message));
    this.#queued("$SYS.DEBUG.SUBSCRIBERS", (message) => this.#answerSubscribers(message));

    this.#queued(`${own}.RELOAD`, (message) => this.#act(message, () => this.#host.reload()));
    this.#queued(`${own}.KICK`, (message) => this.#actOnClient(message, (clientId) => this.#kick(clientId)));
    this.#queued(`${own}.LDM`, (message) =>
      this.#actOnClient(message, (clientId) => this.#sendLameDuck(clientId)),
    );
  }

  /** Requests of one kind are answered one after the other; what comes while too many wait is left unanswered. */
  #queued(subject: string, handle: (message: InternalMessage) => Promise<void>): void {
    let last = Promise.resolve();
    let waitingCount = 0;
    let waitingBytes = 0;
    this.#messenger.subscribe(subject, (message) => {
      if (message.reply === "" || waitingCount === WAITING_MAX || waitingBytes > WAITING_BYTES_MAX) return;
      const { length } = message.content.bytes;
      waitingCount++;
      waitingBytes += length;
      last = last
        .then(() => handle(message))
        .catch((error) => this.#log(message, error))
        .finally(() => {
          waitingCount--;
          waitingBytes -= length;
        });
    });
  }

  #serve(
    subject: string,
    struct: OptionStruct,
    answer: (options: RequestOptions, account: string) => Promise<Answer>,
  ): void {
    this.#queued(subject, async (message) => {
      const options = this.#readOptions(message, struct);
      if (options === null) return;
      const result = await answer(options, accountOf(message));
      switch (result.kind) {
        case "silence":
          break;
        case "data":
          await this.#messenger.sendEncoded(message, { server: this.#messenger.server(), data: result.data });
          break;
        case "failure":
          this.#send(message, { data: null, error: { code: FAILED, description: result.text } });
          break;
      }
    });
  }

  /**
   * The options in the body. Null if the request is not for this server, or cannot be read; in the latter case the
   * answer saying so has been sent.
   */
  #readOptions(message: InternalMessage, struct: OptionStruct): RequestOptions | null {
    const result = readOptions(bodyOf(message), struct);
    if (result.ok) return isMeant(this.#messenger.servers.identity, result.options) ? result.options : null;
    if (message.reply !== "") {
      this.#send(message, { error: { code: BAD_REQUEST, description: result.problem } });
    }
    return null;
  }

  #answerStatistics(message: InternalMessage): void {
    this.#lastSummary = this.#lastSummary
      .then(async () => {
        if (this.#readOptions(message, STATSZ_STRUCT) !== null) await this.#sendStatistics(message.reply);
      })
      .catch((error) => this.#log(message, error));
  }

  #answerId({ reply }: InternalMessage): void {
    if (reply === "") return;
    const { name, host, id } = this.#messenger.servers.identity;
    this.#messenger.send(reply, { name, host, id });
  }

  async #answerCount(message: InternalMessage): Promise<void> {
    const account = accountOf(message);
    const result = readOptions(bodyOf(message), CONNS_STRUCT);
    if (!result.ok || result.options.text("acc", account) !== account) return;
    await this.#announcer.answerCount(account, message.reply);
  }

  async #answerUser(message: InternalMessage): Promise<void> {
    const client = requestorOf(message);
    const account = this.#host.account(client?.account ?? "");
    if (client === null || (client.account !== "" && account === undefined)) {
      this.#send(message, { error: { code: BAD_REQUEST } });
      return;
    }
    const terms = (await this.#host.userTerms(client.clientId ?? 0)) ?? {
      permissions: null,
      expiresAtMs: null,
    };
    this.#send(message, { data: userInfo(client, account?.nameTag ?? "", terms, Date.now()) });
  }

  async #answerSubscribers(message: InternalMessage): Promise<void> {
    const client = requestorOf(message);
    if (client === null) return;
    const { systemAccount } = (await this.#host.monitor.server()).identity;
    const account = client.serviceAccount || client.account || systemAccount;
    const [subject = "", queue = null] = new TextDecoder().decode(bodyOf(message)).trim().split(" ");
    const count = await this.#subscribers.count(account, subject, queue);
    this.#messenger.sendText(message.reply, String(count));
  }

  /** Reads a request without options of its own, acts, and says what came of it. */
  async #act(message: InternalMessage, action: () => Promise<Problem>): Promise<void> {
    if (this.#readOptions(message, FILTER_STRUCT) === null) return;
    const problem = await action();
    this.#send(message, problem === undefined ? {} : { error: { code: FAILED, description: problem } });
  }

  /** The same for a request that names a client; one that does not is not answered at all. */
  async #actOnClient(
    message: InternalMessage,
    action: (clientId: number) => Promise<Problem>,
  ): Promise<void> {
    const body = bodyOf(message);
    const result = readOptions(body, CLIENT_ID_STRUCT);
    if (!result.ok || body.length === 0) return;
    await this.#act(message, () => action(Number(result.options.integer("cid"))));
  }

  async #kick(clientId: number): Promise<Problem> {
    return (await this.#host.kick(clientId)) ? undefined : "no such client or leafnode id";
  }

  async #sendLameDuck(clientId: number): Promise<Problem> {
    const isTold = await this.#host.sendLameDuck(clientId);
    if (isTold === null) return "no such client id";
    return isTold
      ? undefined
      : "client does not support Lame Duck Mode or is not ready to receive the notification";
  }

  #send({ reply }: InternalMessage, body: object): void {
    this.#messenger.send(reply, { server: this.#messenger.server(), ...body });
  }

  #log({ subject }: InternalMessage, error: unknown): void {
    this.#host.logError(`A request on ${subject} is not answered: ${(error as Error).message}`);
  }
}

function accountOf({ subject }: InternalMessage): string {
  return subject.split(".")[ACCOUNT_TOKEN] ?? "";
}

function bodyOf({ content: { bytes, headerBytes } }: InternalMessage): Uint8Array {
  return bytes.subarray(headerBytes);
}

/** Who asks, as far as the request says; null if what it says is no JSON. A client of the system account says nothing. */
function requestorOf({ content: { bytes, headerBytes } }: InternalMessage): ClientInfo | null {
  const value = headerValue(bytes, 0, headerBytes, REQUEST_INFO_HEADER);
  // Without headers the request was made in the system account; with others it cannot be told whose it is.
  if (value === null) return headerBytes === 0 ? { account: "" } : null;
  try {
    const json: unknown = JSON.parse(value);
    return typeof json === "object" && json !== null ? readClientInfo(json) : null;
  } catch {
    return null;
  }
}
