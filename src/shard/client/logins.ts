/**
 * Who the clients of a shard are: asks for a verdict on each CONNECT, and makes the connection what the verdict says.
 * Texts are compared here; signatures and hashes are for the logins thread. Cold: once per CONNECT, and after a reload.
 * Source: nats-server `processConnect`, `checkAuthentication`, `RegisterUser`.
 */
import { leastLimit } from "../../account/limits.ts";
import { type AccountTerms, END_ERRORS, findEnd } from "../../auth/account_terms.ts";
import { refusalLogText } from "../../auth/identity.ts";
import { InlineJudge } from "../../auth/inline_judge.ts";
import type { Login, LoginRefusal, LoginRequest, Verdict } from "../../auth/login.ts";
import { needsNonce } from "../../auth/login_rules.ts";
import { hasUserMoved } from "../../auth/reload_login.ts";
import { assert } from "../../base/assert.ts";
import type { Permissions } from "../../config/permissions.ts";
import {
  AREA_PINNED_ACCOUNT_FAILURES,
  CONNECTION_ACCOUNT,
  CONNECTION_CONTEXT,
  CONNECTION_DISCLOSURE,
  CONNECTION_FLAGS,
  CONNECTION_IS_NOTED,
  CONNECTION_LAST_PLAN,
  CONNECTION_PAYLOAD_MAX,
} from "../../memory/layout.ts";
import { accountWord, clientsElsewhereWord } from "../../memory/map.ts";
import { increment } from "../../memory/shared_memory.ts";
import { CloseReason } from "../../protocol/close_reason.ts";
import { DEFAULT_CONNECT_OPTIONS } from "../../protocol/connect_options.ts";
import * as errors from "../../protocol/errors.ts";
import { errorLine } from "../../protocol/messages.ts";
import { byteStringOf } from "../../subject/byte_string.ts";
import type { ShardAccount } from "../accounts.ts";
import {
  type Connection,
  NO_CONTEXT,
  PHASE_SETTLED,
  STATE_CLOSING,
  STATE_NEW,
  STATE_WAITING,
} from "../connection.ts";
import type { ShardContext } from "../context.ts";
import { NO_SUBSCRIPTION } from "../interest/subscription_table.ts";
import type { ShardControl } from "../shard_options.ts";
import { TIMER_AUTHENTICATION, TIMER_EXPIRY, timerId } from "../timers.ts";
import { clientTls, peerIdentity } from "./peer_identity.ts";
import { RecentValues } from "./recent_values.ts";
import { ResponsePermits } from "./response_permits.ts";

/** 11 random bytes, 15 characters. Source: nats-server `generateNonce`. */
const NONCE_BYTES = 11;

const REFUSALS: Readonly<Record<LoginRefusal["reason"], number>> = {
  "authorization violation": errors.ERROR_AUTHORIZATION_VIOLATION,
  "authentication timeout": errors.ERROR_AUTHENTICATION_TIMEOUT,
  "account connections": errors.ERROR_MAXIMUM_ACCOUNT_CONNECTIONS,
  "proxy not trusted": errors.ERROR_PROXY_NOT_TRUSTED,
  "proxy required": errors.ERROR_PROXY_REQUIRED,
};

/** A client with as many subscriptions as it may have, or more, is told so and has this long. */
const OVER_SUBSCRIBED_MS = 20;
/** How often the clock is compared with the end of a login that lasts long: it may be set meanwhile. */
const EXPIRY_LOOK_MS = 60_000;

type LoginAnswer = Extract<ShardControl, { type: "verdict" }>;

const NO_LOGS: Login["logs"] = [];

/** Of a client that waits for a reload: the logins thread goes by it before the shards do. */
const RULES_TO_COME = -1;

/** What goes on once a verdict is there: `true` if the client is in. */
type Continuation = (connection: Connection, isIn: boolean) => void;

export class Logins {
  readonly #shard: ShardContext;
  readonly #onDecided: Continuation;
  readonly #recentLogins = new RecentValues<Login>();
  #judge: InlineJudge;
  /** Counts the reloads that changed the rules. */
  #rulesNumber = 0;

  constructor(shard: ShardContext, onDecided: Continuation) {
    this.#shard = shard;
    this.#onDecided = onDecided;
    this.#judge = new InlineJudge(shard.options.login.rules);
  }

  /** Whether a client must say who it is. */
  isRequired({ webSocket }: Connection): boolean {
    const { client, websocket } = this.#shard.options.login.rules;
    return (webSocket === null ? client : websocket).isAuthRequired;
  }

  /** How long it has for that. */
  timeoutMs({ webSocket }: Connection): number {
    const { options } = this.#shard;
    return webSocket !== null && options.webSocket !== null
      ? options.webSocket.loginTimeoutMs
      : options.login.timeoutMs;
  }

  /** What a new connection is to sign; "" where nobody signs. */
  newNonce(): string {
    if (!needsNonce(this.#shard.options.login.rules)) return "";
    const bytes = crypto.getRandomValues(new Uint8Array(NONCE_BYTES));
    return btoa(String.fromCharCode(...bytes))
      .replaceAll("+", "-")
      .replaceAll("/", "_")
      .replace(/=+$/, "");
  }

  /** Decides on what CONNECT said, now or later; `isImplicit` for a client that began with something else. */
  decide(connection: Connection, isImplicit: boolean): void {
    const request = requestOf(connection, isImplicit);
    const verdict = this.#judge.judge(request);
    connection.loginNumber++;
    if (verdict !== null) {
      this.#conclude(connection, verdict);
      return;
    }
    connection.state = STATE_WAITING;
    connection.judgedByRules = this.#rulesNumber;
    this.#shard.holdInput(connection);
    this.#ask(connection, request, false);
  }

  /** The logins thread's answer. Too late where another reload or another CONNECT came between. */
  answer(connection: Connection, { verdict, isAgain, loginNumber }: LoginAnswer): void {
    if (connection.state >= STATE_CLOSING || loginNumber !== connection.loginNumber) return;
    if (isAgain) this.#applyAgain(connection, verdict);
    else if (connection.state === STATE_WAITING) {
      if (connection.judgedByRules !== this.#rulesNumber) this.#decideByNewRules(connection);
      else if (this.#isEarly(verdict)) connection.judgedByRules = RULES_TO_COME;
      else {
        connection.state = STATE_NEW;
        this.#conclude(connection, verdict);
        this.#shard.resumeInput(connection);
      }
    }
  }

  /** Whether it goes by a configuration that is not here yet: an account of the one that is stays as long as it does. */
  #isEarly(verdict: Verdict): boolean {
    const { accounts, options } = this.#shard;
    if (verdict.kind !== "login" || options.login.rules.isOperatorMode) return false;
    return accounts.byName(verdict.account) === undefined;
  }

  /** A reload came between, by which a client that waits may not be who it was. */
  #decideByNewRules(connection: Connection): void {
    connection.state = STATE_NEW;
    this.decide(connection, connection.options === DEFAULT_CONNECT_OPTIONS);
    if (connection.state !== STATE_WAITING) this.#shard.resumeInput(connection);
  }

  /** Puts a connection that is new, or about to log in again, into the global account. */
  begin(connection: Connection): void {
    const { accounts, contexts } = this.#shard;
    if (connection.countedIn !== 0) connection.leftAccount = connection.account.name;
    this.#uncount(connection);
    connection.login = null;
    connection.permits = null;
    connection.account = accounts.global;
    this.#setContext(connection, contexts.take(accounts.global, null));
    this.#writeLimits(connection);
  }

  /** Gives back what a connection that ends held of its account. */
  leave(connection: Connection): void {
    this.#uncount(connection);
    this.#shard.contexts.release(connection.context);
  }

  /**
   * After a reload, or a change of accounts: connections go by what is now said of them. With `terms` it is a change, and
   * none of an account that is not among them loses a connection that has all the subscriptions it may have.
   */
  refresh(haveRulesChanged: boolean, terms?: readonly AccountTerms[]): void {
    if (haveRulesChanged) {
      this.#judge = new InlineJudge(this.#shard.options.login.rules);
      this.#rulesNumber++;
    }
    for (const connection of this.#shard.connections) {
      if (connection === null || connection.state >= STATE_CLOSING) continue;
      const account = this.#shard.accounts.byId(connection.account.id);
      if (account === undefined) {
        this.#shard.close(connection, CloseReason.ClientClosed);
        this.#uncount(connection);
        continue;
      }
      connection.account = account;
      this.forgetDisclosure(connection);
      this.#writeLimits(connection);
      if (terms === undefined || terms.some((each) => each.account === account.name))
        this.#endIfOverSubscribed(connection);
      if (haveRulesChanged) this.#judgeAgain(connection);
    }
    this.#shard.contexts.refresh();
    this.#shard.plans.forgetAll();
  }

  /** Accounts are gone, and so are those who are in them. */
  expel(accountIds: readonly number[]): void {
    for (const connection of this.#shard.connections) {
      if (connection === null || connection.state >= STATE_CLOSING) continue;
      if (!accountIds.includes(connection.account.id)) continue;
      this.#turnOut(connection, errors.ERROR_AUTHORIZATION_VIOLATION);
      this.#uncount(connection);
    }
  }

  /** Accounts have changed: some who are logged in are out, or may do something else. */
  applyTerms(terms: readonly AccountTerms[]): void {
    const byAccount = new Map(terms.map((each) => [each.account, each]));
    for (const connection of this.#shard.connections) {
      if (connection === null || connection.state >= STATE_CLOSING || connection.login === null) continue;
      const { login } = connection;
      const of = byAccount.get(login.account);
      if (of === undefined) continue;
      const end = findEnd(login, of);
      if (end !== null) this.#end(connection, end);
      else if (login.hasDefaultPermissions) {
        this.#changePermissions(connection, { ...login, permissions: of.defaultPermissions });
      }
    }
  }

  #end(connection: Connection, end: NonNullable<ReturnType<typeof findEnd>>): void {
    if (end === "issuer changed") this.#shard.close(connection, CloseReason.SignerChanged);
    else this.#turnOut(connection, END_ERRORS[end]);
  }

  /** The time that a login lasts may be over. */
  onExpiry(connection: Connection): void {
    if (connection.state >= STATE_CLOSING) return;
    const { login } = connection;
    if (connection.isOverSubscribed) {
      this.#shard.fail(connection, errors.ERROR_MAXIMUM_SUBSCRIPTIONS_LOWERED);
    } else if (login?.expiresAtMs != null && this.#shard.wallMs() >= login.expiresAtMs) {
      this.#shard.fail(connection, errors.ERROR_USER_AUTHENTICATION_EXPIRED);
    } else this.#watchExpiry(connection);
  }

  /** What a subscription is not to be sent (`UserPermissions.filterFor`); null where it is not allowed. In byte strings. */
  filterFor(connection: Connection, subject: string, queue: string): string | null {
    const permissions = this.#shard.contexts.permissionsOf(connection.context);
    if (permissions === null) return "";
    return permissions.canSubscribe(subject, queue) ? permissions.filterFor(subject, queue) : null;
  }

  #conclude(connection: Connection, verdict: Verdict): void {
    let isIn = false;
    if (verdict.kind === "login") isIn = this.#enter(connection, verdict);
    else if (verdict.kind === "refusal") this.#refuse(connection, verdict);
    else assert(false, "whoever decides has what the decision needs");
    this.#onDecided(connection, isIn);
  }

  #enter(connection: Connection, login: Login): boolean {
    const { accounts, contexts } = this.#shard;
    this.#logAll(connection, login);
    const account = accounts.byName(login.account);
    if (account === undefined) {
      this.#shard.fail(connection, errors.ERROR_FAILED_ACCOUNT_REGISTRATION);
      return false;
    }
    this.#uncount(connection);
    connection.login = login;
    connection.account = account;
    if (!this.#countIn(connection, account)) {
      this.#shard.fail(connection, errors.ERROR_MAXIMUM_ACCOUNT_CONNECTIONS);
      return false;
    }
    this.#setContext(connection, contexts.take(account, login.permissions));
    this.#permit(connection, login.permissions);
    this.#keep(connection, login);
    this.#writeLimits(connection);
    this.#endIfOverSubscribed(connection);
    this.#watchExpiry(connection);
    this.#shard.reportOpened(connection);
    return true;
  }

  /** What stays of a login: shared with those who logged in alike, and one copy of the JWT. */
  #keep(connection: Connection, login: Login): void {
    const permissions = this.#shard.contexts.givenPermissionsOf(connection.context);
    const kept = this.#recentLogins.share({ ...login, permissions, logs: NO_LOGS });
    connection.login = kept;
    const { options } = connection;
    if (kept.jwt !== "" && options.jwt === kept.jwt) connection.options = { ...options, jwt: kept.jwt };
  }

  #refuse(connection: Connection, refusal: LoginRefusal): void {
    const { node, shared } = this.#shard;
    connection.refusal = refusal;
    if (refusal.isPinnedAccountFailure) {
      increment(shared.words, shared.map.area(node).area + AREA_PINNED_ACCOUNT_FAILURES);
    }
    this.#logAll(connection, refusal);
    this.#shard.log("error", `${connection.label} - ${refusalLogText(refusal)}`);
    this.#shard.fail(connection, REFUSALS[refusal.reason]);
  }

  /** A reload may have taken the user away, or given it other permissions. */
  #judgeAgain(connection: Connection): void {
    if (connection.state === STATE_WAITING) {
      if (connection.judgedByRules === RULES_TO_COME) this.#decideByNewRules(connection);
      return;
    }
    if (connection.phase !== PHASE_SETTLED) return;
    const { timers, nowMs, options } = this.#shard;
    if (connection.login === null) {
      if (!this.isRequired(connection)) return;
      timers.set(timerId(connection, TIMER_AUTHENTICATION), nowMs + this.timeoutMs(connection));
      return;
    }
    const { rules } = options.login;
    if (rules.callout !== null && hasUserMoved(rules, connection.login)) {
      // A callout service is asked again only about users that the configuration has in this account too.
      this.#shard.close(connection, CloseReason.ClientClosed);
      return;
    }
    const request = requestOf(connection, !connection.hasConnected);
    const verdict = this.#judge.judge(request);
    connection.loginNumber++;
    if (verdict === null) this.#ask(connection, request, true);
    else this.#applyAgain(connection, verdict);
  }

  #applyAgain(connection: Connection, verdict: Verdict): void {
    const { login, account } = connection;
    if (login === null) return;
    if (verdict.kind === "login") {
      if (verdict.account !== account.name) this.#shard.close(connection, CloseReason.ClientClosed);
      else this.#changePermissions(connection, verdict);
      return;
    }
    if (hasUserMoved(this.#shard.options.login.rules, login)) {
      this.#shard.close(connection, CloseReason.ClientClosed);
    } else {
      const reason = verdict.kind === "refusal" ? verdict.reason : "authorization violation";
      this.#turnOut(connection, REFUSALS[reason]);
    }
  }

  /** Ends the connection of someone who was let in. */
  #turnOut(connection: Connection, code: number): void {
    if (code === errors.ERROR_AUTHORIZATION_VIOLATION && connection.login !== null) {
      this.#shard.log("error", `${connection.label} - ${refusalLogText(connection.login)}`);
    }
    this.#shard.fail(connection, code);
  }

  /** Swaps the permissions, and removes the subscriptions that they do not allow or that have no room under them. */
  #changePermissions(connection: Connection, login: Login): void {
    const { contexts, index, interest, table, outbound } = this.#shard;
    const before = connection.login?.permissions ?? null;
    connection.login = login;
    this.forgetDisclosure(connection);
    if (JSON.stringify(before) === JSON.stringify(login.permissions)) return;
    this.#setContext(connection, contexts.take(connection.account, login.permissions));
    this.#permit(connection, login.permissions);
    let record = connection.firstSubscription;
    while (record !== NO_SUBSCRIPTION) {
      const next = table.nextOfConnection(record);
      const subject = index.subjectOf(table.entryOf(record));
      const queueId = table.queueOf(record);
      const queue = queueId === 0 ? null : index.queueNameOf(queueId - 1);
      const filter = this.filterFor(
        connection,
        byteStringOf(subject),
        queue === null ? "" : byteStringOf(queue),
      );
      if (filter === null || !interest.refilter(connection, record, filter)) {
        const sid = table.sidOf(record);
        outbound.append(connection, errorLine(errors.subscriptionRemovedText(subject, queue, sid)));
        this.#shard.log("info", errors.subscriptionRemovedLogText(subject, sid, login.user));
        interest.unsubscribe(connection, record);
      }
      record = next;
    }
  }

  #permit(connection: Connection, permissions: Permissions | null): void {
    connection.permits =
      permissions?.responses === undefined ? null : new ResponsePermits(permissions.responses);
    connection.notesReplies = connection.permits !== null;
    const { options, shared } = this.#shard;
    const word = (connection.address + CONNECTION_FLAGS) >> 2;
    if (options.logsTrace || connection.notesReplies) shared.words[word]! |= CONNECTION_IS_NOTED;
    else shared.words[word]! &= ~CONNECTION_IS_NOTED;
  }

  #setContext(connection: Connection, context: number): void {
    const { contexts, plans, shared } = this.#shard;
    if (connection.context !== NO_CONTEXT) contexts.release(connection.context);
    connection.context = context;
    shared.words[(connection.address + CONNECTION_CONTEXT) >> 2] = context;
    shared.words[(connection.address + CONNECTION_LAST_PLAN) >> 2] = 0;
    plans.forgetConnection(connection.address);
    this.forgetDisclosure(connection);
  }

  /** What services are told of a client is not what it was. */
  forgetDisclosure({ address }: Connection): void {
    this.#shard.shared.words[(address + CONNECTION_DISCLOSURE) >> 2] = 0;
  }

  /** The least of what server, account and user allow. */
  #writeLimits(connection: Connection): void {
    const { options, shared } = this.#shard;
    const { limits } = connection.account.definition;
    const { login } = connection;
    connection.maxPayloadBytes = leastLimit(
      options.maxPayloadBytes,
      limits.maxPayloadBytes,
      login?.maxPayloadBytes ?? -1,
    );
    shared.words[(connection.address + CONNECTION_PAYLOAD_MAX) >> 2] = connection.maxPayloadBytes;
    connection.maxSubscriptions = leastLimit(
      options.maxSubscriptions === 0 ? -1 : options.maxSubscriptions,
      limits.maxSubscriptions,
      login?.maxSubscriptions ?? -1,
    );
  }

  /** Who has as many subscriptions as account or user allow, or more, is out: of limits that were just said, not while they hold. */
  #endIfOverSubscribed(connection: Connection): void {
    const { maxSubscriptions, subscriptionCount, login } = connection;
    const { limits } = connection.account.definition;
    const isOwnLimit = limits.maxSubscriptions >= 0 || (login?.maxSubscriptions ?? -1) >= 0;
    if (!isOwnLimit || maxSubscriptions < 0 || subscriptionCount < maxSubscriptions) return;
    connection.isOverSubscribed = true;
    this.#watchExpiry(connection);
  }

  #watchExpiry(connection: Connection): void {
    const { timers, nowMs } = this.#shard;
    const expiresAtMs = connection.login?.expiresAtMs ?? null;
    if (connection.isOverSubscribed) {
      timers.set(timerId(connection, TIMER_EXPIRY), nowMs + OVER_SUBSCRIBED_MS);
    } else if (expiresAtMs !== null) {
      const leftMs = Math.min(Math.max(expiresAtMs - this.#shard.wallMs(), 0), EXPIRY_LOOK_MS);
      timers.set(timerId(connection, TIMER_EXPIRY), nowMs + leftMs);
    }
  }

  /** Counts a connection in its account, over all shards; false where it has as many as it may. */
  #countIn(connection: Connection, { id, definition }: ShardAccount): boolean {
    const { words, map } = this.#shard.shared;
    const word = accountWord(map, id);
    const { maxConnections } = definition.limits;
    const count = Atomics.add(words, word, 1) + 1;
    connection.countedIn = id;
    words[(connection.address + CONNECTION_ACCOUNT) >> 2] = id;
    if (maxConnections < 0 || count + Atomics.load(words, clientsElsewhereWord(map, id)) <= maxConnections) {
      return true;
    }
    this.#uncount(connection);
    return false;
  }

  #uncount(connection: Connection): void {
    if (connection.countedIn === 0) return;
    const { words, map } = this.#shard.shared;
    Atomics.sub(words, accountWord(map, connection.countedIn), 1);
    connection.countedIn = 0;
    words[(connection.address + CONNECTION_ACCOUNT) >> 2] = 0;
  }

  #ask(connection: Connection, request: LoginRequest, isAgain: boolean): void {
    const { slot, clientId, loginNumber } = connection;
    const { rules } = this.#shard.options.login;
    const mayCallOut = rules.callout !== null || rules.isOperatorMode;
    this.#shard.ask({
      node: this.#shard.node,
      slot,
      clientId,
      loginNumber,
      isAgain,
      request,
      clientTls: mayCallOut ? clientTls(connection) : null,
    });
  }

  #logAll(connection: Connection, { logs }: Login | LoginRefusal): void {
    for (const { level, text } of logs) this.#shard.log(level, `${connection.label} - ${text}`);
  }
}

function requestOf(connection: Connection, isImplicit: boolean): LoginRequest {
  const { options, ip, nonce, webSocket } = connection;
  return {
    connectionType: webSocket === null ? "STANDARD" : "WEBSOCKET",
    ip,
    nonce,
    connect: connection.withCookies(options),
    tls: peerIdentity(connection),
    isImplicit,
  };
}
