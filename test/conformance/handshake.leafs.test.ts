import { afterAll, expect } from "bun:test";
import { Buffer } from "node:buffer";
import { account } from "../support/account_config.ts";
import { CertificateMaker } from "../support/certificates.ts";
import { until } from "../support/deadline.ts";
import { kindOf, linkAddress, linkPort, Servers, untilReached } from "../support/links.ts";
import { NKey } from "../support/nkey.ts";
import { Operator, signature } from "../support/operator.ts";
import { acceptLeaf, hubInfo, joinLeaf, leafConnect, openLeaf } from "../support/raw_leaf.ts";
import { RawLink } from "../support/raw_link.ts";
import { RawListener } from "../support/raw_listener.ts";
import type { Fields } from "../support/raw_route.ts";
import { row, rowsInParallel, sharedServer } from "../support/row.ts";
import { ServerProcess } from "../support/server_process.ts";
import { upgrade } from "../support/tls_client.ts";

// How leaf nodes and their hubs begin and end.

const hub = sharedServer({
  config: `
    server_name: H
    cluster { name: HC, listen: "127.0.0.1:-1" }
    leafnodes { listen: "127.0.0.1:-1" }
  `,
});
const hubPort = () => linkPort(hub(), "leafnode");

/** A hub of one row, of whose interest the leaf nodes of rows beside it are not told. */
const startHub = () =>
  ServerProcess.start({ config: `server_name: H\nleafnodes { listen: "127.0.0.1:-1" }` });

/** Of `s3cret`. */
const BCRYPT = "$2b$04$Errnm52KnqCgWsxkcQN/reJN3HrwDi/bDlwqi2DZw6CFaElWX72jq";

const certificates = new CertificateMaker();
afterAll(() => certificates.remove());

/** A server that is a leaf node of this hub; `remote` are more keys of the remote. */
function leafConfig(address: string, remote = "", more = ""): string {
  return `server_name: L\n${more}\nleafnodes { remotes [ { url: "nats-leaf://${address}", ${remote} } ] }`;
}

/** The leaf node is let in by a raw hub, and served. */
async function expectServedBy(link: RawLink, server: ServerProcess): Promise<void> {
  const client = await server.connectAs();
  await link.expectNoInterest(client, "LS+");
  client.destroy();
}

rowsInParallel(
  {
    "leafs 2: keys of a remote that are 0 or empty stand for what is there without them": async () => {
      await using listener = await RawListener.open();
      const remote = `first_info_timeout: 0, credentials: "", account: "", compression: "", dial_timeout: "0s"`;
      const config = leafConfig(listener.address, remote).replace(
        "remotes",
        'reconnect: "0s", compression: "", remotes',
      );
      await using leaf = await ServerProcess.start({ config });
      const first = await acceptLeaf(listener);
      expect(first.connect).toMatchObject({ remote_account: "$G", compress_mode: "not supported" });
      first.link.destroy();
      const lostMs = performance.now();
      const again = await acceptLeaf(listener);
      expect(performance.now() - lostMs).toBeGreaterThan(800);
      await expectServedBy(again.link, leaf);
      again.link.destroy();
    },

    "leafs 3: an empty advertise is none": async () => {
      await using own = await ServerProcess.start({
        config: `server_name: H\nleafnodes { listen: "127.0.0.1:-1", advertise: "" }`,
      });
      const port = await linkPort(own, "leafnode");
      const link = await openLeaf(port);
      expect(link.info).toMatchObject({ host: "127.0.0.1", port, leafnode_urls: [`127.0.0.1:${port}`] });
      link.destroy();
    },

    "leafs 1: a leaf node of another server's": async () => {
      await using servers = new Servers();
      const peer = await servers.start({
        role: "peer",
        config: `server_name: H\nleafnodes { listen: "127.0.0.1:-1" }`,
        monitoring: true,
      });
      const leaf = await servers.start({ config: leafConfig(await linkAddress(peer, "leafnode")) });
      const [above, below] = [await peer.connectAs(), await leaf.connectAs()];
      await untilReached(above, below, 10_000);
      await untilReached(below, above);
      const { leafs } = await peer.json<{ leafs: { name: string; compression?: string }[] }>("/leafz");
      const [ours, theirs] = [await kindOf(leaf), await kindOf(peer)];
      expect(leafs).toHaveLength(1);
      if (theirs.isNatsServer && !theirs.isOld) {
        expect(leafs[0]!.name).toBe("L");
        if (!ours.isOld) expect(leafs[0]!.compression).toMatch(/^s2_/);
      }
    },

    "leafs 3: a hub of another server's leaf nodes": async () => {
      await using servers = new Servers();
      const server = await servers.start({ config: `server_name: H\nleafnodes { listen: "127.0.0.1:-1" }` });
      const peer = await servers.start({
        role: "peer",
        config: leafConfig(await linkAddress(server, "leafnode")),
      });
      const [above, below] = [await server.connectAs(), await peer.connectAs()];
      await untilReached(above, below, 10_000);
      await untilReached(below, above);
      await server.waitForLog(/Leafnode connection created/);
    },

    "leafs 2.1: what a hub says of itself": async () => {
      const leaf = await openLeaf(await hubPort());
      expect(leaf.info).toMatchObject({
        ...{ server_name: "H", auth_required: true, info_on_connect: true, headers: true, cluster: "HC" },
        ...{
          host: "127.0.0.1",
          ip: `127.0.0.1:${await hubPort()}`,
          leafnode_urls: [await linkAddress(hub(), "leafnode")],
        },
      });
      expect(leaf.info.client_id).toBeGreaterThan(0);
      expect(String(leaf.info.nonce)).toHaveLength(15);
      leaf.sendJson("CONNECT", leafConnect());
      const second = await leaf.readInfo();
      expect(second).toMatchObject({ connect_info: true, remote_account: "$G" });
      expect(second.nonce ?? "").toBe("");
      expect(second.client_id).toBe(leaf.info.client_id);
      const loop = await leaf.client.readLine();
      expect(loop).toMatch(/^LS\+ /);
      leaf.destroy();
    },

    "leafs 0.1: the smallest CONNECT": async () => {
      await using own = await startHub();
      const leaf = await openLeaf(await linkPort(own, "leafnode"));
      leaf.sendJson("CONNECT", {});
      await leaf.readInfo((info) => info.connect_info === true);
      const client = await own.connectAs();
      client.send("SUB smallest 1\r\n");
      while ((await leaf.next()) !== "LS+ smallest");
      for (const each of [client, leaf]) each.destroy();
    },

    "leafs 2.1: a hub that listens everywhere says by which address": async () => {
      await using own = await ServerProcess.start({ config: `leafnodes { listen: "0.0.0.0:-1" }` });
      const leaf = await openLeaf(await linkPort(own, "leafnode"));
      const { host, ip, leafnode_urls } = leaf.info;
      expect(host).not.toBe("0.0.0.0");
      expect([ip]).toEqual(leafnode_urls as string[]);
      leaf.destroy();
    },

    "leafs 2.1: a hub without routes has the name of its cluster": async () => {
      await using own = await ServerProcess.start({
        config: `cluster { name: C }, leafnodes { listen: "127.0.0.1:-1" }`,
      });
      const leaf = await openLeaf(await linkPort(own, "leafnode"));
      expect(leaf.info.cluster).toBe("C");
      leaf.destroy();
    },

    "leafs 2.3: without a name of its own it is in no cluster": async () => {
      await using listener = await RawListener.open();
      await using server = await ServerProcess.start({
        config: leafConfig(listener.address).replace("server_name: L", ""),
      });
      const { link, connect } = await acceptLeaf(listener);
      expect(connect.name).toBe(connect.server_id);
      expect(connect.cluster).toBeUndefined();
      await expectServedBy(link, server);
      link.destroy();
    },

    "leafs 2.3: what a leaf node says of itself": async () => {
      await using listener = await RawListener.open();
      await using server = await ServerProcess.start({ config: leafConfig(listener.address) });
      const { link, connect } = await acceptLeaf(listener);
      expect(connect).toMatchObject({ name: "L", cluster: "L", headers: true });
      expect(connect.server_id).toMatch(/^N/);
      expect(connect.version).toMatch(/^\d+\.\d+\.\d+/);
      for (const field of ["lang", "gateway", "account", "jetstream", "is_hub", "domain", "user"])
        expect(connect[field]).toBeUndefined();
      expect(connect.remote_account).toBe("$G");
      await expectServedBy(link, server);
      link.destroy();
    },

    "leafs 2.3: both sides name a cluster that has no routes": async () => {
      const cluster = "cluster { name: C }";
      await using listener = await RawListener.open();
      await using server = await ServerProcess.start({ config: leafConfig(listener.address, "", cluster) });
      const { link, connect } = await acceptLeaf(listener);
      expect(connect).toMatchObject({ name: "L", cluster: "C" });
      await expectServedBy(link, server);
      link.destroy();
      await using own = await ServerProcess.start({
        config: `server_name: H\n${cluster}\nleafnodes { listen: "127.0.0.1:-1" }`,
      });
      const leaf = await openLeaf(await linkPort(own, "leafnode"));
      leaf.sendJson("CONNECT", leafConnect({ cluster: "C" }));
      await leaf.expectError("remote leafnode has same cluster name");
    },

    "leafs 5: a listener without client_id is none of a hub": async () => {
      await using listener = await RawListener.open();
      await using server = await ServerProcess.start({ config: leafConfig(listener.address) });
      const link = await listener.accept();
      link.sendJson("INFO", hubInfo(listener, { client_id: undefined }));
      await link.expectEnd();
      await server.waitForLog(/wrong port/);
      // Without leaf node URLs it is one if it says so otherwise.
      const second = await listener.accept();
      second.sendJson("INFO", hubInfo(listener, { leafnode_urls: undefined, info_on_connect: undefined }));
      await second.expectEnd();
      const { link: third } = await acceptLeaf(listener, { leafnode_urls: undefined });
      await expectServedBy(third, server);
      third.destroy();
    },

    "leafs 6: a hub that says nothing is left after a second, and dialled again": async () => {
      await using listener = await RawListener.open();
      await using server = await ServerProcess.start({ config: leafConfig(listener.address) });
      const link = await listener.accept();
      const start = listener.arrivals[0]!;
      await link.expectEnd();
      expect(performance.now() - start).toBeGreaterThan(500);
      expect(performance.now() - start).toBeLessThan(3000);
      const { link: second } = await acceptLeaf(listener);
      // A second until it is left and one until it is dialled, less what the first arrival was noticed late.
      expect(listener.arrivals[1]! - start).toBeGreaterThan(1200);
      expect(listener.arrivals[1]! - start).toBeLessThan(6000);
      await expectServedBy(second, server);
      second.destroy();
    },

    "leafs 7: a hub that owes its second INFO is left two seconds after CONNECT": async () => {
      await using listener = await RawListener.open();
      await using server = await ServerProcess.start({ config: leafConfig(listener.address) });
      const link = await listener.accept();
      link.sendJson("INFO", hubInfo(listener));
      await link.readConnect();
      const start = performance.now();
      await link.expectError("Stale Leaf Node Connection - Closing");
      expect(performance.now() - start).toBeGreaterThan(1700);
      expect(server.hasExited).toBe(false);
    },

    "leafs 7: an old hub that owes no second INFO is told interest at once": async () => {
      await using listener = await RawListener.open();
      await using server = await ServerProcess.start({ config: leafConfig(listener.address) });
      const client = await server.connectAs();
      client.send("SUB early 1\r\n");
      await client.roundTrip();
      const link = await listener.accept();
      link.sendJson("INFO", hubInfo(listener, { info_on_connect: undefined }));
      await link.readConnect();
      await link.expect("LS+ early");
      link.destroy();
    },

    "leafs 9: users of leaf nodes, bound to accounts": async () => {
      await using servers = new Servers();
      const server = await servers.start({
        config: `
          server_name: H
          accounts { ${account("ACC")} ${account("B")} }
          leafnodes {
            listen: "127.0.0.1:-1"
            authorization { users: [ { user: l1, password: p, account: ACC }, { user: l2, password: p, account: B } ] }
          }
        `,
      });
      const port = await linkPort(server, "leafnode");
      const [first, second] = [await openLeaf(port), await openLeaf(port)];
      for (const [link, user, bound] of [
        [first, "l1", "ACC"],
        [second, "l2", "B"],
      ] as const) {
        link.sendJson("CONNECT", leafConnect({ user, pass: "p" }));
        const info = await link.readInfo((each) => each.connect_info === true);
        expect(info.remote_account).toBe(bound);
      }
      const client = await server.connectAs({ user: "ACC", pass: "p" });
      client.send("SUB x 1\r\n");
      await first.expect("LS+ x");
      second.send("LMSG x 2", "no");
      await second.roundTrip();
      first.send("LMSG x 2", "hi");
      await client.expect("MSG x 1 2\r\nhi\r\n");
      const other = await server.connectAs({ user: "B", pass: "p" });
      await second.expectNoInterest(other, "LS+");
      for (const link of [first, second]) link.destroy();
    },

    "leafs 9: a leaf node whose account is B of a hub where it is ACC": async () => {
      await using servers = new Servers();
      const peer = await servers.start({
        role: "peer",
        config: `
          server_name: H
          accounts { ${account("ACC")} }
          leafnodes { listen: "127.0.0.1:-1", authorization { user: l, password: p, account: ACC } }
        `,
      });
      const leaf = await servers.start({
        config: leafConfig(
          `l:p@${await linkAddress(peer, "leafnode")}`,
          "account: B",
          `accounts { ${account("B")} ${account("C")} }`,
        ),
      });
      const above = await peer.connectAs({ user: "ACC", pass: "p" });
      const [below, beside] = [
        await leaf.connectAs({ user: "B", pass: "p" }),
        await leaf.connectAs({ user: "C", pass: "p" }),
      ];
      beside.send("SUB x 1\r\n");
      below.send("SUB x 1\r\n");
      await beside.roundTrip();
      await untilReached(above, below, 10_000);
      above.send("PUB x 2\r\nhi\r\n");
      await below.expect("MSG x 1 2\r\nhi\r\n");
      await beside.roundTrip();
    },

    "leafs 10: bad credentials, none, and silence": async () => {
      await using guarded = await ServerProcess.start({
        config: `
          server_name: H
          leafnodes { listen: "127.0.0.1:-1", authorization { user: l, password: p, timeout: 1 } }
        `,
      });
      const port = await linkPort(guarded, "leafnode");
      const silent = await openLeaf(port);
      for (const fields of [
        { user: "l", pass: "x" },
        {},
        { user: "x", pass: "p" },
        { user: "l", pass: "p", account: "A" },
      ]) {
        const bad = await openLeaf(port);
        bad.sendJson("CONNECT", leafConnect(fields));
        await bad.expectError("Authorization Violation");
      }
      const good = await joinLeaf(port, { user: "l", pass: "p" });
      await silent.expectError("Authentication Timeout");
      await good.roundTrip();
      good.destroy();
    },

    "leafs 10: a leaf node that is refused tries again after a second": async () => {
      await using listener = await RawListener.open();
      await using server = await ServerProcess.start({ config: leafConfig(listener.address) });
      const link = await listener.accept();
      link.sendJson("INFO", hubInfo(listener));
      await link.readConnect();
      link.send("-ERR 'Authorization Violation'");
      link.client.end();
      await server.waitForLog(/Authorization Violation/);
      await until(
        () => listener.arrivals.length > 1,
        () => "nobody dials again",
      );
      expect(listener.arrivals[1]! - listener.arrivals[0]!).toBeGreaterThan(900);
      link.destroy();
    },

    "leafs 12: credentials in a file: a token and a signature": async () => {
      const operator = new Operator();
      const owner = operator.account("owner");
      await using servers = new Servers();
      const server = await servers.start({
        config: `server_name: H\n${operator.configWithMemory(owner)}\nleafnodes { listen: "127.0.0.1:-1" }`,
      });
      const port = await linkPort(server, "leafnode");
      const user = owner.user({ pub: { allow: ["pp.>"] }, sub: { allow: ["ss.>"] } });
      const leaf = await openLeaf(port);
      leaf.sendJson("CONNECT", leafConnect(user.credentials(String(leaf.info.nonce))));
      const info = await leaf.readInfo((each) => each.connect_info === true);
      expect(info.remote_account).toBe(owner.publicKey);
      expect([info.import, info.export]).toEqual([{ allow: ["ss.>"] }, { allow: ["pp.>"] }]);
      const forged = await openLeaf(port);
      forged.sendJson("CONNECT", leafConnect({ ...user.credentials("another nonce"), jwt: user.jwt }));
      await forged.expectError("Authorization Violation");
      leaf.destroy();
    },

    "leafs 12: a server with credentials": async () => {
      const operator = new Operator();
      const owner = operator.account("owner");
      const user = owner.user();
      await using servers = new Servers();
      const peer = await servers.start({
        role: "peer",
        config: `server_name: H\n${operator.configWithMemory(owner)}\nleafnodes { listen: "127.0.0.1:-1" }`,
      });
      const creds = [
        ...["-----BEGIN NATS USER JWT-----", user.jwt, "------END NATS USER JWT------", ""],
        ...["-----BEGIN USER NKEY SEED-----", user.key.seed, "------END USER NKEY SEED------", ""],
      ].join("\n");
      const leaf = await servers.start({
        files: { "user.creds": creds },
        config: leafConfig(await linkAddress(peer, "leafnode"), `credentials: "DIRECTORY/user.creds"`),
      });
      const above = await peer.connect();
      await above.handshake(owner.user().credentials(String(above.info.nonce)));
      await untilReached(above, await leaf.connectAs(), 10_000);
    },

    "leafs 12: an nkey of leaf nodes": async () => {
      const key = new NKey("user");
      await using guarded = await ServerProcess.start({
        config: `
          server_name: H
          leafnodes { listen: "127.0.0.1:-1", authorization { nkey: ${key.publicKey} } }
        `,
      });
      const port = await linkPort(guarded, "leafnode");
      const good = await openLeaf(port);
      const signed = (nonce: string) => ({ nkey: key.publicKey, sig: signature(key, nonce) });
      good.sendJson("CONNECT", leafConnect(signed(String(good.info.nonce))));
      await good.readInfo((info) => info.connect_info === true);
      const bad = await openLeaf(port);
      bad.sendJson("CONNECT", leafConnect(signed("another nonce")));
      await bad.expectError("Authorization Violation");
      good.destroy();
    },

    "leafs 13: clients, gateways and others are turned away": async () => {
      const refused: [Fields, string][] = [
        [{ lang: "go" }, "attempted to connect to leaf node port"],
        [{ gateway: "G" }, 'Rejecting connection from gateway "G" on the leafnode port'],
        [{ cluster: "a b" }, "cluster name cannot contain spaces"],
        [{ cluster: "_" }, "cluster name is reserved"],
      ];
      for (const [fields, error] of refused) {
        const leaf = await openLeaf(await hubPort());
        leaf.sendJson("CONNECT", leafConnect(fields));
        await leaf.expectError(error);
      }
      for (const line of ["PING", "LS+ foo"]) {
        const leaf = await openLeaf(await hubPort());
        leaf.send(line);
        await leaf.expectError("Authorization Violation");
      }
    },

    "leafs 14: a leaf node of the hub's own cluster is turned away": async () => {
      const leaf = await openLeaf(await hubPort());
      leaf.sendJson("CONNECT", leafConnect({ cluster: "HC" }));
      await leaf.expectError("remote leafnode has same cluster name");
      await using server = await ServerProcess.start({
        config: leafConfig(
          await linkAddress(hub(), "leafnode"),
          "",
          `cluster { name: HC, listen: "127.0.0.1:-1" }`,
        ),
      });
      await server.waitForLog(
        "Leafnode connection dropped with same cluster name error. Delaying attempt to reconnect for 30s",
      );
    },

    "leafs 16: TLS follows INFO": async () => {
      const authority = certificates.makeAuthority("leafs");
      const own = certificates.makeServer("hub", authority);
      await using servers = new Servers();
      const config = `
        server_name: H
        leafnodes {
          listen: "127.0.0.1:-1"
          tls { cert_file: "${own.certFile}", key_file: "${own.keyFile}", timeout: 3 }
        }
      `;
      const server = await servers.start({ config });
      const port = await linkPort(server, "leafnode");
      const silent = await openLeaf(port);
      expect(silent.info.tls_required).toBe(true);
      const plain = await openLeaf(port);
      const secure = new RawLink(await upgrade(plain.client, { ca: authority.cert }));
      secure.sendJson("CONNECT", leafConnect());
      await secure.readInfo((info) => info.connect_info === true);
      const text = await silent.client.readToEnd(8000);
      expect(text).not.toContain("LS+");
      secure.destroy();
      const peer = await servers.start({
        role: "peer",
        config: leafConfig(`127.0.0.1:${port}`, `tls { ca_file: "${authority.certFile}" }`),
      });
      await untilReached(await server.connectAs(), await peer.connectAs(), 10_000);
    },

    "leafs 16: a leaf node by TLS": async () => {
      const authority = certificates.makeAuthority("leafs");
      const own = certificates.makeServer("hub", authority);
      await using servers = new Servers();
      const peer = await servers.start({
        role: "peer",
        config: `
          server_name: H
          leafnodes { listen: "127.0.0.1:-1", tls { cert_file: "${own.certFile}", key_file: "${own.keyFile}" } }
        `,
      });
      const leaf = await servers.start({
        config: leafConfig(await linkAddress(peer, "leafnode"), `tls { ca_file: "${authority.certFile}" }`),
      });
      await untilReached(await peer.connectAs(), await leaf.connectAs(), 10_000);
    },

    "leafs 36: of two connections of one server the older one ends": async () => {
      const same = { name: "TWICE", server_id: "NTWICE", cluster: "TWICE" };
      const first = await joinLeaf(await hubPort(), same);
      const second = await joinLeaf(await hubPort(), same);
      await first.expectError("Duplicate Remote LeafNode Connection");
      // Another account of that server is another leaf node.
      const third = await joinLeaf(await hubPort(), { ...same, remote_account: "OTHER" });
      await second.roundTrip();
      await third.roundTrip();
      for (const link of [second, third]) link.destroy();
    },

    "leafs 38: a leaf node that is too old is turned away": async () => {
      await using picky = await ServerProcess.start({
        config: `server_name: H\nleafnodes { listen: "127.0.0.1:-1", min_version: "2.11.0" }`,
      });
      const port = await linkPort(picky, "leafnode");
      for (const version of ["2.10.9", "", "nonsense"]) {
        const old = await openLeaf(port);
        old.sendJson("CONNECT", leafConnect({ version }));
        await old.expectError('connection rejected since minimum version required is "2.11.0"');
      }
      const fresh = await joinLeaf(port, { version: "2.11.0" });
      await fresh.roundTrip();
      fresh.destroy();
    },

    "leafs 43: INFO of who dialled is tolerated": async () => {
      await using own = await startHub();
      const leaf = await joinLeaf(await linkPort(own, "leafnode"));
      leaf.sendJson("INFO", { server_id: "NX", leafnode_urls: ["127.0.0.1:1"], cluster: "ELSE" });
      await leaf.roundTrip();
      const client = await own.connectAs();
      client.send("SUB tolerated 1\r\n");
      while ((await leaf.next()) !== "LS+ tolerated");
      for (const each of [client, leaf]) each.destroy();
    },

    "leafs 42: a hub's other addresses are dialled when it is gone": async () => {
      await using servers = new Servers();
      await using listener = await RawListener.open();
      await using other = await RawListener.open();
      const server = await servers.start({ config: leafConfig(listener.address) });
      const { link } = await acceptLeaf(listener, { leafnode_urls: [listener.address, other.address] });
      await listener[Symbol.asyncDispose]();
      link.destroy();
      const { link: second } = await acceptLeaf(other, {}, {}, 15_000);
      await expectServedBy(second, server);
      second.destroy();
    },

    "leafs 42: a leaf node goes on with the other hub of a cluster": async () => {
      await using servers = new Servers();
      const first = await servers.start({
        role: "peer",
        config: `server_name: H1\ncluster { name: HC, listen: "127.0.0.1:-1" }\nleafnodes { listen: "127.0.0.1:-1" }`,
      });
      const second = await servers.start({
        role: "peer",
        config: `
          server_name: H2
          cluster { name: HC, listen: "127.0.0.1:-1", routes: [ "nats://${await linkAddress(first, "route")}" ] }
          leafnodes { listen: "127.0.0.1:-1" }
        `,
      });
      await untilReached(await first.connectAs(), await second.connectAs(), 10_000);
      const leaf = await servers.start({
        config: `server_name: L\nleafnodes { reconnect: "200ms", remotes [ { url: "nats-leaf://${await linkAddress(first, "leafnode")}" } ] }`,
      });
      const below = await leaf.connectAs();
      await untilReached(await first.connectAs(), below, 10_000);
      first.signal("SIGKILL");
      await untilReached(await second.connectAs(), below, 15_000);
    },

    "leafs 49: a message above the hub's maximum ends the leaf node": async () => {
      const leaf = await joinLeaf(await hubPort());
      leaf.sendBytes("LMSG large 2000000\r\n");
      await leaf.expectError("Maximum Payload Violation");
    },
  },
  5,
);

row("leafs 4.1: bad arguments end a leaf node without a word", async () => {
  const lines = ["LS+ a b", "LS+ a b c d", "LMSG a", "LMSG a x", "HMSG a 20 10", "HMSG a 3"];
  for (const line of lines) {
    const leaf = await joinLeaf(await hubPort());
    leaf.send(line);
    const text = await leaf.client.readToEnd().catch((error: Error) => {
      throw new Error(`${line}: ${error.message}`);
    });
    const errors = text.match(/^-ERR.*$/gm) ?? [];
    expect([line, errors]).toEqual([line, []]);
  }
});

row("leafs 1.1: an unknown verb is said to be one", async () => {
  const leaf = await joinLeaf(await hubPort());
  leaf.send("FOO bar");
  await leaf.expectError("Unknown Protocol Operation");
});

row("leafs 8.1: an error that is no loop ends nothing", async () => {
  const leaf = await joinLeaf(await hubPort());
  leaf.send("-ERR 'bye'");
  await leaf.roundTrip();
  leaf.destroy();
});

row("leafs 2.3: a PING behind CONNECT is answered once the login is decided", async () => {
  // The hash takes a while to compare.
  await using own = await ServerProcess.start({
    config: `leafnodes { listen: "127.0.0.1:-1", authorization { user: u, password: "${BCRYPT}" } }`,
  });
  const enter = async (pass: string) => {
    const leaf = await openLeaf(await linkPort(own, "leafnode"));
    const connect = JSON.stringify(leafConnect({ user: "u", pass }));
    leaf.send(`CONNECT ${connect}`, "PING");
    return leaf;
  };
  const refused = await enter("wrong");
  expect(await refused.client.readToEnd()).toBe("-ERR 'Authorization Violation'\r\n");
  const leaf = await enter("s3cret");
  expect(await leaf.client.readLine()).toStartWith("INFO ");
  while ((await leaf.client.readLine()) !== "PONG");
  leaf.destroy();
});

row("leafs 13: bytes are not taken for another protocol", async () => {
  for (const bytes of [
    Buffer.from([0x16, 3, 1, 0, 200, 1, 0, 0]),
    "GET / HTTP/1.1\r\n\r\n",
    "\r\n\x00\r\n",
  ]) {
    const leaf = await openLeaf(await hubPort());
    leaf.sendBytes(bytes);
    leaf.sendBytes("\r\n");
    await leaf.client.readToEnd(8000);
  }
});
