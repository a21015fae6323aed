import { describe, expect, test } from "bun:test";
import { GLOBAL_ACCOUNT_ID, SYSTEM_ACCOUNT_ID } from "../../account/definition.ts";
import { NODE_LOGINS, NODE_MAIN } from "../../memory/map.ts";
import { accountDefinition, ShardHarness } from "../testing/shard_harness.ts";

const TENANT_ID = 3;
const GLOBAL = accountDefinition(GLOBAL_ACCOUNT_ID, "$G");
const SYSTEM = { ...accountDefinition(SYSTEM_ACCOUNT_ID, "$SYS"), isSystem: true };
const TENANT = accountDefinition(TENANT_ID, "T");
const encoder = new TextEncoder();

function start(...subjects: string[]) {
  const harness = new ShardHarness(1, { accounts: [GLOBAL, SYSTEM, TENANT] });
  const listen = (subject: string, account = SYSTEM_ACCOUNT_ID, node = NODE_LOGINS) => {
    const bytes = encoder.encode(subject);
    return harness.index.addPlain(node, account, bytes, 0, bytes.length);
  };
  for (const subject of subjects) listen(subject);
  const events = () => harness.reports.flatMap((report) => (report.type === "client" ? [report.event] : []));
  return { harness, listen, events };
}

describe("ClientEvents", () => {
  test("makes nothing where nobody listens, nor without a system account", () => {
    const { harness, events, listen } = start("$SYS.ACCOUNT.OTHER.>");
    // Main listens to what other servers tell.
    listen("$SYS.>", SYSTEM_ACCOUNT_ID, NODE_MAIN);
    harness.connect().isEnded = true;
    harness.settle();
    expect(events()).toEqual([]);
    const none = new ShardHarness(1);
    none.connect();
    expect(none.reports.some(({ type }) => type === "client")).toBe(false);
  });

  test.each(["$SYS.ACCOUNT.$G.CONNECT", "$SYS.ACCOUNT.*.CONNECT"])(
    "tells who listens to %s from then on, until nobody does",
    (subject) => {
      const { harness, events, listen } = start();
      harness.connect();
      const entry = listen(subject);
      harness.connect();
      expect(events().length).toBe(1);
      harness.index.removePlain(NODE_LOGINS, entry);
      harness.connect();
      expect(events().length).toBe(1);
    },
  );

  test("tells of a client that came, and that went, where somebody listens to that", () => {
    const { harness, events } = start("$SYS.ACCOUNT.*.CONNECT", "$SYS.ACCOUNT.$G.DISCONNECT");
    const client = harness.connect(0, { name: "n", lang: "l", version: "v", jwt: "not here" });
    client.isEnded = true;
    harness.settle();
    const [opened, closed] = events();
    expect(opened).toMatchObject({
      client: {
        account: "$G",
        name: "n",
        language: "l",
        version: "v",
        jwt: "",
        nameTag: "$G",
        kind: "Client",
      },
      // Nobody counts connections of the global account.
      countedAccounts: [],
      failure: null,
      end: null,
    });
    expect(closed!.client.stoppedAtMs).toBeGreaterThan(closed!.client.startedAtMs!);
    expect(closed!.end).toMatchObject({ reason: "Client Closed", traffic: { inMessages: 0 } });
  });

  test("listens for who imports events of the system account", () => {
    const imported = {
      exporter: SYSTEM_ACCOUNT_ID,
      exporterName: "$SYS",
      from: "$SYS.ACCOUNT.*.CONNECT",
      to: "seen.$1",
      local: "seen.*",
      allowTrace: false,
    };
    const accounts = [GLOBAL, SYSTEM, { ...TENANT, streamImports: [imported] }];
    const harness = new ShardHarness(1, { accounts });
    harness.connect();
    const isTold = () => harness.reports.some(({ type }) => type === "client");
    expect(isTold()).toBe(false);
    const bytes = encoder.encode("seen.>");
    harness.index.addPlain(NODE_LOGINS, TENANT_ID, bytes, 0, bytes.length);
    harness.connect();
    expect(isTold()).toBe(true);
  });
});
