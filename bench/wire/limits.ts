/**
 * The limits for Midge, as data: what it must reach, and what it aims for.
 *
 * A limit bounds one figure of some rows, as a ratio to nats-server (the newest, of the same run), to the floor, or to
 * another row of the same target, or as an absolute number in the figure's unit.
 */
import type { FigureName } from "./figures.ts";

export interface Bound {
  readonly most?: number;
  readonly least?: number;
  readonly of: "nats-server" | "floor" | "itself" | { readonly row: Readonly<Record<string, string>> };
}

export interface Limit {
  readonly title: string;
  /** Ids of rows; none if this bench has no row for the limit yet. */
  readonly rows: readonly string[];
  readonly figure: FigureName;
  readonly must: Bound;
  readonly aim: Bound;
}

const small = [
  ...["publish-16", "publish-128", "1-1-16", "1-1-128"],
  ...["1-10-16", "1-1000-16", "10-10-16", "queue-10-16"],
];
const large = [
  ...["publish-1024", "1-1-1024", "1-1-4096", "1-1-65536", "1-1-1000000"],
  ...["request-1", "request-100", "request-1000", "inbox-50"],
];
const paced = ["1-1-16-paced", "request-1-paced"];
const oneShard = {
  "1-1-16-apart": "1-1-16",
  "1-1-1024-apart": "1-1-1024",
  "10-10-16-apart": "10-10-16",
  "request-100-apart": "request-100",
};
/** Rows with permissions or imports, and the rows without them that they are compared with. */
const shared = {
  "permitted-publish-16": "publish-16",
  "permitted-1-1-16": "1-1-16",
  "stream-import-1-1-16": "1-1-16",
  "stream-import-1-10-16": "1-10-16",
};
const services = {
  "service-import-1-1-16": "1-1-16",
  "service-import-request-1": "request-1",
  "service-import-request-100": "request-100",
  "service-import-request-100-apart": "request-100-apart",
};
/** Rows with two servers and a link between them. The CPU time of both counts. */
const linked = [
  ...[
    "route-1-1-16",
    "route-1-1-1024",
    "route-1-1-1000000",
    "gateway-1-1-16",
    "leaf-1-1-16",
    "route-accounts-10",
  ],
  ...[
    "route-request-100",
    "gateway-request-100",
    "leaf-request-100",
    "gateway-inbox-50",
    "route-subscriptions-100000",
  ],
];
const KB = 1024;
const MB = 1024 * 1024;

export const limits: readonly Limit[] = [
  {
    title: "server CPU, 128 B or less",
    rows: small,
    figure: "cpuNs",
    must: { most: 0.35, of: "nats-server" },
    aim: { most: 1.3, of: "floor" },
  },
  {
    title: "server CPU, request/reply, inbox per request, 1 KB and more",
    rows: [...large, ...paced],
    figure: "cpuNs",
    must: { most: 0.65, of: "nats-server" },
    aim: { most: 1.15, of: "floor" },
  },
  {
    title: "server CPU, 128 B or less, with permissions and through a stream import",
    rows: Object.keys(shared),
    figure: "cpuNs",
    must: { most: 0.35, of: "nats-server" },
    aim: { most: 1.3, of: { row: shared } },
  },
  {
    title: "server CPU, through a service import",
    rows: Object.keys(services),
    figure: "cpuNs",
    must: { most: 0.65, of: "nats-server" },
    aim: { most: 1.5, of: { row: services } },
  },
  {
    title: "server CPU over TLS and WebSocket, small messages",
    rows: ["tls-1-1-16", "websocket-1-1-16", "websocket-1-1-16-compressed"],
    figure: "cpuNs",
    must: { most: 0.5, of: "nats-server" },
    aim: { most: 0.35, of: "nats-server" },
  },
  {
    title: "server CPU over TLS and WebSocket, 1 KB and more",
    rows: [
      "tls-1-1-1024",
      "tls-1-1-16384",
      "websocket-1-1-1024",
      "websocket-1-1-1024-compressed",
      "websocket-json-1024-compressed",
    ],
    figure: "cpuNs",
    must: { most: 0.9, of: "nats-server" },
    aim: { most: 0.7, of: "nats-server" },
  },
  {
    title: "server CPU, publisher and subscriber on different shards",
    rows: Object.keys(oneShard),
    figure: "cpuNs",
    must: { most: 0.45, of: "nats-server" },
    aim: { most: 1.4, of: { row: oneShard } },
  },
  {
    title: "server CPU, over a link",
    rows: linked,
    figure: "cpuNs",
    must: { most: 0.6, of: "nats-server" },
    aim: { most: 0.3, of: "nats-server" },
  },
  {
    title: "throughput, over a link",
    rows: linked,
    figure: "perSecond",
    must: { least: 1.3, of: "nats-server" },
    aim: { least: 3, of: "nats-server" },
  },
  {
    title: "throughput, small messages",
    rows: small,
    figure: "perSecond",
    must: { least: 3, of: "nats-server" },
    aim: { least: 5, of: "nats-server" },
  },
  {
    title: "throughput, other rows",
    rows: large.filter((id) => id !== "request-1"), // one request under way: the wake-ups are the bottleneck
    figure: "perSecond",
    must: { least: 1.3, of: "nats-server" },
    aim: { least: 2, of: "nats-server" },
  },
  {
    title: "request/reply p50",
    rows: ["request-1", "request-1-paced", "request-100"],
    figure: "p50Us",
    must: { most: 0.7, of: "nats-server" },
    aim: { most: 0.45, of: "nats-server" },
  },
  {
    title: "request/reply p99",
    rows: ["request-1", "request-100"],
    figure: "p99Us",
    must: { most: 0.7, of: "nats-server" },
    aim: { most: 0.45, of: "nats-server" },
  },
  {
    title: "memory of an idle connection with one subscription",
    rows: ["idle-10000"],
    figure: "bytesEach",
    must: { most: 4 * KB, of: "itself" },
    aim: { most: 1 * KB, of: "itself" },
  },
  {
    title: "memory of one of a million subscriptions",
    rows: ["literals-1000000"],
    figure: "bytesEach",
    must: { most: 200, of: "itself" },
    aim: { most: 100, of: "itself" },
  },
  {
    title: "match time with a million subscriptions, against 1,000",
    rows: ["literals-1000000"],
    figure: "cpuNs",
    must: { most: 2, of: { row: { "literals-1000000": "literals-1000" } } },
    aim: { most: 1.3, of: { row: { "literals-1000000": "literals-1000" } } },
  },
  {
    title: "base memory, two shards",
    rows: ["start"],
    figure: "baseBytes",
    must: { most: 80 * MB, of: "itself" },
    aim: { most: 50 * MB, of: "itself" },
  },
  {
    title: "from start to ready, two shards",
    rows: ["start"],
    figure: "readyMs",
    must: { most: 300, of: "itself" },
    aim: { most: 100, of: "itself" },
  },
  {
    title: "CPU when idle with 1,000 connections",
    rows: ["idle-1000"],
    figure: "idleCorePercent",
    must: { most: 1, of: "itself" },
    aim: { most: 0.2, of: "itself" },
  },
  {
    title: "connect and authenticate with a user JWT: 2,000 and 3,000 per core and second",
    rows: ["storm-jwt"],
    figure: "cpuNs",
    must: { most: 1e9 / 2000, of: "itself" },
    aim: { most: 1e9 / 3000, of: "itself" },
  },
];
