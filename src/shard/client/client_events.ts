/**
 * What main is told about clients that connect and disconnect, for the events of the system account. No event is made
 * if nobody listens, and the index is asked again only once interest has changed. Cold.
 */
import { SYSTEM_ACCOUNT_ID } from "../../account/definition.ts";
import {
  ACCOUNT_AUTH_ERROR_SUBJECT,
  authErrorSubject,
  connectionCountSubjects,
  connectSubject,
  disconnectSubject,
} from "../../account/system_events.ts";
import { MatchResult } from "../../interest/match_result.ts";
import { NODE_MAIN } from "../../memory/map.ts";
import { CloseReason, closeReasonEntry } from "../../protocol/close_reason.ts";
import { DEFAULT_CONNECT_OPTIONS } from "../../protocol/connect_options.ts";
import { byteStringOfText, bytesOf } from "../../subject/byte_string.ts";
import type { ShardAccount } from "../accounts.ts";
import type { Connection } from "../connection.ts";
import type { ShardContext } from "../context.ts";
import type { ClientEvent, LoginFailure } from "../shard_messages.ts";
import type { ConnectionRecord } from "../watch/records.ts";
import { detailsAtEnd, detailsForEvents } from "./client_details.ts";

/** Close reasons that follow `-ERR 'Authorization Violation'`. */
const FAILURES: ReadonlySet<number> = new Set([
  CloseReason.AuthenticationFailure,
  CloseReason.ProxyNotTrusted,
  CloseReason.ProxyRequired,
]);

/** Subjects for which the index's answer is remembered: four for each account. */
const SUBJECTS_MAX = 4096;

/** Whether anybody listens to a subject, and the generation words that must not change for that to hold. */
interface Answer {
  readonly isHeard: boolean;
  readonly bucketWord: number;
  readonly bucketGeneration: number;
  readonly wildcardWord: number;
  readonly wildcardGeneration: number;
}

export class ClientEvents {
  readonly #shard: ShardContext;
  readonly #match = new MatchResult();
  /** The index's answers, by subject of the system account. */
  readonly #answers = new Map<string, Answer>();

  constructor(shard: ShardContext) {
    this.#shard = shard;
  }

  /** The event of a client that has logged in; null if nobody listens. */
  opened(connection: Connection): ClientEvent | null {
    const system = this.#shard.accounts.byId(SYSTEM_ACCOUNT_ID);
    if (system === undefined) return null;
    const countedAccounts = this.#countedAccounts(connection);
    const isHeard =
      this.#isHeard(system, connectSubject(connection.account.name)) ||
      this.#isCountHeard(system, countedAccounts);
    if (!isHeard) return null;
    return { client: detailsForEvents(connection), countedAccounts, failure: null, end: null };
  }

  /** The event of a client that is about to go; null if nobody listens. `record` is what monitoring will show of it. */
  closed(connection: Connection, record: ConnectionRecord): ClientEvent | null {
    const { stopMs, reason, inMessages, inBytes, outMessages, outBytes } = record;
    const system = this.#shard.accounts.byId(SYSTEM_ACCOUNT_ID);
    if (system === undefined) return null;
    const countedAccounts = this.#countedAccounts(connection);
    const failure = this.#failureOf(connection, reason);
    const isHeard =
      this.#isHeard(system, disconnectSubject(connection.account.name)) ||
      this.#isCountHeard(system, countedAccounts) ||
      (failure !== null && this.#isFailureHeard(system, failure));
    if (!isHeard) return null;
    return {
      client: detailsAtEnd(connection, stopMs ?? this.#shard.wallMs()),
      countedAccounts,
      failure,
      end: { reason, traffic: { inMessages, inBytes, outMessages, outBytes } },
    };
  }

  /** The accounts whose number of connections changes; forgets the one that a second CONNECT has left. */
  #countedAccounts(connection: Connection): string[] {
    const { leftAccount, account, countedIn } = connection;
    const { global } = this.#shard.accounts;
    connection.leftAccount = "";
    const names: string[] = [];
    if (leftAccount !== "" && leftAccount !== global.name) names.push(leftAccount);
    if (countedIn !== 0 && account.name !== global.name) names.push(account.name);
    return names;
  }

  #isCountHeard(system: ShardAccount, accounts: readonly string[]): boolean {
    return accounts.some((name) =>
      connectionCountSubjects(name).some((subject) => this.#isHeard(system, subject)),
    );
  }

  #failureOf(connection: Connection, reason: string): LoginFailure | null {
    if (FAILURES.has(connection.closeReason)) return failureOf(connection, reason);
    // In operator mode a client for which its account has no room has failed as far as that account knows.
    const { closeReason, countedIn, refusal, account } = connection;
    if (closeReason !== CloseReason.MaximumAccountConnectionsExceeded || countedIn !== 0 || refusal !== null)
      return null;
    if (!this.#shard.options.login.rules.isOperatorMode) return null;
    const { text } = closeReasonEntry(CloseReason.AuthenticationFailure);
    return { account: account.name, reason: text, isForSystem: false };
  }

  #isFailureHeard(system: ShardAccount, { account, isForSystem }: LoginFailure): boolean {
    if (isForSystem && this.#isHeard(system, authErrorSubject(this.#shard.info.serverId))) return true;
    const own = account === null ? undefined : this.#shard.accounts.byName(account);
    return own !== undefined && this.#isHeardNow(own, ACCOUNT_AUTH_ERROR_SUBJECT);
  }

  #isHeard(system: ShardAccount, text: string): boolean {
    if (system.isImported) return this.#isHeardNow(system, text);
    const { words } = this.#shard.shared;
    const known = this.#answers.get(text);
    if (
      known !== undefined &&
      Atomics.load(words, known.bucketWord) === known.bucketGeneration &&
      Atomics.load(words, known.wildcardWord) === known.wildcardGeneration
    )
      return known.isHeard;
    const isHeard = this.#isHeardNow(system, text);
    const { bucketGeneration, bucketGenerationAddress, wildcardGeneration, wildcardGenerationAddress } =
      this.#match;
    if (this.#answers.size === SUBJECTS_MAX) this.#answers.clear();
    this.#answers.set(text, {
      isHeard,
      bucketWord: bucketGenerationAddress >> 2,
      bucketGeneration,
      wildcardWord: wildcardGenerationAddress >> 2,
      wildcardGeneration,
    });
    return isHeard;
  }

  #isHeardNow(account: ShardAccount, text: string): boolean {
    const subject = byteStringOfText(text);
    if (this.#hasInterest(account.id, bytesOf(subject))) return true;
    return (
      account.isImported && account.legsOf(subject).some((leg) => this.#hasInterest(leg.account, leg.subject))
    );
  }

  #hasInterest(account: number, subject: Uint8Array): boolean {
    this.#shard.index.match(account, subject, 0, subject.length, this.#match);
    // Main publishes the events, and itself listens only to those of other servers.
    const { plainNodes, queueCount } = this.#match;
    return (plainNodes & ~(1 << NODE_MAIN)) !== 0 || queueCount > 0;
  }
}

function failureOf({ refusal, account, options }: Connection, reason: string): LoginFailure {
  const isForSystem = true;
  // A client that began without CONNECT was refused before any account was considered.
  if (options === DEFAULT_CONNECT_OPTIONS) return { account: null, reason, isForSystem };
  if (refusal === null) return { account: account.name, reason, isForSystem };
  return { account: refusal.account, reason: refusal.eventReason, isForSystem };
}
