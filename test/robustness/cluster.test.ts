import { expect, test } from "bun:test";
import { until } from "../support/deadline.ts";
import { findFreePort } from "../support/free_port.ts";
import { untilReached } from "../support/links.ts";
import { type Role, ServerProcess } from "../support/server_process.ts";
import { RoamingClient } from "./roaming_client.ts";
import { LIMIT_MS, scaled, tell } from "./scale.ts";

const CONVERGENCE_MS = 1000;
const INTERVAL_MS = 5;
/** How long it runs undisturbed between two kills. */
const CALM_MS = 1500;

interface Place {
  readonly name: string;
  readonly role: Role;
  readonly clientPort: number;
  readonly routePort: number;
}

interface Node extends Place {
  server: ServerProcess;
}

/** Three servers on ports of their own, so that each comes back where it was. */
class Cluster {
  readonly nodes: Node[] = [];
  readonly #routes: readonly string[];

  private constructor(places: readonly Place[]) {
    this.#routes = places.map(({ routePort }) => `"nats://127.0.0.1:${routePort}"`);
  }

  static async start(): Promise<Cluster> {
    const places: Place[] = [];
    for (const [name, role] of [
      ["A", "server"],
      ["B", "peer"],
      ["C", "server"],
    ] as const) {
      places.push({ name, role, clientPort: await findFreePort(), routePort: await findFreePort() });
    }
    const cluster = new Cluster(places);
    for (const place of places) cluster.nodes.push({ ...place, server: await cluster.#start(place) });
    await cluster.untilMeshed();
    return cluster;
  }

  async restart(node: Node): Promise<void> {
    node.server.signal("SIGKILL");
    await node.server.stop();
    await new Promise((resolve) => setTimeout(resolve, 500));
    node.server = await this.#start(node);
    await this.untilMeshed();
  }

  /** Every server tells its clients of all three. */
  async untilMeshed(): Promise<void> {
    for (const { server, name } of this.nodes) {
      let urls: string[] = [];
      await until(
        async () => {
          const client = await server.connect();
          client.destroy();
          urls = (client.info.connect_urls ?? []) as string[];
          return urls.length === this.nodes.length;
        },
        () => `${name} tells its clients of ${urls.join()}`,
        20_000,
      );
    }
  }

  /** What is subscribed to on one server is known on the others within a second. */
  async expectConverging(node: Node): Promise<void> {
    const subscriber = await node.server.connectAs();
    for (const other of this.nodes) {
      if (other === node) continue;
      const publisher = await other.server.connectAs();
      await untilReached(publisher, subscriber, CONVERGENCE_MS);
      await untilReached(subscriber, publisher, CONVERGENCE_MS);
      publisher.destroy();
    }
    subscriber.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.nodes.map(({ server }) => server.stop()));
  }

  #start({ name, role, clientPort, routePort }: Place): Promise<ServerProcess> {
    return ServerProcess.start({
      role,
      ownListen: true,
      config: `
        server_name: ${name}
        listen: "127.0.0.1:${clientPort}"
        cluster { name: C1, listen: "127.0.0.1:${routePort}", routes: [ ${this.#routes.join(", ")} ] }
      `,
    });
  }
}

/** What one subscriber got of one publisher. */
interface Stream {
  readonly received: Set<number>;
  last: number;
  failure: string | undefined;
}

class Load {
  readonly publishers: RoamingClient[] = [];
  readonly subscribers: RoamingClient[] = [];
  /** When each message was published, by publisher. */
  readonly sentAtMs: number[][] = [];
  /** By subscriber, then publisher. */
  readonly streams: Stream[][] = [];
  #timer: ReturnType<typeof setInterval> | undefined;

  static async start(cluster: Cluster): Promise<Load> {
    const load = new Load();
    for (const { clientPort } of cluster.nodes) {
      load.publishers.push(await RoamingClient.open(clientPort));
      load.sentAtMs.push([]);
    }
    for (const { clientPort } of cluster.nodes) await load.#subscribe(clientPort);
    // All are known everywhere before the first message counts.
    await new Promise((resolve) => setTimeout(resolve, CONVERGENCE_MS));
    load.#timer = setInterval(() => load.#publish(), INTERVAL_MS);
    return load;
  }

  async #subscribe(clientPort: number): Promise<void> {
    const client = await RoamingClient.open(clientPort);
    const streams = this.publishers.map(
      (): Stream => ({ received: new Set(), last: -1, failure: undefined }),
    );
    this.subscribers.push(client);
    this.streams.push(streams);
    client.connection.subscribe("load.*", {
      callback: (error, message) => {
        if (error) return;
        const publisher = Number(message.subject.slice("load.".length));
        const stream = streams[publisher]!;
        const number = Number(message.string());
        if (stream.received.has(number)) stream.failure ??= `message ${number} came twice`;
        else if (number < stream.last) stream.failure ??= `message ${number} came after ${stream.last}`;
        stream.received.add(number);
        stream.last = number;
      },
    });
    await client.connection.flush();
  }

  #publish(): void {
    for (const [index, { connection, isConnected }] of this.publishers.entries()) {
      // While it is away a client would keep what it is given and send it later.
      if (!isConnected) continue;
      const sent = this.sentAtMs[index]!;
      connection.publish(`load.${index}`, String(sent.length));
      sent.push(performance.now());
    }
  }

  /** Stops, and waits for what is on its way; returns how many messages were delivered and how many lost in gaps. */
  async finish(): Promise<{ delivered: number; lost: number; failures: string[] }> {
    clearInterval(this.#timer);
    await Promise.all(this.publishers.map(({ connection }) => connection.flush()));
    await new Promise((resolve) => setTimeout(resolve, CONVERGENCE_MS));
    let [delivered, lost] = [0, 0];
    const failures: string[] = [];
    for (const [at, streams] of this.streams.entries()) {
      for (const [from, { received, failure }] of streams.entries()) {
        const what = `subscriber ${at}, publisher ${from}`;
        if (failure !== undefined) failures.push(`${what}: ${failure}`);
        delivered += received.size;
        for (const [number, sentAtMs] of this.sentAtMs[from]!.entries()) {
          if (received.has(number)) continue;
          lost++;
          const isExcused =
            this.subscribers[at]!.isInGap(sentAtMs) || this.publishers[from]!.isInGap(sentAtMs);
          if (!isExcused) failures.push(`${what}: message ${number} is lost, and both were connected`);
        }
      }
    }
    await Promise.all([...this.publishers, ...this.subscribers].map(({ connection }) => connection.close()));
    return { delivered, lost, failures };
  }
}

test(
  "a cluster whose servers are killed one after the other loses nothing between clients that stay connected",
  async () => {
    await using cluster = await Cluster.start();
    const load = await Load.start(cluster);
    for (let round = scaled(1, 10); round > 0; round--) {
      for (const node of cluster.nodes) {
        await new Promise((resolve) => setTimeout(resolve, CALM_MS));
        await cluster.restart(node);
        await cluster.expectConverging(node);
      }
    }
    await new Promise((resolve) => setTimeout(resolve, CALM_MS));
    const { delivered, lost, failures } = await load.finish();
    expect(failures.slice(0, 5)).toEqual([]);
    const reconnects = [...load.publishers, ...load.subscribers].reduce(
      (sum, { gaps }) => sum + gaps.length,
      0,
    );
    expect(reconnects).toBeGreaterThan(5);
    tell(
      `${delivered} messages delivered, ${lost} lost while ${reconnects} times a client was between two servers`,
    );
  },
  LIMIT_MS,
);
