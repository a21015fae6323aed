/** Reloads while links are up. */
import { expect, test } from "bun:test";
import { connectTo, roundTripText, startEmbedded } from "../support/embedded.ts";
import { connectPeer } from "../support/raw_peer.ts";

const CLUSTER = 'cluster { name: C, listen: "127.0.0.1:-1" }';
const X = "X { users: [ { user: x, password: p } ] }";
const Y = "Y { users: [ { user: y, password: p } ] }";
const BOTH = `accounts { ${X}\n ${Y} }\n${CLUSTER}`;

test("what a member takes back while its account is away is not wanted when the account is there again", async () => {
  const { server, log } = await startEmbedded({ config: BOTH });
  const peer = await connectPeer("route", log);
  peer.send("RS+ Y gone\r\nRS+ Y gone q 2\r\nRS+ Y stays\r\n");
  await roundTripText(peer);
  await server.reload(`accounts { ${X} }\n${CLUSTER}`);
  await roundTripText(peer);
  peer.send("RS- Y gone\r\nRS- Y gone q\r\n");
  await roundTripText(peer);
  await server.reload(BOTH);
  const client = await connectTo(server, { user: "y", pass: "p", headers: true, no_responders: true });
  client.send("SUB answer 1\r\nPUB stays answer 0\r\n\r\nPUB gone answer 0\r\n\r\n");
  const answers = await roundTripText(client);
  expect(answers.match(/Nats-Subject: \S+/g)).toEqual(["Nats-Subject: gone"]);
  expect(await roundTripText(peer)).toContain("RMSG Y stays answer 0\r\n\r\n");
  await server.stop();
});

test("what a member wants of an account before it is here counts once a reload brings it", async () => {
  const { server, log } = await startEmbedded({ config: `accounts { ${X} }\n${CLUSTER}` });
  const peer = await connectPeer("route", log);
  peer.send("RS+ Y early\r\nRS+ Y early q 2\r\nRS+ Y gone\r\nRS- Y gone\r\n");
  await roundTripText(peer);
  await server.reload(BOTH);
  const client = await connectTo(server, { user: "y", pass: "p" });
  client.send("PUB gone 0\r\n\r\nPUB early 0\r\n\r\n");
  await roundTripText(client);
  const sent = await roundTripText(peer);
  expect(sent.match(/RMSG .*/g)).toEqual(["RMSG Y early | q 0"]);
  await server.stop();
});
