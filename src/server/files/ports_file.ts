/** A file with the URLs of a server, for scripts that let it choose its ports. */
import { unlinkSync, writeFileSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import { fileErrorText } from "../../base/error_text.ts";
import type { Options } from "../../config/option_table.ts";
import type { Logger } from "../../log/logger.ts";
import { hostPortText } from "../../runtime/posix/socket_address.ts";
import { webSocketScheme } from "../settings/websocket_settings.ts";
import type { Ports as OpenPorts } from "../threads/listening.ts";

/** One listening socket, as it is bound: port 0 or -1 of the config is known by now. */
export interface Listener {
  /** `nats` or `tls`, `http` or `https`, `ws` or `wss`. */
  scheme: string;
  /** An address, not a name. */
  host: string;
  port: number;
}

/** The listeners that the file can name, by their key in it. */
export interface Listeners {
  nats?: Listener;
  monitoring?: Listener;
  cluster?: Listener;
  profile?: Listener;
  websocket?: Listener;
}

/** What the file holds: for each listener the URLs it is reached at. */
export type Ports = { [Name in keyof Listeners]?: string[] };

const NAMES = ["nats", "monitoring", "cluster", "profile", "websocket"] as const;

/**
 * The URLs of each listener there is; one bound to every address (`0.0.0.0`, `::`) has a URL for each
 * of `addresses`. Source: nats-server server/server.go, `PortsInfo`.
 */
export function portsOf(listeners: Listeners, addresses: readonly string[] = interfaceAddresses()): Ports {
  const ports: Ports = {};
  for (const name of NAMES) {
    const listener = listeners[name];
    if (listener === undefined) continue;
    const isEveryAddress = listener.host === "0.0.0.0" || listener.host === "::";
    const hosts = isEveryAddress ? addresses : [listener.host];
    ports[name] = hosts.map((host) => `${listener.scheme}://${hostPortText(host, listener.port)}`);
  }
  return ports;
}

function interfaceAddresses(): string[] {
  return Object.values(networkInterfaces()).flatMap((all) => (all ?? []).map(({ address }) => address));
}

/** `<directory>/<executable>_<pid>.ports`, so that a program that started several can tell them apart. */
export function portsFilePath(directory: string, executableName: string, processId: number): string {
  return join(directory, `${executableName}_${processId}.ports`);
}

/** Throws an error whose message is the text of the log line when the file cannot be written. */
export function writePortsFile(path: string, ports: Ports): void {
  try {
    writeFileSync(path, JSON.stringify(ports));
  } catch (error) {
    throw new Error(`Error writing ports file (${path}): ${fileErrorText(error)}`);
  }
}

/** On a clean stop, and when a reload names another directory. Throws like `writePortsFile`. */
export function removePortsFile(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    throw new Error(`Error cleaning up ports file ${path}: ${(error as Error).message}`);
  }
}

/** Where monitoring listens, null where it does not. */
type MonitoringListener = { readonly port: number; readonly isSecure: boolean } | null;

/** The ports file of a server: written once it serves, and where a reload moves it; gone when it stops. */
export class PortsFile {
  readonly #executableName: string;
  readonly #logger: Logger;
  /** The path of the file, while there is one. */
  #path: string | null = null;

  constructor(executableName: string, logger: Logger) {
    this.#executableName = executableName;
    this.#logger = logger;
  }

  /** Writes the file, where the options ask for one; the log hears of what goes wrong. */
  write(options: Options, ports: OpenPorts, monitoring: MonitoringListener): void {
    const { portsFileDir } = options;
    if (!portsFileDir) return;
    const path = portsFilePath(portsFileDir, this.#executableName, process.pid);
    this.#attempt(() => {
      writePortsFile(path, portsOf(toldListeners(options, ports, monitoring)));
      this.#path = path;
    });
  }

  remove(): void {
    if (this.#path === null) return;
    const path = this.#path;
    this.#path = null;
    this.#attempt(() => removePortsFile(path));
  }

  #attempt(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#logger.error((error as Error).message);
    }
  }
}

/** The ports of a server that the file names. */
export function toldListeners(options: Options, ports: OpenPorts, monitoring: MonitoringListener): Listeners {
  const { host, httpHost, websocket, cluster, tls, allowNonTls } = options;
  const [client = 0, webSocketPort, clusterPort] = [
    ports.get("client"),
    ports.get("websocket"),
    ports.get("cluster"),
  ];
  const listeners: Listeners = {
    nats: { scheme: tls !== undefined && !allowNonTls ? "tls" : "nats", host, port: client },
  };
  if (webSocketPort !== undefined) {
    listeners.websocket = { scheme: webSocketScheme(options), host: websocket.host, port: webSocketPort };
  }
  if (monitoring !== null) {
    const scheme = monitoring.isSecure ? "https" : "http";
    listeners.monitoring = { scheme, host: httpHost ?? host, port: monitoring.port };
  }
  if (clusterPort !== undefined) {
    listeners.cluster = { scheme: "nats", host: cluster.host, port: clusterPort };
  }
  return listeners;
}
