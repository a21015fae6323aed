import { linkPort } from "../support/links.ts";
import { joinLeaf } from "../support/raw_leaf.ts";
import { row } from "../support/row.ts";
import { ServerProcess } from "../support/server_process.ts";
import { expectLinkRecovery, RETRIED_WRITES, UNSTALLED } from "../support/slow_reader.ts";

row("leafs 60: a leaf node that misses write deadlines stays, and is said to have caught up", async () => {
  await using server = await ServerProcess.start({
    config: `${UNSTALLED}leafnodes { listen: "127.0.0.1:-1", ${RETRIED_WRITES} }`,
    monitoring: true,
  });
  const leaf = await joinLeaf(await linkPort(server, "leafnode"));
  leaf.send("LS+ flood");
  await leaf.roundTrip();
  await expectLinkRecovery(server, leaf.client, "leafs", "lid");
});
