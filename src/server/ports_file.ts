import { unlinkSync, writeFileSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import { hostPortText } from "../runtime/posix/socket_address.ts";

/** One listening socket, as it is bound: port 0 or -1 of the config is known by now. */
export interface Listener {
  /** `nats` or `tls`, `http` or `https`, `ws` or `wss`. */
  scheme: string;
  /** An address, not a name. */
  host: string;
  port: number;
}

/** The listeners that may be told, by their key in the file. */
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
    throw new Error(`Error writing ports file (${path}): ${(error as Error).message}`);
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
