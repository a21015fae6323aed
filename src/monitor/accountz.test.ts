import { describe, expect, test } from "bun:test";
import { accountz } from "./accountz.ts";
import { accstatzReport } from "./accstatz.ts";
import { encodeGoJson } from "./go_json.ts";
import type { AccountDetailSnapshot } from "./snapshots/accounts.ts";
import { accountDetailSnapshot, FakeSource, serverSnapshot } from "./testing/fake_source.ts";

function source(...accounts: AccountDetailSnapshot[]): FakeSource {
  const fake = new FakeSource();
  fake.accountList = accounts;
  return fake;
}

async function detail(account: AccountDetailSnapshot): Promise<string> {
  const result = await accountz(source(account), account.name);
  return encodeGoJson(result, 0);
}

describe("accountz()", () => {
  test("lists the accounts by name", async () => {
    const result = await accountz(source(accountDetailSnapshot("$G"), accountDetailSnapshot("$SYS")));
    expect(encodeGoJson(result.ok && result.report, 0)).toBe(
      '{"server_id":"NSERVER","now":"2026-03-02T09:19:26.49Z","system_account":"$SYS","accounts":["$G","$SYS"]}',
    );
  });

  test("refuses an account that is not there", async () => {
    expect(await accountz(source(), "X")).toEqual({ ok: false, message: "Account X does not exist" });
  });

  test("shows a plain account", async () => {
    const result = await accountz(source(accountDetailSnapshot("A", { clients: 2, leafnodes: 1 })), "A");
    expect(encodeGoJson(result.ok && result.report)).toBe(`{
  "server_id": "NSERVER",
  "now": "2026-03-02T09:19:26.49Z",
  "system_account": "$SYS",
  "account_detail": {
    "account_name": "A",
    "update_time": "2026-03-02T09:15:04Z",
    "expired": false,
    "complete": true,
    "jetstream_enabled": false,
    "leafnode_connections": 1,
    "client_connections": 2,
    "subscriptions": 4,
    "name_tag": "A",
    "sublist_stats": {
      "num_subscriptions": 4,
      "num_cache": 0,
      "num_inserts": 4,
      "num_removes": 0,
      "num_matches": 0,
      "cache_hit_rate": 0,
      "max_fanout": 0,
      "avg_fanout": 0
    }
  }
}`);
  });

  test("names a service import by the exporter's subject and a stream import by both", async () => {
    const common = { account: "B", isInvalid: false, isShared: true, isTracked: false, latency: null };
    const text = await detail(
      accountDetailSnapshot("A", {
        imports: [
          { ...common, type: "service", subject: "theirs", localSubject: "ours" },
          { ...common, type: "stream", subject: "s.>", localSubject: "p.s.>" },
        ],
      }),
    );
    expect(text).toContain(
      '"imports":[{"subject":"theirs","account":"B","to":"ours","local_subject":"ours","type":"service","invalid":false,"share":true,"tracking":false},{"subject":"s.\\u003e","account":"B","local_subject":"p.s.\\u003e","type":"stream","invalid":false,"share":true,"tracking":false}]',
    );
  });

  test("shows exports, mappings and pending replies, whose type is a number", async () => {
    const latency = { sampling: 50, resultSubject: "lat" };
    const text = await detail(
      accountDetailSnapshot("A", {
        isSystem: true,
        mappings: new Map([
          [
            "foo",
            [
              { subject: "bar", weightPercent: 40, cluster: "" },
              { subject: "foo", weightPercent: 100, cluster: "c" },
            ],
          ],
        ]),
        exports: [
          {
            subject: "svc",
            type: "service",
            isTokenRequired: true,
            responseType: "Singleton",
            latency,
            approvedAccounts: ["B"],
            revokedActivations: new Map([["UX", 1_700_000_000_000]]),
          },
        ],
        responses: new Map([
          [
            "_R_.x",
            {
              type: "service",
              subject: "",
              account: "B",
              localSubject: "_R_.x",
              isInvalid: false,
              isShared: false,
              isTracked: true,
              latency,
            },
          ],
        ]),
      }),
    );
    expect(text).toContain('"is_system":true,"expired"');
    expect(text).toContain(
      '"mappings":{"foo":[{"subject":"bar","weight":40},{"subject":"foo","weight":100,"cluster":"c"}]}',
    );
    expect(text).toContain(
      '"exports":[{"subject":"svc","type":"service","token_req":true,"response_type":"Singleton","service_latency":{"sampling":50,"results":"lat"},"approved_accounts":["B"],"revoked_activations":{"UX":"2023-11-14T22:13:20Z"}}]',
    );
    expect(text).toContain(
      '"responses":{"_R_.x":{"account":"B","to":"_R_.x","local_subject":"_R_.x","type":2,"invalid":false,"share":false,"tracking":true,"latency":{"sampling":50,"results":"lat"}}}',
    );
  });

  test("shows the claims in operator mode", async () => {
    const text = await detail(
      accountDetailSnapshot("A", {
        nameTag: "acc",
        claims: {
          jwt: "ey",
          issuerKey: "O",
          tags: ["t"],
          decoded: { iss: "O" },
          issues: [{ description: "d", isBlocking: true, isTimeCheck: false }],
          revokedUsers: new Map([["*", 0]]),
        },
      }),
    );
    expect(text).toContain(
      '"jwt":"ey","issuer_key":"O","name_tag":"acc","tags":["t"],"decoded_jwt":{"iss":"O"},"validation_result_jwt":[{"description":"d","blocking":true,"time_check":false}],"revoked_user":{"*":"1970-01-01T00:00:00Z"},"sublist_stats"',
    );
  });
});

describe("accstatz()", () => {
  const accounts = [
    accountDetailSnapshot("$G"),
    accountDetailSnapshot("A", { clients: 1 }),
    accountDetailSnapshot("B", { leafnodes: 2, nameTag: "b" }),
  ];
  const names = (options: Parameters<typeof accstatzReport>[2]) =>
    accstatzReport(serverSnapshot(), accounts, options).account_statz.map(({ acc }) => acc);

  test("hides accounts without a connection unless asked", () => {
    expect(names({})).toEqual(["A", "B"]);
    expect(names({ includesUnused: true })).toEqual(["$G", "A", "B"]);
    expect(names({ accounts: ["B", "$G"] })).toEqual(["B"]);
    expect(names({ accounts: ["B", "A", "nope", "B"] })).toEqual(["B", "A", "B"]);
  });

  test("shows one account", () => {
    const count = (messages: number) => ({ messages, bytes: messages * 10 });
    const account = accountDetailSnapshot("A", {
      clients: 1,
      leafnodes: 2,
      sent: { ...count(1), gateways: count(2), routes: count(3), leafnodes: count(4) },
      received: { ...count(5), gateways: count(6), routes: count(7), leafnodes: count(8) },
      slowConsumers: 9,
    });
    expect(encodeGoJson(accstatzReport(serverSnapshot(), [account]), 0)).toBe(
      '{"server_id":"NSERVER","now":"2026-03-02T09:19:26.49Z","account_statz":[{"acc":"A","name":"A","conns":1,"leafnodes":2,"total_conns":3,"num_subscriptions":4,' +
        '"sent":{"msgs":1,"bytes":10,"gateways":{"msgs":2,"bytes":20},"routes":{"msgs":3,"bytes":30},"leafs":{"msgs":4,"bytes":40}},' +
        '"received":{"msgs":5,"bytes":50,"gateways":{"msgs":6,"bytes":60},"routes":{"msgs":7,"bytes":70},"leafs":{"msgs":8,"bytes":80}},"slow_consumers":9}]}',
    );
  });
});
