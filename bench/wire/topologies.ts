/** Two servers of one target with a link between them. Publishers are on one, subscribers on the other. */
import { findFreePort } from "../../test/support/free_port.ts";
import { awaitCrossing, Probe } from "./probe.ts";
import { addUsages } from "./process_usage.ts";
import { type ServerProcess, startServer } from "./server_process.ts";
import type { Target } from "./targets.ts";

/** With `leaf` the subscribers are on the hub. */
export type Topology = "route" | "gateway" | "leaf";

export interface PairNeeds {
  readonly topology: Topology;
  readonly shards: number;
  /** How the link is compressed, if it is. */
  readonly compression?: string | undefined;
  /** The configuration of both servers besides their link. */
  readonly config?: string | undefined;
  /** One login for each account that is used, as fields of CONNECT. If there are none, connections do not log in. */
  readonly logins?: readonly string[] | undefined;
}

/** The two servers as one. Figures are sums, and `port` is that of the publishers' server. */
export interface ServerPair extends ServerProcess {
  readonly subscriberPort: number;
  /** Waits until each knows the interest that the other had when this was called, if they were linked by then. */
  awaitInterest(): Promise<void>;
  /** Links the two, if they were started apart. Does not wait for the link. */
  link(): void;
}

/** Starts both and waits until messages cross. Throws if they can't be started, or if nothing crosses. */
export async function startPair(target: Target, needs: PairNeeds): Promise<ServerPair> {
  const pair = await start(target, needs, true);
  try {
    await pair.awaitInterest();
    return pair;
  } catch (error) {
    await pair.end();
    throw error;
  }
}

/** Starts both without a link. */
export function startApart(target: Target, needs: PairNeeds): Promise<ServerPair> {
  return start(target, needs, false);
}

async function start(target: Target, needs: PairNeeds, isLinked: boolean): Promise<ServerPair> {
  const { topology, shards, config = "", logins = [], compression } = needs;
  const isCompressed = compression !== undefined && target.plainLinks !== "";
  const linkKeys = isCompressed ? `compression: ${compression}` : target.plainLinks;
  const [subscribersPort, publishersPort] = [await findFreePort(), await findFreePort()];
  const configOf = (name: string, ownPort: number, remotePort: number | null) =>
    `${config}\n${linkBlock(topology, name, ownPort, remotePort, linkKeys)}\n`;
  const run = (text: string) => startServer(target.command(shards), target.env, { config: text });
  const subscribers = await run(configOf("subscribers", subscribersPort, null));
  let publishers: ServerProcess;
  try {
    publishers = await run(configOf("publishers", publishersPort, isLinked ? subscribersPort : null));
  } catch (error) {
    await subscribers.end();
    throw error;
  }
  return {
    port: publishers.port,
    webSocketPort: 0,
    subscriberPort: subscribers.port,
    readyMs: Math.max(subscribers.readyMs, publishers.readyMs),
    version: publishers.version,
    usage: () => addUsages(subscribers.usage(), publishers.usage()),
    endReason: () => subscribers.endReason() ?? publishers.endReason(),
    reload: (text) => publishers.reload(text),
    link: () => publishers.reload(configOf("publishers", publishersPort, subscribersPort)),
    awaitInterest: async () => {
      for (const login of logins.length > 0 ? logins : [null])
        await awaitCrossings(publishers.port, subscribers.port, login);
    },
    end: async () => {
      await Promise.all([subscribers.end(), publishers.end()]);
    },
  };
}

/** The block that says where a server listens for links, and which server it dials if there is a `remotePort`. */
function linkBlock(
  topology: Topology,
  name: string,
  ownPort: number,
  remotePort: number | null,
  linkKeys: string,
): string {
  const listen = `listen: "127.0.0.1:${ownPort}"`;
  const remote = (scheme: string) => (remotePort === null ? "" : `"${scheme}://127.0.0.1:${remotePort}"`);
  switch (topology) {
    case "route":
      return `cluster { name: bench, ${listen}, routes: [ ${remote("nats-route")} ]\n ${linkKeys} }`;
    case "gateway": {
      const gateways = remotePort === null ? "" : `{ name: subscribers, url: ${remote("nats")} }`;
      return `gateway { name: ${name}, ${listen}, gateways: [ ${gateways} ] }`;
    }
    case "leaf": {
      const remotes = remotePort === null ? "" : `{ url: ${remote("nats-leaf")} }`;
      return `leafnodes { ${listen}, remotes: [ ${remotes} ]\n ${linkKeys} }`;
    }
  }
}

/** Waits until messages cross in both directions to subscriptions that are made now. Links tell interest in order. */
export async function awaitCrossings(port: number, otherPort: number, login: string | null): Promise<void> {
  const probe = await Probe.connect(port, login);
  try {
    const other = await Probe.connect(otherPort, login);
    try {
      await awaitCrossing(probe, other);
      await awaitCrossing(other, probe);
    } finally {
      other.close();
    }
  } finally {
    probe.close();
  }
}
