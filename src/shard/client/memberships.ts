/**
 * Puts the connections of a shard into their accounts: counts them there and gives them a login's permissions and the
 * least of the applicable limits, until the login ends. Cold: once per CONNECT, and after a reload. Source: nats-server
 * `RegisterUser`, `registerWithAccount`, `applyAccountLimits`.
 */
import { leastLimit, leastPayload } from "../../account/limits.ts";
import { ResponsePermits } from "../../account/response_permits.ts";
import type { Login } from "../../auth/login.ts";
import { registersClients } from "../../auth/login_rules.ts";
import type { Permissions } from "../../config/permissions.ts";
import {
  CONNECTION_CONTEXT,
  CONNECTION_DISCLOSURE,
  CONNECTION_LAST_PLAN,
  CONNECTION_PAYLOAD_MAX,
} from "../../memory/layout.ts";
import { clientsElsewhereWord } from "../../memory/map.ts";
import * as errors from "../../protocol/errors.ts";
import { errorLine } from "../../protocol/messages.ts";
import { byteStringOf } from "../../subject/byte_string.ts";
import { countIn, countOut } from "../account_counts.ts";
import type { ShardAccount } from "../accounts.ts";
import { type Connection, NO_CONTEXT, STATE_CLOSING } from "../connection.ts";
import type { ShardContext } from "../context.ts";
import { NO_SUBSCRIPTION } from "../interest/subscription_table.ts";
import { TIMER_EXPIRY, timerId } from "../timers.ts";
import { noteDeliveries } from "./noted_deliveries.ts";
import { RecentValues } from "./recent_values.ts";

/** A client that has all the subscriptions it may have, or more, is told so and ended after this time. */
const OVER_SUBSCRIBED_MS = 20;
/** How often the clock is compared with the end of a long login, since the clock may be set meanwhile. */
const EXPIRY_LOOK_MS = 60_000;

const NO_LOGS: Login["logs"] = [];

export class Memberships {
  readonly #shard: ShardContext;
  readonly #recentLogins = new RecentValues<Login>();

  constructor(shard: ShardContext) {
    this.#shard = shard;
  }

  /** Puts a connection that is new, or about to log in again, into the global account. */
  begin(connection: Connection): void {
    const { accounts, contexts } = this.#shard;
    if (connection.countedIn !== 0) connection.leftAccount = connection.account.name;
    this.uncount(connection);
    connection.login = null;
    connection.permits = null;
    connection.account = accounts.global;
    this.#setContext(connection, contexts.take(accounts.global, null));
    this.#writeLimits(connection);
    // If the server's limit is below −1, a client can be in no account.
    if (connection.maxSubscriptions === 0) this.#endSoon(connection);
  }

  /** Gives back what an ending connection held of its account. */
  leave(connection: Connection): void {
    this.uncount(connection);
    this.#shard.contexts.release(connection.context);
  }

  /** Counts the connection in no account any more. */
  uncount(connection: Connection): void {
    countOut(this.#shard.shared, connection);
  }

  /**
   * Puts a connection into the account of its login. Returns false if the account has all the connections it may have.
   */
  enter(connection: Connection, login: Login, account: ShardAccount): boolean {
    // A client that began without CONNECT may have subscriptions in the account that it leaves.
    if (connection.account.id !== account.id) this.dropSubscriptions(connection);
    connection.login = login;
    connection.account = account;
    if (!this.#countIn(connection, account)) return false;
    this.#setContext(connection, this.#shard.contexts.take(account, login.permissions));
    this.#permit(connection, login.permissions);
    this.#keep(connection, login);
    this.#writeLimits(connection);
    this.#endIfOverSubscribed(connection);
    this.#watchExpiry(connection);
    return true;
  }

  /** Drops all subscriptions, since the connection is about to become another user or to change its account. */
  dropSubscriptions(connection: Connection): void {
    while (connection.firstSubscription !== NO_SUBSCRIPTION) {
      this.#shard.interest.unsubscribe(connection, connection.firstSubscription);
    }
  }

  /**
   * Adopts a new definition of the connection's account. `endsSurplus`: a connection that has all the subscriptions it
   * may have is ended.
   */
  refresh(connection: Connection, account: ShardAccount, endsSurplus: boolean): void {
    connection.account = account;
    this.forgetDisclosure(connection);
    this.#writeLimits(connection);
    if (endsSurplus) this.#endIfOverSubscribed(connection);
  }

  /**
   * Changes the login within the same account: replaces the permissions, and removes subscriptions that they do not
   * allow or whose new filter finds no room in the index.
   */
  changeLogin(connection: Connection, login: Login): void {
    const { contexts, index, interest, table, outbound } = this.#shard;
    const before = connection.login?.permissions ?? null;
    const isAsBefore = JSON.stringify(before) === JSON.stringify(login.permissions);
    if (!isAsBefore) {
      this.#setContext(connection, contexts.take(connection.account, login.permissions));
      this.#permit(connection, login.permissions);
    }
    this.#keep(connection, login);
    this.#writeLimits(connection);
    this.#watchExpiry(connection);
    this.forgetDisclosure(connection);
    if (isAsBefore) return;
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

  /**
   * The subjects that a subscription is not sent (`UserPermissions.filterFor`), as byte strings; null if the
   * subscription is not allowed.
   */
  filterFor(connection: Connection, subject: string, queue: string): string | null {
    const permissions = this.#shard.contexts.permissionsOf(connection.context);
    if (permissions === null) return "";
    return permissions.canSubscribe(subject, queue) ? permissions.filterFor(subject, queue) : null;
  }

  /** Ends a connection whose login has expired, or that has too many subscriptions. */
  onExpiry(connection: Connection): void {
    if (connection.state >= STATE_CLOSING) return;
    const { login } = connection;
    if (connection.isOverSubscribed) {
      this.#shard.fail(connection, errors.ERROR_MAXIMUM_SUBSCRIPTIONS_LOWERED);
    } else if (login?.expiresAtMs != null && this.#shard.wallMs() >= login.expiresAtMs) {
      this.#shard.fail(connection, errors.ERROR_USER_AUTHENTICATION_EXPIRED);
    } else this.#watchExpiry(connection);
  }

  /** Forgets what services are told about a client, since that has changed. */
  forgetDisclosure({ address }: Connection): void {
    this.#shard.shared.words[(address + CONNECTION_DISCLOSURE) >> 2] = 0;
  }

  /** Counts a connection in its account. Returns false if the account has all the connections it may have. */
  #countIn(connection: Connection, { id, definition }: ShardAccount): boolean {
    const { shared } = this.#shard;
    const { maxConnections } = definition.limits;
    const count = countIn(shared, connection, id);
    const elsewhere = Atomics.load(shared.words, clientsElsewhereWord(shared.map, id));
    if (maxConnections < 0 || count + elsewhere <= maxConnections) return true;
    this.uncount(connection);
    return false;
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

  #permit(connection: Connection, permissions: Permissions | null): void {
    connection.permits =
      permissions?.responses === undefined ? null : new ResponsePermits(permissions.responses);
    noteDeliveries(this.#shard, connection);
  }

  /**
   * Keeps what is needed of a login. Clients that log in alike share one object, and there is one copy of the JWT. A
   * client that brought no JWT keeps the one that it was given, even if clients that come later are given another.
   */
  #keep(connection: Connection, login: Login): void {
    const permissions = this.#shard.contexts.givenPermissionsOf(connection.context);
    const kept = this.#recentLogins.share({ ...login, permissions, logs: NO_LOGS });
    connection.login = kept;
    const { options } = connection;
    if (kept.jwt !== "") connection.options = { ...options, jwt: kept.jwt };
  }

  /** Sets the least of the limits of server, account and user. */
  #writeLimits(connection: Connection): void {
    const { options, shared } = this.#shard;
    const { limits } = connection.account.definition;
    const { login } = connection;
    connection.maxPayloadBytes = leastPayload(
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

  /**
   * Ends a connection that has as many subscriptions as a new limit allows, or more. Only new limits are applied like
   * this, not limits that were in force before.
   */
  #endIfOverSubscribed(connection: Connection): void {
    const { maxSubscriptions, subscriptionCount } = connection;
    if (maxSubscriptions < 0 || subscriptionCount < maxSubscriptions) return;
    if (!registersClients(this.#shard.options.login.rules)) return;
    this.#endSoon(connection);
  }

  #endSoon(connection: Connection): void {
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
}
