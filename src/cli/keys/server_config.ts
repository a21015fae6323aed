/** `midge config`, and the configuration that `midge init` writes too. */
import { writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { type Command, CommandError, type Option } from "./command.ts";
import { openStore, STORE_OPTIONS } from "./common_options.ts";
import type { Store } from "./store.ts";

export const DEFAULT_PORT = 4222;

export const PORT_OPTION: Option = {
  name: "port",
  short: "p",
  value: "PORT",
  doc: "port the server listens on",
};

export const CONFIG: Command = {
  name: "config",
  operands: ["[FILE]"],
  options: [...STORE_OPTIONS, PORT_OPTION],
  doc: `Writes the configuration of a server again, as "midge init" did, with the operator and accounts of now: to FILE
or to server.conf in the folder.`,
  run: (args, session) => {
    const store = openStore(args);
    const folder = args.text("dir") ?? ".";
    const port = readPort(args.text("port")) ?? portOf(store) ?? DEFAULT_PORT;
    const path = args.operandsFrom(0)[0] ?? join(folder, "server.conf");
    writeServerConfig(path, store, { port, accountsFolder: resolve(folder, "jwt") });
    session.print(`configuration ${path}, listens on port ${port}`);
  },
};

export function readPort(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (/^\d{1,5}$/.test(text) && Number(text) >= 1 && Number(text) <= 65_535) return Number(text);
  throw new CommandError(`--port ${JSON.stringify(text)}: use 1 to 65535`);
}

/** That of the operator's first service URL. */
function portOf(store: Store): number | undefined {
  const [url = ""] = store.operator().claims.nats.operatorServiceUrls;
  const port = /:(\d+)$/.exec(url)?.[1];
  return port === undefined ? undefined : Number(port);
}

export function writeServerConfig(path: string, store: Store, options: ServerConfigOptions): void {
  writeFileSync(path, serverConfigText(store, options));
}

export interface ServerConfigOptions {
  readonly port: number;
  /** The folder the server keeps accounts in, absolute: servers take it from where they are started. */
  readonly accountsFolder: string;
}

/**
 * The configuration of a server for the operator of `store`. Its resolver is `full`, so that accounts made or edited
 * later are pushed to the running server, and all accounts there are now are preloaded, so that it serves them before
 * anything was pushed. It holds no secret.
 */
function serverConfigText(store: Store, { port, accountsFolder }: ServerConfigOptions): string {
  const operator = store.operator();
  if (operator.claims.nats.systemAccount === "") {
    throw new CommandError(
      `operator ${store.operatorName} has no system account: midge account add SYS, midge operator edit --system-account SYS`,
    );
  }
  const serverName = `${store.operatorName.replace(/\s+/g, "-")}-1`;
  const preload = store
    .accounts()
    .map(({ claims, token }) => `  # ${claims.name}\n  ${claims.subject}: ${JSON.stringify(token)}\n`)
    .join("");
  return `# A server for operator ${store.operatorName}.

# Each server of a cluster needs a name of its own.
server_name: ${JSON.stringify(serverName)}
port: ${port}

operator: ${JSON.stringify(operator.token)}
system_account: ${operator.claims.nats.systemAccount}

# The server keeps accounts in this folder, and takes what "midge push" or "nsc push" sends.
# Change the path when you move the folder or start the server on another machine.
resolver {
  type: full
  dir: ${JSON.stringify(accountsFolder)}
  allow_delete: true
  interval: "2m"
  timeout: "1.9s"
}

# What it knows before anything was pushed; what was pushed later wins.
resolver_preload {
${preload}}
`;
}
