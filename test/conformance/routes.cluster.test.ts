import { afterAll, beforeAll, expect } from "bun:test";
import { until } from "../support/deadline.ts";
import { row } from "../support/row.ts";
import { ServerProcess } from "../support/server_process.ts";

let first: ServerProcess;
let second: ServerProcess;

const CLUSTER = `cluster { name: pair, listen: "127.0.0.1:-1"`;

beforeAll(async () => {
  first = await ServerProcess.start({ config: `server_name: one\n${CLUSTER} }`, monitoring: true });
  await first.waitForLog(/Listening for route connections on \S+:\d+\n/);
  const port = first.listenerPort("Listening for route connections on ");
  second = await ServerProcess.start({
    config: `server_name: two\n${CLUSTER}, routes: ["nats-route://127.0.0.1:${port}"] }`,
    monitoring: true,
  });
  await until(
    async () => (await first.json<{ remotes: number }>("/varz")).remotes === 1,
    () => "no route came up",
  );
}, 60_000);

afterAll(async () => {
  await second?.stop();
  await first?.stop();
}, 60_000);

/** Waits until a message published on `from` reaches `to`: interest has travelled. */
async function linkUp(subject: string) {
  const publisher = await first.connectAs();
  const subscriber = await second.connectAs();
  subscriber.send(`SUB ${subject} 1\r\nSUB ${subject}.up up\r\n`);
  await subscriber.roundTrip();
  await until(
    async () => {
      publisher.send(`PUB ${subject}.up 0\r\n\r\n`);
      await publisher.roundTrip();
      return subscriber.waitingBytes > 0;
    },
    () => "interest did not cross the route",
  );
  return { publisher, subscriber };
}

row("§2 connect_urls names both servers once the route is up", async () => {
  const client = await first.connect();
  const urls = client.info.connect_urls as string[];
  expect(urls[0]).toBe(`127.0.0.1:${first.clientPort}`);
  expect(urls).toContain(`127.0.0.1:${second.clientPort}`);
  expect(client.info.cluster).toBe("pair");
  client.destroy();
});

row("§8 messages cross the route in order", async () => {
  const { publisher, subscriber } = await linkUp("cross");
  for (let index = 0; index < 200; index++)
    publisher.send(`PUB cross re 3\r\n${String(index).padStart(3, "0")}\r\n`);
  publisher.send("PUB cross.up 3\r\nend\r\n");
  const text = await subscriber.readUntil("end\r\n");
  const seen = [...text.matchAll(/MSG cross 1 re 3\r\n(\d{3})\r\n/g)].map((match) => Number(match[1]));
  expect(seen).toEqual(Array.from({ length: 200 }, (_, index) => index));
  publisher.destroy();
  subscriber.destroy();
});

row(
  "§8 large messages that follow one another cross the route as they were sent, however late they are read",
  async () => {
    const { publisher, subscriber } = await linkUp("large");
    const late = await second.connectAs();
    late.send("SUB large 1\r\n");
    await late.roundTrip();
    late.pause();
    const payloads = Array.from({ length: 24 }, (_, index) =>
      `${index}`.repeat(120_000 + 17_000 * (index % 5)),
    );
    for (const [index, payload] of payloads.entries()) {
      const headers = index % 3 === 0 ? "NATS/1.0\r\na: b\r\n\r\n" : "";
      const sizes = `${headers === "" ? "" : `${headers.length} `}${headers.length + payload.length}`;
      await publisher.sendAll(`${headers === "" ? "" : "H"}PUB large ${sizes}\r\n${headers}${payload}\r\n`);
    }
    publisher.send("PUB large.up 3\r\nend\r\n");
    const text = await subscriber.readUntil("end\r\n");
    const arrived = [
      ...text.matchAll(/MSG large 1 \d+(?: \d+)?\r\n(?:NATS\/1\.0\r\na: b\r\n\r\n)?(\d+)\r\n/g),
    ];
    expect(arrived.map((match) => match[1] === payloads[arrived.indexOf(match)])).toEqual(
      payloads.map(() => true),
    );
    const whole = text.slice(text.indexOf("HMSG large "), text.lastIndexOf("MSG large.up"));
    late.resume();
    await late.expect(whole);
    for (const client of [publisher, subscriber, late]) client.destroy();
  },
);
