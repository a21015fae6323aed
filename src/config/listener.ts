import { option, type Reader, type Reload, type SharedKey } from "./option.ts";
import { address, duration, oneOf, port, string } from "./readers.ts";

/** The keys that every listener has: where it listens and what it tells others about that. */

export const DEFAULT_HOST = "0.0.0.0";

/** A host to listen on; empty means every interface. */
export const listenHost: Reader<string> = {
  type: "host",
  read: (value, site) => {
    const host = string.read(value, site);
    return host === "" ? DEFAULT_HOST : host;
  },
};

/** `host` of a block; `reload` refuses a change in the words of that block. */
export function hostOption(reload: Reload<string>) {
  return option({
    key: "host",
    aliases: ["net"],
    reader: listenHost,
    default: DEFAULT_HOST,
    reload,
    doc: "The interface to listen on.",
  });
}

/** `port` of a block: 0 does not listen, -1 lets the system choose. */
export function portOption(reload: Reload<number>) {
  return option({
    key: "port",
    reader: port,
    default: 0,
    reload,
    doc: "The port to listen on; -1 for a random one, 0 for none.",
  });
}

/** `listen`, which sets host and port in one. */
export const listenKey: SharedKey<{ readonly host: string; readonly port: number }> = {
  key: "listen",
  aliases: [],
  doc: "host:port, or a port alone.",
  read: (value, site, draft) => {
    const read = address.read(value, site);
    if (read === undefined) return;
    draft.host = read.host === "" ? DEFAULT_HOST : read.host;
    draft.port = read.port;
  },
};

/** What to do with a connection that does not take its data within the write deadline. */
export type WriteTimeoutPolicy = "default" | "close" | "retry";

export const writeTimeoutPolicy: Reader<WriteTimeoutPolicy> = oneOf("default", "close", "retry");

/** How long a write to another server may take. */
export function writeDeadlineOption(reload: Reload<number | undefined>) {
  return option<number | undefined>({
    key: "write_deadline",
    reader: duration,
    default: undefined,
    reload,
    doc: "How long a write may take; the server's if absent.",
  });
}

/** What happens past that deadline; `links` is the plural the reference uses: "routes". */
export function writeTimeoutOption(links: string, reload: Reload<WriteTimeoutPolicy>) {
  return option<WriteTimeoutPolicy>({
    key: "write_timeout",
    reader: writeTimeoutPolicy,
    default: "default",
    reload,
    doc: `What happens then; ${links} retry by default.`,
  });
}
