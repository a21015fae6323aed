/** What the demonstrations consist of: their servers and configurations. */

/** The ports of one server, on 127.0.0.1. */
export interface DemoPorts {
  readonly client: number;
  readonly monitoring: number;
  /** Routes, or leaf nodes. */
  readonly links: number;
  readonly gateway: number;
}

export interface DemoServer {
  readonly name: string;
  readonly ports: DemoPorts;
  /** The text of its configuration file. */
  readonly config: string;
  /** A user of the account that reaches across the links, who is called as his password. */
  readonly user: string;
}

export const TOPOLOGIES = ["cluster", "supercluster", "leaf"] as const;
export type TopologyName = (typeof TOPOLOGIES)[number];

const SERVER_NAMES: Readonly<Record<TopologyName, readonly string[]>> = {
  cluster: ["a", "b", "c"],
  supercluster: ["east-1", "east-2", "west-1", "west-2"],
  leaf: ["hub", "leaf"],
};

export function isTopologyName(word: string): word is TopologyName {
  return Object.hasOwn(SERVER_NAMES, word);
}

export function serverCount(topology: TopologyName): number {
  return SERVER_NAMES[topology].length;
}

/** The servers of a topology, on these ports, in the order they are started in. */
export function plan(topology: TopologyName, ports: readonly DemoPorts[]): readonly DemoServer[] {
  const names = SERVER_NAMES[topology];
  if (ports.length !== names.length)
    throw new RangeError("a topology needs the ports of each of its servers");
  switch (topology) {
    case "cluster":
      return names.map((name, i) => clusterMember(name, ports[i]!, ports[0]!));
    case "supercluster":
      return names.map((name, i) => superclusterMember(name, ports[i]!, ports));
    case "leaf":
      return [hub(ports[0]!), leaf(ports[1]!, ports[0]!)];
  }
}

/** Every member names the first one, which names itself like the others: one file serves all. */
function clusterMember(name: string, ports: DemoPorts, seed: DemoPorts): DemoServer {
  const config = `${common(name, ports)}
${OPEN_ACCOUNTS}
cluster {
  name: demo
  listen: "127.0.0.1:${ports.links}"
  routes: [ "nats-route://127.0.0.1:${seed.links}" ]
}
`;
  return { name, ports, config, user: "app" };
}

/** Two clusters of two; each knows the first server of the other, and finds the second by itself. */
function superclusterMember(name: string, ports: DemoPorts, all: readonly DemoPorts[]): DemoServer {
  const [cluster] = name.split("-") as [string];
  const [east, , west] = all as [DemoPorts, DemoPorts, DemoPorts];
  const seed = cluster === "east" ? east : west;
  const config = `${common(name, ports)}
${OPEN_ACCOUNTS}
cluster {
  name: ${cluster}
  listen: "127.0.0.1:${ports.links}"
  routes: [ "nats-route://127.0.0.1:${seed.links}" ]
}
gateway {
  name: ${cluster}
  listen: "127.0.0.1:${ports.gateway}"
  gateways: [
    { name: east, url: "nats://127.0.0.1:${east.gateway}" }
    { name: west, url: "nats://127.0.0.1:${west.gateway}" }
  ]
}
`;
  return { name, ports, config, user: "app" };
}

function hub(ports: DemoPorts): DemoServer {
  const config = `${common("hub", ports)}
accounts {
  HUB { users: [ { user: hub, password: hub } ] }
  $SYS { users: [ { user: sys, password: sys } ] }
}
leafnodes {
  listen: "127.0.0.1:${ports.links}"
  authorization { user: link, password: link, account: HUB }
}
`;
  return { name: "hub", ports, config, user: "hub" };
}

/** Its SHOP is the hub's HUB; its PRIVATE stays at home. */
function leaf(ports: DemoPorts, hubPorts: DemoPorts): DemoServer {
  const config = `${common("leaf", ports)}
accounts {
  SHOP { users: [ { user: shop, password: shop } ] }
  PRIVATE { users: [ { user: private, password: private } ] }
  $SYS { users: [ { user: sys, password: sys } ] }
}
leafnodes {
  remotes: [ { url: "nats-leaf://link:link@127.0.0.1:${hubPorts.links}", account: SHOP } ]
}
`;
  return { name: "leaf", ports, config, user: "shop" };
}

function common(name: string, ports: DemoPorts): string {
  return `server_name: ${name}
listen: "127.0.0.1:${ports.client}"
http: "127.0.0.1:${ports.monitoring}"
log_file: "${name}.log"`;
}

/** Clients need no password; the nats tool may ask the system account. */
const OPEN_ACCOUNTS = `accounts {
  APP { users: [ { user: app, password: app } ] }
  $SYS { users: [ { user: sys, password: sys } ] }
}
no_auth_user: app`;
