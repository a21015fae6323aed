import { expect } from "bun:test";
import { account, loginAll, subscribe } from "../support/account_config.ts";
import { headerValues, readMessage } from "../support/message.ts";
import { row } from "../support/row.ts";
import { ServerProcess } from "../support/server_process.ts";

// Rows of accounts that take a server of a cluster.

row("§3.4 §8.67 a server of that cluster uses its destinations", async () => {
  await using clustered = await ServerProcess.start({
    config: `
          cluster { name: C1, listen: "127.0.0.1:-1" }
          mappings { here: [ { dest: here.mine, weight: 100, cluster: C1 }, { dest: here.any, weight: 100 } ] }
        `,
  });
  const client = await clustered.connectAs();
  await subscribe(client, ">");
  client.send("PUB here 0\r\n\r\n".repeat(5));
  await client.expect("MSG here.mine 1 0\r\n\r\n".repeat(5));
});

row("§4.6 share on a server of a cluster names the cluster", async () => {
  await using clustered = await ServerProcess.start({
    config: `
      server_name: S1
      cluster { name: C1, listen: "127.0.0.1:-1" }
      accounts {
        ${account("A", "exports: [ { service: svc }, { service: open } ]")}
        ${account(
          "B",
          `imports: [ { service: { account: A, subject: svc } }, { service: { account: A, subject: open }, share: true } ]`,
        )}
      }
    `,
  });
  const [responder, requester] = await loginAll(clustered, "A", "B");
  await subscribe(responder!, "svc", "open");
  requester!.send("PUB svc 1\r\n1\r\nPUB open 1\r\n2\r\n");
  const [plain, shared] = [await readMessage(responder!), await readMessage(responder!)];
  expect(Object.keys(JSON.parse(headerValues(plain, "Nats-Request-Info")[0]!))).toEqual(["acc", "rtt"]);
  const info = JSON.parse(headerValues(shared, "Nats-Request-Info")[0]!);
  expect(Object.keys(info)).toEqual([
    ...["start", "host", "id", "acc", "user", "rtt", "server", "cluster", "kind", "client_type"],
  ]);
  expect([info.server, info.cluster]).toEqual(["S1", "C1"]);
});
