/** One measurement: one row on one fresh server. */
import type { Figures } from "./figures.ts";
import { type Phase, runLoad } from "./load_process.ts";
import { cpuBetween, machineCpuNs, type Usage } from "./process_usage.ts";
import { type Certificate, tlsFlags } from "./programs.ts";
import type { Row } from "./rows.ts";
import { type ServerProcess, startServer } from "./server_process.ts";
import type { Target } from "./targets.ts";

export interface MeasureOptions {
  readonly loadProgram: string;
  readonly seconds: number;
  readonly warmSeconds: number;
  /** Operations at most; 0: time alone bounds the row. */
  readonly count: number;
  /** Shards of a Midge target, where the row does not say. */
  readonly shards: number;
  /** Of the server; null where no row has TLS. */
  readonly certificate: Certificate | null;
}

/** What preparing (a million subscriptions), draining and ending may take beside the time that is measured. */
const REST_MS_MAX = 90_000;

export interface Measurement {
  readonly figures: Figures;
  readonly serverVersion: string;
}

export async function measure(row: Row, target: Target, options: MeasureOptions): Promise<Measurement> {
  const command = target.command(row.shards ?? options.shards);
  const isSecure = row.needs === "tls";
  const server = await startServer(
    isSecure ? [...command, ...tlsFlags(options.certificate!)] : command,
    target.env,
    { isSecure, hasWebSocket: row.needs === "websocket", config: row.config },
  );
  try {
    return { figures: await measureOn(server, row, options), serverVersion: server.version };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`${reason}${server.endReason() ? `; the server ${server.endReason()}` : ""}`);
  } finally {
    await server.end();
  }
}

async function measureOn(server: ServerProcess, row: Row, options: MeasureOptions): Promise<Figures> {
  const baseBytes = server.usage().residentBytes;
  if (row.load === null)
    return { ...noFigures, readyMs: server.readyMs, baseBytes, peakBytes: server.usage().peakBytes };
  const usages = new Map<Phase, Usage>();
  let machineNs = 0; // in the measured part
  const warmSeconds = row.warmSeconds ?? options.warmSeconds;
  const loadArguments = [
    ...["--port", `${server.webSocketPort || server.port}`, ...row.load, "--seconds", `${options.seconds}`],
    ...["--warm-seconds", `${warmSeconds}`, "--count", `${options.count}`],
  ];
  const msMax = (options.seconds + warmSeconds) * 1000 + REST_MS_MAX;
  const result = await runLoad(options.loadProgram, loadArguments, msMax, (phase) => {
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
  // An idle connection is what is left once the server has had time to tidy up after its coming.
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
