/** Random deployments: up to three clusters of up to three servers, gateways between them, leaf nodes under some. */
import type { SeededRandom } from "./random.ts";
import { GATEWAY_PORT, LEAF_PORT, ROUTE_PORT, type ServerPlan } from "./virtual_server.ts";

export interface Topology {
  readonly servers: readonly PlannedServer[];
}

export interface PlannedServer extends ServerPlan {
  /** The cluster it is a member of, of leaf nodes as well. */
  readonly cluster: string;
  readonly isLeaf: boolean;
}

/** What was learned by gossip is not given up before everything heals. */
const PATIENCE = "connect_retries: 120";

export const ACCOUNTS = ["$G", "ACC"];

export function randomTopology(random: SeededRandom): Topology {
  const clusterCount = random.pick([1, 1, 2, 2, 3]);
  const servers: PlannedServer[] = [];
  for (let c = 0; c < clusterCount; c++) {
    const cluster = `C${c}`;
    const size = 1 + random.below(3);
    const names = Array.from({ length: size }, (_, i) => `c${c}s${i}`);
    // A server by itself needs no cluster, and then has no name that leaf nodes could tell it by.
    const isAlone = size === 1 && clusterCount === 1 && random.oneIn(2);
    const pools = poolsOf(random);
    for (const [i, name] of names.entries()) {
      const config = [
        isAlone ? "" : clusterBlock(cluster, name, seedsOf(names, i, random), pools(i), compressionOf(c + i)),
        clusterCount > 1 ? gatewayBlock(c, name, random) : "",
        `leafnodes { listen: "0.0.0.0:${LEAF_PORT}" }`,
        // Gateways and a leaf listener together want it named.
        `accounts { SYS: {}, ACC: { users: [ { user: ACC, password: p } ] } }`,
        "system_account: SYS",
      ];
      servers.push({ name, cluster, isLeaf: false, config: config.join("\n") });
    }
    if (!random.oneIn(2)) servers.push(...leafCluster(c, names, random));
  }
  return { servers };
}

/** Servers that are leaf nodes of each other in a circle, which they have to break. */
export function circle(random: SeededRandom): Topology {
  const names = ["r0", "r1", "r2"].slice(0, 2 + random.below(2));
  const servers = names.map((name, i) => {
    const next = names[(i + 1) % names.length]!;
    const config = `
      leafnodes { listen: "0.0.0.0:${LEAF_PORT}", remotes: [ { url: "nats-leaf://${next}:${LEAF_PORT}" } ] }`;
    return { name, cluster: name, isLeaf: true, config };
  });
  return { servers };
}

/** Leaf nodes of one cluster, all of them under the same hubs. */
function leafCluster(number: number, hubs: readonly string[], random: SeededRandom): PlannedServer[] {
  const cluster = `L${number}`;
  const size = 1 + random.below(2);
  const names = Array.from({ length: size }, (_, i) => `l${number}s${i}`);
  const pools = poolsOf(random);
  return names.map((name, i) => {
    const urls = (user: string) => hubs.map((hub) => `"nats-leaf://${user}${hub}:${LEAF_PORT}"`).join(", ");
    const config = [
      size > 1
        ? clusterBlock(cluster, name, seedsOf(names, i, random), pools(i), compressionOf(number + i))
        : "",
      "accounts { ACC: { users: [ { user: ACC, password: p } ] } }",
      `leafnodes { remotes: [
        { urls: [ ${urls("")} ] },
        { urls: [ ${urls("ACC:p@")} ], account: ACC } ] }`,
    ];
    return { name, cluster: size > 1 ? cluster : name, isLeaf: true, config: config.join("\n") };
  });
}

function clusterBlock(
  cluster: string,
  name: string,
  seeds: readonly string[],
  pools: string,
  compression: string,
): string {
  const routes = seeds.map((seed) => `"nats-route://${seed}:${ROUTE_PORT}"`).join(", ");
  const block = [
    `name: ${cluster}`,
    `listen: "${name}:${ROUTE_PORT}"`,
    `routes: [ ${routes} ]`,
    pools,
    compression,
    PATIENCE,
  ];
  return `cluster { ${block.filter((line) => line !== "").join(", ")} }`;
}

/**
 * How the members of a cluster pool their routes: mostly by default, or with routes for one account; or each in its own
 * way, as while a cluster is reconfigured server by server.
 */
function poolsOf(random: SeededRandom): (member: number) => string {
  if (random.oneIn(2)) return () => "";
  if (random.oneIn(2)) return () => "accounts: [ ACC ]";
  const sizes = Array.from({ length: 3 }, () => random.pick([-1, 1, 2, 5]));
  return (member) => `pool_size: ${sizes[member]}`;
}

/** Members of a cluster compress, each in its own mode; leaf nodes have the default. */
function compressionOf(place: number): string {
  const modes = ["accept", "s2_fast", "s2_auto", "off"];
  return `compression: ${modes[place % modes.length]}`;
}

/** Every server knows the first one; some know all. */
function seedsOf(names: readonly string[], own: number, random: SeededRandom): readonly string[] {
  return random.oneIn(3) ? names.filter((_, i) => i !== own) : own === 0 ? [] : [names[0]!];
}

/** Each cluster knows the first one; the others find each other. */
function gatewayBlock(cluster: number, name: string, random: SeededRandom): string {
  const known = cluster === 0 ? (random.oneIn(2) ? [1] : []) : [0];
  const remotes = known.map((other) => `{ name: C${other}, url: "nats://c${other}s0:${GATEWAY_PORT}" }`);
  return `gateway { name: C${cluster}, listen: "${name}:${GATEWAY_PORT}", gateways: [ ${remotes.join(", ")} ], ${PATIENCE} }`;
}
