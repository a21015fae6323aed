/** A stand-in for a server, for the tests of this room: idle, with whatever a test puts into it. */
import { selectConnections } from "../select_connections.ts";
import type { AccountDetailSnapshot, AccountSnapshot } from "../snapshots/accounts.ts";
import type { ConnectionQuery, ConnectionSelection, ConnectionSnapshot } from "../snapshots/connections.ts";
import type {
  GatewaysSnapshot,
  LeafnodeQuery,
  LeafnodeSnapshot,
  RoutesSnapshot,
} from "../snapshots/links.ts";
import type { MonitoredOptions } from "../snapshots/options.ts";
import type {
  HealthSnapshot,
  QueueSnapshot,
  ServerCounters,
  ServerIdentity,
  ServerSnapshot,
  ShardSnapshot,
} from "../snapshots/server.ts";
import type {
  InterestStatistics,
  SubscriptionQuery,
  SubscriptionSelection,
  SubscriptionSnapshot,
} from "../snapshots/subscriptions.ts";
import type { MonitorSource } from "../source.ts";
import { selectSubscriptions } from "../subsz.ts";

export const START_MS = Date.UTC(2026, 2, 2, 9, 15, 4);
export const NOW_MS = START_MS + 262_490;

export const IDENTITY: ServerIdentity = {
  id: "NSERVER",
  name: "midge",
  version: "2.15.2",
  protocol: 1,
  gitCommit: "",
  runtime: "bun 1.4.5",
  host: "127.0.0.1",
  port: 4222,
  systemAccount: "$SYS",
  commandLine: ["midge", "-c", "a.conf"],
};

export const OPTIONS: MonitoredOptions = {
  isAuthRequired: false,
  isTlsRequired: false,
  isTlsVerified: false,
  ocspPeers: null,
  connectionsMax: 65536,
  subscriptionsMax: 0,
  pingIntervalMs: 120_000,
  pingsOutMax: 2,
  httpHost: "127.0.0.1",
  httpPort: -1,
  httpBasePath: "",
  httpsPort: 0,
  authTimeoutMs: 2_000,
  controlLineBytesMax: 4096,
  payloadBytesMax: 1_048_576,
  pendingBytesMax: 67_108_864,
  tlsTimeoutMs: 2_000,
  writeDeadlineMs: 10_000,
  writeTimeoutPolicy: "",
  tlsCertNotAfterMs: null,
  tags: [],
  metadata: new Map(),
  featureFlags: new Map(),
  trustedOperatorJwts: [],
  trustedOperatorClaims: [],
  trustedProxyKeys: null,
  cluster: {},
  gateway: {},
  leafnodes: {},
  mqtt: {},
  webSocket: {},
};

const NO_TRAFFIC = { inMessages: 0, outMessages: 0, inBytes: 0, outBytes: 0 };
const NONE_OF_ANY_KIND = { clients: 0, routes: 0, gateways: 0, leafnodes: 0 };

export const COUNTERS: ServerCounters = {
  connections: 0,
  connectionsEver: 0,
  routes: 0,
  routePeers: 0,
  leafnodes: 0,
  traffic: NO_TRAFFIC,
  clientTraffic: NO_TRAFFIC,
  slowConsumers: 0,
  staleConnections: 0,
  stalls: 0,
  subscriptions: 60,
  slowConsumersByKind: NONE_OF_ANY_KIND,
  staleConnectionsByKind: NONE_OF_ANY_KIND,
  pinnedAccountFailures: 0,
};

export function serverSnapshot(changes: Partial<ServerSnapshot> = {}): ServerSnapshot {
  return {
    identity: IDENTITY,
    nowMs: NOW_MS,
    startMs: START_MS,
    configLoadMs: START_MS,
    configDigest: "",
    options: OPTIONS,
    resources: {
      residentBytes: 41_000_000,
      heapUsedBytes: 5_000_000,
      heapReservedBytes: 9_000_000,
      cpuCount: 2,
      threadCount: 3,
      cpuPercent: 0.5,
    },
    counters: COUNTERS,
    httpRequestCounts: new Map(),
    connectUrls: [],
    webSocketConnectUrls: [],
    ...changes,
  };
}

export function connectionSnapshot(
  id: number,
  changes: Partial<ConnectionSnapshot> = {},
): ConnectionSnapshot {
  return {
    ...NO_TRAFFIC,
    id,
    kind: "Client",
    type: "nats",
    ip: "127.0.0.1",
    port: 50_000 + id,
    startMs: START_MS + 1_000,
    lastActivityMs: START_MS + 2_000,
    stop: null,
    roundTripNs: 482_913,
    pendingBytes: 0,
    stalls: 0,
    subscriptionCount: 0,
    name: "",
    language: "",
    version: "",
    tls: null,
    user: "",
    account: "$G",
    accountNameTag: "$G",
    userNameTag: "",
    jwt: "",
    issuerKey: "",
    tags: [],
    mqttClient: "",
    proxyKey: "",
    subscriptions: [],
    ...changes,
  };
}

export function subscriptionSnapshot(
  subject: string,
  changes: Partial<SubscriptionSnapshot> = {},
): SubscriptionSnapshot {
  return {
    account: "$G",
    accountNameTag: "$G",
    subject,
    queue: "",
    sid: "1",
    deliveredMessages: 0,
    deliveriesMax: 0,
    connectionId: 5,
    ...changes,
  };
}

const NO_INTEREST: InterestStatistics = {
  subscriptions: 0,
  cacheEntries: 0,
  inserts: 0,
  removes: 0,
  matches: 0,
  cacheHits: 0,
  fanoutMax: 0,
  fanoutTotal: 0,
};

const NO_MESSAGES = { messages: 0, bytes: 0 };
const NO_ACCOUNT_TRAFFIC = {
  ...NO_MESSAGES,
  gateways: NO_MESSAGES,
  routes: NO_MESSAGES,
  leafnodes: NO_MESSAGES,
};

export function accountDetailSnapshot(
  name: string,
  changes: Partial<AccountDetailSnapshot> = {},
): AccountDetailSnapshot {
  return {
    name,
    nameTag: name,
    clients: 0,
    leafnodes: 0,
    subscriptions: 4,
    sent: NO_ACCOUNT_TRAFFIC,
    received: NO_ACCOUNT_TRAFFIC,
    slowConsumers: 0,
    updateMs: START_MS,
    isSystem: false,
    isExpired: false,
    isComplete: true,
    mappings: new Map(),
    exports: [],
    imports: [],
    responses: new Map(),
    interest: { ...NO_INTEREST, subscriptions: 4, inserts: 4 },
    claims: null,
    ...changes,
  };
}

export function shardSnapshot(name: string, changes: Partial<ShardSnapshot> = {}): ShardSnapshot {
  return {
    ...NO_TRAFFIC,
    name,
    isUp: true,
    connections: 0,
    connectionsEver: 0,
    subscriptions: 0,
    slowConsumers: 0,
    staleConnections: 0,
    stalls: 0,
    waitingBytes: 0,
    ...changes,
  };
}

export class FakeSource implements MonitorSource {
  snapshot: ServerSnapshot = serverSnapshot();
  open: ConnectionSnapshot[] = [];
  closed: ConnectionSnapshot[] = [];
  listed: SubscriptionSnapshot[] = [];
  interest: InterestStatistics = NO_INTEREST;
  listenersNotReady: string[] = [];
  accountList: AccountDetailSnapshot[] = [];
  routesSnapshot: RoutesSnapshot = { importPermission: null, exportPermission: null, routes: [] };
  gatewaysSnapshot: GatewaysSnapshot | null = null;
  leafnodeList: LeafnodeSnapshot[] = [];
  queueMap = new Map<string, QueueSnapshot>();
  shardList: ShardSnapshot[] = [];

  async server(): Promise<ServerSnapshot> {
    return this.snapshot;
  }

  async connections(query: ConnectionQuery): Promise<ConnectionSelection | null> {
    const isKnown = query.account === "" || this.accountList.some(({ name }) => name === query.account);
    return isKnown ? selectConnections(this.open, this.closed, query, (a, b) => a === b) : null;
  }

  async subscriptions(query: SubscriptionQuery): Promise<SubscriptionSelection> {
    return { statistics: this.interest, ...selectSubscriptions(this.listed, query) };
  }

  async health(): Promise<HealthSnapshot> {
    return { listenersNotReady: this.listenersNotReady };
  }

  async accountNames(): Promise<readonly string[]> {
    return this.accountList.map(({ name }) => name);
  }

  async accounts(): Promise<readonly AccountSnapshot[]> {
    return this.accountList;
  }

  async account(name: string): Promise<AccountDetailSnapshot | null> {
    return this.accountList.find((account) => account.name === name) ?? null;
  }

  async routes(): Promise<RoutesSnapshot> {
    return this.routesSnapshot;
  }

  async gateways(): Promise<GatewaysSnapshot | null> {
    return this.gatewaysSnapshot;
  }

  async leafnodes({ account }: LeafnodeQuery): Promise<readonly LeafnodeSnapshot[]> {
    return this.leafnodeList.filter((leafnode) => account === "" || leafnode.account === account);
  }

  async queues(): Promise<ReadonlyMap<string, QueueSnapshot>> {
    return this.queueMap;
  }

  async shards(): Promise<readonly ShardSnapshot[]> {
    return this.shardList;
  }

  async threads(): Promise<readonly string[]> {
    return ["main:\nat start (main.ts:1)"];
  }
}
