import { describe, expect, test } from "bun:test";
import { AccountIds } from "../../account/account_ids.ts";
import { configureAccounts, systemAccountOf } from "../../account/config_accounts.ts";
import type { AccountDefinition, ServiceImport } from "../../account/definition.ts";
import type { AccountDescription } from "../../account/description.ts";
import { optionsOf } from "../../auth/testing/requests.ts";
import { NO_COUNTERS } from "../../shard/watch/account_counters.ts";
import {
  accountSnapshot,
  claimsSnapshot,
  describedAccount,
  nameTagOf,
  responseSnapshot,
} from "./account_snapshots.ts";

function described(config: string, name: string): AccountDescription {
  const options = optionsOf(config);
  const { definitions, exports } = configureAccounts(options, new AccountIds(systemAccountOf(options)));
  const definition = definitions.find((each) => each.name === name)!;
  return { definition, exports: exports.get(name)!, lapsedImports: [], isComplete: true };
}

const CONFIG = `accounts {
  A {
    mappings { m: { destination: n, weight: 30 } }
    exports: [
      { service: "q.*.*", response: stream, accounts: [B] }
      { service: measured, latency: { sampling: headers, subject: lat } }
      { stream: "s.>" }
    ]
  }
  B {
    imports: [
      { service: { account: A, subject: "q.*.*" }, to: "l.$2.$1", share: true }
      { service: { account: A, subject: measured } }
      { stream: { account: A, subject: "s.>" }, prefix: p }
    ]
  }
}`;

test("nameTagOf() falls back on the name", () => {
  const { definition } = described(CONFIG, "A");
  expect(nameTagOf(definition)).toBe("A");
  expect(nameTagOf({ ...definition, nameTag: "acme" })).toBe("acme");
});

test("accountSnapshot() counts what its connections sent as received", () => {
  const { definition } = described(CONFIG, "A");
  const counters = { ...NO_COUNTERS, connections: 2, inMessages: 3, inBytes: 4, outMessages: 5, outBytes: 6 };
  expect(accountSnapshot(definition, counters)).toMatchObject({
    name: "A",
    clients: 2,
    received: { messages: 3, bytes: 4 },
    sent: { messages: 5, bytes: 6 },
  });
});

describe("describedAccount()", () => {
  test("shows mappings and exports", () => {
    const shown = describedAccount(described(CONFIG, "A"));
    expect([...shown.mappings]).toEqual([
      [
        "m",
        [
          { subject: "n", weightPercent: 30, cluster: "" },
          { subject: "m", weightPercent: 100, cluster: "" },
        ],
      ],
    ]);
    expect(shown.exports).toMatchObject([
      { subject: "q.*.*", type: "service", responseType: "Streamed", approvedAccounts: ["B"], latency: null },
      {
        subject: "measured",
        responseType: "Singleton",
        latency: { sampling: "headers", resultSubject: "lat" },
      },
      { subject: "s.>", type: "stream", responseType: "" },
    ]);
  });

  test("shows imports by their patterns on either side", () => {
    const common = { account: "A", isInvalid: false, isTracked: false };
    const latency = { sampling: "headers", resultSubject: "lat" } as const;
    const { imports } = describedAccount(described(CONFIG, "B"));
    expect(imports.filter(({ account }) => account === "A")).toEqual([
      { ...common, type: "stream", subject: "s.>", localSubject: "p.s.>", isShared: false, latency: null },
      { ...common, type: "service", subject: "q.*.*", localSubject: "l.*.*", isShared: true, latency: null },
      { ...common, type: "service", subject: "measured", localSubject: "measured", isShared: false, latency },
    ]);
  });

  test("shows imports that lapsed as invalid", () => {
    const description = described(CONFIG, "B");
    const [lapsed] = description.definition.serviceImports as readonly ServiceImport[];
    const definition: AccountDefinition = {
      ...description.definition,
      serviceImports: [],
      streamImports: [],
    };
    const { imports } = describedAccount({ ...description, definition, lapsedImports: [lapsed!] });
    expect(imports).toMatchObject([{ subject: "q.*.*", isInvalid: true }]);
  });

  test("shows dollars in a literal as they are", () => {
    const config = `no_system_account: true
      accounts { A { exports: [{ service: "a.$1" }] }, B { imports: [{ service: { account: A, subject: "a.$1" } }] } }`;
    expect(describedAccount(described(config, "B")).imports).toMatchObject([{ subject: "a.$1" }]);
  });
});

test("claimsSnapshot() turns seconds into milliseconds", () => {
  const snapshot = claimsSnapshot({
    jwt: "eyJ",
    issuer: "O",
    tags: ["t"],
    decoded: { sub: "A" },
    issues: [{ text: "claim is expired", isBlocking: false, isTimeCheck: true }],
    revocations: new Map([["*", 3]]),
  });
  expect(snapshot).toEqual({
    jwt: "eyJ",
    issuerKey: "O",
    tags: ["t"],
    decoded: { sub: "A" },
    issues: [{ description: "claim is expired", isBlocking: false, isTimeCheck: true }],
    revokedUsers: new Map([["*", 3000]]),
  });
});

test("responseSnapshot() turns an answer round: where it is published is the local side", () => {
  const latency = { subject: "lat", sampling: 50 };
  const response = { subject: "_R_.1", account: "B", reply: "in.1", isShared: true, latency };
  expect(responseSnapshot(response)).toEqual({
    type: "service",
    subject: "in.1",
    account: "B",
    localSubject: "_R_.1",
    isInvalid: false,
    isShared: true,
    isTracked: true,
    latency: { sampling: 50, resultSubject: "lat" },
  });
  expect(responseSnapshot({ ...response, latency: null })).toMatchObject({ isTracked: false, latency: null });
});
