import { type Login, logins } from "./logins.ts";
import type { Topology } from "./topologies.ts";

/**
 * The rows of the wire bench: what is done to each server, as data.
 *
 * A row has the arguments of the load generator (`load/load.h`) and says what one operation is. Rows whose id ends in
 * `-apart` start Midge with two shards and put publisher and subscriber on different ones: a new connection goes to the
 * shard with the fewest, so consecutive connections alternate. The other rows open one idle connection in between
 * (`--between 1`), so that both are on the same shard even if there are two.
 */
export interface Row {
  readonly id: string;
  readonly title: string;
  /** The operation that CPU time and rate are given for. */
  readonly unit: "message" | "delivery" | "request" | "connection" | "subscription" | "start";
  /**
   * Arguments of the load generator. Null if the row measures only the start of the server, or the coming of a peer.
   */
  readonly load: readonly string[] | null;
  /** Whether `--quick` runs it. */
  readonly isQuick: boolean;
  /** How many shards Midge must have; otherwise `--shards` decides. */
  readonly shards?: number;
  /** How many things the server holds once prepared. The memory that preparing took is shown for each of them. */
  readonly heldCount?: number;
  /** Nothing is sent, so CPU is a share of a core instead of a time per operation, and there is no rate. */
  readonly isIdle?: boolean;
  /** How long to warm up, if the server takes longer than `MeasureOptions.warmSeconds` to settle. */
  readonly warmSeconds?: number;
  /** The configuration of the server, if it is not empty. */
  readonly config?: string;
  /** The row has two servers with a link: publishers and requesters on one, subscribers and responders on the other. */
  readonly topology?: Topology;
  /** How that link is compressed, if it is, and the target can do so. */
  readonly compression?: string;
  /** A login for each account, if connections of a topology log in to several. */
  readonly accountLogins?: readonly string[];
  /**
   * A feature that the floor does not have. With `tls`, servers are started with a certificate. With `websocket`, the
   * load goes to a WebSocket port.
   */
  readonly needs?: "wildcards" | "accounts" | "tls" | "websocket";
}

/** Rows of one kind that differ only in payload. */
function payloadRows(
  kind: "publish" | "1-1",
  payloads: readonly number[],
  quickPayloads: readonly number[],
): Row[] {
  return payloads.map((bytes) => ({
    id: `${kind}-${bytes}`,
    title: `${kind === "publish" ? "publish only" : "1 → 1"}, ${bytes} B`,
    unit: kind === "publish" ? "message" : "delivery",
    load: stream(1, kind === "publish" ? 0 : 1, bytes, "--between", "1"),
    isQuick: quickPayloads.includes(bytes),
  }));
}

function stream(publishers: number, subscribers: number, payloadBytes: number, ...more: string[]): string[] {
  return [
    ...["--kind", "stream", "--publishers", `${publishers}`, "--subscribers", `${subscribers}`],
    ...["--payload-bytes", `${payloadBytes}`, ...more],
  ];
}

function request(connections: number, ...more: string[]): string[] {
  return ["--kind", "request", "--connections", `${connections}`, ...more];
}

/** The fields of a row whose connections log in: the arguments of the login are added to `load`. */
function loggedIn(login: Login, load: readonly string[]): Pick<Row, "config" | "needs" | "load"> {
  return { config: login.config, needs: "accounts", load: [...load, ...login.load] };
}

/**
 * How long a pair of servers warms up: four threads that serve share the machine with those that compile their code,
 * which takes the first five seconds.
 */
const PAIR_WARM_SECONDS = 5;
const PACED_WARM_SECONDS = 8;

/**
 * A row with one message or request in a millisecond. At this pace it takes the first seconds until what runs is
 * compiled.
 */
function pacedRow(id: string, title: string, unit: Row["unit"], load: readonly string[]): Row {
  return {
    id,
    title: `${title}, one in a millisecond`,
    unit,
    load: [...load, "--pause-us", "1000"],
    isQuick: false,
    warmSeconds: PACED_WARM_SECONDS,
  };
}

/** A row whose two sides are on two servers. */
function linkedRow(topology: Topology, load: "1-1-16" | "1-1-1024" | "1-1-1000000" | "request-100"): Row {
  const over = `over a ${topology === "leaf" ? "leaf node" : topology}`;
  const shared = { id: `${topology}-${load}`, isQuick: false, topology, warmSeconds: PAIR_WARM_SECONDS };
  if (load === "request-100") {
    const title = `request/reply ${over}, 100 connections`;
    // Replies on subjects that were subscribed to within two seconds are mapped on their way through gateways, and the
    // server with the responder remembers them for two seconds more: the warm-up is longer.
    return { ...shared, title, unit: "request", load: request(100) };
  }
  const bytes = Number(load.slice("1-1-".length));
  return { ...shared, title: `1 → 1, ${bytes} B, ${over}`, unit: "delivery", load: stream(1, 1, bytes) };
}

/** Rows with JSON over a route, uncompressed and compressed. */
function compressedRows(): Row[] {
  const row: Row = {
    id: "route-json-1024",
    title: "1 → 1, 1024 B of JSON, over a route",
    unit: "delivery",
    isQuick: false,
    topology: "route",
    load: stream(1, 1, 1024, "--json"),
    warmSeconds: PAIR_WARM_SECONDS,
  };
  const compressed = ["s2_auto", "s2_fast", "s2_better"].map((compression) => ({
    ...row,
    id: `${row.id}-${compression}`,
    title: `${row.title}, ${compression}`,
    compression,
  }));
  return [row, ...compressed];
}

function stormRow(kind: keyof typeof logins, title: string, atOnce: number): Row {
  return {
    id: `storm-${kind}`,
    title: `connections with ${title}, ${atOnce} at a time`,
    unit: "connection",
    isQuick: false,
    ...loggedIn(logins[kind], ["--kind", "storm", "--connections", `${atOnce}`]),
  };
}

export const rows: readonly Row[] = [
  ...payloadRows("publish", [16, 128, 1024], [16]),
  ...payloadRows("1-1", [16, 128, 1024, 4096, 65536, 1_000_000], [16, 128, 1024]),
  { id: "1-10-16", title: "1 → 10, 16 B", unit: "delivery", load: stream(1, 10, 16), isQuick: true },
  { id: "1-1000-16", title: "1 → 1000, 16 B", unit: "delivery", load: stream(1, 1000, 16), isQuick: false },
  { id: "10-10-16", title: "10 → 10, 16 B", unit: "delivery", load: stream(10, 10, 16), isQuick: true },
  {
    id: "queue-10-16",
    title: "queue group of 10, 16 B",
    unit: "delivery",
    load: stream(1, 10, 16, "--queue"),
    isQuick: true,
  },
  pacedRow("1-1-16-paced", "1 → 1, 16 B", "delivery", stream(1, 1, 16, "--between", "1")),
  {
    id: "wildcards-100000",
    title: "100,000 wildcard subscriptions, 4 match",
    unit: "delivery",
    load: stream(1, 10, 16, "--wildcards", "100000"),
    isQuick: false,
    heldCount: 100_000,
    needs: "wildcards",
  },
  {
    id: "request-1",
    title: "request/reply, 1 connection",
    unit: "request",
    load: request(1, "--between", "1"),
    isQuick: true,
  },
  pacedRow("request-1-paced", "request/reply, 1 connection", "request", request(1, "--between", "1")),
  {
    id: "request-100",
    title: "request/reply, 100 connections",
    unit: "request",
    load: request(100),
    isQuick: true,
  },
  {
    id: "request-1000",
    title: "request/reply, 1,000 connections",
    unit: "request",
    load: request(1000),
    isQuick: false,
  },
  {
    id: "inbox-50",
    title: "a fresh inbox per request, 50 connections",
    unit: "request",
    load: request(50, "--fresh-inbox"),
    isQuick: true,
  },
  {
    id: "storm",
    title: "connection storm, 32 at a time",
    unit: "connection",
    load: ["--kind", "storm", "--connections", "32"],
    isQuick: false,
  },
  {
    id: "idle-1000",
    title: "1,000 idle connections",
    unit: "connection",
    load: ["--kind", "idle", "--connections", "1000"],
    isQuick: false,
    heldCount: 1000,
    isIdle: true,
    warmSeconds: 3,
  },
  {
    id: "idle-10000",
    title: "10,000 idle connections",
    unit: "connection",
    load: ["--kind", "idle", "--connections", "10000"],
    isQuick: false,
    heldCount: 10_000,
    isIdle: true,
    warmSeconds: 3,
  },
  {
    id: "literals-1000",
    title: "1,000 subscriptions, random subjects",
    unit: "message",
    load: stream(1, 10, 16, "--literals", "1000"),
    isQuick: false,
  },
  {
    id: "literals-1000000",
    title: "1,000,000 subscriptions, random subjects",
    unit: "message",
    load: stream(1, 10, 16, "--literals", "1000000"),
    isQuick: false,
    heldCount: 1_000_000,
  },
  {
    id: "1-1-16-apart",
    title: "1 → 1, 16 B, across shards",
    unit: "delivery",
    load: stream(1, 1, 16),
    isQuick: false,
    shards: 2,
  },
  {
    id: "1-1-1024-apart",
    title: "1 → 1, 1024 B, across shards",
    unit: "delivery",
    load: stream(1, 1, 1024),
    isQuick: false,
    shards: 2,
  },
  {
    id: "10-10-16-apart",
    title: "10 → 10, 16 B, two shards",
    unit: "delivery",
    load: stream(10, 10, 16),
    isQuick: false,
    shards: 2,
  },
  {
    id: "request-100-apart",
    title: "request/reply, 100 connections, two shards",
    unit: "request",
    load: request(100),
    isQuick: false,
    shards: 2,
  },
  stormRow("password", "user and password", 32),
  stormRow("bcrypt", "user and bcrypt password (cost 8)", 8),
  stormRow("nkey", "nkey", 32),
  stormRow("jwt", "user JWT", 32),
  {
    id: "permitted-publish-16",
    title: "publish only, 16 B, with permissions",
    unit: "message",
    isQuick: false,
    ...loggedIn(logins.permitted, stream(1, 0, 16, "--between", "1")),
  },
  {
    id: "permitted-1-1-16",
    title: "1 → 1, 16 B, with permissions",
    unit: "delivery",
    isQuick: false,
    ...loggedIn(logins.permitted, stream(1, 1, 16, "--between", "1")),
  },
  {
    id: "stream-import-1-1-16",
    title: "1 → 1, 16 B, through a stream import",
    unit: "delivery",
    isQuick: false,
    ...loggedIn(logins.streamImport, [
      ...stream(1, 1, 16, "--between", "1"),
      ...["--delivered", "shop.orders.created"],
    ]),
  },
  {
    id: "stream-import-1-10-16",
    title: "1 → 10, 16 B, through a stream import",
    unit: "delivery",
    isQuick: false,
    ...loggedIn(logins.streamImport, [...stream(1, 10, 16), ...["--delivered", "shop.orders.created"]]),
  },
  {
    id: "service-import-1-1-16",
    title: "1 → 1, 16 B, through a service import",
    unit: "delivery",
    isQuick: false,
    ...loggedIn(logins.serviceImport, stream(1, 1, 16, "--between", "1", "--headed")),
  },
  {
    id: "service-import-request-1",
    title: "request/reply through a service import, 1 connection",
    unit: "request",
    isQuick: false,
    ...loggedIn(logins.serviceImport, request(1, "--between", "1", "--headed")),
  },
  {
    id: "service-import-request-100",
    title: "request/reply through a service import, 100 connections",
    unit: "request",
    isQuick: false,
    ...loggedIn(logins.serviceImport, request(100, "--headed")),
  },
  {
    id: "service-import-request-100-apart",
    title: "request/reply through a service import, 100 connections, two shards",
    unit: "request",
    isQuick: false,
    shards: 2,
    ...loggedIn(logins.serviceImport, request(100, "--headed")),
  },
  ...[16, 1024, 16384].map(
    (bytes): Row => ({
      id: `tls-1-1-${bytes}`,
      title: `1 → 1, ${bytes} B, TLS`,
      unit: "delivery",
      load: stream(1, 1, bytes, "--between", "1", "--tls"),
      isQuick: false,
      needs: "tls",
    }),
  ),
  {
    id: "tls-storm",
    title: "connection storm, 32 at a time, TLS",
    unit: "connection",
    load: ["--kind", "storm", "--connections", "32", "--tls"],
    isQuick: false,
    needs: "tls",
  },
  {
    id: "tls-storm-resumed",
    title: "connection storm, 32 at a time, TLS resumed",
    unit: "connection",
    load: ["--kind", "storm", "--connections", "32", "--tls", "--resumed"],
    isQuick: false,
    needs: "tls",
  },
  {
    id: "tls-idle-1000",
    title: "1,000 idle connections, TLS",
    unit: "connection",
    load: ["--kind", "idle", "--connections", "1000", "--tls"],
    isQuick: false,
    heldCount: 1000,
    isIdle: true,
    warmSeconds: 3,
    needs: "tls",
  },
  ...[16, 1024].flatMap((bytes): Row[] => {
    const load = stream(1, 1, bytes, "--between", "1", "--web-socket");
    const row: Row = {
      id: `websocket-1-1-${bytes}`,
      title: `1 → 1, ${bytes} B, WebSocket`,
      unit: "delivery",
      load,
      isQuick: false,
      needs: "websocket",
    };
    const title = `${row.title}, compressed`;
    return [row, { ...row, id: `${row.id}-compressed`, title, load: [...load, "--compressed"] }];
  }),
  {
    id: "websocket-json-1024-compressed",
    title: "1 → 1, 1024 B of JSON, WebSocket, compressed",
    unit: "delivery",
    load: stream(1, 1, 1024, "--between", "1", "--web-socket", "--compressed", "--json"),
    isQuick: false,
    needs: "websocket",
  },
  linkedRow("route", "1-1-16"),
  linkedRow("route", "1-1-1024"),
  linkedRow("route", "1-1-1000000"),
  linkedRow("gateway", "1-1-16"),
  linkedRow("leaf", "1-1-16"),
  linkedRow("route", "request-100"),
  linkedRow("gateway", "request-100"),
  linkedRow("leaf", "request-100"),
  ...compressedRows(),
  {
    id: "gateway-inbox-50",
    title: "a fresh inbox per request over a gateway, 50 connections",
    unit: "request",
    isQuick: false,
    topology: "gateway",
    load: request(50, "--fresh-inbox"),
    warmSeconds: PAIR_WARM_SECONDS,
  },
  {
    id: "route-accounts-10",
    title: "1 → 1, 16 B, in each of ten accounts over a route",
    unit: "delivery",
    isQuick: false,
    topology: "route",
    accountLogins: logins.accounts.each,
    warmSeconds: PAIR_WARM_SECONDS,
    ...loggedIn(logins.accounts, stream(10, 10, 16)),
  },
  {
    id: "route-subscriptions-100000",
    title: "100,000 subscriptions told to a new peer",
    unit: "subscription",
    load: null,
    isQuick: false,
    topology: "route",
    heldCount: 100_000,
  },
  { id: "start", title: "start, two shards", unit: "start", load: null, isQuick: true, shards: 2 },
];

/** Whether the floor, a server without features, can do what the row needs. */
export function isForFloor(row: Row): boolean {
  return row.needs === undefined && row.topology === undefined;
}

/** Rows by a list of ids. `*` at the end of one stands for anything. Throws a RangeError for an id without a row. */
export function pickRows(patterns: readonly string[]): Row[] {
  for (const pattern of patterns) {
    if (!rows.some((row) => isMatch(row.id, pattern))) {
      throw new RangeError(
        `--rows ${pattern}: no such row; the rows are ${rows.map((row) => row.id).join(", ")}`,
      );
    }
  }
  return rows.filter((row) => patterns.some((pattern) => isMatch(row.id, pattern)));
}

function isMatch(id: string, pattern: string): boolean {
  return pattern.endsWith("*") ? id.startsWith(pattern.slice(0, -1)) : id === pattern;
}
