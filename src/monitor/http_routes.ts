/** What each monitoring path answers; sockets and headers on the wire are `http_server.ts`'s business. */
import { goQuoteText } from "../protocol/go_quote.ts";
import { accountz } from "./accountz.ts";
import { accstatz } from "./accstatz.ts";
import { connz } from "./connz.ts";
import { gatewayz } from "./gatewayz.ts";
import { encodeGoJson } from "./go_json.ts";
import { healthz, healthzReport } from "./healthz.ts";
import { indexPage } from "./index_page.ts";
import { ipqueuesz } from "./ipqueuesz.ts";
import { jsz } from "./jsz.ts";
import { leafz } from "./leafz.ts";
import { liveData } from "./live_data.ts";
import { livePageFile } from "./live_page.ts";
import { EXPOSITION_CONTENT_TYPE } from "./metrics/exposition.ts";
import { readMetrics, renderMetrics } from "./metrics/metrics.ts";
import type { Outcome } from "./outcome.ts";
import { Parameters } from "./parameters.ts";
import { routez } from "./routez.ts";
import { shardz } from "./shardz.ts";
import type { MonitorSource } from "./source.ts";
import { subsz } from "./subsz.ts";
import { varz } from "./varz.ts";

export interface HttpReply {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
  /** Pages of other origins may read it: all JSON reports, nothing else. */
  readonly allowsAnyOrigin: boolean;
  /** More than the type of the content. */
  readonly headers?: Readonly<Record<string, string>>;
}

export interface HttpContext {
  readonly source: MonitorSource;
  /** Clean, with a leading and without a trailing slash; `/` if there is none. */
  readonly basePath: string;
  /** Number of requests by path. /varz shows the same map, so a request is counted before it is answered. */
  readonly requestCounts: Map<string, number>;
  readonly log: { warn(message: string): void };
}

/** Reads all its parameters, then answers. */
type Reader = (parameters: Parameters) => (context: HttpContext) => Promise<HttpReply>;

interface Route {
  readonly read: Reader;
  /** Its name in `requestCounts`, empty if requests for it are not counted. */
  readonly countedAs: string;
  /** Requests with parameters that cannot be read are not counted. */
  readonly countsOnlyReadable?: boolean;
}

const ROUTES: ReadonlyMap<string, Route> = new Map<string, Route>([
  ["/", { countedAs: "/", read: () => answerIndex }],
  ["/varz", { countedAs: "/varz", read: () => answerVarz }],
  ["/connz", { countedAs: "/connz", read: readConnz, countsOnlyReadable: true }],
  ["/routez", { countedAs: "/routez", read: readRoutez, countsOnlyReadable: true }],
  ["/gatewayz", { countedAs: "/gatewayz", read: readGatewayz }],
  ["/leafz", { countedAs: "/leafz", read: readLeafz }],
  ["/subsz", { countedAs: "/subsz", read: readSubsz }],
  ["/subscriptionsz", { countedAs: "/subsz", read: readSubsz }],
  ["/accountz", { countedAs: "/accountz", read: readAccountz }],
  ["/accstatz", { countedAs: "/accstatz", read: readAccstatz }],
  ["/jsz", { countedAs: "/jsz", read: readJsz }],
  ["/healthz", { countedAs: "/healthz", read: readHealthz }],
  ["/ipqueuesz", { countedAs: "", read: readIpqueuesz }],
  // Midge's own.
  ["/metrics", { countedAs: "/metrics", read: () => answerMetrics }],
  ["/shardz", { countedAs: "/shardz", read: () => answerShardz }],
  ["/live", { countedAs: "/live", read: () => async () => (await livePageFile("/live"))! }],
  // Not counted: an open live page asks every second.
  ["/live/data", { countedAs: "", read: readLiveData }],
  ["/stacksz", { countedAs: "", read: () => answerStacksz }],
  ["/raftz", { countedAs: "", read: () => async () => text(404, "No Raft nodes registered") }],
  ["/debug/vars", { countedAs: "", read: () => answerDebugVars }],
]);

/**
 * Answers one request, `null` if there is no such path. `path` is decoded and clean, `query` is raw;
 * methods do not matter. Source: nats-server `startMonitoring` and the handlers in monitor.go.
 */
export async function answerRequest(
  path: string,
  query: string,
  context: HttpContext,
): Promise<HttpReply | null> {
  const ownPath = withoutBasePath(path, context.basePath);
  const route = ROUTES.get(ownPath);
  if (route === undefined) return ownPath.startsWith("/live/") ? livePageFile(ownPath) : null;

  const parameters = new Parameters(query);
  const answer = route.read(parameters);
  const isReadable = parameters.error === null;
  if (route.countedAs !== "" && (isReadable || !route.countsOnlyReadable)) {
    context.requestCounts.set(route.countedAs, (context.requestCounts.get(route.countedAs) ?? 0) + 1);
  }
  return parameters.error === null ? answer(context) : text(400, parameters.error);
}

/** The path below the base path; the index is the base path itself, without a slash at its end. */
function withoutBasePath(path: string, basePath: string): string {
  if (basePath === "/") return path;
  if (path === basePath) return "/";
  const isBelow = path.startsWith(`${basePath}/`) && path.length > basePath.length + 1;
  return isBelow ? path.slice(basePath.length) : "";
}

function text(status: number, body: string): HttpReply {
  return { status, contentType: "text/plain; charset=utf-8", body, allowsAnyOrigin: false };
}

function json(report: unknown, indent = 2, status = 200): HttpReply {
  return jsonText(encodeGoJson(report, indent), status);
}

function jsonText(body: string, status = 200): HttpReply {
  return { status, contentType: "application/json", body, allowsAnyOrigin: true };
}

function outcome(result: Outcome<unknown>): HttpReply {
  return result.ok ? json(result.report) : text(400, result.message);
}

async function answerIndex({ source, basePath }: HttpContext): Promise<HttpReply> {
  const { identity } = await source.server();
  const body = indexPage(identity.version, basePath);
  return { status: 200, contentType: "text/html; charset=utf-8", body, allowsAnyOrigin: false };
}

async function answerVarz({ source }: HttpContext): Promise<HttpReply> {
  return json(await varz(source));
}

function readConnz(parameters: Parameters) {
  const options = {
    sort: parameters.text("sort"),
    showsCredentials: parameters.boolean("auth"),
    subscriptions: parameters.subscriptionListing(),
    offset: parameters.integer("offset"),
    limit: parameters.integer("limit"),
    id: parameters.unsigned("cid"),
    state: parameters.connectionState(),
    user: parameters.text("user"),
    account: parameters.text("acc"),
    mqttClient: parameters.text("mqtt_client"),
  };
  return async ({ source }: HttpContext) => outcome(await connz(source, options));
}

function readRoutez(parameters: Parameters) {
  const options = { subscriptions: parameters.subscriptionListing() };
  return async ({ source }: HttpContext) => json(await routez(source, options));
}

function readGatewayz(parameters: Parameters) {
  const options = {
    subscriptions: parameters.subscriptionListing(),
    listsAccounts: parameters.boolean("accs"),
    gateway: parameters.text("gw_name"),
    account: parameters.text("acc_name"),
  };
  return async ({ source }: HttpContext) => json(await gatewayz(source, options));
}

function readLeafz(parameters: Parameters) {
  const options = { listsSubscriptions: parameters.boolean("subs"), account: parameters.text("acc") };
  return async ({ source }: HttpContext) => json(await leafz(source, options));
}

function readSubsz(parameters: Parameters) {
  const options = {
    isListed: parameters.boolean("subs"),
    offset: parameters.integer("offset"),
    limit: parameters.integer("limit"),
    testSubject: parameters.text("test"),
    account: parameters.text("acc"),
  };
  return async ({ source }: HttpContext) => outcome(await subsz(source, options));
}

function readAccountz(parameters: Parameters) {
  const account = parameters.text("acc");
  return async ({ source }: HttpContext) => outcome(await accountz(source, account));
}

function readAccstatz(parameters: Parameters) {
  const options = { includesUnused: parameters.boolean("unused") };
  return async ({ source }: HttpContext) => json(await accstatz(source, options));
}

/** Without JetStream all but `leader-only` is read for its errors alone. */
function readJsz(parameters: Parameters) {
  for (const name of ["accounts", "streams", "consumers", "direct-consumers", "config"]) {
    parameters.boolean(name);
  }
  for (const name of ["offset", "limit"]) parameters.integer(name);
  const isLeaderOnly = parameters.boolean("leader-only");
  for (const name of ["raft", "stream-leader-only"]) parameters.boolean(name);
  return async ({ source }: HttpContext) => outcome(jsz(await source.server(), isLeaderOnly));
}

function readHealthz(parameters: Parameters) {
  const isDeprecated = parameters.boolean("js-enabled");
  for (const name of ["js-enabled-only", "js-server-only", "js-meta-only"]) parameters.boolean(name);
  const options = {
    hasDetails: parameters.boolean("details"),
    account: parameters.text("account"),
    stream: parameters.text("stream"),
    consumer: parameters.text("consumer"),
  };
  return async ({ source, log }: HttpContext) => {
    if (isDeprecated) log.warn("Healthcheck: js-enabled deprecated, use js-enabled-only instead");
    const health = healthz(await source.health(), options);
    if (health.error !== "") {
      const problem = options.hasDetails ? "1 errors" : goQuoteText(health.error);
      log.warn(`Healthcheck failed: ${problem}`);
    }
    return json(healthzReport(health, options.hasDetails, false), 0, health.statusCode);
  };
}

function readIpqueuesz(parameters: Parameters) {
  const options = { includesEmpty: parameters.boolean("all"), nameFilter: parameters.text("queues") };
  return async ({ source }: HttpContext) => json(ipqueuesz(await source.queues(), options), 3);
}

async function answerMetrics({ source }: HttpContext): Promise<HttpReply> {
  const body = renderMetrics(await readMetrics(source));
  return { status: 200, contentType: EXPOSITION_CONTENT_TYPE, body, allowsAnyOrigin: false };
}

async function answerShardz({ source }: HttpContext): Promise<HttpReply> {
  return json(shardz(await source.server(), await source.shards()));
}

function readLiveData(parameters: Parameters) {
  const sort = parameters.text("sort");
  return async ({ source }: HttpContext): Promise<HttpReply> => {
    const result = await liveData(source, sort);
    if (!result.ok) return text(400, result.message);
    return { ...json(result.report, 0), allowsAnyOrigin: false };
  };
}

/** Text, whatever its content type says: nats-server sends it so. */
async function answerStacksz({ source }: HttpContext): Promise<HttpReply> {
  return jsonText((await source.threads()).join("\n\n"));
}

/** The command line and the memory figures that this runtime knows, under Go's names for them. */
async function answerDebugVars({ source }: HttpContext): Promise<HttpReply> {
  const { identity, resources } = await source.server();
  const memory = {
    Sys: resources.residentBytes,
    HeapAlloc: resources.heapUsedBytes,
    HeapSys: resources.heapReservedBytes,
  };
  const body = `{\n"cmdline": ${encodeGoJson(identity.commandLine, 0)},\n"memstats": ${encodeGoJson(memory, 0)}\n}\n`;
  return { status: 200, contentType: "application/json; charset=utf-8", body, allowsAnyOrigin: false };
}
