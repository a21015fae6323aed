/** Sends the questions of auth callouts to the subscribers of an account, and waits for their answers. */
import { importsService } from "../account/applied_imports.ts";
import type { AccountDefinition } from "../account/definition.ts";
import { findEnd, termsOf } from "../auth/account_terms.ts";
import {
  accountIsFull,
  type CalloutAnswerContext,
  type CalloutMode,
  calloutFailed,
  calloutTimedOut,
} from "../auth/callout_answer.ts";
import { type CalloutMessage, type CalloutSeal, encodeCallout } from "../auth/callout_request.ts";
import type { ClientTls } from "../auth/jwt/claims.ts";
import type { GrantTarget } from "../auth/jwt_login.ts";
import type { Login, LoginRefusal, LoginRequest, NeedsCallout } from "../auth/login.ts";
import { type AccountSource, decideCalloutAnswer } from "../auth/login_flow.ts";
import { KeyPair } from "../auth/nkey.ts";
import type { OperatorTrust } from "../auth/operator_trust.ts";
import type { AccountBook } from "../auth/resolver/account_book.ts";
import { AUTH_CALLOUT_SUBJECT } from "../auth/verdict.ts";
import { SealingKey } from "../auth/xkey.ts";
import { randomDigits } from "../base/nuid.ts";
import type { AuthCalloutOptions } from "../config/authorization.ts";
import type { InternalClient, InternalMessage } from "../fabric/internal_client.ts";
import type { ServerIdentity } from "../protocol/server_object.ts";

const INBOX_CHARACTERS = 8;
const encoder = new TextEncoder();

/** 32 bytes each, for this process alone: never in a log, a message or an error. */
export interface ServerSecrets {
  readonly signing: Uint8Array;
  readonly sealing: Uint8Array;
}

/** The accounts of a configuration that a callout concerns. Plain data. */
export interface CalloutAccounts {
  /** The id of the account that is asked; undefined if no account has its name. */
  readonly askedId: number | undefined;
  /** Whether that account imports services that answer. */
  readonly importsService: boolean;
  /** By name: the accounts that the service may put users into. */
  readonly targets: ReadonlyMap<string, GrantTarget>;
  /** By name: the accounts with a limit of connections. */
  readonly limited: ReadonlyMap<string, LimitedAccount>;
}

interface LimitedAccount {
  readonly id: number;
  /** -1 for no limit. */
  readonly maxConnections: number;
}

/**
 * Who is asked, and by which rules the answer is judged. Rules of a configuration are those in force when the question
 * is sent, because a shard asks again after a reload. Rules of accounts in operator mode are those in force when the
 * answer comes.
 */
export type CalloutAsk =
  | { readonly kind: "config"; readonly callout: AuthCalloutOptions; readonly accounts: CalloutAccounts }
  | {
      readonly kind: "operator";
      readonly trust: OperatorTrust;
      readonly book: AccountBook;
      readonly definitionOf: (accountKey: string) => AccountDefinition | undefined;
    };

export interface CalloutLogin {
  readonly pending: NeedsCallout;
  readonly request: LoginRequest;
  readonly clientId: number;
  /** Null without TLS. */
  readonly clientTls: ClientTls | null;
  /** How long to wait for an answer. */
  readonly timeoutMs: number;
  /** Whether the connection still waits. */
  isWanted(): boolean;
}

export interface CalloutSurroundings {
  readonly client: Pick<InternalClient, "publish" | "subscribe">;
  /** Makes a shard send a request to services, because only shards take messages across accounts. */
  askServices(request: ServiceRequest): void;
  readonly server: ServerIdentity;
  /** The hash that stands for this server in subjects. */
  readonly serverHash: string;
  readonly secrets: ServerSecrets;
  /** How many clients an account has, on all servers. */
  countClients(account: number): number;
  /** Fetches an account of operator mode; undefined elsewhere. */
  readonly source: AccountSource | undefined;
}

/** A request in an account, to the services that it imports. */
export interface ServiceRequest {
  readonly account: number;
  readonly subject: string;
  readonly reply: string;
  readonly payload: Uint8Array;
  readonly headers: Uint8Array | undefined;
}

/** Takes an answer, or null when the time is over. */
type Waiting = (payload: Uint8Array | null) => void;

export class Callouts {
  readonly #surroundings: CalloutSurroundings;
  readonly #serverKey: KeyPair;
  readonly #sealingKey: SealingKey;
  /** Accounts with a subscription to inboxes: an account that was asked once is likely to be asked again. */
  readonly #listening = new Set<number>();
  /** Who waits for an answer, by inbox. */
  readonly #waiting = new Map<string, Waiting>();

  constructor(surroundings: CalloutSurroundings) {
    this.#surroundings = surroundings;
    const { signing, sealing } = surroundings.secrets;
    this.#serverKey = KeyPair.fromSecret("server", signing);
    this.#sealingKey = new SealingKey(KeyPair.fromSecret("curve", sealing));
  }

  /** The service's decision about a login; null if the connection is gone when the answer comes. Never rejects. */
  async decide(login: CalloutLogin, ask: CalloutAsk): Promise<Login | LoginRefusal | null> {
    const { pending, request, clientId, clientTls, timeoutMs } = login;
    const { server } = this.#surroundings;
    if (this.#isFull(login, ask)) return accountIsFull(pending);
    const found = findWhom(pending, ask);
    if (!found.ok) return calloutFailed(pending, found.problem);
    const { issuer, xkey } = found.whom;
    const seal: CalloutSeal | undefined = xkey === "" ? undefined : { key: this.#sealingKey, xkey };
    const userNkey = KeyPair.create("user").publicKey;
    const encoded = encodeCallout(
      {
        pending,
        request,
        userNkey,
        issuer,
        server: {
          name: server.name,
          host: server.host,
          id: server.id,
          version: server.version,
          cluster: server.cluster,
          tags: server.tags,
          xkey: seal === undefined ? "" : this.#sealingKey.publicKey,
        },
        clientId,
        tls: clientTls,
        timeoutMs,
        nowMs: Date.now(),
      },
      this.#serverKey,
      seal,
    );
    if (!encoded.ok) return calloutFailed(pending, encoded.problem);
    const answer = await this.#request(found.whom, encoded.message, timeoutMs);
    if (!login.isWanted()) return null;
    if (answer === null) return calloutTimedOut(pending);
    const asked = findWhom(pending, ask);
    if (!asked.ok) return calloutFailed(pending, asked.problem);
    const context: CalloutAnswerContext = {
      pending,
      request,
      userNkey,
      serverId: server.id,
      seal,
      mode: asked.whom.mode,
      nowMs: Date.now(),
    };
    const verdict = await decideCalloutAnswer(answer, context, this.#surroundings.source);
    if (verdict.kind !== "login" || !isOut(pending, found.whom.mode, ask)) return verdict;
    return calloutFailed(
      pending,
      `Account ${JSON.stringify(pending.account)} has changed since the auth callout request`,
    );
  }

  /**
   * Whether there is no room in the account for a client that would be let in without the service. A client that is in
   * already has its place.
   * Source: nats-server auth.go, processClientOrLeafAuthentication, which registers a client before it asks.
   */
  #isFull({ pending: { bound }, request }: CalloutLogin, ask: CalloutAsk): boolean {
    if (bound.kind !== "login" || request.currentAccount !== undefined) return false;
    if (request.connectionType.startsWith("LEAFNODE")) return false;
    const account = findLimited(bound.account, ask);
    if (account === undefined || account.maxConnections < 0) return false;
    return this.#surroundings.countClients(account.id) >= account.maxConnections;
  }

  /** Sends a question. Returns the first answer, or null if none came in time. */
  #request(
    { accountId: account, importsService }: Whom,
    { payload, header }: CalloutMessage,
    timeoutMs: number,
  ): Promise<Uint8Array | null> {
    const { client } = this.#surroundings;
    const prefix = `$SYS._INBOX.${this.#surroundings.serverHash}.`;
    if (!this.#listening.has(account)) {
      this.#listening.add(account);
      client.subscribe(account, `${prefix}*`, "", (message) => this.#onAnswer(message));
    }
    const inbox = prefix + randomDigits(INBOX_CHARACTERS);
    return new Promise((resolve) => {
      const timer = setTimeout(() => settle(null), timeoutMs);
      const settle: Waiting = (answer) => {
        clearTimeout(timer);
        this.#waiting.delete(inbox);
        resolve(answer);
      };
      this.#waiting.set(inbox, settle);
      const headers =
        header === null ? undefined : encoder.encode(`NATS/1.0\r\n${header.join(": ")}\r\n\r\n`);
      client.publish(account, AUTH_CALLOUT_SUBJECT, payload, inbox, headers);
      if (!importsService) return;
      const { askServices } = this.#surroundings;
      askServices({ account, subject: AUTH_CALLOUT_SUBJECT, reply: inbox, payload, headers });
    });
  }

  #onAnswer({ subject, content: { bytes, headerBytes } }: InternalMessage): void {
    this.#waiting.get(subject)?.(bytes.subarray(headerBytes));
  }
}

interface Whom {
  readonly accountId: number;
  readonly importsService: boolean;
  readonly issuer: string;
  /** The service's curve key; empty if questions are not sealed. */
  readonly xkey: string;
  readonly mode: CalloutMode;
}

type FoundWhom =
  | { readonly ok: true; readonly whom: Whom }
  | { readonly ok: false; readonly problem: string };

function findLimited(name: string, ask: CalloutAsk): LimitedAccount | undefined {
  if (ask.kind === "config") return ask.accounts.limited.get(name);
  const definition = ask.definitionOf(name);
  return definition && { id: definition.id, maxConnections: definition.limits.maxConnections };
}

function findWhom({ account }: NeedsCallout, ask: CalloutAsk): FoundWhom {
  if (ask.kind === "config") {
    const { issuer, xkey = "" } = ask.callout;
    const { askedId, importsService, targets } = ask.accounts;
    if (askedId === undefined) return noAccount(account);
    const mode: CalloutMode = { kind: "config", issuer, findTarget: (name) => targets.get(name) };
    return { ok: true, whom: { accountId: askedId, importsService, issuer, xkey, mode } };
  }
  const { trust, book } = ask;
  const asked = book.find(account);
  const definition = ask.definitionOf(account);
  if (asked === undefined || definition === undefined) return noAccount(account);
  const mode: CalloutMode = { kind: "operator", trust, asked, findAccount: (key) => book.find(key) };
  const { xkey } = asked.claims.nats.authorization;
  return {
    ok: true,
    whom: {
      accountId: definition.id,
      importsService: importsService(definition, AUTH_CALLOUT_SUBJECT),
      issuer: account,
      xkey,
      mode,
    },
  };
}

/**
 * Whether the account has changed since the question was sent under `before`, so that it no longer lets this client in.
 * A shard that is told of such a change closes the clients that are in; this one is not in yet.
 */
function isOut({ account, bound }: NeedsCallout, before: CalloutMode, ask: CalloutAsk): boolean {
  if (ask.kind !== "operator" || before.kind !== "operator" || bound.kind !== "login") return false;
  const now = ask.book.get(account);
  if (now === undefined || now.claims.nats.authorization.authUsers.length === 0) return true;
  return findEnd(bound, termsOf(now, before.asked)) !== null;
}

function noAccount(name: string): FoundWhom {
  const problem = `No valid account ${JSON.stringify(name)} for auth callout request: account missing`;
  return { ok: false, problem };
}
