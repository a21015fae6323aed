import { Buffer } from "node:buffer";
import { type Claims, encodeJwt } from "./jwt.ts";
import { login } from "./login.ts";
import { NKey } from "./nkey.ts";
import type { RawClient } from "./raw_client.ts";
import type { ServerProcess } from "./server_process.ts";

/** An account that may do everything: numbers that are missing count as 0. */
export const UNLIMITED_ACCOUNT = {
  subs: -1,
  data: -1,
  payload: -1,
  imports: -1,
  exports: -1,
  conn: -1,
  leaf: -1,
  wildcards: true,
};
const UNLIMITED_USER = { subs: -1, data: -1, payload: -1 };

/** What CONNECT has to say, given the nonce of INFO. */
export type Credentials = (nonce: string) => Record<string, unknown>;

/** An operator with its system account: makes accounts, and the configuration of a server that trusts it. */
export class Operator {
  readonly key = new NKey("operator");
  readonly systemAccount: Account;
  /** Made once: a server takes no other token of its operator by a reload. */
  readonly jwt: string;

  /** `nats` are the token's claims, beside the system account's key. */
  constructor(nats: Claims = {}) {
    this.systemAccount = this.account("SYS");
    this.jwt = encodeJwt(
      {
        sub: this.key.publicKey,
        name: "operator",
        nats: { system_account: this.systemAccount.publicKey, ...nats, type: "operator", version: 2 },
      },
      this.key,
    );
  }

  account(name: string): Account {
    return new Account(name, this.key);
  }

  /** `operator` and a memory resolver that holds the system account and these tokens or accounts. */
  configWithMemory(...accounts: readonly (Account | PreloadedAccount)[]): string {
    return `${this.configWith("MEMORY")}\n${preload([this.systemAccount, ...accounts])}`;
  }

  /** `operator` and this resolver, as the configuration writes it. */
  configWith(resolver: string): string {
    return `operator: ${this.jwt}\nresolver: ${resolver}`;
  }
}

/** A client that has logged in as some user of the operator's system account. */
export function loginAsSystem(server: ServerProcess, { systemAccount }: Operator): Promise<RawClient> {
  return login(server, systemAccount.user().credentials);
}

/** A token of an account other than its plain one. */
export interface PreloadedAccount {
  readonly publicKey: string;
  readonly jwt: string;
}

/** The `resolver_preload` of these accounts. */
export function preload(accounts: readonly (Account | PreloadedAccount)[]): string {
  return `resolver_preload { ${accounts.map(({ publicKey, jwt }) => `${publicKey}: ${jwt}`).join("\n")} }`;
}

/** An account of an operator: signs its own users. */
export class Account {
  readonly name: string;
  readonly key = new NKey("account");
  readonly #operatorKey: NKey;

  constructor(name: string, operatorKey: NKey) {
    this.name = name;
    this.#operatorKey = operatorKey;
  }

  get publicKey(): string {
    return this.key.publicKey;
  }

  /** The token of an account without limits and without further claims. */
  get jwt(): string {
    return this.jwtWith();
  }

  /** A token with these `nats` claims over unlimited ones; `claims` are the standard ones. */
  jwtWith(nats: Claims = {}, claims: Claims = {}, signer: NKey = this.#operatorKey): string {
    return encodeJwt(
      {
        sub: this.publicKey,
        name: this.name,
        ...claims,
        nats: { limits: UNLIMITED_ACCOUNT, ...nats, type: "account", version: 2 },
      },
      signer,
    );
  }

  /** This account with other claims, for a preload. */
  with(nats: Claims, claims: Claims = {}, signer: NKey = this.#operatorKey): PreloadedAccount {
    return { publicKey: this.publicKey, jwt: this.jwtWith(nats, claims, signer) };
  }

  /** A user without limits, signed by the account itself. */
  user(nats: Claims = {}, claims: Claims = {}): User {
    return new User({ ...UNLIMITED_USER, ...nats }, claims, this.key);
  }

  /** A user signed by a signing key of the account. */
  userOf(signingKey: NKey, nats: Claims = {}, claims: Claims = {}): User {
    return new User({ ...UNLIMITED_USER, issuer_account: this.publicKey, ...nats }, claims, signingKey);
  }

  /** A user of a scoped signing key, which may bring nothing of its own. */
  scopedUserOf(signingKey: NKey, nats: Claims = {}, claims: Claims = {}): User {
    return new User({ issuer_account: this.publicKey, ...nats }, claims, signingKey);
  }
}

/** A user with its token and key. */
export class User {
  readonly key = new NKey("user");
  readonly jwt: string;

  constructor(nats: Claims, claims: Claims, signer: NKey) {
    this.jwt = encodeJwt(
      {
        sub: this.key.publicKey,
        name: "user",
        ...claims,
        nats: { ...nats, type: "user", version: 2 },
      },
      signer,
    );
  }

  /** The token and the nonce signed by the user's key. */
  readonly credentials: Credentials = (nonce) => ({ jwt: this.jwt, sig: signature(this.key, nonce) });
}

/** The nonce signed as CONNECT has it: URL-safe base64 without padding. */
export function signature(key: NKey, nonce: string): string {
  return Buffer.from(key.sign(nonce)).toString("base64url");
}
