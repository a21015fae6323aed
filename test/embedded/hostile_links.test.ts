/** Other servers that send what none does: the links and the clients of this one stay. */
import { describe, expect, test } from "bun:test";
import type { Midge } from "../../src/mod.ts";
import { until } from "../support/deadline.ts";
import { connectTo, roundTripText, startEmbedded } from "../support/embedded.ts";
import { connectPeer } from "../support/raw_peer.ts";

const CONFIG = `
  cluster { name: C, listen: "127.0.0.1:-1" }
  leafnodes { listen: "127.0.0.1:-1" }`;

describe("a hostile leaf node or member of the cluster", () => {
  for (const kind of ["leaf", "route"] as const) {
    test(`sends lines that are too long for clients, by a ${kind}`, async () => {
      const { server, log } = await startEmbedded({ config: CONFIG });
      const peer = await connectPeer(kind, log);
      const client = await connectTo(server);
      client.send("SUB > 1\r\nSUB >  q 2\r\n");
      await client.roundTrip();
      const start = kind === "leaf" ? "LMSG" : "RMSG $G";
      const large = "p".repeat(100_000);
      peer.send(`${start} a.${"s".repeat(40_000)} 2\r\nhi\r\n`);
      peer.send(`${start} a ${"r".repeat(60_000)} 2\r\nhi\r\n`);
      peer.send(`${start} a.${"s".repeat(40_000)} ${large.length}\r\n${large}\r\n`);
      peer.send(`${start} a.${"s".repeat(16_000)} 2\r\nok\r\n`);
      await roundTripText(peer);
      await until(
        () => client.waitingText.endsWith("ok\r\n"),
        () => "the message that is short enough arrives",
      );
      expect(client.waitingText.match(/MSG /g)?.length).toBe(1);
      expect(log.filter((line) => line.includes("its subject and reply have")).length).toBe(3);
      await expectAlive(server, log);
    });
  }

  test("has a reply mapped that is no subject", async () => {
    const { server, log } = await startEmbedded({ config: CONFIG });
    const peer = await connectPeer("leaf", log);
    const client = await connectTo(server);
    client.send("SUB a 1\r\n");
    await client.roundTrip();
    peer.send("LMSG a _GR_.aaaaaa.bbbbbb.x..y 2\r\nhi\r\nLMSG a _GR_.aaaaaa.bbbbbb.> 2\r\nho\r\n");
    await roundTripText(peer);
    await until(
      () => client.waitingText === "MSG a 1 x..y 2\r\nhi\r\nMSG a 1 > 2\r\nho\r\n",
      () => `both arrive: ${client.waitingText}`,
    );
    await expectAlive(server, log);
  });

  test("wants a subject as long as a generous configuration allows", async () => {
    const { server, log } = await startEmbedded({ config: `${CONFIG}\nmax_control_line: 1MB` });
    const peer = await connectPeer("route", log);
    const subject = "s".repeat(120_000);
    peer.send(`RS+ $G ${subject}\r\nRS- $G ${subject}\r\nRS+ $G ${subject} q 1\r\n`);
    await roundTripText(peer);
    peer.send(`RS+ $G ${"s".repeat(500_000)}\r\n`);
    await peer.readUntil("-ERR 'maximum control line exceeded'\r\n");
    await expectAlive(server, log);
  });
});

/** Links of the kind still come up, and no thread was replaced. */
async function expectAlive(server: Midge, log: readonly string[]) {
  const peer = await connectPeer("leaf", log, "LATER");
  await roundTripText(peer);
  expect(log.filter((line) => / failed|is replaced/.test(line))).toEqual([]);
  await server.stop();
}
