import { type Claims, encodeJwt } from "./jwt.ts";
import { type Message, readMessage } from "./message.ts";
import type { NKey } from "./nkey.ts";
import { type Account, loginAsSystem, type Operator } from "./operator.ts";
import type { RawClient } from "./raw_client.ts";
import { request, subscribeInbox } from "./request.ts";
import type { ServerProcess } from "./server_process.ts";

/** The answer to an update or deletion of account tokens. */
export interface ClaimsAnswer {
  readonly server: { readonly name: string; readonly id: string };
  readonly data?: { readonly account?: string; readonly code: number; readonly message: string };
  readonly error?: { readonly account?: string; readonly code: number; readonly description: string };
}

/** Asks as a client of the system account, and parses the answer. */
export async function ask(system: RawClient, subject: string, payload: string): Promise<ClaimsAnswer> {
  const { payload: answer } = await request(system, subject, payload);
  return JSON.parse(answer) as ClaimsAnswer;
}

/** The subject on which servers take a token of this account. */
export function updateSubject({ publicKey }: Pick<Account, "publicKey">): string {
  return `$SYS.REQ.ACCOUNT.${publicKey}.CLAIMS.UPDATE`;
}

/** The subject on which servers ask one another for the token of this account. */
export function lookupSubject({ publicKey }: Pick<Account, "publicKey">): string {
  return `$SYS.REQ.ACCOUNT.${publicKey}.CLAIMS.LOOKUP`;
}

/** Pushes a token, on the account's own subject; anything but success throws. */
export async function push(
  system: RawClient,
  account: Account,
  nats: Claims = {},
  claims: Claims = {},
  signer?: NKey,
): Promise<string> {
  const jwt = account.jwtWith(nats, claims, signer);
  const answer = await ask(system, updateSubject(account), jwt);
  if (answer.data?.code !== 200) throw new Error(`the update was refused: ${JSON.stringify(answer)}`);
  return jwt;
}

/** A new account of the operator, which the server has been pushed, and the system account's client that did it. */
export async function pushNewAccount(
  server: ServerProcess,
  operator: Operator,
  name: string,
  nats: Claims = {},
  claims: Claims = {},
): Promise<{ readonly system: RawClient; readonly account: Account }> {
  const system = await loginAsSystem(server, operator);
  const account = operator.account(name);
  await push(system, account, nats, claims);
  return { system, account };
}

/** Asks for the pack: each message until the empty one. `stateHash` is what the asker has, as bytes of latin1. */
export async function askPack(
  system: RawClient,
  stateHash: Uint8Array = new Uint8Array(),
): Promise<string[]> {
  const inbox = subscribeInbox(system);
  system.send(`PUB $SYS.REQ.CLAIMS.PACK ${inbox} ${stateHash.length}\r\n`, stateHash, "\r\n");
  const lines: string[] = [];
  for (;;) {
    const message: Message = await readMessage(system);
    if (message.payload === "") return lines;
    lines.push(message.payload);
  }
}

/** A generic token that asks to delete these accounts, signed by `signer`. */
export function deletion(signer: NKey, accounts: unknown, claims: Claims = {}): string {
  return encodeJwt(
    {
      sub: signer.publicKey,
      ...claims,
      nats: { accounts, type: "generic", version: 2 },
    },
    signer,
  );
}
