import { describe, expect, test } from "bun:test";
import type { AccountDefinition, ServiceImport, StreamImport } from "../../account/definition.ts";
import { compileLoginRules } from "../../auth/login_rules.ts";
import { optionsOf } from "../../auth/testing/requests.ts";
import {
  CONNECTION_FLAGS,
  CONNECTION_IS_CLOSED,
  REQUESTS_COUNT,
  REQUESTS_ENTRIES_COUNT,
  RING_HEAD,
} from "../../memory/layout.ts";
import { NODE_ACCEPTOR, NODE_LOGINS, NODE_MAIN, NODE_SHARD_FIRST } from "../../memory/map.ts";
import type { FakeSocket } from "../testing/fake_poller.ts";
import { accountDefinition, msg, OPTIONS, pub, ShardHarness } from "../testing/shard_harness.ts";

const EXPORTER = accountDefinition(5, "EXP");
const OTHER = accountDefinition(7, "OTHER");
const RULES = compileLoginRules(
  optionsOf(
    `accounts {
      EXP { users: [ {user: exp, password: p} ] }, IMP { users: [ {user: imp, password: p} ] }
      OTHER { users: [ {user: other, password: p} ] }
    }`,
  ),
  "",
);

function importer(
  more: Partial<ServiceImport> = {},
  mappings: AccountDefinition["mappings"] = [],
): AccountDefinition {
  const service: ServiceImport = {
    exporter: EXPORTER.id,
    exporterName: EXPORTER.name,
    local: "ask.*",
    remote: "svc.$1",
    exported: "svc.*",
    share: false,
    responseType: "singleton",
    responseThresholdMs: 60_000,
    allowTrace: false,
    isSystemExport: false,
    ...more,
  };
  return { ...accountDefinition(6, "IMP"), serviceImports: [service], mappings };
}

/** A stream import of OTHER that keeps the subjects. */
function streamImport(exporter: AccountDefinition, subjects: string): StreamImport {
  return {
    exporter: exporter.id,
    exporterName: exporter.name,
    from: subjects,
    to: subjects,
    local: subjects,
    allowTrace: false,
  };
}

/** Number of requests that the engine of a shard remembers. */
function remembered({ shared }: ShardHarness, shard = 0): number {
  return shared.words[(shared.map.area(NODE_SHARD_FIRST + shard).requests + REQUESTS_COUNT) >> 2]!;
}

/** A requestor on the first shard and a responder on the last; earlier requests have made the next one the engine's. */
function setUp(
  more: Partial<ServiceImport> = {},
  shardCount = 1,
  streamImports: readonly StreamImport[] = [],
  mappings: AccountDefinition["mappings"] = [],
) {
  const harness = new ShardHarness(shardCount, {
    login: { rules: RULES, timeoutMs: 2000, calloutTargets: [] },
    accounts: [...OPTIONS.accounts, EXPORTER, importer(more, mappings), { ...OTHER, streamImports }],
  });
  const responder = harness.connect(shardCount - 1, { user: "exp", pass: "p", headers: true });
  const requestor = harness.connect(0, { user: "imp", pass: "p", headers: true, no_responders: true });
  responder.send("SUB svc.* 1\r\n");
  requestor.send("SUB in.* 9\r\n");
  harness.settle();
  for (let i = 0; i < 6; i++) {
    requestor.send(pub("ask.a", "warm", "in.w"));
    harness.settle();
    responder.send(pub(replyOf(responder), "warm"));
    harness.settle();
    expect(requestor.take()).toBe(msg("in.w", 9, "warm"));
  }
  return { harness, responder, requestor };
}

function replyOf(responder: FakeSocket): string {
  return /HMSG svc.a 1 (_R_\.\w{6}\.\w{6}) /.exec(responder.take())![1]!;
}

/** Sends a request that the engine remembers; returns its reply subject. */
function ask({ harness, requestor, responder }: ReturnType<typeof setUp>, reply = "in.1"): string {
  requestor.send(pub("ask.a", "question", reply));
  harness.settle();
  expect(remembered(harness)).toBe(1);
  return replyOf(responder);
}

describe("requests that the engine forwards", () => {
  test("arrive as those that the host forwards, and are answered once", () => {
    for (const shardCount of [1, 2]) {
      const world = setUp({}, shardCount);
      const { harness, responder, requestor } = world;
      requestor.send(pub("ask.a", "question", "in.1"));
      harness.settle();
      expect(remembered(harness)).toBe(1);
      const asked = responder.take();
      expect(asked).toMatch(
        /^HMSG svc.a 1 _R_\.\w{6}\.\w{6} (\d+) (\d+)\r\nNATS\/1.0\r\nNats-Request-Info: {"acc":"IMP","rtt":\d+}\r\n\r\nquestion\r\n$/,
      );
      const [, block, total] = /1 \S+ (\d+) (\d+)\r\n/.exec(asked)!;
      expect(Number(total) - Number(block)).toBe("question".length);
      expect(asked.indexOf("question") - asked.indexOf("NATS/1.0")).toBe(Number(block));
      const reply = /(_R_\S+)/.exec(asked)![1]!;
      responder.send(pub(reply, "answer"), pub(reply, "another"));
      harness.settle();
      expect(requestor.take()).toBe(msg("in.1", 9, "answer"));
      expect(remembered(harness)).toBe(0);
    }
  });

  test("are in an account with mappings those whose reply is an inbox that none of them is about", () => {
    const to = (subject: string) => [{ subject, weight: 100, cluster: undefined }];
    const mappings = [{ source: "at.*", destinations: to("in.$1") }];
    const { harness, responder, requestor } = setUp({}, 1, [], mappings);
    requestor.send("SUB _INBOX.* 8\r\nSUB _INBOXa 7\r\n");
    for (const [reply, isEngines, answer] of [
      ["_INBOX.a", true, msg("_INBOX.a", 8, "answer")],
      ["_INBOXa", false, msg("_INBOXa", 7, "answer")],
      ["at.1", false, msg("in.1", 9, "answer")],
    ] as const) {
      requestor.send(pub("ask.a", "question", reply));
      harness.settle();
      expect([reply, remembered(harness)]).toEqual([reply, isEngines ? 1 : 0]);
      responder.send(pub(replyOf(responder), "answer"));
      harness.settle();
      expect(requestor.take()).toBe(answer);
    }
    const ofInboxes = setUp({}, 1, [], [{ source: "*.b", destinations: to("in.$1") }]);
    ofInboxes.requestor.send(pub("ask.a", "question", "_INBOX.b"));
    ofInboxes.harness.settle();
    expect(remembered(ofInboxes.harness)).toBe(0);
    ofInboxes.responder.send(pub(replyOf(ofInboxes.responder), "answer"));
    ofInboxes.harness.settle();
    expect(ofInboxes.requestor.take()).toBe(msg("in._INBOX", 9, "answer"));
  });

  test("of any size, many in one read, come whole and in order", () => {
    for (const shardCount of [1, 2]) {
      const { harness, responder, requestor } = setUp({}, shardCount);
      for (const size of [0, 16, 511, 512, 5000, 90_000]) {
        const payloads = ["a", "b", "c"].map((letter) => letter.repeat(size));
        requestor.send(payloads.map((payload, i) => pub("ask.a", payload, `in.${i}`)).join(""));
        harness.settle();
        const asked = responder.take();
        expect([...asked.matchAll(/}\r\n\r\n(\w*)\r\n/g)].map(([, payload]) => payload)).toEqual(payloads);
        const replies = [...asked.matchAll(/ (_R_\S+) /g)].map(([, reply]) => reply!);
        responder.send(replies.map((reply, i) => pub(reply, payloads[i]!)).join(""));
        harness.settle();
        expect(requestor.take()).toBe(payloads.map((payload, i) => msg(`in.${i}`, 9, payload)).join(""));
      }
      requestor.send(pub("ask.a", "no reply"));
      harness.settle();
      expect(responder.take()).toMatch(/^HMSG svc.a 1 \d+ \d+\r\n.*}\r\n\r\nno reply\r\n$/s);
      expect(remembered(harness)).toBe(0);
    }
  });

  test("are heard in their own account too", () => {
    const world = setUp();
    const { harness, requestor } = world;
    requestor.send("SUB ask.> 5\r\n");
    const reply = ask(world);
    expect(requestor.take()).toBe(msg("ask.a", 5, "question", "in.1"));
    expect(reply).toMatch(/^_R_/);
    harness.settle();
  });

  test("are no messages of streams that other accounts import, on no shard, nor are their answers", () => {
    for (const shardCount of [1, 2]) {
      const world = setUp({}, shardCount, [
        streamImport(EXPORTER, "svc.*"),
        streamImport(importer(), "in.*"),
      ]);
      const { harness, responder, requestor } = world;
      const others = harness.shards.map((_, shard) => harness.connect(shard, { user: "other", pass: "p" }));
      for (const other of others) other.send("SUB > 3\r\n");
      const second = harness.connect(shardCount - 1, { user: "imp", pass: "p" });
      second.send("SUB in.* 4\r\n");
      harness.settle();
      for (let i = 0; i < 4; i++) {
        responder.send(pub(ask(world), "answer"));
        harness.settle();
        expect([requestor.take(), second.take()]).toEqual([
          msg("in.1", 9, "answer"),
          msg("in.1", 4, "answer"),
        ]);
        expect(others.map((other) => other.take()).join("")).toBe("");
      }
      responder.send(pub("svc.b", "plain"));
      harness.settle();
      for (const other of others) expect(other.take()).toBe(msg("svc.b", 3, "plain"));
    }
  });

  test("answers are heard by whoever subscribes to their subjects, by pattern or each by itself", () => {
    const patterns = [
      "_R_.>",
      ">",
      "*.*.*",
      "_R_.*.TOKEN",
      "*.*.TOKEN",
      "_R_.ACCOUNT.*",
      "_R_.ACCOUNT.TOKEN",
    ];
    for (const pattern of patterns) {
      const world = setUp();
      const { harness, responder, requestor } = world;
      const tap = harness.connect(0, { user: "exp", pass: "p" });
      const reply = ask(world);
      const [, account, token] = reply.split(".");
      tap.send(`SUB ${pattern.replace("ACCOUNT", account!).replace("TOKEN", token!)} 4\r\n`);
      harness.settle();
      responder.send(pub(reply, "answer"));
      harness.settle();
      expect(tap.take()).toBe(msg(reply, 4, "answer"));
      expect(requestor.take()).toBe(msg("in.1", 9, "answer"));
    }
  });

  test("are answered by nobody but the account that was asked", () => {
    const world = setUp();
    const { harness, responder, requestor } = world;
    const reply = ask(world);
    const stranger = harness.connect(0, { user: "other", pass: "p" });
    // The reply subject as it is, and as it would be if the stranger's account had been asked.
    stranger.send(pub(reply, "forged"));
    requestor.send(pub(reply, "forged"));
    const token = reply.split(".")[2]!;
    stranger.send(pub(`_R_.${prefixOf(harness, OTHER.id)}.${token}`, "forged"));
    harness.settle();
    expect(requestor.take()).toBe("");
    responder.send(pub(reply, "answer"));
    harness.settle();
    expect(requestor.take()).toBe(msg("in.1", 9, "answer"));
  });

  test("are the host's to answer with headers, or where the answer wants one itself", () => {
    for (const shardCount of [1, 2]) {
      const world = setUp({}, shardCount);
      const { harness, responder, requestor } = world;
      const headed = "17 19\r\nNATS/1.0\r\nA:b\r\n\r\nok\r\n";
      responder.send(`HPUB ${ask(world)} ${headed}`);
      harness.settle();
      expect(requestor.take()).toBe(`HMSG in.1 9 ${headed}`);
      responder.send("SUB back 2\r\n", pub(ask(world), "and you?", "back"));
      harness.settle();
      const back = /^MSG in.1 9 (_R_\S+) 8\r\nand you\?\r\n$/.exec(requestor.take())![1]!;
      requestor.send(pub(back, "me"));
      harness.settle();
      expect(responder.take()).toBe(msg("back", 2, "me"));
    }
  });

  test("are given up when nobody is left to take the answer", () => {
    const world = setUp();
    const { harness, responder, requestor } = world;
    const reply = ask(world);
    requestor.send("UNSUB 9\r\n");
    harness.settle();
    harness.turn();
    expect(remembered(harness)).toBe(0);
    requestor.send("SUB in.* 9\r\n");
    harness.settle();
    responder.send(pub(reply, "late"));
    harness.settle();
    expect(requestor.take()).toBe("");
  });

  test("are given up by their replies, not with others that begin alike", () => {
    const world = setUp();
    const { harness, responder, requestor } = world;
    requestor.send("UNSUB 9\r\n", "SUB in.box.1 1\r\n", "SUB in.box.2 2\r\n");
    harness.settle();
    requestor.send(pub("ask.a", "q", "in.box.1"), pub("ask.a", "q", "in.box.2"));
    harness.settle();
    const replies = [...responder.take().matchAll(/ (_R_\S+) /g)].map(([, reply]) => reply!);
    expect(remembered(harness)).toBe(2);
    requestor.send("UNSUB 1\r\n");
    harness.settle();
    harness.turn();
    expect(remembered(harness)).toBe(1);
    responder.send(...replies.map((reply) => pub(reply, "answer")));
    harness.settle();
    expect([requestor.take(), remembered(harness)]).toEqual([msg("in.box.2", 2, "answer"), 0]);
  });

  test("answers that name a thread without connections as theirs are nobody's", () => {
    const world = setUp();
    const { harness } = world;
    const responder = harness.connect(0, { user: "exp", pass: "p", headers: true, no_responders: true });
    responder.send("SUB back 2\r\n");
    const head = ask(world).slice(0, -"3AAAAA".length);
    for (const node of [NODE_MAIN, NODE_LOGINS, NODE_ACCEPTOR]) {
      responder.send(pub(`${head}${node}AAAAA`, "answer", "back"), pub(`${head}${node}AAAAA`, "answer"));
      harness.settle();
      expect(responder.take()).toContain("NATS/1.0 503");
      const out = harness.shared.map.ring(NODE_SHARD_FIRST, node);
      expect(out === 0 ? 0 : harness.shared.words[(out + RING_HEAD) >> 2]!).toBe(0);
    }
  });

  test("are given up when their time is over", () => {
    const world = setUp({ responseThresholdMs: 20 });
    const { harness, responder, requestor } = world;
    const reply = ask(world);
    const endMs = performance.now() + 5000;
    while (remembered(harness) > 0 && performance.now() < endMs) harness.turn();
    responder.send(pub(reply, "late"));
    harness.settle();
    expect([remembered(harness), requestor.take()]).toEqual([0, ""]);
  });

  test("get a 503 where nobody takes them, at once or as it turns out on another shard", () => {
    const noResponders = "HMSG in.1 9 37 37\r\nNATS/1.0 503\r\nNats-Subject: ask.a\r\n\r\n\r\n";
    for (const shardCount of [1, 2]) {
      const { harness, responder, requestor } = setUp({}, shardCount);
      const { connections, shared } = harness.shards[shardCount - 1]!;
      const there = connections.find((connection) => connection?.account.id === EXPORTER.id)!;
      // The subscriber goes between the turn that publishes and the one that delivers.
      shared.words[(there.address + CONNECTION_FLAGS) >> 2]! |= CONNECTION_IS_CLOSED;
      requestor.send(pub("ask.a", "question", "in.1"));
      harness.settle();
      expect([requestor.take(), remembered(harness)]).toEqual([noResponders, 0]);
      shared.words[(there.address + CONNECTION_FLAGS) >> 2]! &= ~CONNECTION_IS_CLOSED;
      responder.send("UNSUB 1\r\n");
      harness.settle();
      for (let i = 0; i < 4; i++) {
        requestor.send(pub("ask.a", "question", "in.1"));
        harness.settle();
        expect([requestor.take(), remembered(harness)]).toEqual([noResponders, 0]);
      }
    }
  });

  test("are the host's beyond those that the engine has room for", () => {
    const { harness, responder, requestor } = setUp();
    const count = REQUESTS_ENTRIES_COUNT + 1000;
    const replies: string[] = [];
    for (let i = 0; i < count; i++) {
      requestor.send(pub("ask.a", "q", `in.${i}`));
      if (i % 500 !== 499 && i !== count - 1) continue;
      harness.settle();
      replies.push(...[...responder.take().matchAll(/ (_R_\S+) /g)].map(([, reply]) => reply!));
    }
    expect([new Set(replies).size, remembered(harness)]).toEqual([count, REQUESTS_ENTRIES_COUNT]);
    responder.send(...replies.map((reply) => pub(reply, "a")));
    harness.settle();
    const expected = replies.map((_, i) => msg(`in.${i}`, 9, "a")).join("");
    // The client is pinged if this takes long.
    expect(requestor.take().replaceAll("PING\r\n", "") === expected).toBe(true);
    expect(remembered(harness)).toBe(0);
  });

  test("tell services what is known of a client by then", () => {
    const { harness, responder, requestor } = setUp({ share: true });
    const roundTrip = () => {
      requestor.send(pub("ask.a", "question"));
      harness.settle();
      return /"rtt":(\d+)/.exec(responder.take())![1]!;
    };
    const before = roundTrip();
    const connection = harness.shards[0]!.connections.find((each) => each?.account.name === "IMP")!;
    connection.pingSentMs = performance.now() - 1000;
    requestor.send("PONG\r\n");
    harness.settle();
    expect(Number(roundTrip())).toBeGreaterThan(1e9);
    expect(Number(before)).toBeLessThan(1e9);
  });

  test("tell services what a client has said in its last CONNECT", () => {
    const { harness, responder, requestor } = setUp({ share: true });
    for (const name of ["one", "two"]) {
      requestor.send(`CONNECT {"user":"imp","pass":"p","name":"${name}","headers":true,"verbose":false}\r\n`);
      harness.settle();
      for (let i = 0; i < 3; i++) {
        requestor.send(pub("ask.a", "question"));
        harness.settle();
        expect(responder.take()).toContain(`"name":"${name}"`);
      }
    }
  });

  test("whose requestor is somebody else in the slot of one who is gone are told of the new one", () => {
    const { harness, responder, requestor } = setUp({ share: true });
    requestor.isEnded = true;
    harness.settle();
    const next = harness.connect(0, { user: "imp", pass: "p", name: "next", headers: true });
    next.send(pub("ask.a", "question"));
    harness.settle();
    expect(responder.take()).toContain('"name":"next"');
  });
});

/** The account's part of the reply subjects of requests to its services. */
function prefixOf(harness: ShardHarness, account: number): string {
  return harness.shards[0]!.replySubjects.patternOf(account).split(".")[1]!;
}
