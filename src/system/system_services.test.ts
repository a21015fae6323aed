import { describe, expect, test } from "bun:test";
import { SYSTEM_ACCOUNT_ID } from "../account/definition.ts";
import type { RemoteLatency } from "../account/latency.ts";
import type { InternalClient, InternalMessage } from "../fabric/internal_client.ts";
import { twoClients } from "../fabric/testing/two_clients.ts";
import { accountDetailSnapshot, FakeSource } from "../monitor/testing/fake_source.ts";
import { type ServerIdentity, ServerObjects } from "../protocol/server_object.ts";
import type { ClientChange } from "./client_announcer.ts";
import type { HostedAccount, SystemHost } from "./host.ts";
import type { ConnectionsElsewhere } from "./remote_servers.ts";
import { SystemServices } from "./system_services.ts";

const TENANT_ID = 3;
const IDENTITY: ServerIdentity = {
  name: "n1",
  host: "0.0.0.0",
  id: "NID",
  cluster: "",
  version: "2.15.2",
  tags: [],
  metadata: new Map(),
  featureFlags: new Map(),
};

/** A server whose shards are this object. */
class FakeHost implements SystemHost {
  readonly monitor = new FakeSource();
  readonly actions: string[] = [];
  readonly errors: string[] = [];
  readonly known: HostedAccount[] = [
    { id: SYSTEM_ACCOUNT_ID, name: "$SYS", nameTag: "$SYS", connections: 1 },
    { id: TENANT_ID, name: "A", nameTag: "tenant", connections: 0 },
  ];
  problem: string | undefined;

  accounts() {
    return this.known;
  }
  account(name: string) {
    return this.known.find((account) => account.name === name);
  }
  async reload() {
    this.actions.push("reload");
    return this.problem;
  }
  async kick(clientId: number) {
    this.actions.push(`kick ${clientId}`);
    return clientId === 7;
  }
  async sendLameDuck(clientId: number) {
    return clientId === 7 ? true : clientId === 8 ? false : null;
  }
  async userTerms(clientId: number) {
    return clientId === 7 ? { permissions: null, expiresAtMs: null } : null;
  }
  async countSubscribers(account: string, subject: string, queue: string | null) {
    this.actions.push(`count ${account} ${subject} ${queue}`);
    return 3;
  }
  setConnectionsElsewhere(account: string, { clients, leafnodes }: ConnectionsElsewhere) {
    this.actions.push(`elsewhere ${account} ${clients} ${leafnodes}`);
  }
  takeRemoteLatency({ account, requestId, sample }: RemoteLatency) {
    this.actions.push(`latency ${account} ${requestId} ${sample.serviceNs}`);
  }
  askServices(account: number, subject: string) {
    this.actions.push(`ask services ${account} ${subject}`);
  }
  tracing = null;
  logTrace() {}
  logError(text: string) {
    this.errors.push(text);
  }
}

interface Received {
  readonly subject: string;
  readonly text: string;
  readonly headers: string;
}

/** A user of the system account. */
class User {
  readonly #client: InternalClient;
  readonly #received: Received[] = [];
  #arrived = Promise.withResolvers<void>();
  #inboxes = 0;

  constructor(client: InternalClient) {
    this.#client = client;
  }

  listen(subject: string, account = SYSTEM_ACCOUNT_ID): () => void {
    return this.#client.subscribe(account, subject, "", (message) => this.#take(message));
  }

  async next(): Promise<Received> {
    while (this.#received.length === 0) await this.#arrived.promise;
    return this.#received.shift()!;
  }

  async nextJson() {
    const { subject, text } = await this.next();
    return { subject, json: JSON.parse(text) };
  }

  send(subject: string, body: string, reply = "", headers = ""): void {
    const bytes = (text: string) => new TextEncoder().encode(text);
    this.#client.publish(SYSTEM_ACCOUNT_ID, subject, bytes(body), reply, bytes(headers));
  }

  async ask(subject: string, body = "", headers = "") {
    const inbox = `inbox.${++this.#inboxes}`;
    const unsubscribe = this.listen(inbox);
    this.send(subject, body, inbox, headers);
    const { text } = await this.next();
    unsubscribe();
    return JSON.parse(text);
  }

  get received(): readonly Received[] {
    return this.#received;
  }

  #take({ subject, content: { bytes, headerBytes } }: InternalMessage): void {
    const text = (from: number, to?: number) => new TextDecoder().decode(bytes.subarray(from, to));
    this.#received.push({ subject, text: text(headerBytes), headers: text(0, headerBytes) });
    this.#arrived.resolve();
    this.#arrived = Promise.withResolvers();
  }
}

async function withServices(
  body: (user: User, services: SystemServices, host: FakeHost) => Promise<void>,
): Promise<void> {
  const { main, logins, stop } = twoClients();
  const host = new FakeHost();
  let sequence = 0;
  host.monitor.accountList = [accountDetailSnapshot("A", { clients: 2 })];
  const services = new SystemServices(main, new ServerObjects(IDENTITY, () => ++sequence), host, "hash1234");
  await body(new User(logins), services, host);
  services.stop();
  await stop();
  expect(host.errors).toEqual([]);
}

const CAME: ClientChange = {
  client: { account: "A", user: "a", clientId: 7 },
  countedAccounts: ["A"],
  failure: null,
  end: null,
};
const TRAFFIC = { inMessages: 1, inBytes: 2, outMessages: 3, outBytes: 4 };
const WENT: ClientChange = { ...CAME, end: { reason: "Client Closed", traffic: TRAFFIC } };

test("a summary that cannot be made is no more than a line in the log", async () => {
  await withServices(async (user, _services, host) => {
    const { snapshot } = host.monitor;
    let failures = 1;
    host.monitor.server = async () => {
      if (failures-- > 0) throw new Error("no such file");
      return snapshot;
    };
    user.listen("$SYS.SERVER.*.STATSZ");
    expect((await user.nextJson()).subject).toBe("$SYS.SERVER.NID.STATSZ");
    expect(host.errors.splice(0)).toEqual(["The server's summary is not sent: no such file"]);
  });
});

test("publishTrace() says who the server is, compresses on demand, and reaches services too", async () => {
  await withServices(async (user, services, host) => {
    user.listen("$SYS.traces");
    const entries = [{ type: "in", kind: 0 }];
    const report = { headers: new Map([["A", ["b"]]]), messageBytes: 7, hops: 0, entries };
    const result = { account: SYSTEM_ACCOUNT_ID, destination: "$SYS.traces", report };
    await services.publishTrace({ ...result, acceptEncoding: "" });
    const { json } = await user.nextJson();
    expect(json.server).toMatchObject({ name: IDENTITY.name, id: IDENTITY.id, seq: 1 });
    expect([json.request, json.events]).toEqual([{ header: { A: ["b"] }, msgsize: 7 }, entries]);
    await services.publishTrace({ ...result, acceptEncoding: "gzip" });
    expect((await user.next()).headers).toContain("Content-Encoding: gzip");
    const asked = `ask services ${SYSTEM_ACCOUNT_ID} $SYS.traces`;
    expect(host.actions).toEqual([asked, asked]);
  });
});

describe("announce()", () => {
  test("tells the number of connections on both subjects, then of the client", async () => {
    await withServices(async (user, services) => {
      user.listen("$SYS.>");
      services.announce(CAME);
      services.announce(WENT);
      const subjects: string[] = [];
      const ids: string[] = [];
      for (let i = 0; i < 6; i++) {
        const { subject, json } = await user.nextJson();
        subjects.push(subject);
        ids.push(json.id);
      }
      const counts = ["$SYS.SERVER.ACCOUNT.A.CONNS", "$SYS.ACCOUNT.A.SERVER.CONNS"];
      expect(subjects).toEqual([
        ...[...counts, "$SYS.ACCOUNT.A.CONNECT"],
        ...[...counts, "$SYS.ACCOUNT.A.DISCONNECT"],
      ]);
      expect(ids[0]).toBe(ids[1]!);
      expect(new Set(ids).size).toBe(4);
    });
  });

  test("makes nothing that nobody hears: the server's sequence stands still", async () => {
    await withServices(async (user, services) => {
      const unsubscribe = user.listen("$SYS.ACCOUNT.A.DISCONNECT");
      services.announce(CAME);
      services.announce({ ...WENT, countedAccounts: [] });
      expect((await user.nextJson()).json).toMatchObject({ reason: "Client Closed", server: { seq: 1 } });
      unsubscribe();
    });
  });

  test("tells of a refusal in the account too, with the reason it was given there", async () => {
    await withServices(async (user, services) => {
      user.listen("$SYS.ACCOUNT.CLIENT.AUTH.ERR", TENANT_ID);
      user.listen("$SYS.>");
      const client = { account: "$G", user: "stranger" };
      const failure = { account: "A", reason: "go away", isForSystem: true };
      const end = { reason: "Authentication Failure", traffic: TRAFFIC };
      services.announce({ client, countedAccounts: [], failure, end });
      const told = [await user.nextJson(), await user.nextJson(), await user.nextJson()];
      expect(told.map(({ subject, json }) => [subject, json.client.acc, json.reason])).toEqual([
        ["$SYS.ACCOUNT.CLIENT.AUTH.ERR", "A", "go away"],
        ["$SYS.SERVER.NID.CLIENT.AUTH.ERR", "$G", "Authentication Failure"],
        ["$SYS.ACCOUNT.$G.DISCONNECT", "$G", "Authentication Failure"],
      ]);
    });
  });
});

describe("requests", () => {
  test("are answered in an envelope, or with what is wrong", async () => {
    await withServices(async (user) => {
      const varz = await user.ask("$SYS.REQ.SERVER.NID.VARZ");
      expect([Object.keys(varz), varz.data.server_id]).toEqual([["server", "data"], "NSERVER"]);
      expect(await user.ask("$SYS.REQ.SERVER.PING.CONNZ", '{"sort":"x"}')).toMatchObject({
        data: null,
        error: { code: 500, description: "invalid sorting option: x" },
      });
      const bad = await user.ask("$SYS.REQ.SERVER.PING.CONNZ", "x");
      expect([Object.keys(bad), bad.error.code]).toEqual([["server", "error"], 400]);
    });
  });

  test("come one after the other, and count", async () => {
    await withServices(async (user) => {
      user.listen("in.*");
      for (let i = 0; i < 20; i++) user.send("$SYS.REQ.SERVER.PING.HEALTHZ", "", `in.${i}`);
      for (let i = 0; i < 20; i++) {
        const { subject, json } = await user.nextJson();
        expect([subject, json.server.seq]).toEqual([`in.${i}`, i + 1]);
      }
    });
  });

  test("act on clients that are named", async () => {
    await withServices(async (user, _, host) => {
      expect(await user.ask("$SYS.REQ.SERVER.NID.KICK", '{"cid":7}')).toEqual({ server: expect.anything() });
      expect((await user.ask("$SYS.REQ.SERVER.NID.KICK", "{}")).error.description).toContain(
        "no such client",
      );
      expect((await user.ask("$SYS.REQ.SERVER.NID.LDM", '{"cid":8}')).error.code).toBe(500);
      host.problem = "wrong";
      expect((await user.ask("$SYS.REQ.SERVER.NID.RELOAD")).error).toEqual({
        code: 500,
        description: "wrong",
      });
      user.send("$SYS.REQ.SERVER.NID.KICK", '{"cid":7}');
      user.send("$SYS.REQ.SERVER.NID.KICK", '{"cid":7,"server_name":"other"}', "in.1");
      await user.ask("$SYS.REQ.SERVER.PING.HEALTHZ");
      expect(host.actions).toEqual(["kick 7", "kick 0", "reload"]);
    });
  });

  test("about a user are answered by who the header says asks", async () => {
    await withServices(async (user) => {
      const asked = (info: string) =>
        user.ask("$SYS.REQ.USER.A.INFO", "", `NATS/1.0\r\nNats-Request-Info: ${info}\r\n\r\n`);
      expect((await asked('{"acc":"A","user":"a","id":7}')).data).toEqual({
        user: "a",
        account: "A",
        account_name: "tenant",
      });
      expect((await asked('{"acc":"nope","id":7}')).error).toEqual({ code: 400 });
      expect((await asked("{")).error).toEqual({ code: 400 });
    });
  });

  test("for subscribers are answered with a number alone", async () => {
    await withServices(async (user, _, host) => {
      user.listen("in.1");
      user.send("$SYS.DEBUG.SUBSCRIBERS", " foo.* workers ", "in.1");
      expect((await user.next()).text).toBe("3");
      expect(host.actions).toEqual(["count $SYS foo.* workers"]);
    });
  });

  test("are answered in the encoding they ask for", async () => {
    await withServices(async (user) => {
      user.listen("in.1");
      user.send("$SYS.REQ.SERVER.PING.HEALTHZ", "", "in.1", "NATS/1.0\r\nAccept-Encoding: x\r\n\r\n");
      const { headers, text } = await user.next();
      expect(headers).toBe("NATS/1.0\r\nContent-Encoding: identity\r\n\r\n");
      expect(JSON.parse(text).data).toEqual({ status: "ok", status_code: 200 });
    });
  });
});

describe("SystemServices", () => {
  test("sends the summary to who asks, and to everybody when nobody is named", async () => {
    await withServices(async (user) => {
      expect((await user.ask("$SYS.REQ.SERVER.PING")).statsz).toMatchObject({
        active_accounts: 1,
        active_servers: 1,
      });
      const unsubscribe = user.listen("$SYS.SERVER.*.STATSZ");
      for (let i = 0; i < 3; i++) user.send("$SYS.REQ.SERVER.PING", "");
      for (let i = 0; i < 3; i++) expect((await user.next()).subject).toBe("$SYS.SERVER.NID.STATSZ");
      unsubscribe();
    });
  });

  test("tells tags that changed", async () => {
    await withServices(async (user, services) => {
      user.listen("$SYS.SERVER.*.STATSZ");
      services.changeIdentity({ ...IDENTITY, tags: ["new"] });
      expect((await user.nextJson()).json.server.tags).toEqual(["new"]);
    });
  });

  test("ends with who it was, and says nothing after that", async () => {
    await withServices(async (user, services) => {
      user.listen("$SYS.>");
      services.enterLameDuck();
      services.stop();
      services.announce(CAME);
      for (const event of ["LAMEDUCK", "SHUTDOWN"]) {
        const { subject, json } = await user.nextJson();
        expect([subject, json.id, json.type]).toEqual([`$SYS.SERVER.NID.${event}`, "NID", undefined]);
      }
      expect(user.received).toEqual([]);
    });
  });
});

describe("other servers", () => {
  const server = (seq: number) => ({ id: "NOTHER", name: "n2", seq });
  const statsz = (seq: number) => JSON.stringify({ server: server(seq), statsz: {} });
  const conns = (seq: number, clients: number) =>
    JSON.stringify({ server: server(seq), acc: "A", conns: clients, leafnodes: 1 });
  const activeServers = async (user: User) => (await user.ask("$SYS.REQ.SERVER.PING")).statsz.active_servers;

  test("are counted once they tell of themselves, and told of this one", async () => {
    await withServices(async (user) => {
      user.send("$SYS.SERVER.NID.STATSZ", JSON.stringify({ server: { id: "NID", seq: 99 } }));
      user.send("$SYS.SERVER.NOTHER.STATSZ", "no JSON");
      expect(await activeServers(user)).toBe(1);
      const unsubscribe = user.listen("$SYS.SERVER.NID.STATSZ");
      user.send("$SYS.SERVER.NOTHER.STATSZ", statsz(1));
      expect((await user.nextJson()).json.statsz.active_servers).toBe(2);
      unsubscribe();
      user.send("$SYS.SERVER.NOTHER.SHUTDOWN", JSON.stringify(server(2)));
      expect(await activeServers(user)).toBe(1);
    });
  });

  test("tell how many connections of an account they have, until they are gone", async () => {
    await withServices(async (user, _, host) => {
      user.send("$SYS.SERVER.ACCOUNT.A.CONNS", conns(1, 2));
      user.send("$SYS._INBOX_.NID", conns(2, 3));
      user.send("$SYS.SERVER.ACCOUNT.A.CONNS", JSON.stringify({ server: server(3), acc: "?", conns: 1 }));
      expect(await activeServers(user)).toBe(2);
      user.send("$SYS.SERVER.NOTHER.LAMEDUCK", JSON.stringify(server(4)));
      expect(await activeServers(user)).toBe(1);
      expect(host.actions).toEqual(["elsewhere A 2 1", "elsewhere A 3 1", "elsewhere A 0 0"]);
    });
  });

  test("are asked for an account that comes to be known", async () => {
    await withServices(async (user, services) => {
      services.accountKnown("A");
      user.listen("$SYS.REQ.ACCOUNT.A.CONNS");
      services.accountKnown("A");
      const { json } = await user.nextJson();
      expect(json).toMatchObject({ acc: "A", server: { id: "NID" } });
    });
  });

  test("count their subscribers, each once, and are answered with those here", async () => {
    await withServices(async (user) => {
      user.send("$SYS.SERVER.NOTHER.STATSZ", statsz(1));
      expect(await activeServers(user)).toBe(2);
      user.listen("$SYS.REQ.ACCOUNT.NSUBS");
      user.listen("in.1");
      user.send("$SYS.DEBUG.SUBSCRIBERS", "foo q", "in.1");
      const { subject, json } = await user.nextJson();
      expect([subject, json]).toEqual([
        "$SYS.REQ.ACCOUNT.NSUBS",
        { acc: "$SYS", subject: "foo", queue: btoa("q") },
      ]);
    });
    await withServices(async (user, _, host) => {
      expect(
        await user.ask(
          "$SYS.REQ.ACCOUNT.NSUBS",
          JSON.stringify({ acc: "A", subject: "x", queue: btoa("q") }),
        ),
      ).toBe(3);
      expect(host.actions).toEqual(["count A x q"]);
    });
  });

  test("send their part of a latency", async () => {
    await withServices(async (user, _, host) => {
      const m2 = { status: 200, service: 7, total: 9, start: "2026-03-02T09:15:04Z" };
      user.send("$SYS.LATENCY.M2.hash1234", "{}");
      user.send(
        "$SYS.LATENCY.M2.hash1234",
        JSON.stringify({ account: "A", req_id: "_R_.a.b.hash1234.T", m2 }),
      );
      await activeServers(user);
      expect(host.actions).toEqual(["latency A _R_.a.b.hash1234.T 7"]);
    });
  });
});

describe("leaf nodes", () => {
  const LEAF = { account: "A", user: "a", name: "leaf1", kind: "Leafnode" };

  test("are told of like clients, or with numbers alone", async () => {
    await withServices(async (user, services) => {
      user.listen("$SYS.ACCOUNT.A.>");
      services.announceLeaf(null, "A", null);
      services.announceLeaf(LEAF, "A", { reason: "Kicked", traffic: TRAFFIC });
      services.announceLeaf(LEAF, "$G", null);
      const told = [
        await user.nextJson(),
        await user.nextJson(),
        await user.nextJson(),
        await user.nextJson(),
      ];
      expect(told.map(({ subject }) => subject.split(".").slice(3).join("."))).toEqual([
        "SERVER.CONNS",
        "SERVER.CONNS",
        "DISCONNECT",
        "CONNECT",
      ]);
      expect(told[2]!.json).toMatchObject({ client: { kind: "Leafnode", name: "leaf1" }, reason: "Kicked" });
    });
  });

  test("that are refused are no event of an account", async () => {
    await withServices(async (user, services) => {
      user.listen("$SYS.ACCOUNT.>");
      user.listen("$SYS.SERVER.NID.CLIENT.AUTH.ERR");
      services.announceRefusedLeaf({ ...LEAF, account: "N/A" }, "Authentication Failure");
      services.announceLeafAccount("A");
      const [refused, connected] = [await user.nextJson(), await user.nextJson()];
      expect(refused.json).toMatchObject({ client: { acc: "N/A" }, reason: "Authentication Failure" });
      expect([connected.subject, connected.json.acc]).toEqual(["$SYS.ACCOUNT.A.LEAFNODE.CONNECT", "A"]);
    });
  });
});
