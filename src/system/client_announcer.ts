/** Tells the system account of clients that come, go and are refused, and of how many each account has. */
import type { ClientInfo } from "../account/client_info.ts";
import {
  ACCOUNT_AUTH_ERROR_SUBJECT,
  authErrorSubject,
  connectionCountSubjects,
  connectSubject,
  disconnectSubject,
} from "../account/system_events.ts";
import { newNuid } from "../base/nuid.ts";
import { GLOBAL_ACCOUNT } from "../config/account_names.ts";
import type { AccountSnapshot } from "../monitor/snapshots/accounts.ts";
import type { Traffic } from "../monitor/snapshots/traffic.ts";
import type { LoginFailure } from "../shard/shard_messages.ts";
import { ConnectionCounts } from "./connection_counts.ts";
import { connectEvent, connectionCountEvent, disconnectEvent } from "./events.ts";
import type { SystemHost } from "./host.ts";
import type { Messenger } from "./messenger.ts";

/** What a shard reports of a client, because somebody listened when it happened. */
export interface ClientChange {
  /** Null if only numbers of connections are told. */
  readonly client: ClientInfo | null;
  /** Accounts whose number of connections it changed. */
  readonly countedAccounts: readonly string[];
  /** For a client that was refused. */
  readonly failure: LoginFailure | null;
  /** For a client that has gone. */
  readonly end: { readonly reason: string; readonly traffic: Traffic } | null;
}

const NO_TRAFFIC: Traffic = { inMessages: 0, inBytes: 0, outMessages: 0, outBytes: 0 };

export class ClientAnnouncer {
  readonly #host: SystemHost;
  readonly #messenger: Messenger;
  readonly #counts = new ConnectionCounts();
  #waiting: ClientChange[] = [];
  #isBusy = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isStopped = false;

  constructor(host: SystemHost, messenger: Messenger) {
    this.#host = host;
    this.#messenger = messenger;
    this.#watchCounts();
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
  }

  /** Changes are told in their order; those that come together share one query of the accounts' counters. */
  announce(change: ClientChange): void {
    this.#waiting.push(change);
    if (!this.#isBusy) void this.#tellAll();
  }

  /** Answers how many connections an account has, if it has clients; that counts as having told it. */
  async answerCount(account: string, reply: string): Promise<void> {
    const snapshot = (await this.#snapshots()).get(account);
    if (snapshot === undefined || snapshot.clients === 0) return;
    this.#tellCount(snapshot, [reply]);
  }

  /** Tells of a client that could not log in and was in no account. */
  tellRefusal(client: ClientInfo, reason: string): void {
    const subject = authErrorSubject(this.#messenger.servers.identity.id);
    this.#send(subject, () => disconnectEvent(this.#messenger.head(Date.now()), client, NO_TRAFFIC, reason));
  }

  async #tellAll(): Promise<void> {
    this.#isBusy = true;
    try {
      while (this.#waiting.length > 0 && !this.#isStopped) {
        const changes = this.#waiting;
        this.#waiting = [];
        const isCounted = changes.some(({ countedAccounts }) => countedAccounts.length > 0);
        const accounts = isCounted ? await this.#snapshots() : new Map<string, AccountSnapshot>();
        if (this.#isStopped) return;
        for (const change of changes) this.#tell(change, accounts);
      }
    } catch (error) {
      this.#host.logError(`Events of clients are lost: ${(error as Error).message}`);
    } finally {
      this.#isBusy = false;
    }
  }

  #tell(
    { client, countedAccounts, failure, end }: ClientChange,
    accounts: ReadonlyMap<string, AccountSnapshot>,
  ): void {
    for (const name of countedAccounts) {
      const snapshot = accounts.get(name);
      if (snapshot !== undefined) this.#tellCount(snapshot, connectionCountSubjects(name));
    }
    if (client === null) return;
    if (end === null) {
      this.#send(connectSubject(client.account), () =>
        connectEvent(this.#messenger.head(Date.now()), client),
      );
      return;
    }
    const body = (as: ClientInfo, reason: string) =>
      disconnectEvent(this.#messenger.head(as.stoppedAtMs ?? Date.now()), as, end.traffic, reason);
    if (failure !== null) {
      this.#tellFailedAccount(client, failure, body);
      const { id } = this.#messenger.servers.identity;
      if (failure.isForSystem) this.#send(authErrorSubject(id), () => body(client, end.reason));
    }
    this.#send(disconnectSubject(client.account), () => body(client, end.reason));
  }

  #tellFailedAccount(
    client: ClientInfo,
    { account, reason }: LoginFailure,
    body: (as: ClientInfo, reason: string) => unknown,
  ): void {
    const hosted = account === null ? undefined : this.#host.account(account);
    if (hosted === undefined || !this.#messenger.isHeard(ACCOUNT_AUTH_ERROR_SUBJECT, hosted.id)) return;
    this.#messenger.send(
      ACCOUNT_AUTH_ERROR_SUBJECT,
      body({ ...client, account: hosted.name }, reason),
      hosted.id,
    );
  }

  #tellCount(snapshot: AccountSnapshot, subjects: readonly string[]): void {
    const { clients, leafnodes } = snapshot;
    this.#counts.note(snapshot.name, clients + leafnodes, performance.now());
    const id = newNuid();
    const atMs = Date.now();
    for (const subject of subjects) {
      if (!this.#messenger.isHeard(subject)) continue;
      const head = { id, atMs, server: this.#messenger.server() };
      this.#messenger.send(subject, connectionCountEvent(head, snapshot));
    }
  }

  #send(subject: string, body: () => unknown): void {
    if (this.#messenger.isHeard(subject)) this.#messenger.send(subject, body());
  }

  #watchCounts(): void {
    this.#timer = setTimeout(() => void this.#repeatCounts(), this.#counts.waitMs(performance.now()));
  }

  /** Tells numbers again that have not changed for long, if somebody listens. */
  async #repeatCounts(): Promise<void> {
    try {
      const nowMs = performance.now();
      const connected = this.#host
        .accounts()
        .filter(({ name, connections }) => connections > 0 && name !== GLOBAL_ACCOUNT);
      this.#counts.keepOnly(new Set(connected.map(({ name }) => name)));
      const due = connected.filter(({ name }) => this.#counts.isDue(name, nowMs));
      const heard = due.filter(({ name }) =>
        connectionCountSubjects(name).some((subject) => this.#messenger.isHeard(subject)),
      );
      const accounts = heard.length === 0 ? null : await this.#snapshots();
      if (this.#isStopped) return;
      for (const { name, connections } of due) this.#counts.note(name, connections, nowMs);
      for (const { name } of heard) {
        const snapshot = accounts?.get(name);
        if (snapshot !== undefined) this.#tellCount(snapshot, connectionCountSubjects(name));
      }
    } catch (error) {
      this.#host.logError(`Connection counts are not told: ${(error as Error).message}`);
    }
    if (!this.#isStopped) this.#watchCounts();
  }

  async #snapshots(): Promise<Map<string, AccountSnapshot>> {
    return new Map((await this.#host.monitor.accounts()).map((account) => [account.name, account]));
  }
}
