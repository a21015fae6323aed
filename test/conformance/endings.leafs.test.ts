import { expect } from "bun:test";
import { until } from "../support/deadline.ts";
import { linkPort } from "../support/links.ts";
import { NKey } from "../support/nkey.ts";
import { signature } from "../support/operator.ts";
import { hubInfo, joinLeaf, leafConnect, openLeaf } from "../support/raw_leaf.ts";
import type { RawLink } from "../support/raw_link.ts";
import { RawListener } from "../support/raw_listener.ts";
import { row, rowsInParallel, sharedServer } from "../support/row.ts";
import { ServerProcess } from "../support/server_process.ts";

// What monitoring says of leaf connections that are over, also of those that never were any.

interface Closed {
  readonly cid: number;
  readonly kind: string;
  readonly reason: string;
  readonly name?: string;
  readonly account?: string;
  readonly authorized_user?: string;
}

const server = sharedServer({
  config: `
    server_name: H
    accounts {
      A { users: [ { user: a, password: p } ] }
      FULL { users: [ { user: full, password: p } ], limits { max_leafs: 0 } }
      EMPTY { users: [ { user: empty, password: p } ], limits { max_subs: 0 } }
    }
    leafnodes { listen: "127.0.0.1:-1", min_version: "2.8.0", authorization { timeout: 0.5 } }
  `,
  monitoring: true,
});

async function closedOn(on: ServerProcess, isIt: (each: Closed) => boolean): Promise<Closed> {
  let found: Closed | undefined;
  await until(
    async () => {
      const page = await on.json<{ connections: Closed[] }>("/connz?state=closed&auth=1");
      found = page.connections.find(isIt);
      return found !== undefined;
    },
    () => "the connection is not among the closed ones",
  );
  return found!;
}

/** How a connection to the leaf listener ended, as /connz has it. */
async function endOf(act: (link: RawLink) => void, on = server()): Promise<Closed> {
  const link = await openLeaf(await linkPort(on, "leafnode"));
  act(link);
  const { client_id: cid } = link.info;
  const closed = await closedOn(on, (each) => each.cid === cid);
  link.destroy();
  expect(closed.kind).toBe("Leafnode");
  return closed;
}

const connecting = (fields: object) => (link: RawLink) =>
  link.sendJson("CONNECT", leafConnect({ name: "LEAF", ...fields }));

row("leafs 12: who could not log in is among the closed ones, as what it said it was", async () => {
  const refused = await endOf(connecting({ user: "x", pass: "y" }));
  expect(refused).toMatchObject({ reason: "Authentication Failure", name: "LEAF", authorized_user: "x" });
  expect(refused.account).toBeUndefined();
});

row("leafs 12: who was let in, and went all the same, is there with its account", async () => {
  const full = await endOf(connecting({ user: "full", pass: "p" }));
  const reason = "Maximum Account Connections Exceeded";
  expect(full).toMatchObject({ reason, authorized_user: "full", account: "FULL" });
  const gateway = await endOf(connecting({ user: "a", pass: "p", gateway: "G" }));
  expect(gateway).toMatchObject({ reason: "Wrong Gateway", authorized_user: "a", account: "A" });
  const old = await endOf(connecting({ user: "a", pass: "p", version: "2.7.0" }));
  expect(old).toMatchObject({ reason: "Minimum Version Required", account: "A" });
});

row("leafs 12: who said nothing, or nothing that makes sense, is there without a name", async () => {
  const hungUp = await endOf((link) => link.destroy());
  expect(hungUp.reason).toBe("Client Closed");
  expect(hungUp.name).toBeUndefined();
  expect((await endOf((link) => link.send("CONNECT {x"))).reason).toBe("Protocol Violation");
  expect((await endOf(() => {})).reason).toBe("Authentication Timeout");
});

row("§3.3 a leaf node in an account without any subscriptions is ended once it is there", async () => {
  const from = server().log.length;
  const link = await joinLeaf(await linkPort(server(), "leafnode"), { user: "empty", pass: "p" });
  // nats-server may end it before it has said so.
  await link.client.readToEnd();
  await server().waitForLog("maximum subscriptions exceeded", from);
});

rowsInParallel({
  "leafs 12: a hub that was dialled, and never was one, is there with the local account": async () => {
    await using listener = await RawListener.open();
    await using leaf = await ServerProcess.start({
      config: `
        server_name: L
        accounts { A { users: [ { user: a, password: p } ] } }
        leafnodes { reconnect: "20s", remotes: [ { url: "nats-leaf://${listener.address}", account: A } ] }
      `,
      monitoring: true,
    });
    const link = await listener.accept();
    link.sendJson("INFO", hubInfo(listener));
    await link.readConnect();
    link.destroy();
    const closed = await closedOn(leaf, ({ kind }) => kind === "Leafnode");
    expect(closed).toMatchObject({ reason: "Client Closed", account: "A" });
    expect(closed.name).toBeUndefined();
  },

  "§1.9 of credentials of the block's own, a proxy is asked for before they are looked at": async () => {
    const [proxy, key] = [new NKey("account"), new NKey("user")];
    const start = (authorization: string) =>
      ServerProcess.start({
        config: `
          proxies { trusted: [ { key: ${proxy.publicKey} } ] }
          leafnodes { listen: "127.0.0.1:-1", authorization { ${authorization} } }
        `,
        monitoring: true,
      });
    const end = async (on: ServerProcess, fields: object, signer?: NKey) => {
      const { reason } = await endOf((link) => {
        const by = signer === undefined ? {} : { proxy_sig: signature(signer, String(link.info.nonce)) };
        link.sendJson("CONNECT", leafConnect({ ...fields, ...by }));
      }, on);
      return reason;
    };
    const [stranger, known, unknown] = [
      new NKey("account"),
      { user: "l", pass: "x" },
      { user: "m", pass: "x" },
    ];
    {
      await using own = await start("user: l, password: x, proxy_required: true");
      expect(await end(own, known)).toBe("Proxy Required");
      expect(await end(own, unknown)).toBe("Proxy Required");
      expect(await end(own, unknown, stranger)).toBe("Proxy Not Trusted");
      expect(await end(own, unknown, proxy)).toBe("Authentication Failure");
    }
    {
      await using own = await start("users: [ { user: l, password: x, proxy_required: true } ]");
      expect(await end(own, known)).toBe("Proxy Required");
      expect(await end(own, unknown)).toBe("Authentication Failure");
      expect(await end(own, known, stranger)).toBe("Proxy Not Trusted");
      expect(await end(own, unknown, stranger)).toBe("Authentication Failure");
    }
    {
      await using own = await start(`nkey: ${key.publicKey}, proxy_required: true`);
      expect(await end(own, unknown)).toBe("Proxy Required");
      expect(await end(own, unknown, stranger)).toBe("Authentication Failure");
    }
  },
});
