import { expect } from "bun:test";
import { account, login, loginAll, subscribe } from "../support/account_config.ts";
import { linkPort } from "../support/links.ts";
import { readMessage } from "../support/message.ts";
import type { RawClient } from "../support/raw_client.ts";
import { RawGateway } from "../support/raw_gateway.ts";
import { joinLeaf } from "../support/raw_leaf.ts";
import { request } from "../support/request.ts";
import { row } from "../support/row.ts";
import { ServerProcess } from "../support/server_process.ts";

// Requests to services of other accounts that only another server might take, and does not take after all.

const LEAFNODES = `leafnodes { listen: "127.0.0.1:-1" }`;

/** IMP asks EXP for `svc`, for `far` by way of MID, and EXP and MID for `both`. */
const configWith = (links: string) => `
  server_name: H
  ${links}
  accounts {
    EXP {
      users: [
        { user: EXP, password: p }
        { user: LEAF, password: p, permissions: { subscribe: { allow: ">", deny: [ svc, far, both, own ] } } }
      ]
      exports: [ { service: svc, latency: { sampling: 100, subject: took } }, { service: far }, { service: both } ]
    }
    MID {
      users: [ { user: MID, password: p } ]
      imports: [ { service: { account: EXP, subject: far } } ]
      exports: [ { service: far }, { service: both.mid } ]
    }
    ${account(
      "IMP",
      `imports: [
         { service: { account: EXP, subject: svc } }
         { service: { account: MID, subject: far } }
         { service: { account: EXP, subject: both } }
         { service: { account: MID, subject: both.mid }, to: both }
       ]`,
    )}
  }
`;

/** A request on this subject is answered by nobody, and at once. */
async function expectNobody(client: RawClient, subject: string): Promise<void> {
  const { headers, payload } = await request(client, subject);
  expect([headers, payload]).toEqual([`NATS/1.0 503\r\nNats-Subject: ${subject}\r\n\r\n`, ""]);
}

row("§4.5 §4.7 a leaf node that may not have the request: 503, and a sample that says so", async () => {
  await using server = await ServerProcess.start({ config: configWith(LEAFNODES) });
  const leaf = await joinLeaf(await linkPort(server, "leafnode"), { user: "LEAF", pass: "p" });
  leaf.send("LS+ >");
  await leaf.roundTrip();
  const [requester, responder, listener] = await loginAll(server, "IMP", "EXP", "EXP");
  await subscribe(listener!, "took");
  await expectNobody(requester!, "svc");
  const { payload } = await readMessage(listener!);
  expect(JSON.parse(payload)).toMatchObject({ status: 503, requestor: { acc: "IMP" } });
  await expectNobody(requester!, "far");
  await expectNobody(requester!, "both");
  // Who is there after all is asked.
  await subscribe(responder!, "svc");
  requester!.send("SUB in 1\r\nPUB svc in 2\r\nhi\r\n");
  responder!.send(`PUB ${(await readMessage(responder!)).reply} 2\r\nok\r\n`);
  await requester!.expect("MSG in 1 2\r\nok\r\n");
  await requester!.roundTrip();
  for (const client of [requester!, responder!, listener!, leaf]) client.destroy();
});

row("§4.5 a leaf node that may not have the request, nor what is asked beside the import", async () => {
  await using server = await ServerProcess.start({
    config: `
      server_name: H
      ${LEAFNODES}
      accounts {
        EXP { users: [ { user: EXPLEAF, password: p, permissions: { subscribe: { deny: svc } } } ], exports: [ { service: svc } ] }
        IMP {
          users: [
            { user: IMP, password: p }
            { user: IMPLEAF, password: p, permissions: { subscribe: { deny: svc } } }
          ]
          imports: [ { service: { account: EXP, subject: svc } } ]
        }
      }
    `,
  });
  const port = await linkPort(server, "leafnode");
  const leafs = [];
  for (const user of ["EXPLEAF", "IMPLEAF"]) {
    const leaf = await joinLeaf(port, { user, pass: "p" });
    leaf.send("LS+ >");
    await leaf.roundTrip();
    leafs.push(leaf);
  }
  const requester = await login(server, "IMP");
  for (let times = 0; times < 3; times++) await expectNobody(requester, "svc");
  for (const link of [requester, ...leafs]) link.destroy();
});

row("§4.5 a cluster that has refused the subject: 503", async () => {
  await using server = await ServerProcess.start({
    config: configWith(`gateway { name: GN, listen: "127.0.0.1:-1" }`),
  });
  await using gateway = await RawGateway.join(await linkPort(server, "gateways"), "GX", {
    gateway_iom: undefined,
  });
  const requester = await login(server, "IMP");
  gateway.outbound.send("A- IMP", "A- MID", "RS- EXP svc", "RS- EXP far", "RS- EXP both");
  await gateway.outbound.roundTrip();
  for (const subject of ["svc", "far", "both"]) await expectNobody(requester, subject);
  requester.destroy();
});
