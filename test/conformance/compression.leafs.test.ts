import { afterAll, expect } from "bun:test";
import { Buffer } from "node:buffer";
import { chunkOf } from "../../src/protocol/testing/chunks.ts";
import { CertificateMaker } from "../support/certificates.ts";
import {
  ANY_LEVEL,
  BY_ROUND_TRIP,
  crossedBytes,
  expectBothWays,
  expectShorter,
  UP_MS,
} from "../support/compressed_links.ts";
import { until } from "../support/deadline.ts";
import { isOldPeer, kindOf, linkPort, Servers, untilReached } from "../support/links.ts";
import { MeteredPath } from "../support/metered_path.ts";
import { hubInfo, joinLeaf, leafConnect, openLeaf } from "../support/raw_leaf.ts";
import { RawListener } from "../support/raw_listener.ts";
import { row, rowsInParallel, sharedServer } from "../support/row.ts";
import { STREAM_NAME, storedChunk, turnToS2 } from "../support/s2_link.ts";
import { type Role, ServerProcess } from "../support/server_process.ts";
import { SlowPath } from "../support/slow_path.ts";

// Leaf links in S2: who agrees to it, over which transports, what then crosses, and what becomes of peers that send something else.

const AT_ONCE = 4;
const certificates = new CertificateMaker();
afterAll(() => certificates.remove());

/** `compression` of a block, "" for what the server does by itself; `more` keys of it. */
interface HubPlan {
  readonly compression: string;
  readonly more?: string;
  /** A WebSocket listener besides, with these keys. */
  readonly webSocket?: string;
}

const keyOf = (compression: string) => (compression === "" ? "" : `compression: ${compression},`);

function hubConfig({ compression, more = "", webSocket }: HubPlan): string {
  return `
    server_name: H
    max_payload: 2MB
    leafnodes { listen: "127.0.0.1:-1", ${keyOf(compression)} ${more} }
    ${webSocket === undefined ? "" : `websocket { listen: "127.0.0.1:-1", ${webSocket} }`}
  `;
}

function leafConfig(url: string, compression: string, more = ""): string {
  return `
    server_name: L
    max_payload: 2MB
    leafnodes { remotes: [ { url: "${url}", ${keyOf(compression)} ${more} } ] }
  `;
}

async function shownBy(server: ServerProcess): Promise<readonly string[]> {
  const { leafs = [] } = await server.json<{ leafs?: { compression: string }[] }>("/leafz");
  return leafs.map(({ compression }) => compression);
}

/** Waits until the server's only leaf link shows a compression that matches. */
async function untilShown(server: ServerProcess, wanted: RegExp): Promise<void> {
  let shown: readonly string[] = [];
  await until(
    async () => {
      shown = await shownBy(server);
      return shown.length === 1 && wanted.test(shown[0]!);
    },
    () => `/leafz shows ${JSON.stringify(shown)}, not ${wanted}`,
    UP_MS,
  );
}

interface Pair {
  readonly hub: ServerProcess;
  readonly leaf: ServerProcess;
}

/** A hub and its leaf node, one of which is the server under test. */
async function startPair(
  servers: Servers,
  hubRole: Role,
  hubPlan: HubPlan,
  leafPlan: { readonly compression: string; readonly scheme?: string; readonly more?: string },
): Promise<Pair> {
  const hub = await servers.start({ role: hubRole, config: hubConfig(hubPlan), monitoring: true });
  const { compression, scheme = "nats-leaf", more = "" } = leafPlan;
  const port =
    hubPlan.webSocket === undefined
      ? await linkPort(hub, "leafnode")
      : hub.listenerPort("Listening for websocket clients on ws://");
  const leaf = await servers.start({
    role: hubRole === "server" ? "peer" : "server",
    config: leafConfig(`${scheme}://localhost:${port}`, compression, more),
    monitoring: true,
  });
  return { hub, leaf };
}

const OFF = /^off$/;
/** What hub and leaf node are told, and what /leafz of each shows then. */
const AGREEMENTS: readonly (readonly [hub: string, leaf: string, byHub: RegExp, byLeaf: RegExp])[] = [
  ["", "", ANY_LEVEL, ANY_LEVEL],
  ["s2_fast", "s2_best", /^s2_fast$/, /^s2_best$/],
  ["accept", "accept", OFF, OFF],
  ["accept", "s2_better", /^s2_better$/, /^s2_better$/],
  ["s2_better", "accept", /^s2_better$/, /^s2_better$/],
  ["accept", "s2_auto", /^s2_fast$/, ANY_LEVEL],
  ["{ mode: s2_auto, rtt_thresholds: ['0s', '5s'] }", "on", /^s2_fast$/, ANY_LEVEL],
  ["off", "s2_fast", OFF, OFF],
  ["s2_fast", "off", OFF, OFF],
];

const bothRoles = (name: string, body: (servers: Servers, hubRole: Role) => Promise<void>) =>
  Object.fromEntries(
    (["server", "peer"] as const).map((hubRole) => [
      `leafs 13: ${name}, as ${hubRole === "server" ? "hub" : "leaf node"}`,
      async () => {
        await using servers = new Servers();
        await body(servers, hubRole);
      },
    ]),
  );

const agreementRows = AGREEMENTS.map(([hubMode, leafMode, byHub, byLeaf]) =>
  bothRoles(
    `a hub that says ${hubMode || "nothing"} and a leaf node that says ${leafMode || "nothing"}`,
    async (servers, hubRole) => {
      const isOld = await isOldPeer();
      const [hubPlan, leafPlan] = [{ compression: hubMode }, { compression: leafMode }];
      if (isOld) (hubRole === "server" ? leafPlan : hubPlan).compression = "";
      const pair = await startPair(servers, hubRole, hubPlan, leafPlan);
      const [own, wanted] = hubRole === "server" ? [pair.hub, byHub] : [pair.leaf, byLeaf];
      // What a server does not compress by itself it is not to blame for.
      const shown = isOld ? /^(not supported|off)$/ : wanted;
      await untilShown(own, shown);
      if (!isOld)
        await untilShown(hubRole === "server" ? pair.leaf : pair.hub, hubRole === "server" ? byLeaf : byHub);
      await expectBothWays(pair.hub, pair.leaf);
    },
  ),
);

rowsInParallel(
  {
    ...Object.assign({}, ...agreementRows),
    ...bothRoles("over TLS", async (servers, hubRole) => {
      if (await isOldPeer()) return;
      const authority = certificates.makeAuthority("leafs");
      const { certFile, keyFile } = certificates.makeServer("hub", authority);
      const pair = await startPair(
        servers,
        hubRole,
        { compression: "s2_fast", more: `tls { cert_file: "${certFile}", key_file: "${keyFile}" }` },
        { compression: "s2_better", more: `tls { ca_file: "${authority.certFile}" }` },
      );
      await untilShown(pair.hub, /^s2_fast$/);
      await untilShown(pair.leaf, /^s2_better$/);
      await expectBothWays(pair.hub, pair.leaf);
    }),
    ...bothRoles("by WebSocket S2 lies below the frames", async (servers, hubRole) => {
      if (await isOldPeer()) return;
      const pair = await startPair(
        servers,
        hubRole,
        { compression: "s2_fast", webSocket: "no_tls: true" },
        { compression: "s2_better", scheme: "ws" },
      );
      await untilShown(pair.hub, /^s2_fast$/);
      await untilShown(pair.leaf, /^s2_better$/);
      await expectBothWays(pair.hub, pair.leaf);
    }),
    ...bothRoles("what frames compress is not compressed again", async (servers, hubRole) => {
      if (await isOldPeer()) return;
      const pair = await startPair(
        servers,
        hubRole,
        { compression: "s2_fast", webSocket: "no_tls: true, compression: true" },
        { compression: "s2_better", scheme: "ws", more: "ws_compression: true" },
      );
      await untilShown(pair.hub, OFF);
      await untilShown(pair.leaf, OFF);
      // More than that at once nats-server's own frames do not carry.
      const [here, there] = [await pair.hub.connectAs(), await pair.leaf.connectAs()];
      await untilReached(here, there, UP_MS);
      await untilReached(there, here);
      for (const client of [here, there]) client.destroy();
    }),
    ...bothRoles("s2_auto goes by the round trip", async (servers, hubRole) => {
      if (await isOldPeer()) return;
      await using slow = await SlowPath.open(30);
      const hub = await servers.start({
        role: hubRole,
        config: `ping_interval: 1s\n${hubConfig({ compression: BY_ROUND_TRIP })}`,
        monitoring: true,
      });
      slow.targetPort = await linkPort(hub, "leafnode");
      const leaf = await servers.start({
        role: hubRole === "server" ? "peer" : "server",
        config: `ping_interval: 1s\n${leafConfig(`nats-leaf://${slow.address}`, BY_ROUND_TRIP)}`,
        monitoring: true,
      });
      for (const each of [hub, leaf]) await untilShown(each, /^s2_better$/);
    }),
    ...bothRoles("what is compressed is shorter on the wire", async (servers, hubRole) => {
      if (await isOldPeer()) return;
      const crossed = async (compression: string): Promise<number> => {
        const hub = await servers.start({ role: hubRole, config: hubConfig({ compression }) });
        await using path = await MeteredPath.open(await linkPort(hub, "leafnode"));
        const leaf = await servers.start({
          role: hubRole === "server" ? "peer" : "server",
          config: leafConfig(`nats-leaf://${path.address}`, compression),
        });
        const [publisher, subscriber] = [await leaf.connectAs(), await hub.connectAs()];
        return await crossedBytes(path, publisher, subscriber);
      };
      expectShorter(await crossed("off"), await crossed("s2_fast"));
    }),
    ...bothRoles("a reload changes how hard, or connects anew", async (servers, hubRole) => {
      if (await isOldPeer()) return;
      const plan = (compression: string) => ({ compression });
      const pair = await startPair(servers, hubRole, plan("s2_fast"), plan("s2_fast"));
      await untilShown(pair.hub, /^s2_fast$/);
      const port = await linkPort(pair.hub, "leafnode");
      const own = hubRole === "server" ? pair.hub : pair.leaf;
      const reload = (compression: string) =>
        own.reload(
          hubRole === "server"
            ? hubConfig({ compression })
            : leafConfig(`nats-leaf://localhost:${port}`, compression),
        );
      const from = own.log.length;
      await reload("s2_best");
      await untilShown(own, /^s2_best$/);
      await expectBothWays(pair.hub, pair.leaf);
      expect(own.log.slice(from)).not.toContain("connection closed");
      await reload("off");
      await untilShown(own, OFF);
      await expectBothWays(pair.hub, pair.leaf);
    }),
  },
  AT_ONCE,
);

const server = sharedServer({
  config: `server_name: N\nleafnodes { listen: "127.0.0.1:-1", compression: s2_fast }`,
});
const port = () => linkPort(server(), "leafnode");

/** A leaf node in S2 that the server has accepted. */
async function joinCompressed() {
  const clear = await openLeaf(await port());
  expect(clear.info.compression).toBe("s2_fast");
  clear.sendJson("INFO", { compression: "accept" });
  const leaf = turnToS2(clear);
  expect(await leaf.readInfo()).toMatchObject({ compression: "s2_fast", nonce: clear.info.nonce });
  leaf.sendJson("CONNECT", leafConnect({ compress_mode: "s2_fast" }));
  await leaf.readInfo(({ connect_info }) => connect_info === true);
  return leaf;
}

row("leafs 13: a leaf node that says INFO hears INFO again, in S2", async () => {
  const leaf = await joinCompressed();
  expect(leaf.received.subarray(0, 10).equals(STREAM_NAME)).toBe(true);
  await leaf.roundTrip();
  const client = await server().connectAs();
  await leaf.expectNoInterest(client, "LS+");
  client.destroy();
  leaf.destroy();
});

row("leafs 13: a mode that nobody knows is refused", async () => {
  const leaf = await openLeaf(await port());
  leaf.sendJson("INFO", { compression: "lz4" });
  await leaf.expectError('unsupported route compression mode "lz4"');
});

row("leafs 13: what is no S2 ends that leaf node, and nothing else", async () => {
  const { isNatsServer } = await kindOf(server());
  const witness = await joinCompressed();
  const plain = await joinLeaf(await port());
  const wrong = storedChunk(Buffer.from("PING\r\n"));
  wrong[6]! ^= 0x10;
  const hostile: readonly (readonly Uint8Array[])[] = [
    [Buffer.from("PING\r\n")],
    [wrong],
    [chunkOf(0, Buffer.from([0x81, 0x80, 0x80, 2, 0, 97]))],
    [chunkOf(0, Buffer.from([8, 1, 1]))],
  ];
  for (const pieces of hostile) {
    const leaf = await joinCompressed();
    const from = server().log.length;
    leaf.raw(...pieces);
    await leaf.expectEnd();
    if (!isNatsServer) await server().waitForLog(/lid:\d+ - read error: s2: /, from);
  }
  // In the middle of the handshake, too.
  const early = await openLeaf(await port());
  early.sendJson("INFO", { compression: "s2_auto" });
  const turned = turnToS2(early);
  await turned.readInfo();
  turned.raw(Buffer.from(`CONNECT ${JSON.stringify(leafConnect())}\r\n`));
  await turned.expectEnd();
  await witness.roundTrip();
  await plain.roundTrip();
  for (const leaf of [witness, plain]) leaf.destroy();
});

row("leafs 13: a hub that compresses is answered with INFO, and in S2 with CONNECT", async () => {
  await using listener = await RawListener.open();
  await using dialling = await ServerProcess.start({
    config: leafConfig(`nats-leaf://${listener.address}`, "s2_best"),
  });
  void dialling;
  const clear = await listener.accept();
  clear.sendJson("INFO", hubInfo(listener, { compression: "s2_auto" }));
  expect(await clear.readInfo()).toMatchObject({ compression: "s2_best" });
  const hub = turnToS2(clear);
  hub.sendJson("INFO", hubInfo(listener, { compression: "s2_auto" }));
  expect(await hub.readConnect()).toMatchObject({ compress_mode: "s2_best" });
  const { nonce: _, ...second } = hubInfo(listener);
  hub.sendJson("INFO", { ...second, connect_info: true, remote_account: "$G" });
  await hub.roundTrip();
  hub.destroy();
});
