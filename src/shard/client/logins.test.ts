import { describe, expect, test } from "bun:test";
import type { Login } from "../../auth/login.ts";
import { compileLoginRules, type LoginRules } from "../../auth/login_rules.ts";
import { optionsOf } from "../../auth/testing/requests.ts";
import { loginOf, refusalOf } from "../../auth/verdict.ts";
import { CONNECTION_BYTES, CONNECTION_CLIENT } from "../../memory/layout.ts";
import { NODE_SHARD_FIRST } from "../../memory/map.ts";
import type { LoginQuestion } from "../shard_messages.ts";
import type { FakeSocket } from "../testing/fake_poller.ts";
import { msg, OPTIONS, pub, ShardHarness } from "../testing/shard_harness.ts";

const ISSUER = "AAB2CB576PHBBPQ5ODORRZ2LYCMWPZGWGCN2KDK7DXOIMZASKUY3QPZV";

/** A callout service decides about everybody but `auth`. */
const rules = (user = "foo"): LoginRules =>
  compileLoginRules(
    optionsOf(`authorization {
      users: [ { user: auth, password: p }, { user: ${user}, password: p } ]
      auth_callout { issuer: ${ISSUER}, auth_users: [auth] }
    }`),
    "",
  );

/** A paused producer is read again by then. */
const PAUSE_IS_OVER_MS = 30;

const CLAIMED = { nkey: "", user: "", password: "", authToken: "", jwt: "", publicKey: "" };
const entered = (user: string, more: Partial<Login> = {}) =>
  loginOf({ ...CLAIMED, user }, { account: "$G", permissions: null, proxyKey: "", ...more });
const REFUSED = refusalOf({ ...CLAIMED, user: "dave" }, "authorization violation", "$G", []);

class Asking {
  readonly harness = new ShardHarness(1, { login: { rules: rules(), timeoutMs: 2000, calloutTargets: [] } });

  /** A client that has sent CONNECT and `more`, and waits for its verdict. */
  open(user: string, more = ""): FakeSocket {
    const socket = this.harness.open();
    socket.send(`CONNECT {"verbose":false,"user":"${user}","pass":"p"}\r\n${more}`);
    this.harness.settle();
    socket.take();
    return socket;
  }

  /** The only question that has not been answered. */
  question(): LoginQuestion {
    const [question, ...others] = this.harness.questions.splice(0);
    expect(others).toEqual([]);
    return question!;
  }

  answer({ slot, clientId, loginNumber, isAgain }: LoginQuestion, verdict: Login | typeof REFUSED): void {
    this.harness.control(0, { type: "verdict", slot, clientId, loginNumber, isAgain, verdict });
    this.harness.settle();
  }

  reload(changed: LoginRules, calloutTargets: readonly unknown[] = []): void {
    const { info } = this.harness.shards[0]!;
    const options = { ...OPTIONS, login: { rules: changed, timeoutMs: 2000, calloutTargets } };
    this.harness.control(0, { type: "options", options, info });
    this.harness.settle();
  }

  /** The client id of a slot's record, which the logins thread checks before it judges. */
  clientOf({ slot }: LoginQuestion): number {
    const { words, map } = this.harness.shared;
    return words[
      (map.area(NODE_SHARD_FIRST).connections + slot * CONNECTION_BYTES + CONNECTION_CLIENT) >> 2
    ]!;
  }
}

describe("a login that is judged elsewhere", () => {
  test("holds up what the client sends, and nobody else", () => {
    const asking = new Asking();
    const own = asking.harness.connect(0, { user: "auth", pass: "p" });
    const client = asking.open("dave", `SUB a 1\r\n${pub("a", "one")}`);
    client.send(pub("a", "two"), "PING\r\n");
    own.send("PING\r\n");
    // The shard does not settle, since what the client sent is not read.
    for (let turns = 0; turns < 5; turns++) asking.harness.turn();
    expect(client.take()).toBe("");
    expect(own.take()).toBe("PONG\r\n");
    asking.answer(asking.question(), entered("dave"));
    expect(client.take()).toBe(`${msg("a", 1, "one")}${msg("a", 1, "two")}PONG\r\n`);
  });

  test("keeps input held when what the client was sent before has left", () => {
    const asking = new Asking();
    const client = asking.harness.connect(0, { user: "auth", pass: "p" });
    client.roomBytes = 0;
    client.send("PING\r\n", 'CONNECT {"verbose":false,"user":"dave","pass":"p"}\r\n', "PING\r\n");
    for (let turns = 0; turns < 5; turns++) asking.harness.turn();
    expect(client.wantsWrite).toBe(true);
    client.roomBytes = Number.POSITIVE_INFINITY;
    for (let turns = 0; turns < 5; turns++) asking.harness.turn();
    expect(client.take()).toBe("PONG\r\n");
    expect([client.wantsRead, client.toServer.length]).toEqual([false, 1]);
    asking.answer(asking.question(), entered("dave"));
    expect(client.take()).toContain("PONG\r\n");
  });

  test("keeps input held when a pause of the client is over", async () => {
    const asking = new Asking();
    const consumer = asking.harness.connect(0, { user: "auth", pass: "p" });
    consumer.send("SUB a 1\r\n");
    asking.harness.settle();
    consumer.roomBytes = 0;
    const producer = asking.harness.connect(0, { user: "auth", pass: "p" });
    producer.send(pub("a", "x".repeat(600 * 1024)));
    while (producer.toServer.length > 0) asking.harness.turn();
    // One read brings both the message that pauses the client and the CONNECT that holds it.
    producer.send(`${pub("a", "y")}CONNECT {"verbose":false,"user":"dave","pass":"p"}\r\n`);
    while (producer.toServer.length > 0) asking.harness.turn();
    producer.send("PING\r\n");
    const paused = asking.harness.shards[0]!.connections.find((each) => (each?.pausedUntilMs ?? 0) > 0);
    expect(paused?.isHeld).toBe(true);
    await new Promise((resolve) => setTimeout(resolve, PAUSE_IS_OVER_MS));
    for (let turns = 0; turns < 5; turns++) asking.harness.turn();
    expect(paused?.pausedUntilMs).toBe(0);
    expect([producer.wantsRead, producer.toServer.length]).toEqual([false, 1]);
    asking.answer(asking.question(), entered("dave"));
    expect(producer.take()).toContain("PONG\r\n");
  });

  test("is refused", () => {
    const asking = new Asking();
    const client = asking.open("dave", "PING\r\n");
    asking.answer(asking.question(), REFUSED);
    expect(client.take()).toBe("-ERR 'Authorization Violation'\r\n");
    expect(client.isClosed).toBe(true);
  });

  test("is not wanted any more once the client is gone", () => {
    const asking = new Asking();
    const client = asking.open("dave");
    const question = asking.question();
    expect(asking.clientOf(question)).toBe(question.clientId);
    client.isReset = true;
    asking.harness.settle();
    expect(asking.clientOf(question)).toBe(0);
    asking.answer(question, entered("dave"));
    expect(client.isClosed).toBe(true);
  });

  test("is asked about anew if a reload came between", () => {
    const asking = new Asking();
    const client = asking.open("dave", "PING\r\n");
    const first = asking.question();
    asking.reload(rules("bar"));
    asking.answer(first, entered("dave"));
    expect(client.take()).toBe("");
    asking.answer(asking.question(), REFUSED);
    expect(client.take()).toBe("-ERR 'Authorization Violation'\r\n");
  });

  test("waits for the reload by which its account is there", () => {
    const asking = new Asking();
    const client = asking.open("dave", "PING\r\n");
    asking.answer(asking.question(), entered("dave", { account: "NEW" }));
    expect([client.take(), client.isClosed]).toEqual(["", false]);
    asking.reload(rules("bar"));
    asking.answer(asking.question(), entered("dave"));
    expect(client.take()).toContain("PONG\r\n");
  });

  test("does not wait for rules to change: an account may be all that comes", () => {
    const asking = new Asking();
    const client = asking.open("dave", "PING\r\n");
    asking.answer(asking.question(), entered("dave", { account: "NEW" }));
    asking.reload(rules());
    asking.answer(asking.question(), entered("dave"));
    expect(client.take()).toContain("PONG\r\n");
  });

  test("needs nobody any more if by a reload the client is known", () => {
    const asking = new Asking();
    const client = asking.open("dave", "PING\r\n");
    const first = asking.question();
    asking.reload(compileLoginRules(optionsOf("authorization { user: dave, password: p }"), ""));
    asking.answer(first, REFUSED);
    expect(asking.harness.questions).toEqual([]);
    expect(client.take()).toBe("PONG\r\n");
  });
});

describe("a reload with a callout", () => {
  test("closes whom the configuration does not have", () => {
    const asking = new Asking();
    const client = asking.open("dave");
    asking.answer(asking.question(), entered("dave"));
    asking.reload(rules("bar"));
    expect(asking.harness.questions).toEqual([]);
    expect(client.take()).toBe("");
    expect(client.isClosed).toBe(true);
  });

  test("asks again about the others, who go on meanwhile", () => {
    const asking = new Asking();
    const client = asking.open("auth", "SUB a 1\r\n");
    const other = asking.open("foo");
    asking.answer(asking.question(), entered("foo"));
    asking.reload({ ...rules(), trustedProxies: ["N"] });
    const again = asking.question();
    expect(again).toMatchObject({ isAgain: true, request: { connect: { user: "foo" } } });
    other.send(pub("a", "x"));
    asking.harness.settle();
    expect(client.take()).toBe(msg("a", 1, "x"));
    const permissions = { publish: { allow: ["b"], deny: [] }, subscribe: undefined, responses: undefined };
    asking.answer(again, entered("foo", { permissions }));
    other.send(pub("a", "y"));
    asking.harness.settle();
    expect(other.take()).toBe("-ERR 'Permissions Violation for Publish to \"a\"'\r\n");
  });

  test("asks again when what its answers turn into has changed, and goes by the time that a new one holds", () => {
    const asking = new Asking();
    const client = asking.open("foo", "PING\r\n");
    asking.answer(asking.question(), entered("foo"));
    asking.reload(rules(), [["$G", { publish: { allow: ["a"] } }]]);
    const again = asking.question();
    expect(again.isAgain).toBe(true);
    asking.answer(again, entered("foo", { expiresAtMs: Date.now() - 1 }));
    const endMs = performance.now() + 5000;
    while (!client.isClosed && performance.now() < endMs) asking.harness.turn();
    expect(client.take()).toContain("-ERR 'User Authentication Expired'\r\n");
  });

  const NOBODY_PUBLISHES = {
    publish: { allow: ["no"], deny: [] },
    subscribe: undefined,
    responses: undefined,
  };

  test("goes by the last one's verdict, whatever those before come to meanwhile", () => {
    const asking = new Asking();
    const client = asking.open("foo");
    asking.answer(asking.question(), entered("foo"));
    asking.reload({ ...rules(), trustedProxies: ["N"] });
    const first = asking.question();
    asking.reload({ ...rules(), trustedProxies: ["N", "M"] });
    const second = asking.question();
    asking.answer(first, REFUSED);
    asking.answer(first, entered("foo", { permissions: NOBODY_PUBLISHES }));
    client.send(pub("a", "x"), "PING\r\n");
    asking.harness.settle();
    expect(client.take()).toBe("PONG\r\n");
    asking.answer(second, entered("foo", { permissions: NOBODY_PUBLISHES }));
    client.send(pub("a", "x"));
    asking.harness.settle();
    expect(client.take()).toBe("-ERR 'Permissions Violation for Publish to \"a\"'\r\n");
  });

  test("comes to nothing about who a client was before another CONNECT", () => {
    const asking = new Asking();
    const client = asking.open("foo");
    asking.answer(asking.question(), entered("foo"));
    asking.reload({ ...rules(), trustedProxies: ["N"] });
    const again = asking.question();
    client.send('CONNECT {"verbose":false,"user":"auth","pass":"p"}\r\n');
    asking.harness.settle();
    asking.answer(again, REFUSED);
    client.send(pub("a", "x"), "PING\r\n");
    asking.harness.settle();
    expect(client.isClosed).toBe(false);
    expect(client.take()).toContain("PONG\r\n");
  });
});

test("clients that log in alike share what is kept of it, others do not", () => {
  const asking = new Asking();
  const enter = (user: string, allowed: string) => {
    asking.open(user);
    const question = asking.question();
    const publish = { allow: [allowed], deny: undefined };
    const permissions = { publish, subscribe: undefined, responses: undefined };
    const logs = [{ level: "debug" as const, text: "seen" }];
    asking.answer(question, entered(user, { permissions, logs }));
    return asking.harness.shards[0]!.connections[question.slot]!;
  };
  const first = enter("dave", "x");
  const alike = enter("dave", "x");
  expect(alike.login).toBe(first.login);
  expect(alike.options).toBe(first.options);
  expect(first.login?.logs).toEqual([]);
  const other = enter("dave", "y");
  expect(other.login?.permissions?.publish?.allow).toEqual(["y"]);
  expect(other.options).toBe(first.options);
  expect(enter("erin", "x").login?.user).toBe("erin");
});
