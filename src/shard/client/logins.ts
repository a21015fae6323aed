/**
 * The logins of a shard's clients: asks for a verdict on each CONNECT, and lets the client in, asks again or turns it
 * out accordingly. Texts are compared here; signatures and hashes are left to the logins thread. Cold: once per
 * CONNECT, and after a reload. Source: nats-server `processConnect`, `checkAuthentication`.
 */
import { type AccountTerms, END_ERRORS, findEnd } from "../../auth/account_terms.ts";
import { refusalLogText } from "../../auth/identity.ts";
import { InlineJudge } from "../../auth/inline_judge.ts";
import {
  isServersOwn,
  type Login,
  type LoginRefusal,
  type LoginRequest,
  type Verdict,
  withoutRoom,
} from "../../auth/login.ts";
import { type LoginRules, needsNonce } from "../../auth/login_rules.ts";
import { hasUserMoved, requestOfLogin } from "../../auth/reload_login.ts";
import { assert } from "../../base/assert.ts";
import { AREA_PINNED_ACCOUNT_FAILURES } from "../../memory/layout.ts";
import { increment } from "../../memory/shared_memory.ts";
import { CloseReason } from "../../protocol/close_reason.ts";
import { DEFAULT_CONNECT_OPTIONS } from "../../protocol/connect_options.ts";
import * as errors from "../../protocol/errors.ts";
import { type Connection, PHASE_SETTLED, STATE_CLOSING, STATE_NEW, STATE_WAITING } from "../connection.ts";
import type { ShardContext } from "../context.ts";
import type { ShardControl } from "../shard_messages.ts";
import type { Memberships } from "./memberships.ts";
import { clientTls, peerIdentity } from "./peer_identity.ts";

/** 11 random bytes, 15 characters. Source: nats-server `generateNonce`. */
const NONCE_BYTES = 11;

const REFUSALS: Readonly<Record<LoginRefusal["reason"], number>> = {
  "authorization violation": errors.ERROR_AUTHORIZATION_VIOLATION,
  "authentication timeout": errors.ERROR_AUTHENTICATION_TIMEOUT,
  "account connections": errors.ERROR_MAXIMUM_ACCOUNT_CONNECTIONS,
  "proxy not trusted": errors.ERROR_PROXY_NOT_TRUSTED,
  "proxy required": errors.ERROR_PROXY_REQUIRED,
};

type LoginAnswer = Extract<ShardControl, { type: "verdict" }>;

/** For a client that waits for a reload, which reaches the logins thread before the shards. */
const RULES_TO_COME = -1;

/** Goes on after a verdict; `isIn` tells whether the client is logged in. */
type Continuation = (connection: Connection, isIn: boolean) => void;

export class Logins {
  readonly #shard: ShardContext;
  readonly #memberships: Memberships;
  readonly #onDecided: Continuation;
  /** The rules that the judge applies. */
  #rules: LoginRules;
  #judge: InlineJudge;
  /** Counts the reloads that changed the rules. */
  #rulesNumber = 0;

  constructor(shard: ShardContext, memberships: Memberships, onDecided: Continuation) {
    this.#shard = shard;
    this.#memberships = memberships;
    this.#onDecided = onDecided;
    this.#rules = shard.options.login.rules;
    this.#judge = new InlineJudge(this.#rules);
  }

  /** Whether a client must say who it is. */
  isRequired(connection: Connection): boolean {
    return isLoginRequired(connection, this.#shard.options.login.rules);
  }

  /** How long a client may take to log in, in milliseconds. */
  timeoutMs({ webSocket }: Connection): number {
    const { options } = this.#shard;
    return webSocket !== null && options.webSocket !== null
      ? options.webSocket.loginTimeoutMs
      : options.login.timeoutMs;
  }

  /** The nonce that a new connection is to sign; "" if nobody signs. */
  newNonce(): string {
    if (!needsNonce(this.#shard.options.login.rules)) return "";
    const bytes = crypto.getRandomValues(new Uint8Array(NONCE_BYTES));
    return btoa(String.fromCharCode(...bytes))
      .replaceAll("+", "-")
      .replaceAll("/", "_")
      .replace(/=+$/, "");
  }

  /**
   * Decides on a CONNECT, now or once the logins thread has answered. `isImplicit`: the client began with something
   * other than CONNECT.
   */
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
    this.#ask(connection, request, false);
  }

  /** Takes the logins thread's answer. It comes too late if another reload or another CONNECT came in between. */
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

  /**
   * Whether a verdict follows a configuration that has not reached this shard yet: it names an account that the current
   * configuration does not have.
   */
  #isEarly(verdict: Verdict): boolean {
    const { accounts, options } = this.#shard;
    if (verdict.kind !== "login" || options.login.rules.isOperatorMode) return false;
    return accounts.byName(verdict.account) === undefined;
  }

  /** Decides by the new rules after a reload came in between, under which the waiting client may be somebody else. */
  #decideByNewRules(connection: Connection): void {
    connection.state = STATE_NEW;
    this.decide(connection, isWithoutConnect(connection));
    if (connection.state !== STATE_WAITING) this.#shard.resumeInput(connection);
  }

  /**
   * Applies a reload or a change of accounts to the connections. With `terms` it is a change of accounts: then only
   * connections of accounts among the terms are ended for having all the subscriptions they may have.
   */
  refresh(haveRulesChanged: boolean, terms?: readonly AccountTerms[]): void {
    const before = this.#rules;
    if (haveRulesChanged) {
      this.#rules = this.#shard.options.login.rules;
      this.#judge = new InlineJudge(this.#rules);
      this.#rulesNumber++;
    }
    for (const connection of this.#shard.connections) {
      if (connection === null || connection.state >= STATE_CLOSING) continue;
      const account = this.#shard.accounts.byId(connection.account.id);
      if (account === undefined) {
        this.#shard.close(connection, CloseReason.ClientClosed);
        this.#memberships.uncount(connection);
        continue;
      }
      if (connection.isLink) continue;
      const endsSurplus = terms === undefined || terms.some((each) => each.account === account.name);
      this.#memberships.refresh(connection, account, endsSurplus);
      if (haveRulesChanged || awaitsRules(connection)) this.#judgeAgain(connection, before);
    }
    this.#shard.contexts.refresh();
    this.#shard.plans.forgetAll();
  }

  /** Ends the connections of accounts that are gone. */
  expel(accountIds: readonly number[]): void {
    for (const connection of this.#shard.connections) {
      if (connection === null || connection.state >= STATE_CLOSING) continue;
      if (!accountIds.includes(connection.account.id)) continue;
      this.#turnOut(connection, errors.ERROR_AUTHORIZATION_VIOLATION);
      this.#memberships.uncount(connection);
    }
  }

  /** Applies changed accounts to logged-in clients: some are turned out, others get other permissions. */
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
        this.#memberships.changeLogin(connection, { ...login, permissions: of.defaultPermissions });
      }
    }
  }

  #end(connection: Connection, end: NonNullable<ReturnType<typeof findEnd>>): void {
    // What is told of the end names the account as it is now.
    connection.account = this.#shard.accounts.byId(connection.account.id) ?? connection.account;
    if (end === "issuer changed") this.#shard.close(connection, CloseReason.SignerChanged);
    else this.#turnOut(connection, END_ERRORS[end]);
  }

  #conclude(connection: Connection, verdict: Verdict): void {
    let isIn = false;
    if (verdict.kind === "login") isIn = this.#enter(connection, verdict);
    else if (verdict.kind === "refusal") this.#refuse(connection, verdict);
    else assert(false, "whoever decides has what the decision needs");
    this.#onDecided(connection, isIn);
  }

  #enter(connection: Connection, login: Login): boolean {
    this.#logDetails(connection, login);
    this.#logWarnings(login);
    const account = this.#shard.accounts.byName(login.account);
    if (account === undefined) {
      this.#shard.fail(connection, errors.ERROR_FAILED_ACCOUNT_REGISTRATION);
      return false;
    }
    if (!this.#memberships.enter(connection, login, account)) {
      connection.login = withoutRoom(login);
      showJwt(connection, login.jwt);
      this.#shard.fail(connection, errors.ERROR_MAXIMUM_ACCOUNT_CONNECTIONS);
      return false;
    }
    this.#shard.reportOpened(connection);
    return true;
  }

  #refuse(connection: Connection, refusal: LoginRefusal): void {
    const { node, shared } = this.#shard;
    connection.refusal = refusal;
    showJwt(connection, refusal.bound?.jwt || refusal.judgedJwt);
    if (refusal.isPinnedAccountFailure) {
      increment(shared.words, shared.map.area(node).area + AREA_PINNED_ACCOUNT_FAILURES);
    }
    this.#logDetails(connection, refusal);
    if (refusal.bound !== null) {
      connection.login = refusal.bound;
      connection.account = this.#shard.accounts.byName(refusal.bound.account) ?? connection.account;
    }
    if (refusal.reason !== "account connections")
      this.#shard.log("error", `${connection.label} - ${refusalLogText(connection.login ?? refusal)}`);
    this.#logWarnings(refusal);
    this.#shard.fail(connection, REFUSALS[refusal.reason]);
  }

  /**
   * Judges a login again after a reload, which may have removed the user or changed its permissions. `before`: the
   * rules until then.
   */
  #judgeAgain(connection: Connection, before: LoginRules): void {
    if (connection.state === STATE_WAITING) {
      if (awaitsRules(connection)) this.#decideByNewRules(connection);
      return;
    }
    if (connection.phase !== PHASE_SETTLED) return;
    const { rules } = this.#shard.options.login;
    if (connection.login === null) {
      // A client that had to log in before is still given time to do so.
      if (isLoginRequired(connection, rules) && !isLoginRequired(connection, before))
        this.#turnOut(connection, errors.ERROR_AUTHORIZATION_VIOLATION);
      return;
    }
    if (rules.callout !== null && hasUserMoved(rules, connection.login)) {
      // A callout service is asked again only about users that the configuration has in this account, too.
      this.#shard.close(connection, CloseReason.ClientClosed);
      return;
    }
    const request = requestOfLogin(
      before,
      requestOf(connection, isWithoutConnect(connection)),
      connection.login,
    );
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
      else this.#memberships.changeLogin(connection, verdict);
      return;
    }
    if (hasUserMoved(this.#shard.options.login.rules, login)) {
      this.#shard.close(connection, CloseReason.ClientClosed);
    } else {
      const reason = verdict.kind === "refusal" ? verdict.reason : "authorization violation";
      this.#turnOut(connection, REFUSALS[reason]);
    }
  }

  /** Ends the connection of a client that was let in. */
  #turnOut(connection: Connection, code: number): void {
    // fail() does not log violations: tell here who the client was.
    if (errors.errorEntry(code).logLevel === "none" && connection.login !== null) {
      this.#shard.log("error", `${connection.label} - ${refusalLogText(connection.login)}`);
    }
    this.#shard.fail(connection, code);
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

  #logDetails({ label }: Connection, { logs }: Login | LoginRefusal): void {
    for (const log of logs) if (!isServersOwn(log)) this.#shard.log(log.level, `${label} - ${log.text}`);
  }

  #logWarnings({ logs }: Login | LoginRefusal): void {
    for (const log of logs) if (isServersOwn(log)) this.#shard.log(log.level, log.text);
  }
}

/** Whether the logins thread has decided by a configuration that has not reached this shard yet. */
function awaitsRules({ state, judgedByRules }: Connection): boolean {
  return state === STATE_WAITING && judgedByRules === RULES_TO_COME;
}

/** Has events tell the JWT that was judged, which a client that brought none was given. */
function showJwt(connection: Connection, jwt: string): void {
  const { options } = connection;
  if (jwt !== "" && jwt !== options.jwt) connection.options = { ...options, jwt };
}

function isLoginRequired({ webSocket }: Connection, { client, websocket }: LoginRules): boolean {
  return (webSocket === null ? client : websocket).isAuthRequired;
}

/** Whether a client has said nothing of itself: it is somebody only if there is a user for those. */
function isWithoutConnect({ options }: Connection): boolean {
  return options === DEFAULT_CONNECT_OPTIONS;
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
