/** What a demonstration tells its user: where the servers are, what to try, what to kill. */
import type { ServerChild } from "./server_child.ts";
import type { TopologyName } from "./topology.ts";

const TITLES: Readonly<Record<TopologyName, string>> = {
  cluster: "A cluster of three servers. Each was given one route, to a; the others they found by themselves.",
  supercluster:
    "Two clusters of two servers, connected by gateways. Each knows the first server of the other.",
  leaf: "A hub, and a leaf node with users of its own: its account SHOP is the hub's account HUB.",
};

export function guide(topology: TopologyName, children: readonly ServerChild[], directory: string): string {
  const rows = children.map(({ server, pid }) => {
    const { client, monitoring } = server.ports;
    const url = `nats://127.0.0.1:${client}`;
    return `  ${server.name.padEnd(8)}${url.padEnd(24)}http://127.0.0.1:${monitoring}   pid ${pid}`;
  });
  const urls = children.map(({ server }) => `nats://127.0.0.1:${server.ports.client}`);
  const steps = { cluster: clusterSteps, supercluster: superclusterSteps, leaf: leafSteps }[topology];
  return `${TITLES[topology]}

${rows.join("\n")}

The page /live of each http address shows that server at work.
Configurations and logs: ${directory}

${steps(urls, children)}
Ctrl-C stops all of them and removes their files.`;
}

function clusterSteps(urls: readonly string[], children: readonly ServerChild[]): string {
  const [a, b, c] = urls;
  return `Try, each line in a terminal of its own:

${commands([
  [`nats -s ${b} sub 'greet.>'`, "a subscriber on b"],
  [`nats -s ${c} pub greet.world hello`, "hears what is published on c"],
  [`nats -s ${a} reply help 'here is help'`, "a service on a"],
  [`nats -s ${c} request help me`, "answers a request on c"],
  [`nats -s ${a},${b},${c} sub 'greet.>'`],
  [`nats -s ${a} --user sys --password sys server list`],
  [`nats -s ${a} --user sys --password sys server report routes`],
])}

Kill a server; clients that know another one go there, and what b and c say to each other never
went through a. Five seconds later this program starts it again, and the mesh heals:

  kill -9 ${children[0]!.pid}
`;
}

function superclusterSteps(urls: readonly string[], children: readonly ServerChild[]): string {
  const [east1, east2, west1, west2] = urls;
  return `Try, each line in a terminal of its own:

${commands([
  [`nats -s ${west2} sub 'greet.>'`, "a subscriber in the west"],
  [`nats -s ${east1} pub greet.world hello`, "hears what is published in the east"],
  [`nats -s ${west1} reply help 'from the west'`, "a service in the west"],
  [`nats -s ${east2} request help me`, "answers requests from the east,"],
  [`nats -s ${east1} reply help 'from the east'`, "until the east has one of its own:"],
  [`nats -s ${east2} request help me`, "queue groups are served where they are asked"],
  [`nats -s ${east1} --user sys --password sys server report gateways`],
])}

Kill the server that the east was told of: its gateways go to the other one of the west. Five
seconds later this program starts it again:

  kill -9 ${children[2]!.pid}
`;
}

function leafSteps(urls: readonly string[], children: readonly ServerChild[]): string {
  const [hub, leaf] = urls;
  const shop = `nats -s ${leaf} --user shop --password shop`;
  return `Try, each line in a terminal of its own:

${commands([
  [`${shop} sub 'greet.>'`, "a client of the leaf node"],
  [`nats -s ${hub} --user hub --password hub pub greet.shop hello`, "hears the hub"],
  [`${shop} reply help 'from the shop'`],
  [`nats -s ${hub} --user hub --password hub request help me`],
  [`nats -s ${leaf} --user private --password private sub 'greet.>'`, "hears nothing: PRIVATE has no link"],
  [`nats -s ${hub} --user sys --password sys server report leafnodes`],
])}

Kill the hub: clients of the leaf node go on talking to each other. Five seconds later this program
starts it again, and the leaf node is back a second after that:

  kill -9 ${children[0]!.pid}
`;
}

/** Commands, one a line, with what they show behind them. */
function commands(lines: readonly (readonly [command: string, shows?: string])[]): string {
  const width = Math.max(...lines.map(([command, shows]) => (shows === undefined ? 0 : command.length)));
  return lines
    .map(([command, shows]) =>
      shows === undefined ? `  ${command}` : `  ${command.padEnd(width)}  # ${shows}`,
    )
    .join("\n");
}
