import { Buffer } from "node:buffer";
import { type Claims, decodeJwt, encodeJwt } from "./jwt.ts";
import { type Message, readMessage } from "./message.ts";
import type { NKey } from "./nkey.ts";
import type { RawClient } from "./raw_client.ts";

/** What an authorization request says, as far as tests read it. */
export interface CalloutRequest {
  readonly aud: string;
  readonly iss: string;
  readonly sub: string;
  readonly exp: number;
  readonly nats: {
    readonly server_id: { readonly id: string; readonly name: string; readonly xkey?: string };
    readonly user_nkey: string;
    readonly client_info: Readonly<Record<string, unknown>>;
    readonly client_tls?: Readonly<Record<string, unknown>>;
    readonly connect_opts: Readonly<Record<string, unknown>>;
    readonly type: string;
    readonly version: number;
  };
}

/** The subject a server asks on. */
export const CALLOUT_SUBJECT = "$SYS.REQ.USER.AUTH";

/** Answers authorization requests over a connection of one of the callout's own users. */
export class CalloutService {
  readonly #client: RawClient;

  private constructor(client: RawClient) {
    this.#client = client;
  }

  static async over(client: RawClient): Promise<CalloutService> {
    client.send(`SUB ${CALLOUT_SUBJECT} 1\r\n`);
    await client.roundTrip();
    return new CalloutService(client);
  }

  /** Waits for one request. */
  async next(): Promise<{ message: Message; request: CalloutRequest }> {
    const message = await readMessage(this.#client);
    return { message, request: decodeJwt<CalloutRequest>(message.payload) };
  }

  /** Answers one request with what `answer` makes of it; text is sent as it is. */
  async answer(answer: (request: CalloutRequest) => string): Promise<CalloutRequest> {
    const { message, request } = await this.next();
    this.reply(message, answer(request));
    return request;
  }

  reply(message: Message, payload: string | Uint8Array): void {
    const bytes = Buffer.from(payload as string);
    this.#client.send(`PUB ${message.reply} ${bytes.length}\r\n`, bytes, "\r\n");
  }

  /** Expects that nothing was asked, once everything sent before has been handled. */
  async expectNoRequest(): Promise<void> {
    await this.#client.roundTrip();
  }
}

/** An answer with a user of these claims for the one who asked. `claims` and `nats` are the response's own. */
export function accept(
  request: CalloutRequest,
  issuer: NKey,
  user: { readonly claims?: Claims; readonly nats?: Claims; readonly signer?: NKey } = {},
  response: { readonly claims?: Claims; readonly nats?: Claims; readonly signer?: NKey } = {},
): string {
  const jwt = encodeJwt(
    {
      sub: request.nats.user_nkey,
      aud: "$G",
      ...user.claims,
      nats: { pub: {}, sub: {}, subs: -1, data: -1, payload: -1, ...user.nats, type: "user", version: 2 },
    },
    user.signer ?? issuer,
  );
  return respond(request, issuer, { jwt, ...response.nats }, response.claims, response.signer);
}

/** An answer with these `nats` claims. */
export function respond(
  request: CalloutRequest,
  issuer: NKey,
  nats: Claims,
  claims: Claims = {},
  signer: NKey = issuer,
): string {
  return encodeJwt(
    {
      sub: request.nats.user_nkey,
      aud: request.nats.server_id.id,
      ...claims,
      nats: { ...nats, type: "authorization_response", version: 2 },
    },
    signer,
  );
}
