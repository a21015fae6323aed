/** The main thread: one server from its options to its end. It installs no signal handlers and never exits. */
import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { serverHash } from "../account/reply_subject.ts";
import { announcesAuthRequired, findLoginWarnings } from "../auth/login_rules.ts";
import { GrowthWatch } from "../base/growth_watch.ts";
import { diffOptions } from "../config/diff.ts";
import type { Options } from "../config/option_table.ts";
import { validateForStart } from "../config/start_checks.ts";
import type { ClientListenerKind, ListenerKind } from "../fabric/listeners.ts";
import type { Logger, LogSink } from "../log/logger.ts";
import type { HttpMonitor, MonitorTls } from "../monitor/http_server.ts";
import type { MonitorSource } from "../monitor/snapshot.ts";
import { CloseReason } from "../protocol/close_reason.ts";
import type { ServerInfo } from "../protocol/info.ts";
import { type ServerIdentity, ServerObjects } from "../protocol/server_object.ts";
import type { Posix } from "../runtime/posix/posix.ts";
import { hostPortText } from "../runtime/posix/socket_address.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { certificatePairs, findTlsFileProblem } from "../runtime/tls_files.ts";
import type { LinksNews } from "../shard/links_setup.ts";
import type { ShardLogLevel, ShardOptions } from "../shard/shard_options.ts";
import type { SystemServices } from "../system/system_services.ts";
import { Fleet, type Ports } from "./fleet.ts";
import { LameDuck } from "./lame_duck.ts";
import { clientUrls, type LinksIdentity, linksSetup, webSocketUrls } from "./links_setup.ts";
import { hasLinks, listenErrorText, listenersOf, listeningText } from "./listeners.ts";
import { FleetMonitor, type MonitoredAccounts } from "./monitor_source.ts";
import { findNotYetSupported } from "./not_yet.ts";
import { OcspService } from "./ocsp_service.ts";
import { isOperatorMode } from "./operator_mode.ts";
import type { VerifiedOperators } from "./operator_setup.ts";
import { OptionResolver } from "./option_resolver.ts";
import { writePidFile } from "./pid_file.ts";
import { type Listener, portsFilePath, portsOf, removePortsFile, writePortsFile } from "./ports_file.ts";
import { announcedAddress, clusterName, serverIdentity, serverInfo } from "./server_info.ts";
import { newServerKeys, type ServerKeys } from "./server_keys.ts";
import { loginsSettings, type ResolvedOptions, shardOptions } from "./shard_settings.ts";
import { ServerSystemHost } from "./system_host.ts";
import { type ServerContexts, TlsContexts, tlsBlocks, usesTls } from "./tls_contexts.ts";
import { MIDGE_VERSION, NATS_VERSION } from "./version.ts";
import { hasWebSocket, webSocketScheme } from "./websocket_settings.ts";

/** Routes and gateways stay until the end, for what the last clients say. */
const CLOSED_IN_LAME_DUCK_MODE = ["client", "websocket", "leafnodes"] as const;
const REJECTIONS_TOLD_MS = 1000;
const PAYLOAD_BYTES_ADVISED_MAX = 8 * 1024 * 1024;

export interface ServerSettings {
  readonly options: Options;
  readonly runtime: Runtime;
  /** Belongs to the server from now on: it is closed at the end. */
  readonly logger: Logger;
  /** Opens the log's target anew when a reload changes it; null where the log is not the server's to choose. */
  readonly openLog: ((options: Options) => Promise<LogSink>) | null;
  /** What the options were read from; null for nothing. */
  readonly config: ConfigOrigin | null;
  /** Names the ports file. */
  readonly executableName: string;
  /** As it may be shown: without secrets. */
  readonly commandLine: readonly string[];
  /** The process ends with the server. */
  readonly endsProcess: boolean;
}

export interface ConfigOrigin {
  readonly file: string;
  /** `sha256:<hex>`. */
  readonly digest: string;
  /** Reads it again, with the flags of the command line over it. */
  read(): ReadAgain;
}

export type ReadAgain =
  | { readonly ok: true; readonly options: Options; readonly digest: string }
  | { readonly ok: false; readonly reason: string };

/** How a server ended: as it was told, or by a failure that the log names. */
export type ServerEnd = "stopped" | "failed";

export type ReloadResult = { readonly ok: true } | { readonly ok: false; readonly reason: string };

/** Thrown where a server does not start. */
export class ServerStartError extends Error {
  override name = "ServerStartError";
  /** The log has the message as a fatal line; otherwise the options asked for what cannot be, and the log has nothing. */
  readonly isLogged: boolean;

  constructor(message: string, isLogged: boolean) {
    super(message);
    this.isLogged = isLogged;
  }
}

/** What keeps a server with these options from starting, before anything is opened; undefined for nothing. */
export function findObstacle(options: Options): string | undefined {
  const tlsProblem = () =>
    tlsBlocks(options)
      .map(findTlsFileProblem)
      .find((problem) => problem !== undefined);
  return validateForStart(options) ?? findNotYetSupported(options) ?? tlsProblem();
}

/** Threads that serve clients, where nobody says how many. */
export function defaultShardCount(_cpuCount: number): number {
  return 1;
}

/** Moves one way: starting → running → (lame duck →) stopping → ended. */
type State = "starting" | "running" | "lame duck" | "stopping" | "ended";

export class Server {
  readonly id: string;
  /** Resolves when the server has stopped, whoever stopped it. */
  readonly ended: Promise<ServerEnd>;
  readonly monitor: MonitorSource;

  readonly #settings: ServerSettings;
  readonly #xkey: string;
  /** What names this server in subjects. */
  readonly #serverHash: string;
  readonly #logger: Logger;
  readonly #fleet: Fleet;
  readonly #tls: TlsContexts;
  readonly #ocsp: OcspService;
  readonly #fleetMonitor: FleetMonitor;
  readonly #systemHost: ServerSystemHost;
  readonly #hasSystemAccount: boolean;
  /** Null without a system account, and before the server serves. */
  #system: SystemServices | null = null;
  readonly #end = Promise.withResolvers<ServerEnd>();
  #state: State = "starting";
  readonly #resolver: OptionResolver;
  #options: Options;
  #resolved: ResolvedOptions;
  #info: ServerInfo;
  /** What the cluster has added to it. */
  #clusterInfo: Partial<ServerInfo> = {};
  #hasLoggedStart = false;
  /** What handshakes are made with now. */
  #contexts: ServerContexts;
  /** Of what is listened on. */
  #ports: Ports = new Map();
  #rejections: ReturnType<typeof setInterval> | undefined;
  #port = 0;
  #http: HttpMonitor | null = null;
  #portsFile: string | null = null;
  #lameDuck: LameDuck | null = null;
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
      server = new Server(settings, keys, hash, await verifyOperators(settings.options, hash));
      await server.#start();
      return server;
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
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
    this.#xkey = keys.xkey;
    this.#serverHash = hash;
    this.#settings = settings;
    this.#logger = logger;
    this.#options = options;
    this.ended = this.#end.promise;
    const wanted = options.midge.transport;
    const transport = chooseTransport(runtime, options);
    if (wanted === "epoll" && transport.reason !== "")
      throw new Error(`transport epoll: ${transport.reason}`);
    const { posix } = transport;
    const cpuCount = availableParallelism();
    this.#tls = new TlsContexts(runtime, posix);
    const tls = this.#tls.create(options);
    if (!tls.ok) throw new Error(tls.reason);
    this.#contexts = tls.contexts;
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
    this.#info = serverInfo(options, this.#identity(), options, this.#isAuthAnnounced);
    const growth = new GrowthWatch(
      () => runtime.residentBytes(),
      () => runtime.collectGarbage(),
    );
    this.#fleet = new Fleet(
      {
        shardCount: options.midge.shards || defaultShardCount(cpuCount),
        cpuCount,
        posix,
        listeners: listenersOf(options),
        hasLinks: hasLinks(options),
        server: serverIdentity(options, keys.id),
        serverHash: hash,
        secrets: keys.secrets,
        operator: operator?.setup ?? null,
        endsProcess: settings.endsProcess,
      },
      this.#shardOptions(),
      this.#info,
      {
        log: (level, text) => this.#log(level, text),
        checkPeer: (block, chain) => this.#ocsp.isPeerValid(block, chain),
        opened: (event) => this.#system?.announce({ ...event, end: null }),
        closed: (connection, event) => {
          this.#fleetMonitor.addClosed(connection);
          const end = { reason: connection.reason, traffic: connection };
          if (event !== null) this.#system?.announce({ ...event, end });
          growth.check(performance.now());
        },
        onAccounts: (change) => {
          this.#fleetMonitor.changeAccounts(change);
          this.#systemHost.changeAccounts(change);
          for (const account of change.changed) {
            void this.#fleet.limitClients(account);
            this.#system?.accountKnown(account.name);
          }
        },
        fatal: (text) => void this.#fail(text),
        linksSetup: (ports) => linksSetup(this.#options, this.#linksIdentity(), ports, this.#contexts.links),
        onLinks: (news) => this.#onLinks(news),
      },
    );
    this.#fleetMonitor = new FleetMonitor(this.#fleet, {
      id: this.id,
      runtime: `${runtime.name} ${runtime.version}`,
      commandLine: settings.commandLine,
      cpuCount,
      options,
      configDigest: settings.config?.digest ?? "",
      info: this.#info,
      accounts: this.#monitoredAccounts,
      operators: operator?.operators ?? [],
      ocsp: this.#ocsp,
    });
    this.monitor = this.#fleetMonitor;
    const cluster = clusterName(options, this.id);
    this.#systemHost = new ServerSystemHost(this.#fleet, this.monitor, this.#resolved, cluster, {
      reload: () => this.reload(),
      logError: (text) => this.#logger.error(text),
    });
    this.#hasSystemAccount =
      operator === null
        ? this.#resolved.accounts.some(({ isSystem }) => isSystem)
        : operator.setup.trust.systemAccount !== "";
    if (transport.reason !== "") {
      this.#logger.info(`Serving with the runtime's own sockets and TLS: ${transport.reason}`);
    }
  }

  /** The port that clients connect to. */
  get port(): number {
    return this.#port;
  }

  /** Address for clients on this machine or, if the server listens to one address only, that address. */
  get clientUrl(): string {
    const { host } = this.#options;
    const isEvery = host === "" || host === "0.0.0.0" || host === "::";
    return `${this.#scheme}://${hostPortText(isEvery ? "127.0.0.1" : host, this.#port)}`;
  }

  get #scheme(): "nats" | "tls" {
    return this.#info.tlsRequired ? "tls" : "nats";
  }

  /** The port that WebSockets connect to, 0 without. */
  get webSocketPort(): number {
    return this.#ports.get("websocket") ?? 0;
  }

  /** Port of HTTP monitoring, 0 without. */
  get monitoringPort(): number {
    return this.#http?.port ?? 0;
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
   * server has stopped. Does nothing on a server that is not just running.
   */
  async lameDuck(): Promise<void> {
    if (this.#state !== "running") return;
    this.#state = "lame duck";
    this.#logger.info("Entering lame duck mode, stop accepting new clients");
    this.#system?.enterLameDuck();
    const { lameDuckDurationMs, lameDuckGracePeriodMs } = this.#options;
    this.#fleet.tellLinks({ type: "link", what: "lameDuck" });
    await this.#fleet.stopListening(CLOSED_IN_LAME_DUCK_MODE);
    if (!this.isLameDuck) return this.stop();
    const lameDuck = new LameDuck({
      durationMs: lameDuckDurationMs,
      gracePeriodMs: lameDuckGracePeriodMs,
      clientCount: () => this.#fleet.counters().connections,
      announce: () => this.#fleet.sendInfo(this.#infoForClients),
      beginClosing: () => {
        this.#logger.info("Closing existing clients");
        this.#fleet.tellLinks({ type: "link", what: "closeLeafs" });
      },
      close: (count) => this.#fleet.closeSome(count, CloseReason.ServerShutdown),
    });
    this.#lameDuck = lameDuck;
    await lameDuck.run();
    await this.stop();
  }

  /** Writes the log to a fresh file, where the old one was moved away. */
  reopenLog(): void {
    this.#logger.reopen();
  }

  /** Reads the configuration again and applies what changed, all of it or nothing. The log says the same. */
  async reload(): Promise<ReloadResult> {
    const reload = this.#reloading.then(() => this.#reload());
    this.#reloading = reload.catch(() => {});
    const result = await reload;
    if (!result.ok) this.#logger.error(`Failed to reload server configuration: ${result.reason}`);
    return result;
  }

  /** Makes one shard throw, for tests of what happens then. */
  failShard(index: number): void {
    this.#fleet.failShard(index);
  }

  #linksIdentity(): LinksIdentity {
    const { runtime } = this.#settings;
    return {
      id: this.id,
      runtime: `${runtime.name} ${runtime.version}`,
      isOperatorMode: isOperatorMode(this.#options),
    };
  }

  /** The cluster, the leaf nodes and the hubs of this server have changed. */
  #onLinks(news: LinksNews): void {
    switch (news.type) {
      case "clientUrls":
        this.#takeClientUrls(news.listener, news.urls);
        break;
      case "clusterName":
        this.#tellCluster({ cluster: news.name });
        this.#system?.changeIdentity(this.#serverIdentity());
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
      case "leafRefused":
        this.#system?.announceRefusedLeaf(news.leaf, news.reason);
        break;
      case "leafConnected":
        this.#system?.announceLeafAccount(news.account);
        break;
    }
  }

  /** Where clients that come by such a port reach the other members of the cluster. */
  #takeClientUrls(listener: ClientListenerKind, urls: readonly string[]): void {
    if (listener === "client") {
      this.#tellCluster({ connectUrls: [...this.#clientUrls, ...urls] }, listener);
    } else {
      this.#tellCluster({ webSocketConnectUrls: [...this.#webSocketUrls, ...urls] }, listener);
    }
  }

  /** Clients that take INFO at any time hear what is new of the cluster: all, or those of one port. */
  #tellCluster(news: Partial<ServerInfo>, listener?: ClientListenerKind): void {
    this.#clusterInfo = { ...this.#clusterInfo, ...news };
    this.#info = { ...this.#info, ...this.#clusterInfo };
    this.#fleetMonitor.info = this.#info;
    this.#fleet.sendInfo(this.#infoForClients, listener);
  }

  get #clientUrls(): readonly string[] {
    return clientUrls(this.#options, this.#port);
  }

  get #webSocketUrls(): readonly string[] {
    return webSocketUrls(this.#options, this.webSocketPort);
  }

  /** What connected clients are told: in lame duck mode of the other servers only. */
  get #infoForClients(): ServerInfo {
    if (!this.isLameDuck) return this.#info;
    const own = new Set([...this.#clientUrls, ...this.#webSocketUrls]);
    const { connectUrls = [], webSocketConnectUrls = [] } = this.#info;
    return {
      ...this.#info,
      connectUrls: connectUrls.filter((url) => !own.has(url)),
      webSocketConnectUrls: webSocketConnectUrls.filter((url) => !own.has(url)),
      lameDuckMode: true,
    };
  }

  #serverIdentity(): ServerIdentity {
    return serverIdentity(this.#options, this.id, this.#clusterInfo.cluster);
  }

  get #isAuthAnnounced(): boolean {
    return announcesAuthRequired(this.#resolved.rules, "client");
  }

  get #monitoredAccounts(): MonitoredAccounts {
    const { accounts, exports } = this.#resolved;
    return { definitions: accounts, exports };
  }

  #identity() {
    const { runtime } = this.#settings;
    return { id: this.id, xkey: this.#xkey, runtime: `${runtime.name} ${runtime.version}` };
  }

  async #start(): Promise<void> {
    const ocsp = await this.#ocsp.open(this.#options, this.#contexts.client, "fail");
    if (!ocsp.ok) throw new Error(ocsp.reason);
    // The threads take a while to come up; everything else happens meanwhile.
    const shardsStart = this.#fleet.start(loginsSettings(this.#options, this.#resolved));
    shardsStart.catch(() => {});
    // With an operator, what it says may be a reason not to start at all.
    if (isOperatorMode(this.#options)) await shardsStart;
    this.#hasLoggedStart = true;
    this.#logStart();
    const { pidFile } = this.#options;
    if (pidFile) writePidFile(pidFile, process.pid);
    this.#ocsp.use(ocsp.ocsp);
    this.#restaple();
    if (this.#hasMonitoring()) await import("../monitor/http_server.ts");
    if (this.#hasSystemAccount) await this.#startSystemServices();
    await shardsStart;
    const listening = await this.#fleet.listen((ports) => {
      this.#ports = ports;
      return { info: this.#infoOn(ports.get("client")!), options: this.#shardOptions() };
    });
    if (!listening.ok) throw new Error(listenErrorText(listening.listener, listening.error));
    // Not sooner: whoever waits until monitoring answers, as scripts do, may connect at once.
    if (this.#hasMonitoring()) await this.#startMonitoring();
    this.#state = "running";
    for (const kind of ["gateway", "websocket", "leafnodes", "client"] as const) this.#logListening(kind);
    const { tls, allowNonTls } = this.#options;
    if (tls !== undefined) {
      this.#logger.info(`TLS ${allowNonTls ? "available" : "required"} for client connections`);
    }
    if ((tls?.connectionRateLimit ?? 0) > 0) this.#tellRejections();
    this.#writePortsFile();
    this.#logListening("cluster");
    this.#logger.info("Server is ready");
  }

  #logListening(kind: ListenerKind): void {
    const port = this.#ports.get(kind);
    const listener = listenersOf(this.#options).find((each) => each.kind === kind);
    if (port !== undefined && listener !== undefined) {
      this.#logger.info(listeningText({ ...listener, port }, this.#options));
    }
    if (kind === "websocket" && port !== undefined && webSocketScheme(this.#options) === "ws") {
      this.#logger.warn("Websocket not configured with TLS. DO NOT USE IN PRODUCTION!");
    }
  }

  async #startSystemServices(): Promise<void> {
    const { SystemServices } = await import("../system/system_services.ts");
    const client = this.#fleet.createClient(this.#systemHost);
    const servers = new ServerObjects(this.#serverIdentity(), () => this.#fleet.nextMessageNumber());
    this.#system = new SystemServices(client, servers, this.#systemHost, this.#serverHash);
    client.run().catch((error) => this.#fail(`The system account is not served: ${error}`));
  }

  #shardOptions(): ShardOptions {
    const { client, webSocket } = this.#contexts;
    const contexts = { client: this.#ocsp.stapled(client), webSocket };
    const cluster = clusterName(this.#options, this.id);
    return shardOptions(this.#options, this.#resolved, contexts, cluster, this.webSocketPort);
  }

  /** Staples have come, or come anew: handshakes from now on carry them. */
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

  #logStart(): void {
    const { options, config, runtime } = this.#settings;
    const { shardCount, transport } = this.#fleet;
    const log = this.#logger;
    const shards = shardCount === 1 ? "1 shard" : `${shardCount} shards`;
    log.info("Starting nats-server");
    log.info(`  Version:  ${NATS_VERSION}`);
    log.info("  Git:      [not set]");
    log.info(`  Midge:    ${MIDGE_VERSION} on ${runtime.name} ${runtime.version}, ${shards}, ${transport}`);
    const cluster = options.cluster.name ?? options.gateway.name;
    if (cluster !== undefined) log.info(`  Cluster:  ${cluster}`);
    log.info(`  Name:     ${this.#info.serverName}`);
    log.info(`  ID:       ${this.id}`);
    logFeatureFlags(log, options.featureFlags);
    for (const text of findLoginWarnings(this.#resolved.rules)) log.warn(text);
    if (config !== null) log.info(`Using configuration file: ${config.file} (${config.digest})`);
    this.#warnOfPayload(options);
  }

  #warnOfPayload({ maxPayloadBytes }: Options): void {
    if (maxPayloadBytes <= PAYLOAD_BYTES_ADVISED_MAX) return;
    this.#logger.warn(
      "Maximum payloads over 8.00 MB are generally discouraged and could lead to poor performance",
    );
  }

  #hasMonitoring(): boolean {
    return this.#options.httpPort !== 0 || this.#options.httpsPort !== 0;
  }

  async #startMonitoring(): Promise<void> {
    const { httpPort, httpsPort, httpHost, httpBasePath, host } = this.#options;
    const { HttpMonitor } = await import("../monitor/http_server.ts");
    this.#http = await HttpMonitor.start(this.monitor, {
      host: httpHost ?? host,
      httpPort,
      httpsPort,
      basePath: httpBasePath,
      tls: this.#monitorTls(),
      requestCounts: this.#fleetMonitor.requestCounts,
      log: {
        notice: (text) => this.#logger.info(text),
        warn: (text) => this.#logger.warn(text),
        error: (text) => this.#logger.error(text),
      },
    });
  }

  /** Of the client listener; without its client certificates. */
  #monitorTls(): MonitorTls | null {
    const [pair] = this.#options.tls === undefined ? [] : certificatePairs(this.#options.tls);
    if (pair === undefined) return null;
    const minVersion = this.#options.tls?.minVersion === "1.3" ? "TLSv1.3" : "TLSv1.2";
    return { cert: readFileSync(pair.certFile, "utf8"), key: readFileSync(pair.keyFile, "utf8"), minVersion };
  }

  /** The port is known: what clients are told of it. */
  #infoOn(port: number): ServerInfo {
    this.#port = port;
    const address = announcedAddress(this.#options, port);
    if (!address.ok) {
      const value = this.#options.clientAdvertise;
      throw new Error(
        `Error setting server INFO with ClientAdvertise value of ${value}, err=${address.reason}`,
      );
    }
    const info = serverInfo(this.#options, this.#identity(), address, this.#isAuthAnnounced);
    this.#info = { ...info, ...this.#clusterInfo };
    this.#fleetMonitor.info = this.#info;
    return this.#info;
  }

  #writePortsFile(): void {
    const { portsFileDir, host, cluster } = this.#options;
    const clusterPort = this.#ports.get("cluster");
    if (!portsFileDir) return;
    const path = portsFilePath(portsFileDir, this.#settings.executableName, process.pid);
    try {
      writePortsFile(
        path,
        portsOf({
          nats: { scheme: this.#scheme, host, port: this.#port },
          ...(hasWebSocket(this.#options) ? { websocket: this.#webSocketListener() } : {}),
          ...(this.#http === null ? {} : { monitoring: this.#monitoringListener(this.#http) }),
          ...(clusterPort === undefined
            ? {}
            : { cluster: { scheme: "nats", host: cluster.host, port: clusterPort } }),
        }),
      );
      this.#portsFile = path;
    } catch (error) {
      this.#logger.error((error as Error).message);
    }
  }

  #webSocketListener(): Listener {
    const { host } = this.#options.websocket;
    return { scheme: webSocketScheme(this.#options), host, port: this.webSocketPort };
  }

  #monitoringListener({ isSecure, port }: HttpMonitor): Listener {
    const { httpHost, host } = this.#options;
    return { scheme: isSecure ? "https" : "http", host: httpHost ?? host, port };
  }

  #removePortsFile(): void {
    if (this.#portsFile === null) return;
    const path = this.#portsFile;
    this.#portsFile = null;
    try {
      removePortsFile(path);
    } catch (error) {
      this.#logger.error((error as Error).message);
    }
  }

  async #reload(): Promise<ReloadResult> {
    const { config, openLog } = this.#settings;
    const refuse = (reason: string): ReloadResult => ({ ok: false, reason });
    if (this.#state !== "running") return refuse(`the server is ${this.#state}, not running`);
    if (config === null) return refuse("can only reload config when a file is provided using -c or --config");
    const read = config.read();
    if (!read.ok) return refuse(read.reason);
    const obstacle = findObstacle(read.options);
    if (obstacle !== undefined) return refuse(obstacle);
    const difference = diffOptions(this.#options, read.options);
    if (!difference.ok) return refuse(difference.reason);
    if (hasLinks(read.options) && !this.#fleet.hasLinks) {
      return refuse("config reload not supported for the first links to other servers: restart this server");
    }
    const resolution = this.#resolver.resolve(read.options);
    if (!resolution.ok) return refuse(resolution.problem);
    const address = announcedAddress(read.options, this.#port);
    if (!address.ok) return refuse(`client_advertise ${read.options.clientAdvertise}: ${address.reason}`);
    const tls = this.#tls.create(read.options);
    if (!tls.ok) return refuse(tls.reason);
    const ocsp = await this.#ocsp.open(read.options, tls.contexts.client, "go on");
    if (!ocsp.ok || this.#state !== "running") {
      this.#tls.release(tls.contexts);
      return refuse(ocsp.ok ? `the server is ${this.#state}, not running` : ocsp.reason);
    }

    const changed = new Set(difference.changes.map(({ key }) => key));
    const isLogMoved = openLog !== null && LOG_TARGET_KEYS.some((key) => changed.has(key));
    let sink: LogSink | null = null;
    try {
      if (isLogMoved) sink = await openLog(read.options);
      if (changed.has("pid_file") && read.options.pidFile) writePidFile(read.options.pidFile, process.pid);
    } catch (error) {
      sink?.close();
      this.#tls.release(tls.contexts);
      return refuse((error as Error).message);
    }

    const before = this.#options;
    // A port that was chosen at random stays.
    this.#options = {
      ...read.options,
      port: before.port,
      httpPort: before.httpPort,
      httpsPort: before.httpsPort,
      websocket: { ...read.options.websocket, port: before.websocket.port },
    };
    this.#resolved = resolution.resolved;
    if (sink !== null) this.#logger.setSink(sink);
    this.#logger.setSwitches({ debug: this.#options.debug, trace: this.#options.trace });
    for (const { logLine } of difference.changes) if (logLine !== undefined) this.#logger.info(logLine);
    const oldContexts = this.#contexts;
    this.#contexts = tls.contexts;
    this.#ocsp.use(ocsp.ocsp);
    await this.#fleet.changeOptions(
      this.#shardOptions(),
      this.#infoOn(this.#port),
      loginsSettings(this.#options, this.#resolved),
      [...this.#options.resolverPreload],
    );
    this.#tls.release(oldContexts);
    const monitorTls = this.#http?.isSecure ? this.#monitorTls() : null;
    if (monitorTls !== null) this.#http?.replaceTls(monitorTls);
    if (changed.has("tls.pinned_certs")) await this.#closeUnpinned();
    for (const account of this.#resolved.accounts) await this.#fleet.limitClients(account);
    if (changed.has("max_payload")) this.#warnOfPayload(this.#options);
    if (changed.has("max_connections")) this.#shrink();
    if (changed.has("ports_file_dir")) {
      this.#removePortsFile();
      this.#writePortsFile();
    }
    this.#systemHost.configure(this.#resolved, clusterName(this.#options, this.id));
    this.#system?.changeIdentity(this.#serverIdentity());
    this.#fleetMonitor.configure(this.#options, this.#monitoredAccounts, read.digest);
    this.#logger.info(`Reloaded server configuration (${read.digest})`);
    return { ok: true };
  }

  async #closeUnpinned(): Promise<void> {
    const counts = await this.#fleet.query<number>({ what: "closeUnpinned" });
    const count = counts.reduce((sum, closed) => sum + closed, 0);
    if (count > 0) this.#logger.info(`Disconnect ${count} clients due to pinned certs reload`);
  }

  /** After max_connections was lowered: the surplus goes. */
  #shrink(): void {
    const surplus = this.#fleet.counters().connections - this.#options.maxConnections;
    if (surplus <= 0) return;
    this.#fleet.shrink(surplus);
    this.#logger.info(`Closed ${surplus} connections to fall within max_connections`);
  }

  async #stopThreads(): Promise<void> {
    this.#system?.stop();
    this.#ocsp.stop();
    clearInterval(this.#rejections);
    // A thread that did not end may still use what it was given.
    if (await this.#fleet.stop()) this.#tls.release(this.#contexts);
    await this.#http?.stop();
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
    this.#removePortsFile();
    this.#state = "ended";
    this.#logger.info("Server Exiting..");
    this.#logger.close();
    this.#end.resolve(end);
  }

  #log(level: ShardLogLevel, text: string): void {
    this.#logger.log(level === "warning" ? "warn" : level, text);
  }
}

/**
 * libc for the epoll transport; null, and the reason for it if it was not asked for, where the runtime's own sockets
 * serve. TLS comes from OpenSSL with the one, from the runtime with the other.
 */
function chooseTransport(
  runtime: Runtime,
  options: Options,
): { readonly posix: Posix | null; readonly reason: string } {
  if (options.midge.transport === "runtime") return { posix: null, reason: "" };
  const opened = runtime.openPosix();
  if (!opened.ok) return { posix: null, reason: opened.reason };
  const { posix } = opened;
  const library = usesTls(options) ? runtime.openOpenSsl(posix) : null;
  return library === null || library.ok ? { posix, reason: "" } : { posix: null, reason: library.reason };
}

/** Options whose change means that the log is opened anew. */
const LOG_TARGET_KEYS = ["log_file", "remote_syslog", "syslog", "logtime", "logtime_utc"];

/** Loads what verifies JWTs, where there is something to verify. */
async function verifyOperators(options: Options, hash: string): Promise<VerifiedOperators | null> {
  if (!isOperatorMode(options)) return null;
  const { setUpOperators } = await import("./operator_setup.ts");
  const result = setUpOperators(options, hash);
  if (!result.ok) throw new Error(result.problem);
  return result;
}

function logFeatureFlags(log: Logger, flags: ReadonlyMap<string, boolean>): void {
  if (flags.size === 0) return;
  log.info("  Feature flags:");
  log.info(`    Unsupported:   ${[...flags.keys()].sort().join(", ")}`);
}
