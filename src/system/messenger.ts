/** Puts bodies into messages of the system account. */
import { SYSTEM_ACCOUNT_ID } from "../account/definition.ts";
import { newNuid } from "../base/nuid.ts";
import type { InternalClient, InternalHandler, InternalMessage } from "../fabric/internal_client.ts";
import { encodeGoJson } from "../protocol/go_json.ts";
import type { ServerObject, ServerObjects } from "../protocol/server_object.ts";
import { type EncodedAnswer, encodeAnswer, encodeFor } from "./content_encoding.ts";
import type { EventHead } from "./events.ts";

const encoder = new TextEncoder();

export class Messenger {
  readonly servers: ServerObjects;
  readonly #client: InternalClient;

  constructor(client: InternalClient, servers: ServerObjects) {
    this.#client = client;
    this.servers = servers;
  }

  /** Returns how to take it back. */
  subscribe(subject: string, handle: InternalHandler): () => void {
    return this.#client.subscribe(SYSTEM_ACCOUNT_ID, subject, "", handle);
  }

  /** The `server` of a message that is sent now: each counts. */
  server(): ServerObject {
    return this.servers.next(Date.now());
  }

  /** What an event that is told now begins with. */
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
    this.#client.publish(account, subject, encoder.encode(text));
  }

  /**
   * Sends text in an encoding that whoever wants it accepts: what a header `Accept-Encoding` says, "" for plain text. Returns
   * what was sent.
   */
  async sendTextAs(accepted: string, subject: string, text: string, account: number): Promise<EncodedAnswer> {
    const encoded = await encodeFor(accepted, encoder.encode(text));
    this.#client.publish(account, subject, encoded.payload, "", encoded.headers);
    return encoded;
  }

  /** Sends a body as JSON, to be answered on `reply`. */
  request(subject: string, reply: string, body: unknown): void {
    this.#client.publish(SYSTEM_ACCOUNT_ID, subject, encoder.encode(encodeGoJson(body, 0)), reply);
  }

  /** Answers a request in the encoding that it asks for. */
  async sendEncoded({ reply, content }: InternalMessage, body: unknown): Promise<void> {
    const { payload, headers } = await encodeAnswer(encoder.encode(encodeGoJson(body, 0)), content);
    this.#client.publish(SYSTEM_ACCOUNT_ID, reply, payload, "", headers);
  }
}
