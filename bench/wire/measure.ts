/** One measurement: a row on a fresh server. */
import type { Figures } from "./figures.ts";
import { type Phase, runLoad } from "./load_process.ts";
import { measureNewPeer } from "./new_peer.ts";
import { cpuBetween, machineCpuNs, type Usage } from "./process_usage.ts";
import { type Certificate, tlsFlags } from "./programs.ts";
import type { Row } from "./rows.ts";
import { type ServerProcess, startServer } from "./server_process.ts";
import type { Target } from "./targets.ts";
import { type ServerPair, startApart, startPair } from "./topologies.ts";

export interface MeasureOptions {
  readonly loadProgram: string;
  readonly seconds: number;
  readonly warmSeconds: number;
  /** The most operations; 0 if only time limits the row. */
  readonly count: number;
  /** How many shards a Midge target has, if the row does not say. */
  readonly shards: number;
  /** The server's certificate; null if no row has TLS. */
  readonly certificate: Certificate | null;
}

/** How long preparing (a million subscriptions), draining and ending may take besides the time that is measured. */
const REST_MS_MAX = 90_000;

export interface Measurement {
  readonly figures: Figures;
  readonly serverVersion: string;
}

export async function measure(row: Row, target: Target, options: MeasureOptions): Promise<Measurement> {
  const server = await startFor(row, target, options);
  try {
    return { figures: await measureOn(server, row, options), serverVersion: server.version };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`${reason}${server.endReason() ? `; the server ${server.endReason()}` : ""}`);
  } finally {
    await server.end();
  }
}

function startFor(row: Row, target: Target, options: MeasureOptions): Promise<ServerProcess | ServerPair> {
  const shards = row.shards ?? options.shards;
  const { topology, config, compression, accountLogins: logins } = row;
  if (topology !== undefined) {
    const startBoth = row.unit === "subscription" ? startApart : startPair;
    return startBoth(target, { topology, shards, config, compression, logins });
  }
  const isSecure = row.needs === "tls";
  const command = target.command(shards);
  const words = isSecure ? [...command, ...tlsFlags(options.certificate!)] : command;
  return startServer(words, target.env, { isSecure, hasWebSocket: row.needs === "websocket", config });
}

async function measureOn(
  server: ServerProcess | ServerPair,
  row: Row,
  options: MeasureOptions,
): Promise<Figures> {
  const pair = "subscriberPort" in server ? server : null;
  const baseBytes = server.usage().residentBytes;
  if (pair !== null && row.unit === "subscription") return await measureSubscriptions(pair, row.heldCount!);
  if (row.load === null)
    return { ...noFigures, readyMs: server.readyMs, baseBytes, peakBytes: server.usage().peakBytes };
  const usages = new Map<Phase, Usage>();
  let machineNs = 0; // in the measured part
  const warmSeconds = row.warmSeconds ?? options.warmSeconds;
  const loadArguments = [
    ...[
      "--port",
      `${server.webSocketPort || server.port}`,
      ...(pair === null ? [] : ["--subscriber-port", `${pair.subscriberPort}`]),
    ],
    ...[...row.load, "--seconds", `${options.seconds}`],
    ...["--warm-seconds", `${warmSeconds}`, "--count", `${options.count}`],
  ];
  const msMax = (options.seconds + warmSeconds) * 1000 + REST_MS_MAX;
  const result = await runLoad(options.loadProgram, loadArguments, msMax, async (phase) => {
    if (phase === "prepared") await pair?.awaitInterest();
    if (phase === "ended") machineNs += machineCpuNs();
    usages.set(phase, server.usage());
    if (phase === "ready") machineNs -= machineCpuNs();
  });
  const ready = usages.get("ready")!;
  const ended = usages.get("ended")!;
  const { userNs, systemNs } = cpuBetween(ready, ended);
  const operations = row.unit === "delivery" ? result.deliveries : result.messages;
  const cpuNs = userNs + systemNs;
  const isIdle = row.isIdle === true;
  // The memory of idle connections counts once the server has had time to collect the garbage of their coming.
  const held = isIdle ? ended : usages.get("prepared")!;
  const heldBytes = held.residentBytes - usages.get("base")!.residentBytes;
  return {
    perSecond: isIdle ? null : operations / result.seconds,
    cpuNs: isIdle ? null : cpuNs / operations,
    userNs: isIdle ? null : userNs / operations,
    systemNs: isIdle ? null : systemNs / operations,
    p50Us: result.p50Us ?? null,
    p99Us: result.p99Us ?? null,
    p999Us: result.p999Us ?? null,
    peakBytes: ended.peakBytes,
    baseBytes,
    bytesEach: row.heldCount === undefined ? null : heldBytes / row.heldCount,
    idleCorePercent: isIdle ? (cpuNs / 1e9 / result.seconds) * 100 : null,
    readyMs: server.readyMs,
    serverCores: cpuNs / 1e9 / result.seconds,
    loadCores: result.loadCpuSeconds / result.seconds,
    otherCores: Math.max(0, (machineNs - cpuNs) / 1e9 - result.loadCpuSeconds) / result.seconds,
  };
}

async function measureSubscriptions(pair: ServerPair, count: number): Promise<Figures> {
  const baseBytes = pair.usage().residentBytes;
  const { seconds, userNs, systemNs, machineNs, bytes } = await measureNewPeer(pair, count);
  const cpuNs = userNs + systemNs;
  return {
    ...noFigures,
    perSecond: count / seconds,
    cpuNs: cpuNs / count,
    userNs: userNs / count,
    systemNs: systemNs / count,
    peakBytes: pair.usage().peakBytes,
    baseBytes,
    bytesEach: bytes / count,
    readyMs: pair.readyMs,
    serverCores: cpuNs / 1e9 / seconds,
    otherCores: Math.max(0, machineNs - cpuNs) / 1e9 / seconds,
  };
}

const noFigures: Figures = {
  perSecond: null,
  cpuNs: null,
  userNs: null,
  systemNs: null,
  p50Us: null,
  p99Us: null,
  p999Us: null,
  peakBytes: 0,
  baseBytes: 0,
  bytesEach: null,
  idleCorePercent: null,
  readyMs: 0,
  serverCores: null,
  loadCores: null,
  otherCores: null,
};
