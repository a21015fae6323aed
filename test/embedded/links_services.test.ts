/** Services of other accounts, asked by leaf nodes and answered over links. */
import { expect, test } from "bun:test";
import { connectTo, roundTripText, startEmbedded } from "../support/embedded.ts";
import type { RawClient } from "../support/raw_client.ts";
import { connectPeer } from "../support/raw_peer.ts";

const CONFIG = `
  cluster { name: C, listen: "127.0.0.1:-1" }
  leafnodes { listen: "127.0.0.1:-1" }
  accounts {
    EX { users: [ { user: ex, password: p } ], exports: [ { service: one }, { service: many, response: stream } ] }
    IM {
      users: [ { user: im, password: p } ]
      imports: [ { service: { account: EX, subject: one } }, { service: { account: EX, subject: many } } ]
    }
  }`;

test("a leaf node's request is answered by a member of the cluster, and by another leaf node", async () => {
  const { server, log } = await startEmbedded({ config: CONFIG });
  const asker = await connectPeer("leaf", log, "ASKER", { user: "im", pass: "p" });
  asker.send("LS+ inbox.*\r\n");
  await roundTripText(asker);
  const route = await connectPeer("route", log, "MEMBER");
  route.send("RS+ EX one\r\n");
  await roundTripText(route);
  asker.send("LMSG one inbox.1 2\r\nhi\r\n");
  const overRoute = await replySubject(route, "HMSG EX one ");
  route.send(`RMSG EX ${overRoute} 3\r\nyes\r\nRS- EX one\r\n`);
  await asker.readUntil("LMSG inbox.1 3\r\nyes\r\n");
  await roundTripText(route);

  const leaf = await connectPeer("leaf", log, "ANSWERER", { user: "ex", pass: "p" });
  leaf.send("LS+ one\r\n");
  await roundTripText(leaf);
  asker.send("LMSG one inbox.2 2\r\nho\r\n");
  const overLeaf = await replySubject(leaf, "HMSG one ");
  leaf.send(`LMSG ${overLeaf} 2\r\nno\r\n`);
  await asker.readUntil("LMSG inbox.2 2\r\nno\r\n");
  await server.stop();
});

test("each answer of a stream comes once from a leaf node", async () => {
  const { server, log } = await startEmbedded({ config: CONFIG });
  const leaf = await connectPeer("leaf", log, "ANSWERER", { user: "ex", pass: "p" });
  leaf.send("LS+ many\r\n");
  await roundTripText(leaf);
  const client = await connectTo(server, { user: "im", pass: "p", headers: true });
  client.send("SUB inbox 1\r\nPUB many inbox 2\r\nhi\r\n");
  const reply = await replySubject(leaf, "HMSG many ");
  leaf.send(`LMSG ${reply} 1\r\na\r\nLMSG ${reply} 1\r\nb\r\nLMSG ${reply} 0\r\n\r\n`);
  const text = await client.readUntil("MSG inbox 1 0\r\n\r\n");
  expect(text).toBe("MSG inbox 1 1\r\na\r\nMSG inbox 1 1\r\nb\r\nMSG inbox 1 0\r\n\r\n");
  await server.stop();
});

/** The reply of the message that begins so. */
async function replySubject(peer: RawClient, start: string): Promise<string> {
  await peer.readUntil(start);
  const rest = await peer.readUntil("\r\n");
  await peer.readUntil("\r\n\r\n");
  return rest.split(" ")[0]!;
}
