/** `midge demo`: a small topology on this machine, to see how servers find each other, and heal. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { guide } from "./guide.ts";
import { freePorts } from "./ports.ts";
import { untilConnected } from "./probe.ts";
import { ServerChild, type ServerProgram } from "./server_child.ts";
import { type DemoPorts, isTopologyName, plan, serverCount, type TopologyName } from "./topology.ts";

const LINKS_MS = 30_000;
/** From the end of a server to its next life: long enough to see what the others do without it. */
const RESTART_MS = 5000;
/** Ctrl-C ends the servers too, maybe before this program hears of it. */
const BLAME_MS = 250;
const PORTS_PER_SERVER = 4;

export const DEMO_USAGE = `usage: midge demo cluster|supercluster|leaf

    cluster       three servers that find each other from one seed
    supercluster  two clusters of two servers, connected by gateways
    leaf          a hub, and a leaf node with users of its own

Starts them on free ports of 127.0.0.1 and prints what to try with the nats tool. A server that is
killed is started again. Ctrl-C stops all of them.`;

/** What a demonstration has of the world around it. */
export interface DemoSession {
  readonly program: ServerProgram;
  readonly print: (text: string) => void;
  readonly complain: (text: string) => void;
  /** Ends it. */
  readonly stop: AbortSignal;
}

/** Runs what `words` ask for until it is stopped; returns the exit code. */
export async function runDemo(words: readonly string[], session: DemoSession): Promise<number> {
  const [word = "--help", ...more] = words;
  if (word === "--help" || word === "-h" || more.includes("--help") || more.includes("-h")) {
    session.print(DEMO_USAGE);
    return 0;
  }
  if (!isTopologyName(word) || more.length > 0) {
    session.complain(`midge: demo takes one of cluster, supercluster and leaf\n\n${DEMO_USAGE}`);
    return 1;
  }
  const ports = await freePorts(serverCount(word) * PORTS_PER_SERVER);
  const demo = new Demo(word, portsByServer(ports), session);
  return demo.run();
}

function portsByServer(ports: readonly number[]): DemoPorts[] {
  return Array.from({ length: ports.length / PORTS_PER_SERVER }, (_, i) => {
    const [client, monitoring, links, gateway] = ports.slice(i * PORTS_PER_SERVER) as [
      number,
      number,
      number,
      number,
    ];
    return { client, monitoring, links, gateway };
  });
}

class Demo {
  readonly #topology: TopologyName;
  readonly #session: DemoSession;
  readonly #directory: string;
  readonly #children: readonly ServerChild[];
  readonly #restarts = new Set<ReturnType<typeof setTimeout>>();

  constructor(topology: TopologyName, ports: readonly DemoPorts[], session: DemoSession) {
    this.#topology = topology;
    this.#session = session;
    this.#directory = mkdtempSync(join(tmpdir(), `midge-demo-${topology}-`));
    this.#children = plan(topology, ports).map((server) => {
      return new ServerChild(server, session.program, this.#directory);
    });
  }

  async run(): Promise<number> {
    // Whatever ends this program, its servers end with it.
    const killAll = () => {
      for (const child of this.#children) child.kill("SIGKILL");
    };
    process.once("exit", killAll);
    try {
      return (await this.#serve()) ? 0 : 1;
    } finally {
      for (const timer of this.#restarts) clearTimeout(timer);
      await Promise.all(this.#children.map((child) => child.stop()));
      rmSync(this.#directory, { recursive: true, force: true });
      process.removeListener("exit", killAll);
    }
  }

  async #serve(): Promise<boolean> {
    const { stop, print, complain } = this.#session;
    for (const child of this.#children) this.#start(child);
    const linked = await this.#untilAllLinked();
    if (stop.aborted) return true;
    if (!linked) {
      complain(`midge: the servers did not find each other within ${LINKS_MS / 1000} s`);
      return false;
    }
    print(guide(this.#topology, this.#children, this.#directory));
    await aborted(stop);
    print("Stopping.");
    return true;
  }

  /** Whether all servers hear of each other before the time is over. */
  #untilAllLinked(): Promise<boolean> {
    const signal = AbortSignal.any([this.#session.stop, AbortSignal.timeout(LINKS_MS)]);
    return untilConnected(
      this.#children.map(({ server }) => server),
      signal,
    );
  }

  #start(child: ServerChild): void {
    child.start(() => this.#later(BLAME_MS, () => this.#restart(child)));
  }

  #restart(child: ServerChild): void {
    const { name } = child.server;
    this.#session.print(`${name} is gone; it is started again in ${RESTART_MS / 1000} s.`);
    this.#later(RESTART_MS, async () => {
      this.#start(child);
      const { pid } = child;
      const isLinked = await this.#untilAllLinked();
      if (this.#session.stop.aborted || child.pid !== pid) return;
      const links = isLinked ? "and all links are up" : "but not all links are up; see the logs";
      this.#session.print(`${name} is back, pid ${pid}, ${links}.`);
    });
  }

  #later(ms: number, act: () => void): void {
    if (this.#session.stop.aborted) return;
    const timer = setTimeout(() => {
      this.#restarts.delete(timer);
      if (!this.#session.stop.aborted) act();
    }, ms);
    this.#restarts.add(timer);
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
