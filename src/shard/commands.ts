/**
 * The commands that other nodes send a shard by ring, and which of its parts carries them out. Cold: commands are few
 * beside messages.
 */
import type { AccountsChange } from "../account/accounts_change.ts";
import type { ListenerKind } from "../fabric/listeners.ts";
import type { ClientProtocol } from "./client/client_protocol.ts";
import type { ConnectionCommands } from "./client/connection_commands.ts";
import type { Handshakes } from "./client/handshakes.ts";
import type { Upgrades } from "./client/upgrades.ts";
import type { ShardContext } from "./context.ts";
import type { HandedLeaf } from "./links/handed_leaf.ts";
import type { LinkHost } from "./links/link_host.ts";
import { outboundOptions } from "./output/outbound.ts";
import type { Publishing } from "./publishing.ts";
import type { Services } from "./services/services.ts";
import type { ShardControl, ShardReport } from "./shard_messages.ts";
import type { ShardOptions } from "./shard_options.ts";
import type { Tracing } from "./tracing/tracing.ts";
import type { Queries } from "./watch/queries.ts";

export interface CommandedParts {
  readonly protocol: ClientProtocol;
  readonly publishing: Publishing;
  readonly services: Services;
  readonly tracing: Tracing;
  readonly handshakes: Handshakes;
  readonly connections: ConnectionCommands;
  readonly queries: Queries;
  /** Null for shards of clients. */
  readonly links: LinkHost | null;
  /** Null without WebSockets. */
  readonly upgrades: Upgrades | null;
}

/**
 * Commands that publish something: they are put aside, since they arrive within drains, when a message of this shard
 * may be under way.
 */
type AsideCommand = Extract<ShardControl, { readonly type: "latency" | "traced" | "untaken" }>;

/** What only the shard as a whole can do. */
export interface CommandedShard
  extends Pick<ShardContext, "options" | "info" | "accounts" | "connections" | "outbound"> {
  accept(listener: ListenerKind, fd: number, ip: string, port: number): void;
  acceptHanded(leaf: HandedLeaf): void;
  report(report: ShardReport): void;
  stopListening(listeners: readonly ListenerKind[]): void;
  stop(leavesSockets: boolean): void;
}

export class Commands {
  readonly #shard: CommandedShard;
  readonly #parts: CommandedParts;
  /** Commands put aside until doWork(). */
  #aside: AsideCommand[] = [];

  constructor(shard: CommandedShard, parts: CommandedParts) {
    this.#shard = shard;
    this.#parts = parts;
  }

  take(command: ShardControl): void {
    const shard = this.#shard;
    const { services, tracing, connections, queries, links } = this.#parts;
    switch (command.type) {
      case "accept":
        shard.accept(command.listener, command.fd, command.ip, command.port);
        break;
      case "handedLeaf":
        shard.acceptHanded(command);
        break;
      case "options":
        this.#changeOptions(command.options);
        shard.info = command.info;
        break;
      case "accounts":
        this.#changeAccounts(command.change);
        break;
      case "request":
        services.takeRequest(command);
        break;
      case "link":
        links?.control(command);
        break;
      case "responder":
        // On the links shard the request is one of another server, or one that came from a leaf node.
        services.setResponder(command.token, command.info);
        links?.responds(command.token, command.info);
        break;
      case "latency":
      case "traced":
      case "untaken":
        this.#aside.push(command);
        break;
      case "verdict":
      case "peer":
      case "closeSome":
      case "shrink":
      case "accountFull":
      case "otherClusters":
        connections.take(command);
        break;
      case "info":
        if (command.clientId === undefined) shard.info = command.info;
        connections.take(command);
        break;
      case "trace":
        tracing.take(command);
        break;
      case "query": {
        const json = JSON.stringify(queries.answer(command.query));
        shard.report({ type: "answer", id: command.id, json });
        break;
      }
      case "stopListening":
        shard.stopListening(command.listeners);
        break;
      case "stop":
        shard.stop(command.leavesSockets);
        break;
      case "fail":
        throw new Error("the shard was told to fail");
    }
  }

  get hasWork(): boolean {
    return this.#aside.length > 0;
  }

  /** Carries out the commands that were put aside. Must not be called from within a drain. */
  doWork(): void {
    if (this.#aside.length === 0) return;
    const { services, tracing } = this.#parts;
    const aside = this.#aside;
    this.#aside = [];
    for (const command of aside) {
      if (command.type === "latency")
        services.takeRemoteLatency(command.account, command.subject, command.sample);
      else if (command.type === "traced") tracing.takePart(command);
      else services.untaken(command);
    }
  }

  #changeAccounts({ changed, removed, terms }: AccountsChange): void {
    const { protocol, tracing, links } = this.#parts;
    const { logins } = protocol;
    logins.expel(removed);
    this.#shard.accounts.update(changed, removed);
    tracing.accountsChanged();
    logins.applyTerms(terms);
    logins.refresh(false, terms);
    links?.refresh(terms);
  }

  #changeOptions(options: ShardOptions): void {
    const shard = this.#shard;
    const { protocol, publishing, tracing, handshakes, upgrades, links } = this.#parts;
    const haveRulesChanged = JSON.stringify(options.login) !== JSON.stringify(shard.options.login);
    shard.options = options;
    handshakes.configure();
    upgrades?.configure();
    shard.outbound.configure(outboundOptions(options));
    publishing.configure();
    shard.accounts.configure(options.accounts, options.clusterName);
    tracing.accountsChanged();
    protocol.logins.refresh(haveRulesChanged);
    for (const connection of shard.connections) {
      if (connection !== null && !connection.isLink) protocol.applyOptions(connection);
    }
    links?.refresh([]);
  }
}
