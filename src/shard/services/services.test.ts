import { describe, expect, test } from "bun:test";
import type { AccountDefinition, ResponseType, ServiceLatency } from "../../account/definition.ts";
import { failedSample } from "../../account/latency.ts";
import { compileLoginRules } from "../../auth/login_rules.ts";
import { optionsOf } from "../../auth/testing/requests.ts";
import { HeldMessage, messageBytes } from "../../fabric/held_message.ts";
import { CONNECTION_FLAGS, CONNECTION_IS_CLOSED, CONTEXT_IS_RESPONSE } from "../../memory/layout.ts";
import { bytesOf } from "../../subject/byte_string.ts";
import type { Connection } from "../connection.ts";
import type { FakeSocket } from "../testing/fake_poller.ts";
import { accountDefinition, OPTIONS, pub, ShardHarness } from "../testing/shard_harness.ts";

const LATENCY: ServiceLatency = { subject: "lat", sampling: 100 };
const EXPORTER = accountDefinition(5, "EXP");
const importer = (responseType: ResponseType, responseThresholdMs = 60_000): AccountDefinition => ({
  ...accountDefinition(6, "IMP"),
  serviceImports: [
    {
      exporter: EXPORTER.id,
      exporterName: EXPORTER.name,
      local: "ask",
      remote: "svc",
      exported: "svc",
      share: false,
      responseType,
      responseThresholdMs,
      allowTrace: false,
      isSystemExport: false,
      latency: LATENCY,
    },
  ],
});
const RULES = compileLoginRules(
  optionsOf(
    "accounts { EXP { users: [ {user: exp, password: p} ] }, IMP { users: [ {user: imp, password: p} ] } }",
  ),
  "",
);

const IN_EXP = { user: "exp", pass: "p", headers: true };

/** Shards that know both accounts. */
function withAccounts(
  shardCount: number,
  responseType: ResponseType = "singleton",
  responseThresholdMs?: number,
) {
  return new ShardHarness(shardCount, {
    login: { rules: RULES, timeoutMs: 2000, calloutTargets: [] },
    accounts: [...OPTIONS.accounts, EXPORTER, importer(responseType, responseThresholdMs)],
  });
}

/** A responder and a subscriber to latencies in EXP, and a requestor in IMP. */
function setUp(responseType: ResponseType = "singleton", responseThresholdMs?: number) {
  const harness = withAccounts(1, responseType, responseThresholdMs);
  const [responder, watcher] = [1, 2].map(() => harness.connect(0, IN_EXP));
  const requestor = harness.connect(0, { user: "imp", pass: "p" });
  responder!.send("SUB svc 1\r\n");
  watcher!.send("SUB lat 1\r\n");
  harness.settle();
  return { harness, responder: responder!, watcher: watcher!, requestor };
}

/** The reply subject of the request that a responder has received. */
function replyOf(responder: FakeSocket): string {
  return /HMSG svc 1 (_R_\S+) /.exec(responder.take())![1]!;
}

/** Statuses of the received latencies. */
const statusesOf = (watcher: FakeSocket) =>
  [...watcher.take().matchAll(/"status":(\d+)/g)].map(([, status]) => Number(status));

describe("Services", () => {
  test("an answer that ends its subscription is whole, and what that means for the request comes after it", () => {
    const { harness, responder, watcher, requestor } = setUp("stream");
    requestor.send("SUB in 9\r\nUNSUB 9 1\r\n", pub("ask", "question", "in"));
    harness.settle();
    const reply = replyOf(responder);
    responder.send(pub(reply, "answer"));
    harness.turn();
    // Nobody is left to take another answer, but in this turn the answer itself was still under way.
    expect(requestor.take()).toBe("MSG in 9 6\r\nanswer\r\n");
    expect(statusesOf(watcher)).toEqual([200]);
    harness.turn();
    expect(statusesOf(watcher)).toEqual([408]);
    responder.send(pub(reply, "late"), "PING\r\n");
    harness.settle();
    expect(responder.take()).toBe("PONG\r\n");
    expect(requestor.take()).toBe("");
  });

  test("who unsubscribes gives up its requests, at the start of the next turn", () => {
    for (const inbox of ["in.1", "in.*", "*.1", ">"]) {
      const { harness, responder, watcher, requestor } = setUp();
      requestor.send(`SUB ${inbox} 9\r\n`, pub("ask", "question", "in.1"));
      harness.settle();
      requestor.send("UNSUB 9\r\n");
      harness.turn();
      expect(statusesOf(watcher)).toEqual([]);
      harness.turn();
      expect(statusesOf(watcher)).toEqual([408]);
      responder.send(pub(replyOf(responder), "late"));
      harness.settle();
      expect(statusesOf(watcher)).toEqual([]);
    }
  });

  test("a request stays while another subscription takes its answer", () => {
    const { harness, responder, watcher, requestor } = setUp();
    requestor.send("SUB in.* 8\r\nSUB in.1 9\r\n", pub("ask", "question", "in.1"));
    harness.settle();
    requestor.send("UNSUB 8\r\n");
    harness.settle();
    expect(statusesOf(watcher)).toEqual([]);
    responder.send(pub(replyOf(responder), "answer"));
    harness.settle();
    expect(requestor.take()).toBe("MSG in.1 9 6\r\nanswer\r\n");
    expect(statusesOf(watcher)).toEqual([200]);
  });

  test("a request times out however often answers come whose responders other servers measure", () => {
    const { harness, responder, watcher, requestor } = setUp("singleton", 100);
    const shard = harness.shards[0]!;
    requestor.send("SUB in 9\r\n", pub("ask", "unanswered", "in"));
    harness.settle();
    replyOf(responder);
    const endMs = performance.now() + 3000;
    const statuses: number[] = [];
    while (statuses.length === 0 && performance.now() < endMs) {
      requestor.send(pub("ask", "question", "in"));
      harness.turn();
      // The answer as the links shard hands it over: nobody here knows who has answered.
      const subject = bytesOf(replyOf(responder));
      const context = EXPORTER.id | CONTEXT_IS_RESPONSE;
      shard.sendAnswer(shard.node, HeldMessage.of(context, 0, subject, "", messageBytes(bytesOf("answer"))));
      harness.turn();
      statuses.push(...statusesOf(watcher));
    }
    expect(statuses[0]).toBe(504);
  });

  test("an answer of another shard comes before the PONG of a requestor who asks later", () => {
    const harness = withAccounts(2);
    const requestor = harness.connect(0, { user: "imp", pass: "p" });
    const [responder, neighbour] = [harness.connect(1, IN_EXP), harness.connect(0, IN_EXP)];
    responder.send("SUB svc 1\r\n");
    neighbour.send("SUB noise 1\r\n");
    requestor.send("SUB in 9\r\n", pub("ask", "question", "in"));
    harness.settle();
    // More than a turn takes of a ring, followed by the answer.
    const noise = pub("noise", "x".repeat(1000)).repeat(300);
    responder.send(noise, pub(replyOf(responder), "answer"), "PING\r\n");
    for (let i = 0; i < 20 && !responder.take().includes("PONG"); i++) harness.turn(1);
    requestor.send("UNSUB 9\r\nPING\r\n");
    harness.turn(0);
    expect(requestor.take()).toBe("MSG in 9 6\r\nanswer\r\nPONG\r\n");
  });

  test("a latency that is told while a message waits for room leaves that message as it is", () => {
    const harness = withAccounts(2);
    const shard = harness.shards[0]!;
    const watcher = harness.connect(0, IN_EXP);
    const requestor = harness.connect(0, { user: "imp", pass: "p", headers: true });
    const responder = harness.connect(1, IN_EXP);
    watcher.send("SUB lat 1\r\n");
    responder.send("SUB svc 1\r\n");
    requestor.send("SUB in 9\r\n", pub("ask", "question", "in"));
    harness.settle();
    const reply = replyOf(responder);
    const answer = messageBytes(bytesOf("answer"));
    shard.sendAnswer(
      shard.node,
      HeldMessage.of(EXPORTER.id | CONTEXT_IS_RESPONSE, 0, bytesOf(reply), "", answer),
    );
    harness.turn(0);
    const [turn, payload] = [harness.turn.bind(harness), "x".repeat(3000)];
    let isTold = false;
    harness.turn = (index) => {
      if (index === 1 && !isTold) {
        const sample = failedSample({ requestor: { account: "IMP" }, receivedAtMs: 0 }, "service timeout");
        harness.control(0, { type: "latency", account: EXPORTER.id, subject: reply, sample });
        isTold = true;
      }
      turn(index);
    };
    // More than a ring holds. Requests with headers are the host's to forward, from where they lie.
    const count = 40 * Math.ceil(harness.shared.map.ringBytes / (40 * payload.length));
    const request = `HPUB ask in 12 3012\r\nNATS/1.0\r\n\r\n${payload}\r\n`;
    for (let i = 0; i < count; i += 40) requestor.send(request.repeat(40));
    // A late turn leaves some of it to the next one.
    for (let i = 0; !isTold && i < 100 * count; i++) turn(0);
    expect(isTold).toBe(true);
    harness.turn = turn;
    harness.settle();
    expect(statusesOf(watcher).length).toBe(1);
    const requests = [...responder.take().matchAll(/HMSG svc 1 _R_\S+ (\d+) (\d+)\r\n/g)];
    expect(requests.filter(([, headers, all]) => Number(all) - Number(headers) === 3000).length).toBe(count);
  });

  test("a request of the server's in an account goes to the services that this one imports", () => {
    const { harness, responder, requestor } = setUp();
    requestor.send("SUB in 9\r\n");
    harness.settle();
    const payload = btoa("question");
    harness.control(0, { type: "request", account: 6, subject: "ask", reply: "in", headers: "", payload });
    harness.control(0, { type: "request", account: 6, subject: "else", reply: "in", headers: "", payload });
    harness.control(0, { type: "request", account: 99, subject: "ask", reply: "in", headers: "", payload });
    harness.settle();
    const asked = responder.take();
    expect(asked).toMatch(
      /^HMSG svc 1 _R_\.\w+\.\w+\S* 46 54\r\nNATS\/1.0\r\nNats-Request-Info: {"acc":"IMP"}\r\n\r\nquestion\r\n$/,
    );
    responder.send(pub(/HMSG svc 1 (\S+) /.exec(asked)![1]!, "answer"));
    harness.settle();
    expect(requestor.take()).toBe("MSG in 9 6\r\nanswer\r\n");
  });

  test("a request whose only taker is another shard is answered 503 where nobody there takes it", () => {
    const harness = new ShardHarness(2, {
      login: { rules: RULES, timeoutMs: 2000, calloutTargets: [] },
      accounts: [...OPTIONS.accounts, EXPORTER, importer("singleton")],
    });
    const watcher = harness.connect(0, { user: "exp", pass: "p" });
    const asking = { user: "imp", pass: "p", headers: true, no_responders: true };
    const [requestor, other] = [0, 1].map((shard) => harness.connect(shard, asking));
    const responder = harness.connect(1, { user: "exp", pass: "p", headers: true });
    watcher.send("SUB lat 1\r\n");
    requestor!.send("SUB in 9\r\n");
    // A subscriber in the requestor's own account: a way of its own, which must be closed as well.
    other!.send("SUB ask 1\r\n");
    responder.send("SUB svc 1\r\n");
    harness.settle();
    const { connections, shared } = harness.shards[1]!;
    const [ofOther, ofResponder] = connections.filter((connection) => connection != null);
    const close = ({ address }: Connection) => {
      shared.words[(address + CONNECTION_FLAGS) >> 2]! |= CONNECTION_IS_CLOSED;
    };
    // The subscribers go between the turn that publishes and the one that delivers.
    close(ofResponder!);
    requestor!.send(pub("ask", "question", "in"));
    harness.settle();
    expect(other!.take()).toBe("MSG ask 1 in 8\r\nquestion\r\n");
    expect([requestor!.take(), statusesOf(watcher)]).toEqual(["", [503]]);
    close(ofOther!);
    requestor!.send(pub("ask", "question", "in"));
    harness.settle();
    expect(requestor!.take()).toBe("HMSG in 9 35 35\r\nNATS/1.0 503\r\nNats-Subject: ask\r\n\r\n\r\n");
    expect(statusesOf(watcher)).toEqual([503]);
  });

  test("that nobody took a request on another shard is not said of an earlier one with the same reply", () => {
    const harness = new ShardHarness(2, {
      login: { rules: RULES, timeoutMs: 2000, calloutTargets: [] },
      accounts: [...OPTIONS.accounts, EXPORTER, importer("stream")],
    });
    const asking = { user: "imp", pass: "p", headers: true, no_responders: true };
    const [requestor, other] = [0, 1].map((shard) => harness.connect(shard, asking));
    const responder = harness.connect(0, { user: "exp", pass: "p", headers: true });
    requestor!.send("SUB in 9\r\n");
    responder.send("SUB svc 1\r\n");
    harness.settle();
    requestor!.send(pub("ask", "first", "in"));
    harness.settle();
    other!.send("SUB ask 1\r\n");
    harness.settle();
    const { connections, shared } = harness.shards[1]!;
    const [ofOther] = connections.filter((connection) => connection != null);
    shared.words[(ofOther!.address + CONNECTION_FLAGS) >> 2]! |= CONNECTION_IS_CLOSED;
    requestor!.send(pub("ask", "second", "in"));
    harness.settle();
    expect(responder.take().match(/first|second/g)).toEqual(["first", "second"]);
    expect(requestor!.take()).toBe("");
  });
});
