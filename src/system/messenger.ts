/** Puts bodies into messages of the system account. */
import { SYSTEM_ACCOUNT_ID } from "../account/definition.ts";
import { newNuid } from "../base/nuid.ts";
import { messageBytes } from "../fabric/held_message.ts";
import type { InternalClient, InternalHandler, InternalMessage } from "../fabric/internal_client.ts";
import { encodeGoJson } from "../protocol/go_json.ts";
import type { ServerObject, ServerObjects } from "../protocol/server_object.ts";
import { traceOperation, tracePayload } from "../protocol/trace.ts";
import { type EncodedAnswer, encodeAnswer, encodeFor } from "./content_encoding.ts";
import type { EventHead } from "./events.ts";
import type { SystemHost } from "./host.ts";

const encoder = new TextEncoder();
const LINE_BREAK_BYTES = 2;

export class Messenger {
  readonly servers: ServerObjects;
  readonly #client: InternalClient;
  readonly #host: Pick<SystemHost, "tracing" | "logTrace">;
  #subscriptionsEver = 0;

  constructor(
    client: InternalClient,
    servers: ServerObjects,
    host: Pick<SystemHost, "tracing" | "logTrace">,
  ) {
    this.#client = client;
    this.#host = host;
    this.servers = servers;
  }

  /** Returns a function that unsubscribes. */
  subscribe(subject: string, handle: InternalHandler): () => void {
    this.#subscriptionsEver++;
    if (this.#host.tracing !== null)
      this.#trace(traceOperation("in", "SUB", `${subject}  ${this.#subscriptionsEver}`));
    return this.#client.subscribe(SYSTEM_ACCOUNT_ID, subject, "", handle);
  }

  /** The `server` object of a message that is sent now; each call takes the next sequence number. */
  server(): ServerObject {
    return this.servers.next(Date.now());
  }

  /** The head of an event that is sent now. */
  head(atMs = Date.now()): EventHead {
    return { id: newNuid(), atMs, server: this.server() };
  }

  /** Whether anybody listens, in the system account or another one. */
  isHeard(subject: string, account = SYSTEM_ACCOUNT_ID): boolean {
    return this.#client.hasInterest(account, subject);
  }

  /** Sends a body as JSON. */
  send(subject: string, body: unknown, account = SYSTEM_ACCOUNT_ID): void {
    this.sendText(subject, encodeGoJson(body, 0), account);
  }

  sendText(subject: string, text: string, account = SYSTEM_ACCOUNT_ID): void {
    this.#publish(account, subject, encoder.encode(text));
  }

  /**
   * Sends text in an encoding that whoever wants it accepts: what a header `Accept-Encoding` says, "" for plain text. Returns
   * what was sent.
   */
  async sendTextAs(accepted: string, subject: string, text: string, account: number): Promise<EncodedAnswer> {
    const encoded = await encodeFor(accepted, encoder.encode(text));
    this.#publish(account, subject, encoded.payload, "", encoded.headers);
    return encoded;
  }

  /** Sends a body as JSON, to be answered on `reply`. */
  request(subject: string, reply: string, body: unknown): void {
    this.#publish(SYSTEM_ACCOUNT_ID, subject, encoder.encode(encodeGoJson(body, 0)), reply);
  }

  /** Answers a request in the encoding that it asks for. */
  async sendEncoded({ reply, content }: InternalMessage, body: unknown): Promise<void> {
    const { payload, headers } = await encodeAnswer(encoder.encode(encodeGoJson(body, 0)), content);
    this.#publish(SYSTEM_ACCOUNT_ID, reply, payload, "", headers);
  }

  #publish(account: number, subject: string, payload: Uint8Array, reply = "", headers?: Uint8Array): void {
    const { tracing } = this.#host;
    if (tracing !== null) {
      const { bytes, headerBytes } = messageBytes(payload, headers);
      const message = bytes.subarray(0, -LINE_BREAK_BYTES);
      this.#trace(traceOperation("in", "PUB", `${subject} ${reply} ${message.length}`));
      const shown = tracePayload("in", message, headerBytes, tracing);
      if (shown !== null) this.#trace(shown);
    }
    this.#client.publish(account, subject, payload, reply, headers);
  }

  #trace(text: string): void {
    this.#host.logTrace(`SYSTEM - ${text}`);
  }
}
