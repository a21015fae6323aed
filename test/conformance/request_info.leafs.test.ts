import { expect } from "bun:test";
import { until } from "../support/deadline.ts";
import { linkPort } from "../support/links.ts";
import { readMessage } from "../support/message.ts";
import type { RawClient } from "../support/raw_client.ts";
import { acceptLeaf, joinLeaf } from "../support/raw_leaf.ts";
import type { RawLink } from "../support/raw_link.ts";
import { RawListener } from "../support/raw_listener.ts";
import { rowsInParallel } from "../support/row.ts";
import { ServerProcess } from "../support/server_process.ts";
import { loginAs } from "../support/system.ts";

// What a service is told of who asks by way of a leaf node, and what monitoring tells of what that wants.

const ACCOUNTS = `
  accounts {
    EXP { users: [ { user: exp, password: p } ], exports: [ { service: plain }, { service: shared } ] }
    IMP {
      users: [ { user: imp, password: p } ]
      imports: [ { service: { account: EXP, subject: plain } }, { service: { account: EXP, subject: shared }, share: true } ]
    }
    SYS {}
  }
  system_account: SYS
  cluster { name: C1, listen: "127.0.0.1:-1" }
`;
const FORGED = `NATS/1.0\r\nNats-Request-Info: {"acc":"X","user":"root","rtt":7}\r\n\r\n`;
/** Two imports lie between these and the service: whether each of the three shares is what the subject says. */
const CHAINS = ["nnn", "nns", "nsn", "nss", "snn", "sns", "ssn", "sss"];
/** A server first asks for the round trip some seconds after a leaf node is up. */
const ROUND_TRIP_MS = 20_000;

/** Asks over the link; returns what the service is told. */
async function infoOf(link: RawLink, responder: RawClient, service: string, headers = "") {
  const size = headers.length + 2;
  link.send(
    headers === "" ? `LMSG ${service} in 2` : `HMSG ${service} in ${headers.length} ${size}`,
    `${headers}hi`,
  );
  await link.roundTrip();
  const message = await readMessage(responder);
  const infos = [...message.headers.matchAll(/^Nats-Request-Info: *(\{.*\})\r$/gm)];
  expect(infos).toHaveLength(1);
  return JSON.parse(infos[0]![1]!) as Record<string, unknown>;
}

/** Accounts through which requests come to a service of the last one, three imports for each chain. */
function chainedAccounts(): string {
  const names = ["IMP", "MID", "END", "EXP"];
  const accounts = names.map((name, at) => {
    const exports = CHAINS.map((chain) => `{ service: "${chain}" }`);
    const imports = CHAINS.map((chain) => {
      const isShared = chain[at] === "s";
      return `{ service: { account: ${names[at + 1]}, subject: "${chain}" }, share: ${isShared} }`;
    });
    const own = [
      `users: [ { user: ${name.toLowerCase()}, password: p } ]`,
      ...(at > 0 ? [`exports: [ ${exports.join(", ")} ]`] : []),
      ...(at < 3 ? [`imports: [ ${imports.join(", ")} ]`] : []),
    ];
    return `${name} { ${own.join("\n")} }`;
  });
  return `accounts { ${accounts.join("\n")} }`;
}

async function expectInfo(link: RawLink, server: ServerProcess, shared: Record<string, unknown>) {
  const responder = await loginAs(server, "exp");
  responder.send("SUB plain 1\r\nSUB shared 2\r\n");
  await responder.roundTrip();
  for (const headers of ["", FORGED]) {
    expect(await infoOf(link, responder, "plain", headers)).toEqual({ acc: "IMP" });
    const { start, id, ...rest } = await infoOf(link, responder, "shared", headers);
    expect([typeof start, typeof id]).toEqual(["string", "number"]);
    expect(rest).toEqual(shared);
  }
  let info: Record<string, unknown> = {};
  await until(
    async () => {
      info = await infoOf(link, responder, "plain");
      return info.rtt !== undefined;
    },
    () => "the round trip is never told",
    ROUND_TRIP_MS,
  );
  expect(info).toEqual({ acc: "IMP", rtt: expect.any(Number) });
  expect(Number(info.rtt)).toBeGreaterThan(0);
  expect((await infoOf(link, responder, "shared")).rtt).toBe(info.rtt);
  responder.destroy();
}

rowsInParallel({
  "leafs 43: a leaf node that has logged in is told by its user, and is on its own server": async () => {
    await using server = await ServerProcess.start({
      config: `server_name: H\n${ACCOUNTS}\nleafnodes { listen: "127.0.0.1:-1" }`,
    });
    const link = await joinLeaf(await linkPort(server, "leafnode"), {
      user: "imp",
      pass: "p",
      name: "LEAF",
      version: "2.11.0",
    });
    await expectInfo(link, server, {
      host: "127.0.0.1",
      acc: "IMP",
      user: "imp",
      name: "LEAF",
      ver: "2.11.0",
      server: "LEAF",
      cluster: "C1",
      kind: "Leafnode",
    });
    link.destroy();
  },

  "leafs 43: a hub that asks is told by its server": async () => {
    await using listener = await RawListener.open();
    await using server = await ServerProcess.start({
      config: `server_name: L\n${ACCOUNTS}\nleafnodes { remotes: [ { url: "nats-leaf://${listener.address}", account: IMP } ] }`,
    });
    const { link } = await acceptLeaf(listener);
    await expectInfo(link, server, {
      host: "127.0.0.1",
      acc: "IMP",
      server: "HUB",
      cluster: "C1",
      kind: "Leafnode",
    });
    link.destroy();
  },

  "leafs 43: who asks over a link is told anew at each import, as far as the one before it shares":
    async () => {
      await using server = await ServerProcess.start({
        config: `server_name: H\n${chainedAccounts()}\nleafnodes { listen: "127.0.0.1:-1" }`,
      });
      const login = { user: "imp", pass: "p", name: "LEAF", version: "2.11.0" };
      const link = await joinLeaf(await linkPort(server, "leafnode"), login);
      const responder = await loginAs(server, "exp");
      responder.send(CHAINS.map((chain) => `SUB ${chain} ${chain}\r\n`).join(""));
      await responder.roundTrip();
      const details = {
        start: expect.any(String),
        host: "127.0.0.1",
        id: expect.any(Number),
        user: "imp",
        name: "LEAF",
        ver: "2.11.0",
        kind: "Leafnode",
      };
      for (const chain of CHAINS) {
        const info = await infoOf(link, responder, chain);
        const isTold = chain[1] === "s";
        const hasPlace = isTold || chain[2] === "s";
        expect(info).toEqual({
          acc: "IMP",
          svc: "END",
          ...(hasPlace ? { server: "LEAF" } : {}),
          ...(isTold ? details : {}),
        });
      }
      responder.destroy();
      link.destroy();
    },

  "leafs 12: /connz lists what a leaf node wants, groups by their names": async () => {
    await using server = await ServerProcess.start({
      config: `server_name: H\n${ACCOUNTS}\nleafnodes { listen: "127.0.0.1:-1" }`,
      monitoring: true,
    });
    const link = await joinLeaf(await linkPort(server, "leafnode"), { user: "imp", pass: "p" });
    link.send("LS+ down", "LS+ down q 3", "LS+ other.*");
    await link.roundTrip();
    const { connections } = await server.json<{ connections: Record<string, unknown>[] }>(
      "/connz?subs=detail",
    );
    const [{ cid, subscriptions_list_detail: list }] = connections as [Record<string, unknown>];
    expect((list as { sid: string }[]).sort((a, b) => (a.sid < b.sid ? -1 : 1))).toEqual([
      { subject: "down", sid: "down", msgs: 0, cid },
      { subject: "down", qgroup: "q", sid: "down q", msgs: 0, cid },
      { subject: "other.*", sid: "other.*", msgs: 0, cid },
    ] as never);
    link.destroy();
  },
});
