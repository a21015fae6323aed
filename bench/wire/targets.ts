/** The servers that can be measured, and where to find them. */
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { delimiter } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { buildFloor } from "./programs.ts";

export interface Target {
  readonly name: string;
  /** The command line, with `{port}`. Servers without shards ignore the number. */
  command(shards: number): string[];
  readonly env: Record<string, string>;
  readonly isFloor: boolean;
  /** What turns compression off in its `cluster` and `leafnodes` blocks, because only some rows are compressed. */
  readonly plainLinks: string;
}

export interface MissingTarget {
  readonly name: string;
  /** Says what was looked for and what to do. */
  readonly reason: string;
}

const NO_COMPRESSION = "compression: off";

export const targetNames = ["nats-server", "nats-server-2.9", "floor", "midge-bun", "midge-deno"] as const;

const root = fileURLToPath(new URL("../../", import.meta.url));

/** Finds a target by name. Throws a RangeError for a name that there is not. */
export function findTarget(name: string): Target | MissingTarget {
  switch (name) {
    case "nats-server":
      return natsServer(name, newest(natsServers()));
    case "nats-server-2.9": {
      const found = newest(natsServers().filter((one) => one.version.startsWith("2.9.")));
      if (found && found === newest(natsServers()))
        return { name, reason: "it is the newest one found already" };
      return natsServer(name, found);
    }
    case "floor":
      try {
        const program = buildFloor();
        return { name, command: () => [program, "-p", "{port}"], env: {}, isFloor: true, plainLinks: "" };
      } catch (error) {
        return { name, reason: String(error) };
      }
    case "midge-bun":
      return midge(name, [`${root}node_modules/.bin/bun`, `${root}src/cli/main.ts`], {});
    case "midge-deno":
      return midge(name, [`${root}bin/nats-server`], { MIDGE_RUNTIME: "deno" });
    default:
      throw new RangeError(
        `--targets ${name}: unknown; the targets are ${targetNames.join(", ")}, or give --target NAME=COMMAND`,
      );
  }
}

/**
 * A target from `NAME=COMMAND`. `{port}` and `{shards}` are replaced in the command. Throws a RangeError for other
 * texts.
 */
export function parseTarget(text: string): Target {
  const split = text.indexOf("=");
  const words = text
    .slice(split + 1)
    .trim()
    .split(/\s+/);
  if (split < 1 || !words.some((word) => word.includes("{port}"))) {
    throw new RangeError(`--target ${text}: give NAME=COMMAND with {port} in the command`);
  }
  return {
    name: text.slice(0, split),
    command: (shards) => words.map((word) => word.replaceAll("{shards}", `${shards}`)),
    env: {},
    isFloor: false,
    plainLinks: NO_COMPRESSION,
  };
}

function midge(name: string, launcher: string[], env: Record<string, string>): Target | MissingTarget {
  const missing = launcher.find((path) => !existsSync(path));
  if (missing)
    return { name, reason: `${missing.replace(root, "")} is not there; run npm install in a full checkout` };
  const flags = (shards: number) => ["-a", "127.0.0.1", "-p", "{port}", "--shards", `${shards}`];
  const command = (shards: number) => [...launcher, ...flags(shards)];
  return { name, command, env, isFloor: false, plainLinks: NO_COMPRESSION };
}

interface NatsServer {
  readonly path: string;
  readonly version: string;
}

function natsServer(name: string, found: NatsServer | undefined): Target | MissingTarget {
  if (!found) {
    const places = "NATS_SERVER, .cache/peers/bin/nats-server* and PATH";
    return { name, reason: `none among ${places}; install it or set NATS_SERVER to its path` };
  }
  const command = () => [found.path, "-a", "127.0.0.1", "-p", "{port}"];
  // Before 2.10 there is no compression, and no key for it either.
  const plainLinks = found.version.startsWith("2.9.") ? "" : NO_COMPRESSION;
  return { name, command, env: {}, isFloor: false, plainLinks };
}

let natsServersFound: NatsServer[] | null = null;

function natsServers(): NatsServer[] {
  if (natsServersFound) return natsServersFound;
  const peers = `${root}.cache/peers/bin`;
  const candidates = [
    ...(process.env.NATS_SERVER?.split(delimiter) ?? []),
    ...(existsSync(peers) ? readdirSync(peers).filter((file) => file.startsWith("nats-server")) : []).map(
      (file) => `${peers}/${file}`,
    ),
    ...(process.env.PATH ?? "").split(delimiter).map((folder) => `${folder}/nats-server`),
  ];
  for (const path of process.env.NATS_SERVER?.split(delimiter) ?? []) {
    if (!existsSync(path))
      throw new RangeError(`NATS_SERVER: ${path} is not there; give paths of nats-server`);
  }
  natsServersFound = candidates.filter(existsSync).flatMap((path) => {
    try {
      const version = execFileSync(path, ["--version"], { encoding: "utf8" }).match(/v(\d+\.\d+\.\d+)/)?.[1];
      return version ? [{ path, version }] : [];
    } catch {
      return []; // of another architecture, or no nats-server
    }
  });
  return natsServersFound;
}

function newest(found: readonly NatsServer[]): NatsServer | undefined {
  const weight = (version: string) => version.split(".").reduce((sum, part) => sum * 1000 + Number(part), 0);
  return found.toSorted((left, right) => weight(right.version) - weight(left.version))[0];
}
