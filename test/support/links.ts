/** Servers that are linked: which port a listener has, and when a link is up. */
import { expect } from "bun:test";
import { until } from "./deadline.ts";
import type { RawClient } from "./raw_client.ts";
import { runToExit, type ServerOptions, ServerProcess } from "./server_process.ts";

/** The listeners for other servers, as the log calls them. */
export type LinkListener = "route" | "gateways" | "leafnode";

let nextSubject = 1;

/** Port of a listener for other servers; nats-server says which one it is only after "Server is ready". */
export async function linkPort(server: ServerProcess, listener: LinkListener): Promise<number> {
  const text = `Listening for ${listener} connections on `;
  await server.waitForLog(new RegExp(`${text}\\S+:\\d+\\s`));
  return server.listenerPort(text);
}

/** The address of a listener as `routes`, `remotes` and their like name it: `127.0.0.1:port`. */
export async function linkAddress(server: ServerProcess, listener: LinkListener): Promise<string> {
  return `127.0.0.1:${await linkPort(server, listener)}`;
}

/** Several servers, stopped together at the end of a row, each after the one that was started before it. */
export class Servers {
  readonly #started: ServerProcess[] = [];

  async start(options: ServerOptions): Promise<ServerProcess> {
    const server = await ServerProcess.start(options);
    this.#started.push(server);
    return server;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const stops = await Promise.allSettled(this.#started.map((server) => server.stop()));
    const failed = stops.find((stop) => stop.status === "rejected");
    if (failed !== undefined) throw failed.reason;
  }
}

/** Which server another server of a row is, for rows that expect something else of each. */
export interface Kind {
  /** nats-server, not the server of this repository. */
  readonly isNatsServer: boolean;
  /** nats-server 2.9. */
  readonly isOld: boolean;
}

/** Whether the peer is a nats-server 2.9, which knows of neither pools nor compression. */
export async function isOldPeer(): Promise<boolean> {
  const { stdout, stderr } = await runToExit({ flags: ["--version"], role: "peer" });
  return /v2\.9\./.test(stdout + stderr);
}

/** Tells by the greeting of its client port which server this is. */
export async function kindOf(server: ServerProcess): Promise<Kind> {
  const client = await server.connect();
  const { go, version } = client.info;
  client.destroy();
  const isNatsServer = String(go).startsWith("go");
  return { isNatsServer, isOld: isNatsServer && version.startsWith("2.9.") };
}

/**
 * Waits until what `publisher` publishes reaches `subscriber`, on another server. Interest travels in order, so what
 * the subscriber subscribed to before is then known there too. Takes all that arrives at the subscriber meanwhile.
 */
export async function untilReached(
  publisher: RawClient,
  subscriber: RawClient,
  deadlineMs?: number,
): Promise<void> {
  const subject = `reached.${nextSubject++}`;
  subscriber.send(`SUB ${subject} ${subject}\r\n`);
  await subscriber.roundTrip();
  await until(
    async () => {
      publisher.send(`PUB ${subject} 1\r\n-\r\n`);
      await publisher.roundTrip();
      return subscriber.waitingText.includes(subject);
    },
    () => "nothing that is published on the one server reaches the other",
    deadlineMs,
  );
  publisher.send(`PUB ${subject} 3\r\nend\r\n`);
  await subscriber.readUntil(`MSG ${subject} ${subject} 3\r\nend\r\n`);
  subscriber.send(`UNSUB ${subject}\r\n`);
  await subscriber.roundTrip();
}

/** What the publisher sent before has arrived, and nothing of it at the subscriber: a mark comes next. */
export async function expectNothing(publisher: RawClient, subscriber: RawClient): Promise<void> {
  const subject = `mark.${nextSubject++}`;
  // Known to the publisher's server first; whatever else came meanwhile would stand before the marks.
  subscriber.send(`SUB ${subject} ${subject}\r\n`);
  await subscriber.roundTrip();
  await until(
    async () => {
      publisher.send(`PUB ${subject} 0\r\n\r\n`);
      await publisher.roundTrip();
      return subscriber.waitingBytes > 0;
    },
    () => "no mark reaches the subscriber",
  );
  publisher.send(`PUB ${subject} 3\r\nend\r\n`);
  const text = await subscriber.readUntil("3\r\nend\r\n");
  subscriber.send(`UNSUB ${subject}\r\n`);
  await subscriber.roundTrip();
  const mark = `MSG ${subject} ${subject} 0\r\n\r\n`;
  expect(text.replaceAll(mark, "")).toBe(`MSG ${subject} ${subject} 3\r\nend\r\n`);
}
