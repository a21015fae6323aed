/** The server as its services in the system account see it, and as the client through which they publish. */
import type { AccountsChange } from "../account/accounts_change.ts";
import { importsService } from "../account/applied_imports.ts";
import type { RemoteLatency } from "../account/latency.ts";
import type { Options } from "../config/option_table.ts";
import type { InternalRoutes } from "../fabric/internal_client.ts";
import { NODE_MAIN, NODE_SHARD_FIRST } from "../memory/map.ts";
import type { MonitorSource } from "../monitor/source.ts";
import type { PayloadTraceOptions } from "../protocol/trace.ts";
import { type ShardAccount, ShardAccounts } from "../shard/accounts.ts";
import type { StreamLeg } from "../shard/plans/plan_rules.ts";
import { ReplySubjects } from "../shard/services/reply_subjects.ts";
import type { UserRecord } from "../shard/watch/records.ts";
import { byteStringOfText } from "../subject/byte_string.ts";
import type { HostedAccount, SystemHost } from "../system/host.ts";
import type { ConnectionsElsewhere } from "../system/remote_servers.ts";
import type { ReloadResult } from "./reload.ts";
import type { ResolvedOptions } from "./settings/shard_settings.ts";
import type { Fleet } from "./threads/fleet.ts";

const NO_HEADERS = new Uint8Array(0);

/** How the log traces what the server itself publishes: with `trace_verbose`, like the messages of clients. */
export function systemTracing({
  traceVerbose,
  traceHeaders,
  maxTracedMessageBytes,
}: Options): PayloadTraceOptions | null {
  return traceVerbose ? { maxTracedBytes: maxTracedMessageBytes, headersOnly: traceHeaders } : null;
}

/** What only the server itself can do. */
export interface ServerActions {
  reload(): Promise<ReloadResult>;
  /** See `SystemHost.tracing`. */
  tracing(): PayloadTraceOptions | null;
  logTrace(text: string): void;
  logError(text: string): void;
}

export class ServerSystemHost implements SystemHost, InternalRoutes {
  readonly monitor: MonitorSource;
  readonly #fleet: Fleet;
  readonly #actions: ServerActions;
  readonly #accounts: ShardAccounts;
  readonly #replies: ReplySubjects;

  constructor(
    fleet: Fleet,
    monitor: MonitorSource,
    { accounts, replySecret, serverHash }: ResolvedOptions,
    clusterName: string | undefined,
    actions: ServerActions,
  ) {
    this.#fleet = fleet;
    this.monitor = monitor;
    this.#actions = actions;
    this.#accounts = new ShardAccounts(accounts, clusterName);
    this.#replies = new ReplySubjects(replySecret, serverHash, NODE_MAIN);
  }

  /** A reload took place. */
  configure({ accounts }: ResolvedOptions, clusterName: string | undefined): void {
    this.#accounts.configure(accounts, clusterName);
  }

  /** Operator mode: accounts were loaded, or changed. */
  changeAccounts({ changed, removed }: AccountsChange): void {
    this.#accounts.update(changed, removed);
  }

  nodeOfReply(account: number, subject: string): number {
    const node = this.#replies.nodeOf(account, subject);
    return this.#fleet.hasConnections(node) ? node : -1;
  }

  legsOf(account: number, subject: string): StreamLeg[] {
    const published = this.#accounts.byId(account);
    return published?.isImported ? published.legsOf(subject) : [];
  }

  accounts(): readonly HostedAccount[] {
    return [...this.#accounts.all()].map((account) => this.#hosted(account));
  }

  account(name: string): HostedAccount | undefined {
    const account = this.#accounts.byName(name);
    return account && this.#hosted(account);
  }

  async reload(): Promise<string | undefined> {
    const result = await this.#actions.reload();
    return result.ok ? undefined : result.reason;
  }

  async kick(clientId: number): Promise<boolean> {
    if ((await this.#fleet.shards.query<boolean>({ what: "kick", clientId })).includes(true)) return true;
    return (await this.#fleet.shards.queryLinks<boolean>({ what: "kick", clientId })) ?? false;
  }

  async sendLameDuck(clientId: number): Promise<boolean | null> {
    const answers = await this.#fleet.shards.query<boolean | null>({ what: "lameDuck", clientId });
    return answers.find((answer) => answer !== null) ?? null;
  }

  async userTerms(clientId: number): Promise<UserRecord | null> {
    if (clientId === 0) return null;
    const answers = await this.#fleet.shards.query<UserRecord | null>({ what: "user", clientId });
    return answers.find((answer) => answer !== null) ?? null;
  }

  setConnectionsElsewhere(name: string, { clients, leafnodes }: ConnectionsElsewhere): void {
    const account = this.#accounts.byName(name);
    if (account === undefined) return;
    this.#fleet.clients.setElsewhere(account.id, clients, leafnodes);
    void this.#fleet.clients.limitAccount(account.definition, { endsLeafs: true });
    if (leafnodes > 0) this.#fleet.shards.tellLinks({ type: "link", what: "limitLeafs", account: name });
  }

  takeRemoteLatency({ account: name, requestId, sample }: RemoteLatency): void {
    const account = this.#accounts.byName(name);
    if (account === undefined) return;
    const subject = byteStringOfText(requestId);
    const node = this.nodeOfReply(account.id, subject);
    if (node >= 0) this.#fleet.shards.send(node, { type: "latency", account: account.id, subject, sample });
  }

  async countSubscribers(account: string, subject: string, queue: string | null): Promise<number> {
    const query = { what: "subscribers", account, subject, queue } as const;
    const ofLeafnodes = (await this.#fleet.shards.queryLinks<number>(query)) ?? 0;
    const counts = await this.#fleet.shards.query<number>(query);
    return counts.reduce((sum, count) => sum + count, ofLeafnodes);
  }

  askServices(account: number, subject: string, payload: Uint8Array, headers = NO_HEADERS): void {
    const asking = this.#accounts.byId(account);
    if (asking === undefined || !importsService(asking.definition, subject)) return;
    const request = { account, subject, reply: "", headers: headers.toBase64(), payload: payload.toBase64() };
    this.#fleet.shards.send(NODE_SHARD_FIRST, { type: "request", ...request });
  }

  get tracing(): PayloadTraceOptions | null {
    return this.#actions.tracing();
  }

  logTrace(text: string): void {
    this.#actions.logTrace(text);
  }

  logError(text: string): void {
    this.#actions.logError(text);
  }

  #hosted({ id, name, definition }: ShardAccount): HostedAccount {
    const nameTag = definition.nameTag ?? name;
    return { id, name, nameTag, connections: this.#fleet.clients.ofAccount(id) };
  }
}
