import { describe, expect, test } from "bun:test";
import type { AccountDefinition } from "../../account/definition.ts";
import type { Login, LoginRefusal } from "../../auth/login.ts";
import { AREA_PINNED_ACCOUNT_FAILURES } from "../../memory/layout.ts";
import { NODE_SHARD_FIRST } from "../../memory/map.ts";
import { counterValue } from "../../memory/shared_memory.ts";
import { accountDefinition, OPTIONS, pub, ShardHarness } from "../testing/shard_harness.ts";
import type { ConnectionPage, ConnectionRecord, ResponseRecord } from "./records.ts";
import type { ConnectionOrder, ShardQuery } from "./shard_queries.ts";

const EXPORTER: AccountDefinition = { ...accountDefinition(3, "EXP"), nameTag: "exporter" };
const IMPORTER: AccountDefinition = {
  ...accountDefinition(4, "IMP"),
  serviceImports: [
    {
      exporter: 3,
      exporterName: "EXP",
      local: "ask",
      remote: "svc",
      exported: "svc",
      share: true,
      responseType: "singleton",
      responseThresholdMs: 1000,
      allowTrace: false,
      isSystemExport: false,
    },
  ],
};

const LOGIN: Login = {
  kind: "login",
  identityKind: "jwt",
  user: "UKEY",
  nkey: "",
  account: "EXP",
  permissions: null,
  hasDefaultPermissions: false,
  maxSubscriptions: -1,
  maxPayloadBytes: -1,
  expiresAtMs: null,
  jwt: "eyJ",
  publicKey: "UKEY",
  issuerKey: "AKEY",
  nameTag: "bob",
  tags: ["t"],
  accountNameTag: "",
  isBearer: false,
  issuedAtS: 0,
  proxyKey: "PKEY",
  logs: [],
};

const REFUSAL: LoginRefusal = {
  kind: "refusal",
  reason: "authorization violation",
  account: "$G",
  identityKind: "user",
  user: "mallory",
  jwt: "eyM",
  judgedJwt: "eyM",
  proxyKey: "PKEY",
  bound: null,
  eventReason: "Authentication Failure",
  isPinnedAccountFailure: false,
  logs: [],
};

/** A shard whose logins are judged elsewhere. */
function harness(): ShardHarness {
  const rules = { ...OPTIONS.login.rules, isOperatorMode: true };
  return new ShardHarness(1, {
    login: { rules, timeoutMs: 2000, calloutTargets: [] },
    accounts: [...OPTIONS.accounts, EXPORTER, IMPORTER],
  });
}

/** A client whose CONNECT was answered by that verdict. */
function connect(shard: ShardHarness, verdict: Login | LoginRefusal) {
  const socket = shard.open();
  socket.send('CONNECT {"verbose":false}\r\n');
  shard.settle();
  const { slot, clientId, loginNumber, isAgain } = shard.questions.at(-1)!;
  shard.control(0, { type: "verdict", slot, clientId, loginNumber, isAgain, verdict });
  shard.settle();
  socket.take();
  return socket;
}

function ask<T>(shard: ShardHarness, query: ShardQuery): T {
  shard.control(0, { type: "query", id: 1, query });
  shard.settle();
  const answer = shard.reports.findLast(({ type }) => type === "answer");
  if (answer?.type !== "answer") throw new Error("the shard has not answered");
  return JSON.parse(answer.json) as T;
}

const ALL = {
  what: "connections",
  order: "cid",
  count: 10,
  clientId: 0,
  user: "",
  account: "",
  subject: "",
} as const;

function openConnections(shard: ShardHarness): readonly ConnectionRecord[] {
  return ask<ConnectionPage>(shard, { ...ALL, subscriptions: true }).connections;
}

function closedConnections(shard: ShardHarness): ConnectionRecord[] {
  ask(shard, { what: "done" });
  return shard.reports.flatMap((report) => (report.type === "closed" ? JSON.parse(report.json) : []));
}

describe("connectionRecord()", () => {
  test("says who is logged in, and what the account is called", () => {
    const shard = harness();
    const socket = connect(shard, LOGIN);
    socket.send("SUB a 1\r\n");
    shard.settle();
    expect(openConnections(shard)).toMatchObject([
      {
        user: "UKEY",
        account: "EXP",
        accountNameTag: "exporter",
        userNameTag: "bob",
        jwt: "eyJ",
        issuerKey: "AKEY",
        tags: ["t"],
        proxyKey: "PKEY",
        subscriptions: [{ subject: "a", account: "EXP", accountNameTag: "exporter" }],
      },
    ]);
  });

  test("keeps the token of a bearer back", () => {
    const shard = harness();
    connect(shard, { ...LOGIN, isBearer: true });
    expect(openConnections(shard)).toMatchObject([{ user: "UKEY", jwt: "" }]);
  });

  test("says of a client that was refused who it said it was", () => {
    const shard = harness();
    connect(shard, REFUSAL);
    expect(closedConnections(shard)).toMatchObject([
      { user: "mallory", account: "$G", jwt: "eyM", proxyKey: "PKEY", reason: "Authentication Failure" },
    ]);
  });
});

test("logins into accounts that are not pinned are counted", () => {
  const shard = harness();
  connect(shard, REFUSAL);
  connect(shard, { ...REFUSAL, isPinnedAccountFailure: true });
  const { words, map } = shard.shared;
  expect(counterValue(words, map.area(NODE_SHARD_FIRST).area + AREA_PINNED_ACCOUNT_FAILURES)).toBe(1);
});

test("answers are due by their reply subject until they come", () => {
  const shard = harness();
  const [responder, requestor] = [connect(shard, LOGIN), connect(shard, { ...LOGIN, account: "IMP" })];
  responder.send("SUB svc 1\r\n");
  requestor.send("SUB in.* 1\r\n", pub("ask", "?", "in.1"));
  shard.settle();
  const due = ask<ResponseRecord[]>(shard, { what: "responses", account: "EXP" });
  expect(due).toMatchObject([{ account: "IMP", reply: "in.1", isShared: true, latency: null }]);
  const { subject } = due[0]!;
  expect(responder.take()).toContain(` ${subject} `);
  expect(ask<ResponseRecord[]>(shard, { what: "responses", account: "IMP" })).toEqual([]);
  expect(ask<ResponseRecord[]>(shard, { what: "responses", account: "nobody" })).toEqual([]);
  responder.send(pub(subject, "!"));
  shard.settle();
  expect(ask<ResponseRecord[]>(shard, { what: "responses", account: "EXP" })).toEqual([]);
});

test("a page of connections holds the first in its order, of equals those with the lowest ids", () => {
  const shard = new ShardHarness(1);
  const sockets = Array.from({ length: 4 }, () => shard.open());
  for (const socket of sockets) socket.send('CONNECT {"verbose":false}\r\n');
  sockets[2]!.send(pub("a", "b"));
  shard.settle();
  const ids = openConnections(shard).map(({ clientId }) => clientId);
  const first = (order: ConnectionOrder, count: number) =>
    ask<ConnectionPage>(shard, { ...ALL, order, count, subscriptions: false })
      .connections.map(({ clientId }) => ids.indexOf(clientId))
      .sort();
  expect(first("cid", 2)).toEqual([0, 1]);
  expect(first("msgs_from", 1)).toEqual([2]);
  expect(first("msgs_from", 3)).toEqual([0, 1, 2]);
  expect(first("bytes_to", 2)).toEqual([0, 1]);
});

test("main is told of closed connections many at once, and of all before it is answered", () => {
  const shard = new ShardHarness(1);
  const closeOne = () => {
    shard.open().isEnded = true;
    shard.settle();
  };
  const told = () => shard.reports.flatMap((report) => (report.type === "closed" ? [report.count] : []));
  for (let closed = 1; closed < 64; closed++) closeOne();
  expect(told()).toEqual([]);
  closeOne();
  expect(told()).toEqual([64]);
  closeOne();
  expect(openConnections(shard)).toEqual([]);
  expect(told()).toEqual([64, 1]);
  expect(new Set(closedConnections(shard).map(({ clientId }) => clientId)).size).toBe(65);
});
