/** The server as monitoring shows it, and its threads. */
import type { MonitoredOptions } from "./options.ts";
import type { CountByKind, Traffic } from "./traffic.ts";

export interface ServerSnapshot {
  readonly identity: ServerIdentity;
  readonly nowMs: number;
  readonly startMs: number;
  /** When the configuration was last loaded or reloaded. */
  readonly configLoadMs: number;
  /** `sha256:<hex>` of the parsed configuration, empty without a file. */
  readonly configDigest: string;
  readonly options: MonitoredOptions;
  readonly resources: ResourceSnapshot;
  readonly counters: ServerCounters;
  /** Requests answered by HTTP monitoring, by path without the base path. */
  readonly httpRequestCounts: ReadonlyMap<string, number>;
  /** `host:port` of the servers a client may use, own first; empty until a peer told of one. */
  readonly connectUrls: readonly string[];
  readonly webSocketConnectUrls: readonly string[];
}

export interface ServerIdentity {
  /** The server's public NKey, `N…`. */
  readonly id: string;
  /** Equals `id` where none is configured. */
  readonly name: string;
  readonly version: string;
  readonly protocol: number;
  readonly gitCommit: string;
  /** Runtime and its version, any text. */
  readonly runtime: string;
  /** The client listener's address, or what it advertises. */
  readonly host: string;
  readonly port: number;
  /** Empty where there is none. */
  readonly systemAccount: string;
  readonly commandLine: readonly string[];
}

export interface ResourceSnapshot {
  readonly residentBytes: number;
  readonly heapUsedBytes: number;
  readonly heapReservedBytes: number;
  readonly cpuCount: number;
  /** Threads that run server code. */
  readonly threadCount: number;
  /** 100 is one CPU in full. */
  readonly cpuPercent: number;
}

export interface ServerCounters {
  /** Open clients, without leafnodes. */
  readonly connections: number;
  readonly connectionsEver: number;
  /** Route connections, several per peer. */
  readonly routes: number;
  /** Distinct route peers. */
  readonly routePeers: number;
  readonly leafnodes: number;
  /** Of every kind of connection; payload bytes only. */
  readonly traffic: Traffic;
  readonly clientTraffic: Traffic;
  /** May count one client twice. */
  readonly slowConsumers: number;
  readonly staleConnections: number;
  /** Events, not clients. */
  readonly stalls: number;
  readonly subscriptions: number;
  readonly slowConsumersByKind: CountByKind;
  readonly staleConnectionsByKind: CountByKind;
  readonly pinnedAccountFailures: number;
}

export interface HealthSnapshot {
  /**
   * Configured listeners that are not open: `server`, `route`, `gateway`, `leafnode`, `websocket`,
   * `mqtt`; with the cause where there is one: `route(<error>)`.
   */
  readonly listenersNotReady: readonly string[];
}

export interface QueueSnapshot {
  readonly pending: number;
  readonly inProgress: number;
}

/** A thread that serves connections. Its counters go on where it is replaced. */
export interface ShardSnapshot extends Traffic {
  /** `0`, `1`, …; `links` where the connections are routes, gateways and leaf nodes. */
  readonly name: string;
  /** False while it is being replaced. */
  readonly isUp: boolean;
  /** Those that have not logged in yet among them. */
  readonly connections: number;
  readonly connectionsEver: number;
  readonly subscriptions: number;
  readonly slowConsumers: number;
  readonly staleConnections: number;
  readonly stalls: number;
  /** What other threads have sent it that it has not taken yet. */
  readonly waitingBytes: number;
}
