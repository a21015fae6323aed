/** The main thread: one server from its options to its end. It installs no signal handlers and never exits. */
import { availableParallelism } from "node:os";
import type { AccountsChange } from "../account/accounts_change.ts";
import { serverHash } from "../account/reply_subject.ts";
import { errorText } from "../base/error_text.ts";
import { GrowthWatch } from "../base/growth_watch.ts";
import type { Options } from "../config/option_table.ts";
import type { ClientListenerKind } from "../fabric/listeners.ts";
import { type LineLimit, LineLimits } from "../log/line_limit.ts";
import type { Logger } from "../log/logger.ts";
import type { MonitorSource } from "../monitor/source.ts";
import { CloseReason } from "../protocol/close_reason.ts";
import type { ServerInfo } from "../protocol/info.ts";
import { ServerObjects } from "../protocol/server_object.ts";
import { hostPortText, isEveryAddress } from "../runtime/posix/socket_address.ts";
import type { LinksNews, LinksSetup } from "../shard/links/links_setup.ts";
import type { ShardLogLevel } from "../shard/shard_messages.ts";
import type { ShardOptions } from "../shard/shard_options.ts";
import type { SystemServices } from "../system/system_services.ts";
import { AnnouncedInfo } from "./announced_info.ts";
import { writePidFile } from "./files/pid_file.ts";
import { PortsFile } from "./files/ports_file.ts";
import { LameDuck } from "./lame_duck.ts";
import { OcspService } from "./ocsp/ocsp_service.ts";
import { type PreparedReload, prepareReload, type ReloadResult } from "./reload.ts";
import { FleetMonitor, type MonitoredAccounts } from "./reports/monitor_source.ts";
import { certificatesOf } from "./reports/monitored_options.ts";
import { Monitoring } from "./reports/monitoring.ts";
import { clusterName, serverIdentity } from "./server_info.ts";
import { newServerKeys, type ServerKeys } from "./server_keys.ts";
import type { ConfigReader, ServerSettings } from "./server_settings.ts";
import { linksSetup } from "./settings/links_setup.ts";
import { isOperatorMode, verifyOperators } from "./settings/operator_mode.ts";
import type { MonitoredOperator, VerifiedOperators } from "./settings/operator_setup.ts";
import { OptionResolver } from "./settings/option_resolver.ts";
import { loginsSettings, type ResolvedOptions, shardOptions } from "./settings/shard_settings.ts";
import { type ServerContexts, TlsContexts } from "./settings/tls_contexts.ts";
import { logListener, logListening, logStart } from "./start_log.ts";
import { ServerSystemHost, systemTracing } from "./system_host.ts";
import { Fleet, type FleetEvents } from "./threads/fleet.ts";
import { hasLinks, listenErrorText, listenersOf } from "./threads/listeners.ts";
import type { Ports } from "./threads/listening.ts";
import { chooseTransport } from "./threads/transport.ts";

/** How many threads serve clients, unless the options say. */
const SHARD_COUNT_DEFAULT = 1;
/** Routes and gateways stay until the end, because the last clients may still publish. */
const CLOSED_IN_LAME_DUCK_MODE = ["client", "websocket", "leafnodes"] as const;
const REJECTIONS_TOLD_MS = 1000;

/** How a server ended: because it was told to, or by a failure that the log names. */
export type ServerEnd = "stopped" | "failed";

/** Thrown when a server does not start. */
export class ServerStartError extends Error {
  override name = "ServerStartError";
  /**
   * Whether the log has the message as a fatal line. If not, the options asked for something impossible, and nothing
   * was logged.
   */
  readonly isLogged: boolean;

  constructor(message: string, isLogged: boolean) {
    super(message);
    this.isLogged = isLogged;
  }
}

/** Moves one way: starting → running → (lame duck →) stopping → ended. */
type State = "starting" | "running" | "lame duck" | "stopping" | "ended";

export class Server {
  readonly id: string;
  /** Resolves when the server has stopped, whoever stopped it. */
  readonly ended: Promise<ServerEnd>;
  readonly monitor: MonitorSource;

  readonly #settings: ServerSettings;
  /** The name of this server in subjects. */
  readonly #serverHash: string;
  readonly #logger: Logger;
  readonly #lineLimits = new LineLimits(() => performance.now());
  /** As it was at the start: a reload does not change what this server is to hubs. */
  readonly #wasLeafNode: boolean;
  /** The trusted operators in operator mode; empty elsewhere. */
  readonly #operators: readonly MonitoredOperator[];
  readonly #fleet: Fleet;
  readonly #growth: GrowthWatch;
  readonly #tls: TlsContexts;
  readonly #ocsp: OcspService;
  readonly #announced: AnnouncedInfo;
  readonly #fleetMonitor: FleetMonitor;
  readonly #monitoring: Monitoring;
  readonly #portsFile: PortsFile;
  readonly #systemHost: ServerSystemHost;
  /** "" without one. */
  readonly #systemAccount: string;
  /** Null without a system account, and before the server serves. */
  #system: SystemServices | null = null;
  readonly #end = Promise.withResolvers<ServerEnd>();
  #state: State = "starting";
  readonly #resolver: OptionResolver;
  #options: Options;
  #resolved: ResolvedOptions;
  #hasLoggedStart = false;
  /** The contexts that handshakes use now. */
  #contexts: ServerContexts;
  /** The ports that are listened on, by kind. */
  #ports: Ports = new Map();
  #rejections: ReturnType<typeof setInterval> | undefined;
  #lameDuck: LameDuck | null = null;
  /** What a reload reads unless it is given something else: what was read last and was not refused. */
  #config: ConfigReader | null;
  /** Reloads come one after the other. */
  #reloading: Promise<unknown> = Promise.resolve();

  /**
   * Starts a server and resolves once it serves clients. Throws `ServerStartError`, after giving back what was opened.
   * `findObstacle` has found nothing wrong with the options.
   */
  static async start(settings: ServerSettings): Promise<Server> {
    let server: Server | null = null;
    try {
      const keys = await newServerKeys();
      const hash = await serverHash(settings.options.serverName || keys.id);
      server = new Server(
        settings,
        keys,
        hash,
        await verifyOperators(settings.options, hash, settings.runtime),
      );
      await server.#start();
      return server;
    } catch (error) {
      const text = errorText(error);
      const isLogged = server === null ? false : server.#hasLoggedStart;
      if (isLogged) settings.logger.fatal(text);
      if (server !== null) await server.#abandon();
      settings.logger.close();
      throw new ServerStartError(text, isLogged);
    }
  }

  private constructor(
    settings: ServerSettings,
    keys: ServerKeys,
    hash: string,
    operator: VerifiedOperators | null,
  ) {
    const { options, runtime, logger } = settings;
    this.id = keys.id;
    this.#serverHash = hash;
    this.#settings = settings;
    this.#config = settings.config;
    this.#logger = logger;
    this.#options = options;
    this.#operators = operator?.operators ?? [];
    this.#wasLeafNode = options.leafnodes.remotes.length > 0;
    this.ended = this.#end.promise;
    const transport = chooseTransport(runtime, options);
    const { posix } = transport;
    const cpuCount = availableParallelism();
    this.#tls = new TlsContexts(runtime, posix);
    const tls = this.#tls.create(options);
    if (!tls.ok) throw new Error(tls.reason);
    this.#contexts = tls.contexts;
    const certificates = certificatesOf(options);
    this.#ocsp = new OcspService(logger, {
      restaple: () => this.#restaple(),
      stop: () => void this.stop(),
      linkInvalid: (peer, link, reason) => this.#system?.tellOfInvalidLink(peer, link, reason),
      peerRejected: (kind, peer, reason) => this.#system?.tellOfRejectedPeer(kind, peer, reason),
    });
    this.#resolver = new OptionResolver(options, hash);
    const resolution = this.#resolver.resolve(options);
    if (!resolution.ok) throw new Error(resolution.problem);
    this.#resolved = resolution.resolved;
    const identity = { id: this.id, xkey: keys.xkey, runtime: this.#runtimeText };
    this.#announced = new AnnouncedInfo(identity, options, this.#isAuthRequired);
    this.#growth = new GrowthWatch(
      () => runtime.residentBytes(),
      () => runtime.collectGarbage(),
    );
    this.#fleet = new Fleet(
      {
        shardCount: options.midge.shards || SHARD_COUNT_DEFAULT,
        cpuCount,
        posix,
        listeners: listenersOf(options),
        hasLinks: hasLinks(options),
        endsProcess: settings.endsProcess,
        mayHaveLinks: settings.config !== null,
        server: serverIdentity(options, keys.id),
        serverHash: hash,
        secrets: keys.secrets,
        operator: operator?.setup ?? null,
      },
      this.#shardOptions(),
      this.#announced.info,
      this.#fleetEvents(),
    );
    this.#fleetMonitor = new FleetMonitor(this.#fleet, {
      id: this.id,
      runtime: this.#runtimeText,
      commandLine: settings.commandLine,
      cpuCount,
      options,
      configDigest: settings.config?.digest ?? "",
      announced: this.#announced,
      accounts: this.#monitoredAccounts,
      certificates,
      operators: this.#operators,
      ocsp: this.#ocsp,
    });
    this.monitor = this.#fleetMonitor;
    this.#monitoring = new Monitoring(this.monitor, this.#fleetMonitor.requestCounts, logger, () =>
      this.#growth.check(performance.now()),
    );
    this.#portsFile = new PortsFile(settings.executableName, logger);
    const cluster = clusterName(options);
    this.#systemHost = new ServerSystemHost(this.#fleet, this.monitor, this.#resolved, cluster, {
      reload: () => this.reload(),
      tracing: () => systemTracing(this.#options),
      logTrace: (text) => this.#logger.trace(text),
      logError: (text) => this.#logger.error(text),
    });
    this.#systemAccount =
      operator === null
        ? (this.#resolved.accounts.find(({ isSystem }) => isSystem)?.name ?? "")
        : operator.setup.trust.systemAccount;
    if (transport.reason !== "") {
      this.#logger.info(`Serving with the runtime's own sockets and TLS: ${transport.reason}`);
    }
  }

  /** The port that clients connect to. */
  get port(): number {
    return this.#ports.get("client") ?? 0;
  }

  /** Address for clients on this machine or, if the server listens to one address only, that address. */
  get clientUrl(): string {
    const { host } = this.#options;
    const scheme = this.#announced.info.tlsRequired ? "tls" : "nats";
    return `${scheme}://${hostPortText(isEveryAddress(host) ? "127.0.0.1" : host, this.port)}`;
  }

  /** The port that WebSockets connect to, 0 without. */
  get webSocketPort(): number {
    return this.#ports.get("websocket") ?? 0;
  }

  /** Port of HTTP monitoring, 0 without. */
  get monitoringPort(): number {
    return this.#monitoring.listener?.port ?? 0;
  }

  get isLameDuck(): boolean {
    return this.#state === "lame duck";
  }

  /** Closes every connection and gives everything back. Resolves when done, also for later calls. */
  async stop(): Promise<void> {
    if (this.#state === "starting" || this.#state === "running" || this.#state === "lame duck") {
      this.#state = "stopping";
      this.#logger.info("Initiating Shutdown...");
      this.#lameDuck?.cancel();
      await this.#close("stopped");
    }
    await this.ended;
  }

  /**
   * Takes no more clients, tells those that are there to go, and closes the rest slowly; then stops. Resolves when the
   * server has stopped. Does nothing unless the server is running.
   */
  async lameDuck(): Promise<void> {
    if (this.#state !== "running") return;
    this.#state = "lame duck";
    this.#logger.info("Entering lame duck mode, stop accepting new clients");
    this.#system?.enterLameDuck();
    const { lameDuckDurationMs, lameDuckGracePeriodMs } = this.#options;
    this.#fleet.shards.tellLinks({ type: "link", what: "lameDuck" });
    await this.#fleet.stopListening(CLOSED_IN_LAME_DUCK_MODE);
    if (!this.isLameDuck) return this.stop();
    const lameDuck = new LameDuck({
      durationMs: lameDuckDurationMs,
      gracePeriodMs: lameDuckGracePeriodMs,
      clientCount: () => this.#fleet.counters().connections,
      announce: () => this.#fleet.sendInfo(this.#infoForClients),
      beginClosing: () => {
        this.#logger.info("Closing existing clients");
        this.#fleet.shards.tellLinks({ type: "link", what: "closeLeafs" });
      },
      close: (count) => this.#fleet.clients.closeSome(count, CloseReason.ServerShutdown),
    });
    this.#lameDuck = lameDuck;
    await lameDuck.run();
    await this.stop();
  }

  /** Writes the log to a fresh file, where the old one was moved away. */
  reopenLog(): void {
    this.#logger.reopen();
  }

  /**
   * Reads the configuration again, or another one in its place, and applies all changes or none. The result is logged
   * as well. Never rejects: a signal may ask for a reload, and a failed one must not end the server.
   */
  async reload(other?: ConfigReader): Promise<ReloadResult> {
    const reload = this.#reloading
      .then(() => this.#reload(other ?? this.#config))
      .catch((error): ReloadResult => ({ ok: false, reason: errorText(error) }));
    this.#reloading = reload;
    const result = await reload;
    if (!result.ok) this.#logger.error(`Failed to reload server configuration: ${result.reason.trimEnd()}`);
    return result;
  }

  /** Makes one shard throw, for tests of what happens then. */
  failShard(index: number): void {
    this.#fleet.failShard(index);
  }

  /** Bun or Deno, and its version. */
  get #runtimeText(): string {
    const { name, version } = this.#settings.runtime;
    return `${name} ${version}`;
  }

  /** What becomes of all that the threads tell main, and ask of it. */
  #fleetEvents(): FleetEvents {
    return {
      log: (level, text, limit) => this.#log(level, text, limit),
      checkPeer: (block, chain) => this.#ocsp.isPeerValid(block, chain),
      traced: (result) => void this.#system?.publishTrace(result),
      onClient: (event) => this.#system?.announce(event),
      closed: (json, count) => {
        this.#fleetMonitor.addClosed(json, count);
        this.#growth.check(performance.now());
      },
      onAccounts: (change) => this.#changeAccounts(change),
      fatal: (text) => void this.#fail(text),
      linksSetup: (ports) => this.#linksSetup(ports),
      onLinks: (news) => this.#onLinks(news),
    };
  }

  /** Operator mode: accounts have come, changed or gone. */
  #changeAccounts(change: AccountsChange): void {
    this.#fleetMonitor.changeAccounts(change);
    this.#systemHost.changeAccounts(change);
    for (const account of change.changed) {
      void this.#fleet.clients.limitAccount(account, { endsLeafs: true });
      this.#system?.accountKnown(account.name);
    }
  }

  #linksSetup(ports: Ports): LinksSetup {
    const identity = {
      id: this.id,
      runtime: this.#runtimeText,
      isOperatorMode: isOperatorMode(this.#options),
      isLameDuck: this.isLameDuck,
      wasLeafNode: this.#wasLeafNode,
      systemAccount: this.#systemAccount,
    };
    return linksSetup(this.#options, identity, ports, this.#contexts.links);
  }

  /** The cluster, the leaf nodes and the hubs of this server have changed. */
  #onLinks(news: LinksNews): void {
    switch (news.type) {
      case "clientUrls":
        this.#announced.takeClientUrls(news.listener, news.urls);
        this.#sendInfo(news.listener);
        break;
      case "clusterName":
        this.#announced.takeClusterName(news.name);
        this.#sendInfo();
        this.#system?.changeIdentity(this.#announced.identity);
        break;
      case "otherClusters":
        this.#fleet.tellOtherClusters(news.names);
        break;
      case "accountAwaited":
        void this.#fleet.loadAccount(news.account);
        break;
      case "leafOpened":
        this.#system?.announceLeaf(news.announces ? news.leaf : null, news.leaf.account, null);
        break;
      case "leafClosed":
        this.#fleetMonitor.addClosedLeaf(news.record, news.reason);
        this.#system?.announceLeaf(news.leaf, news.leaf.account, {
          reason: news.reason,
          traffic: news.record,
        });
        break;
      case "leafFailed":
        this.#fleetMonitor.addClosedLeaf(news.record, news.reason);
        break;
      case "leafRefused":
        this.#system?.announceRefusedLeaf(news.leaf, news.reason);
        break;
      case "leafConnected":
        this.#system?.announceLeafAccount(news.account);
        break;
    }
  }

  /** Sends INFO with what is new of the cluster to the clients that take it at any time: all, or those of one port. */
  #sendInfo(listener?: ClientListenerKind): void {
    this.#fleet.sendInfo(this.#infoForClients, listener);
  }

  /** What connected clients are told. */
  get #infoForClients(): ServerInfo {
    return this.isLameDuck ? this.#announced.inLameDuckMode : this.#announced.info;
  }

  get #isAuthRequired(): boolean {
    return this.#resolved.rules.client.isAuthRequired;
  }

  get #monitoredAccounts(): MonitoredAccounts {
    const { accounts, exports } = this.#resolved;
    return { definitions: accounts, exports };
  }

  async #start(): Promise<void> {
    const { config, runtime } = this.#settings;
    const options = this.#options;
    const ocsp = await this.#ocsp.open(options, this.#contexts.client, "fail");
    if (!ocsp.ok) throw new Error(ocsp.reason);
    // The threads take a while to come up; everything else happens meanwhile.
    const shardsStart = this.#fleet.start(loginsSettings(options, this.#resolved));
    shardsStart.catch(() => {});
    // In operator mode the logins thread may find a reason not to start at all.
    if (isOperatorMode(options)) await shardsStart;
    this.#hasLoggedStart = true;
    const { shardCount, transport } = this.#fleet;
    const { rules } = this.#resolved;
    const { serverName: name } = this.#announced.info;
    logStart(this.#logger, options, config, runtime, {
      id: this.id,
      name,
      shardCount,
      transport,
      rules,
      operators: this.#operators,
      systemAccount: this.#systemAccount,
    });
    const pidFailure = options.pidFile && writePidFile(options.pidFile, process.pid);
    if (pidFailure) throw new Error(`Could not write pidfile: ${pidFailure}`);
    this.#ocsp.use(ocsp.ocsp);
    this.#restaple();
    await this.#monitoring.load(options);
    if (this.#systemAccount !== "") await this.#startSystemServices();
    await shardsStart;
    const listening = await this.#fleet.listen((ports) => {
      this.#ports = ports;
      return { info: this.#renewInfo(), options: this.#shardOptions() };
    });
    if (!listening.ok) throw new Error(listenErrorText(listening.listener, listening.error));
    // Not sooner: scripts wait until monitoring answers, and then connect at once.
    await this.#monitoring.start(options);
    this.#state = "running";
    logListening(this.#logger, options, this.#ports);
    if ((options.tls?.connectionRateLimit ?? 0) > 0) this.#tellRejections();
    this.#portsFile.write(options, this.#ports, this.#monitoring.listener);
    logListener(this.#logger, options, this.#ports, "cluster");
    this.#logger.info("Server is ready");
  }

  async #startSystemServices(): Promise<void> {
    const { SystemServices } = await import("../system/system_services.ts");
    const client = this.#fleet.createClient(this.#systemHost);
    const servers = new ServerObjects(this.#announced.identity, () => this.#fleet.nextMessageNumber());
    this.#system = new SystemServices(client, servers, this.#systemHost, this.#serverHash);
    client.run().catch((error) => this.#fail(`The system account is not served: ${error}`));
  }

  #shardOptions(): ShardOptions {
    const { client, webSocket } = this.#contexts;
    const contexts = { client: this.#ocsp.stapled(client), webSocket };
    const cluster = clusterName(this.#options);
    return shardOptions(this.#options, this.#resolved, contexts, cluster, this.webSocketPort);
  }

  #renewInfo(): ServerInfo {
    return this.#announced.renew(this.#options, this.#isAuthRequired, this.#ports);
  }

  /** There are new staples: handshakes from now on carry them. */
  #restaple(): void {
    if (this.#contexts.client !== null) this.#fleet.refreshOptions(this.#shardOptions());
  }

  /** Says once a second how many clients were turned away for `tls.connection_rate_limit`. */
  #tellRejections(): void {
    this.#rejections = setInterval(() => {
      const count = this.#fleet.takeRejectedHandshakes();
      if (count > 0) this.#logger.warn(`Rejected ${count} connections due to TLS rate limiting`);
    }, REJECTIONS_TOLD_MS);
  }

  async #reload(config: ConfigReader | null): Promise<ReloadResult> {
    const prepared = await prepareReload({
      settings: this.#settings,
      config,
      options: this.#options,
      port: this.port,
      resolver: this.#resolver,
      operators: this.#operators,
      tls: this.#tls,
      contexts: this.#contexts,
      ocsp: this.#ocsp,
      monitoring: this.#monitoring,
      findStop: () => (this.#state === "running" ? undefined : `the server is ${this.#state}, not running`),
    });
    if (!prepared.ok) return prepared;
    try {
      await this.#apply(prepared);
    } catch (error) {
      // A mistake of ours: prepareReload() should have found out what cannot be done.
      return { ok: false, reason: `${errorText(error)}; parts of it hold now, restart the server` };
    }
    this.#config = config;
    this.#logger.info(`Reloaded server configuration (${prepared.digest})`);
    return { ok: true };
  }

  /** Reads no file: anything wrong with one has been found before. */
  async #apply(prepared: PreparedReload): Promise<void> {
    const { options, digest, changes, resolved, contexts, certificates, ocsp, sink } = prepared;
    const changed = new Set(changes.map(({ key }) => key));
    this.#options = options;
    this.#resolved = resolved;
    if (sink !== null) this.#logger.setSink(sink);
    this.#logger.setSwitches({ debug: options.debug, trace: options.trace });
    for (const { logLine } of changes) if (logLine !== undefined) this.#logger.info(logLine);
    const oldContexts = this.#contexts;
    this.#contexts = contexts;
    this.#ocsp.use(ocsp);
    if (hasLinks(options)) await this.#fleet.shards.startLinks();
    const logins = loginsSettings(options, resolved);
    await this.#fleet.changeOptions(this.#shardOptions(), this.#renewInfo(), logins, prepared.accounts);
    this.#tls.release(oldContexts);
    prepared.replaceMonitorTls();
    if (changed.has("tls.pinned_certs")) await this.#closeUnpinned();
    for (const account of resolved.accounts)
      await this.#fleet.clients.limitAccount(account, { endsLeafs: false });
    if (changed.has("max_connections")) this.#shrink();
    if (changed.has("pid_file") && options.pidFile) {
      const failure = writePidFile(options.pidFile, process.pid);
      if (failure !== undefined) this.#logger.error(`Failed to write pidfile: ${failure}`);
    }
    if (changed.has("ports_file_dir")) {
      this.#portsFile.remove();
      this.#portsFile.write(options, this.#ports, this.#monitoring.listener);
    }
    this.#systemHost.configure(resolved, clusterName(options));
    this.#system?.changeIdentity(this.#announced.identity);
    this.#fleetMonitor.configure(options, this.#monitoredAccounts, certificates, digest);
  }

  async #closeUnpinned(): Promise<void> {
    const counts = await this.#fleet.shards.query<number>({ what: "closeUnpinned" });
    const count = counts.reduce((sum, closed) => sum + closed, 0);
    if (count > 0) this.#logger.info(`Disconnect ${count} clients due to pinned certs reload`);
  }

  /** Closes the surplus after max_connections was lowered. */
  #shrink(): void {
    const surplus = this.#fleet.counters().connections - Math.max(this.#options.maxConnections, 0);
    if (surplus <= 0) return;
    this.#fleet.clients.shrink(surplus);
    this.#logger.info(`Closed ${surplus} connections to fall within max_connections`);
  }

  async #stopThreads(): Promise<void> {
    this.#system?.stop();
    this.#ocsp.stop();
    clearInterval(this.#rejections);
    // A thread that did not end may still use what it was given.
    if (await this.#fleet.stop()) this.#tls.release(this.#contexts);
    await this.#monitoring.stop();
  }

  /** Gives back what a start that failed had opened. */
  async #abandon(): Promise<void> {
    this.#state = "ended";
    await this.#stopThreads();
    this.#end.resolve("failed");
  }

  async #fail(text: string): Promise<void> {
    this.#logger.fatal(text);
    // A start that fails ends by itself.
    if (this.#state === "starting" || this.#state === "stopping" || this.#state === "ended") return;
    this.#state = "stopping";
    this.#lameDuck?.cancel();
    await this.#close("failed");
  }

  async #close(end: ServerEnd): Promise<void> {
    await this.#stopThreads();
    this.#portsFile.remove();
    this.#state = "ended";
    this.#logger.info("Server Exiting..");
    this.#logger.close();
    this.#end.resolve(end);
  }

  #log(level: ShardLogLevel, text: string, limit?: LineLimit): void {
    if (limit !== undefined && !this.#lineLimits.allows(limit)) return;
    this.#logger.log(level === "warning" ? "warn" : level, text);
  }
}
