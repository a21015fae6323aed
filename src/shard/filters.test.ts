import { describe, expect, test } from "bun:test";
import type { LoginRules } from "../auth/login_rules.ts";
import type { FakeSocket } from "./testing/fake_poller.ts";
import { msg, OPTIONS, pub, ShardHarness } from "./testing/shard_harness.ts";

const SHARD_COUNT = 2;

/** Login rules with two users: `free` may do anything; `narrow` is not sent subjects that it is denied. */
function rulesOf(deny: readonly string[]): LoginRules {
  const user = {
    password: "",
    account: "$G",
    connectionTypes: null,
    isProxyRequired: false,
    isCertificateIdentity: false,
  };
  const permissions = { publish: undefined, subscribe: { allow: undefined, deny }, responses: undefined };
  return {
    ...OPTIONS.login.rules,
    users: [
      { ...user, name: "free", permissions: null },
      { ...user, name: "narrow", permissions },
    ],
    client: { ...OPTIONS.login.rules.client, isAuthRequired: true },
  };
}

const optionsOf = (deny: readonly string[]) => ({
  login: { rules: rulesOf(deny), timeoutMs: 2000, calloutTargets: [] },
});

class Setup {
  readonly harness: ShardHarness;
  /** Sends requests on shard 0 and takes the answers there. */
  readonly publisher: FakeSocket;

  constructor(...deny: string[]) {
    this.harness = new ShardHarness(SHARD_COUNT, optionsOf(deny));
    this.publisher = this.connect(0, "free");
    this.publisher.send("SUB inbox 9\r\n");
    this.harness.settle();
  }

  connect(shard: number, user: string): FakeSocket {
    return this.harness.connect(shard, { user, pass: "", headers: true, no_responders: true });
  }

  subscribe(shard: number, user: string, line: string): FakeSocket {
    const socket = this.connect(shard, user);
    socket.send(line);
    this.harness.settle();
    return socket;
  }

  request(subject: string): string {
    this.publisher.send(pub(subject, "x", "inbox"));
    this.harness.settle();
    return this.publisher.take();
  }

  reload(...deny: string[]): void {
    const { harness } = this;
    const { info } = harness.shards[0]!;
    for (let shard = 0; shard < SHARD_COUNT; shard++) {
      harness.control(shard, { type: "options", options: { ...OPTIONS, ...optionsOf(deny) }, info });
    }
    harness.settle();
  }
}

const noResponders = (subject: string) => {
  const header = `NATS/1.0 503\r\nNats-Subject: ${subject}\r\n\r\n`;
  return `HMSG inbox 9 ${header.length} ${header.length}\r\n${header}\r\n`;
};
const asked = (subject: string) => msg(subject, 1, "x", "inbox");

describe.each([0, 1])("a filtered subscriber on shard %i", (shard) => {
  test.each(["SUB ask.> 1\r\n", "SUB ask.> workers 1\r\n"])(
    "is no responder to what it is denied: %j",
    (line) => {
      const setup = new Setup("ask.secret");
      const narrow = setup.subscribe(shard, "narrow", line);
      expect(setup.request("ask.secret")).toBe(noResponders("ask.secret"));
      expect(narrow.take()).toBe("");
      expect(setup.request("ask.other")).toBe("");
      expect(narrow.take()).toBe(asked("ask.other"));
    },
  );

  test.each([0, 1])("leaves a message of its queue group to the member on shard %i", (other) => {
    const setup = new Setup("ask.secret");
    const narrow = setup.subscribe(shard, "narrow", "SUB ask.> workers 1\r\nSUB *.* workers 2\r\n");
    const free = setup.subscribe(other, "free", "SUB ask.> workers 1\r\n");
    for (let count = 0; count < 20; count++) expect(setup.request("ask.secret")).toBe("");
    expect(free.take()).toBe(asked("ask.secret").repeat(20));
    expect(narrow.take()).toBe("");
  });

  test("may be sent what only members of another queue group are denied", () => {
    const setup = new Setup("ask.a admins");
    const narrow = setup.subscribe(shard, "narrow", "SUB ask.> workers 1\r\nSUB ask.> admins 2\r\n");
    expect(setup.request("ask.a")).toBe("");
    expect(narrow.take()).toBe(asked("ask.a"));
    narrow.send("UNSUB 1\r\n");
    setup.harness.settle();
    expect(setup.request("ask.a")).toBe(noResponders("ask.a"));
    expect(narrow.take()).toBe("");
  });

  test("goes by its new permissions after a reload", () => {
    const setup = new Setup("ask.a");
    const narrow = setup.subscribe(shard, "narrow", "SUB ask.> 1\r\nSUB queued.* workers 1q\r\n");
    expect(setup.request("ask.a")).toBe(noResponders("ask.a"));
    setup.reload("ask.b", "queued.b");
    expect(setup.request("ask.b")).toBe(noResponders("ask.b"));
    expect(setup.request("queued.b")).toBe(noResponders("queued.b"));
    expect(setup.request("ask.a") + setup.request("queued.a")).toBe("");
    expect(narrow.take()).toBe(asked("ask.a") + msg("queued.a", "1q", "x", "inbox"));
    setup.reload();
    for (const subject of ["ask.a", "ask.b", "queued.b"]) expect(setup.request(subject)).toBe("");
    expect(narrow.take()).toBe(asked("ask.a") + asked("ask.b") + msg("queued.b", "1q", "x", "inbox"));
    setup.reload("ask.a");
    expect(setup.request("ask.a")).toBe(noResponders("ask.a"));
    expect(setup.request("ask.b")).toBe("");
    narrow.send("UNSUB 1\r\nUNSUB 1q\r\n");
    setup.harness.settle();
    expect(setup.request("ask.b")).toBe(noResponders("ask.b"));
    setup.harness.index.invariants();
    // The publisher's inbox is all that is left.
    expect(setup.harness.index.statistics().entries).toBe(1);
  });

  test("hides nothing from others of its subject", () => {
    const setup = new Setup("ask.secret");
    const narrow = setup.subscribe(shard, "narrow", "SUB ask.> 1\r\n");
    const free = setup.subscribe(shard, "free", "SUB ask.> 1\r\n");
    expect(setup.request("ask.secret")).toBe("");
    expect(narrow.take() + free.take()).toBe(asked("ask.secret"));
    free.send("UNSUB 1\r\n");
    setup.harness.settle();
    expect(setup.request("ask.secret")).toBe(noResponders("ask.secret"));
    expect(setup.request("ask.other")).toBe("");
    expect(narrow.take()).toBe(asked("ask.other"));
  });

  test("is gone with its connection", () => {
    const setup = new Setup("ask.secret");
    const narrow = setup.subscribe(shard, "narrow", "SUB ask.> 1\r\nSUB ask.> workers 2\r\n");
    narrow.isEnded = true;
    setup.harness.settle();
    expect(setup.request("ask.other")).toBe(noResponders("ask.other"));
    expect(setup.harness.index.statistics().entries).toBe(1);
  });
});
