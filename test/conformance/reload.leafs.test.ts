import { expect } from "bun:test";
import { until } from "../support/deadline.ts";
import { linkPort } from "../support/links.ts";
import { acceptLeaf } from "../support/raw_leaf.ts";
import { RawListener } from "../support/raw_listener.ts";
import { joinRoute } from "../support/raw_route.ts";
import { rowsInParallel } from "../support/row.ts";
import { ServerProcess } from "../support/server_process.ts";

// The first links of a server, by a reload: hubs may come and go, listeners for other servers may not.

const CLUSTER = `no_system_account: true\ncluster { name: C, listen: "127.0.0.1:-1" }`;
const config = (more = "") => `server_name: L\n${more}`;
const remote = ({ address }: RawListener, more = "") =>
  `leafnodes { remotes: [ { url: "nats-leaf://${address}" ${more} } ] }`;

/** Reloads, which must work. */
async function reloadTo(server: ServerProcess, text: string): Promise<void> {
  expect(await server.reload(text)).toContain("Reloaded server configuration");
}

rowsInParallel({
  "leafs 60: a server that has no links becomes a leaf node, and is none any more": async () => {
    await using listener = await RawListener.open();
    await using server = await ServerProcess.start({ config: config() });
    const early = await server.connectAs();
    early.send("SUB early 1\r\n");
    await early.roundTrip();
    for (const time of [1, 2]) {
      await reloadTo(server, config(remote(listener)));
      const { link, connect } = await acceptLeaf(listener);
      // A server that was a leaf node from its start names itself as its cluster.
      expect([connect.name, connect.cluster]).toEqual(["L", undefined]);
      await link.expect("LS+ early");
      early.send(`SUB late${time} 2\r\n`);
      await link.expect(`LS+ late${time}`);
      link.send(`LMSG early 2`, "hi", "LS+ up");
      await early.expect("MSG early 1 2\r\nhi\r\n");
      await link.roundTrip();
      early.send("PUB up 2\r\nho\r\n");
      await link.expectMessage("LMSG up 2\r\nho");
      await reloadTo(server, config());
      await link.client.readToEnd();
      early.send("UNSUB 2\r\n");
      await early.roundTrip();
    }
    expect(listener.arrivals).toHaveLength(2);
  },

  "leafs 60: a member of a cluster becomes a leaf node": async () => {
    await using listener = await RawListener.open();
    await using server = await ServerProcess.start({ config: config(CLUSTER) });
    const route = await joinRoute(await linkPort(server, "route"), { cluster: "C" }, { cluster: "C" });
    route.send("RS+ $G far");
    await route.roundTrip();
    await reloadTo(server, config(`${CLUSTER}\n${remote(listener)}`));
    const { link, connect } = await acceptLeaf(listener);
    expect(connect.cluster).toBe("C");
    const client = await server.connectAs();
    client.send("SUB near 1\r\n");
    // Each member of the cluster has hubs of its own.
    await link.expect("LS+ near");
    await link.expectNoInterest(client, "LS+");
    route.destroy();
    link.destroy();
  },

  "leafs 60: a cluster without routes gets another name, which its hub is told by a new connection":
    async () => {
      await using listener = await RawListener.open();
      const named = (name: string) => config(`cluster { name: ${name} }\n${remote(listener)}`);
      await using server = await ServerProcess.start({ config: named("C1") });
      const { link, connect } = await acceptLeaf(listener);
      expect(connect.cluster).toBe("C1");
      await reloadTo(server, named("C2"));
      await link.client.readToEnd();
      const again = await acceptLeaf(listener);
      expect(again.connect.cluster).toBe("C2");
      expect(server.log).toContain("Cluster name updated to C2");
      const client = await server.connect();
      expect(client.info.cluster).toBe("C2");
      for (const each of [client, again.link]) each.destroy();
    },

  "leafs 60: its hub may be told what members want that were there before": async () => {
    await using listener = await RawListener.open();
    await using server = await ServerProcess.start({ config: config(CLUSTER) });
    const route = await joinRoute(await linkPort(server, "route"), { cluster: "C" }, { cluster: "C" });
    route.send("RS+ $G far", "RS+ $G far q 2");
    await route.roundTrip();
    await reloadTo(server, config(`${CLUSTER}\n${remote(listener, ", hub: true")}`));
    const { link, connect } = await acceptLeaf(listener);
    expect(connect.is_spoke ?? connect.hub ?? connect.is_hub).toBe(true);
    await link.expectInAnyOrder("LS+ far", "LS+ far q 2");
    route.send("RS- $G far");
    await link.expect("LS- far");
    link.send("LMSG far | q 2", "hi");
    expect(await route.nextMessage()).toMatch(/ far \| q 2\r\nhi$/);
    route.destroy();
    link.destroy();
  },

  "§3 the first listener for other servers wants a new start": async () => {
    await using server = await ServerProcess.start({ config: config() });
    for (const [block, refusal] of [
      [
        `cluster { name: C, listen: "127.0.0.1:-1" }`,
        "config reload not supported for cluster host: old=, new=127.0.0.1",
      ],
      [`cluster { name: C, port: 1 }`, "config reload not supported for cluster host: old=, new=0.0.0.0"],
      [
        `leafnodes { listen: "127.0.0.1:-1" }`,
        'config reload not supported for LeafNode: field "Host": old=, new=127.0.0.1',
      ],
      [`leafnodes { port: 1 }`, 'config reload not supported for LeafNode: field "Host": old=, new=0.0.0.0'],
      // nats-server shows the whole block.
      [`gateway { name: C, listen: "127.0.0.1:1" }`, "config reload not supported for Gateway: "],
      [`websocket { port: 1, no_tls: true }`, "config reload not supported for Websocket: "],
    ] as const) {
      expect(await server.reload(config(block))).toContain(
        `Failed to reload server configuration: ${refusal}`,
      );
    }
    await until(
      () => server.log.split("Failed to reload").length === 7,
      () => "not all were refused",
    );
    await reloadTo(server, config("leafnodes {}"));
  },
});
