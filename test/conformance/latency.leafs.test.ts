import { expect } from "bun:test";
import { linkPort } from "../support/links.ts";
import { readMessage } from "../support/message.ts";
import { joinLeaf } from "../support/raw_leaf.ts";
import { rowsInParallel } from "../support/row.ts";
import { ServerProcess } from "../support/server_process.ts";
import { listen, loginAs, nextMessage } from "../support/system.ts";

// What is published about requests and answers that come by way of a leaf node.

const config = `
  server_name: H
  leafnodes { listen: "127.0.0.1:-1" }
  accounts {
    EXP {
      users: [ { user: exp, password: p } ]
      exports: [ { service: measured, latency: { sampling: 100, subject: took } } ]
    }
    IMP { users: [ { user: imp, password: p } ], imports: [ { service: { account: EXP, subject: measured } } ] }
    SYS { users: [ { user: sys, password: p } ] }
  }
  system_account: SYS
`;

const leafOf = async (server: ServerProcess, user: string) =>
  joinLeaf(await linkPort(server, "leafnode"), { user, pass: "p" });

rowsInParallel({
  "leafs 43: the latency of a leaf node's request names the client that answers": async () => {
    await using server = await ServerProcess.start({ config });
    const link = await leafOf(server, "imp");
    const listener = await loginAs(server, "exp");
    const responder = await loginAs(server, "exp", { name: "answers" });
    await listen(listener, "took");
    await listen(responder, "measured");
    link.send("LMSG measured in 2", "hi");
    const { reply } = await readMessage(responder);
    responder.send(`PUB ${reply} 2\r\nok\r\n`);
    const { json } = await nextMessage(listener);
    expect(json).toMatchObject({
      status: 200,
      requestor: { acc: "IMP" },
      responder: { acc: "EXP", name: "answers", server: "H", kind: "Client" },
    });
  },

  "leafs 43: the latency of what a leaf node answers waits for the part of the responder's server":
    async () => {
      await using server = await ServerProcess.start({ config });
      const link = await leafOf(server, "exp");
      link.send("LS+ measured");
      await link.roundTrip();
      const [listener, requestor, system] = await Promise.all(
        ["exp", "imp", "sys"].map((user) => loginAs(server, user)),
      );
      await listen(listener!, "took");
      await listen(requestor!, "in");
      requestor!.send("PUB measured in 2\r\nhi\r\n");
      const reply = (await link.nextMessage()).split(" ")[2]!;
      link.send(`LMSG ${reply} 2`, "ok");
      expect((await readMessage(requestor!)).payload).toBe("ok");
      await listener!.roundTrip();

      const m2 = {
        status: 200,
        responder: { acc: "EXP", name: "far" },
        start: "2026-01-02T03:04:05Z",
        service: 5,
        system: 0,
        total: 5,
      };
      const part = JSON.stringify({ account: "EXP", req_id: reply, m2 });
      system!.send(`PUB $SYS.LATENCY.M2.${reply.split(".")[3]} ${part.length}\r\n${part}\r\n`);
      const { json } = await nextMessage(listener!);
      expect(json).toMatchObject({ status: 200, responder: { acc: "EXP", name: "far" }, service: 5 });
    },
});
