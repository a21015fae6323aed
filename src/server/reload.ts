/**
 * The first half of a reload: reads the configuration again and finds every reason to refuse it before anything has
 * changed. What it opens is handed on with the result, or closed again if the reload is refused.
 */
import { errorText } from "../base/error_text.ts";
import { diffOptions, type OptionChange } from "../config/diff.ts";
import type { Options } from "../config/option_table.ts";
import { TLS_CHANGED } from "../config/tls_reload.ts";
import type { LogSink } from "../log/logger.ts";
import type { AccountsOrigin } from "../logins/operator_mode.ts";
import type { Ocsp } from "./ocsp/ocsp.ts";
import type { OcspService } from "./ocsp/ocsp_service.ts";
import { certificatesOf, type MonitoredCertificates } from "./reports/monitored_options.ts";
import type { Monitoring } from "./reports/monitoring.ts";
import { announcedAddress } from "./server_info.ts";
import { type ConfigReader, findObstacle, type ServerSettings } from "./server_settings.ts";
import { isOperatorMode, verifyOperators } from "./settings/operator_mode.ts";
import type { MonitoredOperator } from "./settings/operator_setup.ts";
import type { OptionResolver } from "./settings/option_resolver.ts";
import type { ResolvedOptions } from "./settings/shard_settings.ts";
import type { ServerContexts, TlsContexts } from "./settings/tls_contexts.ts";

/** Options whose change means that the log is opened anew. */
const LOG_TARGET_KEYS = ["log_file", "remote_syslog", "syslog", "logtime", "logtime_utc"];

export type ReloadResult = { readonly ok: true } | Refusal;

interface Refusal {
  readonly ok: false;
  readonly reason: string;
}

export interface PreparedReload {
  readonly ok: true;
  readonly options: Options;
  readonly digest: string;
  /** In the order of the option table; certificates last. */
  readonly changes: readonly OptionChange[];
  readonly resolved: ResolvedOptions;
  /** Where accounts come from; null outside operator mode. */
  readonly accounts: AccountsOrigin | null;
  readonly contexts: ServerContexts;
  /** When the certificates in the contexts expire. */
  readonly certificates: MonitoredCertificates;
  /** Makes HTTPS monitoring use its certificate. */
  readonly replaceMonitorTls: () => void;
  readonly ocsp: Ocsp | null;
  /** Where the log goes from now on; null where it stays. */
  readonly sink: LogSink | null;
}

/** The server that is reloaded. */
export interface ReloadedServer {
  readonly settings: Pick<ServerSettings, "openLog" | "runtime">;
  /** What to read; null for a server that has no configuration. */
  readonly config: ConfigReader | null;
  /** The options in force so far. */
  readonly options: Options;
  /** The port of clients. */
  readonly port: number;
  readonly resolver: OptionResolver;
  readonly operators: readonly MonitoredOperator[];
  readonly tls: TlsContexts;
  readonly contexts: ServerContexts;
  readonly ocsp: OcspService;
  readonly monitoring: Pick<Monitoring, "prepare">;
  /** Why it takes no reloads now; undefined while it runs. */
  findStop(): string | undefined;
}

export async function prepareReload(server: ReloadedServer): Promise<PreparedReload | Refusal> {
  const { settings, config, port, resolver, tls } = server;
  const { openLog } = settings;
  const stop = server.findStop();
  if (stop !== undefined) return refusal(stop);
  if (config === null) return refusal("can only reload config when a file is provided using -c or --config");
  const read = config.read();
  if (!read.ok) return read;
  const { options, digest } = read;
  const obstacle = findObstacle(options);
  if (obstacle !== undefined) return refusal(obstacle);
  const difference = diffOptions(server.options, options);
  if (!difference.ok) return difference;
  const resolution = resolver.resolve(options);
  if (!resolution.ok) return refusal(resolution.problem);
  const unknown = unknownPinnedAccount(server.options, options, resolution.resolved);
  if (unknown !== undefined) {
    const name = JSON.stringify(unknown);
    return refusal(`unable to add account ${name} to the list of dedicated routes: account missing`);
  }
  const address = announcedAddress(options, port);
  if (!address.ok) return refusal(`client_advertise ${options.clientAdvertise}: ${address.reason}`);
  const created = tls.create(options);
  if (!created.ok) return created;
  const { contexts } = created;
  let sink: LogSink | null = null;
  const giveUp = (reason: string) => {
    sink?.close();
    tls.release(contexts);
    return refusal(reason);
  };
  try {
    // Read before anything is awaited: meanwhile the files could become others than those the contexts were made from.
    const certificates = certificatesOf(options);
    const replaceMonitorTls = server.monitoring.prepare(options);
    const verified = await verifyOperators(options, resolution.resolved.serverHash, settings.runtime);
    const changedOperators = findOtherOperators(server.operators, verified?.operators ?? []);
    if (changedOperators !== undefined) return giveUp(changedOperators);
    const ocsp = await server.ocsp.open(options, contexts.client, "go on");
    if (!ocsp.ok) return giveUp(ocsp.reason);
    const stopMeanwhile = server.findStop();
    if (stopMeanwhile !== undefined) return giveUp(stopMeanwhile);

    const changes = withCertificates(difference.changes, server, { options, contexts });
    const changed = new Set(changes.map(({ key }) => key));
    if (openLog !== null && LOG_TARGET_KEYS.some((key) => changed.has(key))) sink = await openLog(options);
    return {
      ok: true,
      options: withPortsOf(server.options, options),
      digest,
      changes,
      resolved: resolution.resolved,
      accounts: verified?.setup.accounts ?? null,
      contexts,
      certificates,
      replaceMonitorTls,
      ocsp: ocsp.ocsp,
      sink,
    };
  } catch (error) {
    return giveUp(errorText(error));
  }
}

/** The changes of the options, and that of the certificates of clients' TLS, of which the options only name the files. */
function withCertificates(
  changes: readonly OptionChange[],
  before: Pick<ReloadedServer, "options" | "contexts">,
  after: Pick<ReloadedServer, "options" | "contexts">,
): readonly OptionChange[] {
  const isTold = changes.some(({ key }) => key === "tls");
  if (isTold || before.contexts.clientDigest === after.contexts.clientDigest) return changes;
  const [old, now] = [before.options.tls, after.options.tls];
  return [...changes, { key: "tls", old, new: now, logLine: TLS_CHANGED }];
}

/** Operators do not change while a server runs, whether the JWT stands in the configuration or in a file of its own. */
function findOtherOperators(
  before: readonly MonitoredOperator[],
  after: readonly MonitoredOperator[],
): string | undefined {
  const [old, now] = [before, after].map((operators) =>
    JSON.stringify(operators.map(({ claims }) => claims)),
  );
  return old === now ? undefined : `config reload not supported for TrustedOperators: old=${old}, new=${now}`;
}

/** An account that is to get routes of its own but is not defined; with an operator any account may exist. */
function unknownPinnedAccount(
  before: Options,
  options: Options,
  { accounts }: ResolvedOptions,
): string | undefined {
  if (isOperatorMode(options)) return undefined;
  return options.cluster.accounts.find(
    (name) => !before.cluster.accounts.includes(name) && !accounts.some((account) => account.name === name),
  );
}

function refusal(reason: string): Refusal {
  return { ok: false, reason };
}

/** A port that was chosen at random stays. */
function withPortsOf({ port, httpPort, httpsPort, websocket }: Options, options: Options): Options {
  return {
    ...options,
    port,
    httpPort,
    httpsPort,
    websocket: { ...options.websocket, port: websocket.port },
  };
}
