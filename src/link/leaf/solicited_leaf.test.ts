import { describe, expect, test } from "bun:test";
import { FakeClock } from "../core/testing/fake_clock.ts";
import type { LeafOptions } from "./leaf_context.ts";
import { carry, type FakeEnd, FakeServer, LEAF_ACCOUNT, remotesOf } from "./testing/fake_server.ts";

const HUB = {
  server_id: "NHUB",
  server_name: "H",
  version: "2.15.2",
  proto: 1,
  headers: true,
  client_id: 5,
  nonce: "nnnnnnnnnnnnnnn",
  cluster: "HC",
  info_on_connect: true,
  leafnode_urls: ["127.0.0.1:7422"],
};

function info(fields: object = {}): string {
  return `INFO ${JSON.stringify({ ...HUB, ...fields })} \r\n`;
}

const SECOND = { nonce: undefined, connect_info: true, remote_account: "R" };

interface Dialling {
  readonly server: FakeServer;
  readonly clock: FakeClock;
  readonly end: FakeEnd;
}

function dial(remote = "", options: Partial<LeafOptions> = {}): Dialling {
  const clock = new FakeClock();
  const server = new FakeServer(clock, options);
  server.cluster = "LC";
  server.nodes.setRemotes(remotesOf(`{ url: "nats-leaf://hub:7422", account: A, ${remote} }`));
  return { server, clock, end: server.open() };
}

function up(remote = "", fields: object = {}, second: object = {}): Dialling {
  const dialling = dial(remote);
  dialling.end.feed(info(fields) + info({ ...fields, ...SECOND, ...second }));
  return dialling;
}

function connectOf(line: string | undefined): Record<string, unknown> {
  expect(line?.startsWith("CONNECT {")).toBe(true);
  return JSON.parse(line!.slice("CONNECT ".length)) as Record<string, unknown>;
}

describe("SolicitedLeaf", () => {
  test("answers INFO with CONNECT, and the second INFO with what it wants", () => {
    const { server, end } = dial();
    server.onJoined = (link) => link.announce({ account: "A", subject: "foo", queue: "", origin: "" }, 1);
    expect(end.lines()).toEqual([]);
    end.feed(info());
    expect(end.lines()).toEqual([
      'CONNECT {"version":"2.15.2","server_id":"NSERVER","name":"S","cluster":"LC","headers":true,"compress_mode":"not supported","remote_account":"A","protocol":1}',
    ]);
    expect(server.told).toEqual([]);
    end.feed(info(SECOND));
    expect(end.lines()).toEqual(["LS+ $LDS.0000000000000000000000", "LS+ foo"]);
    expect(server.told).toEqual(["joined A hub HC", "opened H true"]);
    expect(server.nodes.reports()).toMatchObject([
      { serverName: "H", isSpoke: true, isSolicited: true, account: "A", remoteAccount: "R" },
    ]);
    expect(server.logs).toContain("info Leafnode connection created for account: A ");
  });

  test("says in CONNECT what the remote asks for", () => {
    const { end } = up(`hub: true, deny_imports: ["di.>"], request_isolation: true`, { headers: false });
    expect(connectOf(end.lines()[0])).toMatchObject({ is_hub: true, deny_pub: ["di.>"], isolate: true });
    const off = up("compression: off", { compression: "s2_auto" });
    expect(connectOf(off.end.lines()[0]).compress_mode).toBe("off");
  });

  test("answers a hub that compresses with INFO, and the one that follows compressed with CONNECT", () => {
    const { server, clock, end } = dial("compression: s2_better");
    end.feed(info({ compression: "s2_auto" }));
    const [own, turn, ...more] = end.lines();
    expect(JSON.parse(own!.slice("INFO ".length))).toMatchObject({ compression: "s2_better" });
    expect([turn, more]).toEqual(["<s2_better>", []]);
    end.feed(info({ compression: "s2_auto", nonce: "another" }) + info(SECOND));
    expect(connectOf(end.lines()[0])).toMatchObject({ compress_mode: "s2_better" });
    expect(server.nodes.reports()).toMatchObject([{ compression: "s2_better" }]);
    clock.advance(5000);
    expect(end.connection.closed).toBe("");
  });

  test("waits a second for what the hub says compressed", () => {
    const { clock, end } = dial();
    clock.advance(900);
    end.feed(info({ compression: "accept" }));
    expect(end.lines()[1]).toBe("<s2_best>");
    clock.advance(999);
    expect(end.connection.closed).toBe("");
    clock.advance(1);
    expect(end.connection.closed).toBe("Read Error");
  });

  test("a reload changes how hard, or connects anew", () => {
    const { server, end } = dial("compression: s2_fast");
    end.feed(info({ compression: "accept" }));
    end.feed(info({ compression: "accept" }) + info(SECOND));
    end.lines();
    const reload = (mode: string) =>
      server.nodes.setRemotes(remotesOf(`{ url: "nats-leaf://hub:7422", account: A, compression: ${mode} }`));
    reload("s2_best");
    expect(end.lines()).toEqual(["<s2_best>"]);
    reload("off");
    expect(end.connection.closed).toBe("Client Closed");
  });

  test("round trips that nothing is chosen by are changed without connecting anew", () => {
    const { server, end } = dial("compression: accept");
    end.feed(info({ compression: "s2_fast" }));
    end.feed(info({ compression: "s2_fast" }) + info(SECOND));
    end.lines();
    const reload = (compression: string) =>
      server.nodes.setRemotes(
        remotesOf(`{ url: "nats-leaf://hub:7422", account: A, compression: ${compression} }`),
      );
    reload("{ mode: accept, rtt_thresholds: [1ms, 2ms] }");
    expect([end.lines(), end.connection.closed]).toEqual([[], ""]);
    reload("{ mode: s2_auto, rtt_thresholds: [0ms, 0ms, 5ms] }");
    expect(end.lines()).toEqual(["<s2_better>"]);
    reload("{ mode: s2_auto, rtt_thresholds: [5ms] }");
    expect(end.lines()).toEqual(["<s2_uncompressed>"]);
  });

  test("logs in as the URL says, as a token too where it has no password", () => {
    const clock = new FakeClock();
    const server = new FakeServer(clock);
    server.nodes.setRemotes(remotesOf(`{ url: "nats-leaf://to%20k@hub:7422", account: A }`));
    const end = server.open();
    end.feed(info());
    expect(connectOf(end.lines()[0])).toMatchObject({ user: "to k", auth_token: "to k" });
  });

  test("ends where credentials cannot be read, and tries again", () => {
    const { server, end, clock } = dial("credentials: missing.creds");
    end.feed(info());
    expect(end.lines()).toEqual([]);
    expect(end.connection.closed).toBe("Write Error");
    expect(server.logs.join("\n")).toContain("open missing.creds: no such file or directory");
    clock.advance(1000);
    expect(server.dialled.length).toBe(2);
  });

  test("waits a second for the first INFO", () => {
    const { end, clock } = dial();
    clock.advance(999);
    expect(end.connection.closed).toBe("");
    clock.advance(1);
    end.lines();
    expect(end.connection.closed).toBe("Read Error");
  });

  test("waits two seconds for the second INFO, unless the hub is one that sends none", () => {
    const { end, clock } = dial();
    end.feed(info());
    clock.advance(2000);
    expect(end.lines().at(-1)).toBe("-ERR 'Stale Leaf Node Connection - Closing'");
    expect(end.connection.closed).toBe("Stale Connection");
    const old = dial();
    old.end.feed(info({ info_on_connect: undefined }));
    expect(old.server.told[0]).toBe("joined A hub HC");
  });

  test("knows ports that are no hub's", () => {
    for (const fields of [
      { client_id: undefined },
      { leafnode_urls: undefined, info_on_connect: undefined },
    ]) {
      const { server, end } = dial();
      end.feed(info(fields));
      expect(end.lines()).toEqual([]);
      expect(end.connection.closed).toBe("Incorrect Port");
      expect(server.logs).toContain("error attempted to connect to wrong port");
    }
    const { end } = dial();
    end.feed(info({ leafnode_urls: undefined }));
    expect(end.connection.closed).toBe("");
  });

  test("refuses what no hub says", () => {
    const refused = (fields: object, line: string) => {
      const { end } = dial();
      end.feed(info(fields));
      expect(end.lines()).toEqual([`-ERR '${line}'`]);
      expect(end.connection.closed).toBe("Protocol Violation");
    };
    refused({ cluster: "a b" }, "cluster name cannot contain spaces");
    refused({ cluster: "_" }, "cluster name is reserved");
    refused({ compression: "x" }, 'unsupported route compression mode "x"');
  });

  test("keeps what comes before the second INFO", () => {
    const { server, end } = dial();
    end.feed(`${info()}LS+ foo\r\nLMSG bar 2\r\nhi\r\nPING\r\n`);
    expect(end.lines().at(-1)).toBe("PONG");
    end.feed(info(SECOND));
    expect(server.told.at(-1)).toBe("interest A foo  HC 1");
    expect(server.messages.length).toBe(1);
  });

  test("keeps to the permissions the hub tells, without ending the connection", () => {
    const told = { import: { allow: ["ss.>"] }, export: { allow: ["pp.>"] } };
    const { server, end } = up(`deny_imports: ["ss.di"], deny_exports: ["pp.de"]`, {}, told);
    end.lines();
    const [link] = server.links;
    for (const subject of ["ss.1", "ss.di", "zz", ">"]) {
      link!.announce({ account: "A", subject, queue: "", origin: "" }, 1);
    }
    expect(end.lines()).toEqual(["LS+ ss.1", "LS+ >"]);
    end.feed("LS+ zz\r\nLS+ pp.1\r\nLMSG zz 2\r\nno\r\nLMSG ss.di 2\r\nno\r\nLMSG ss.1 2\r\nhi\r\n");
    expect(server.told.slice(2)).toEqual(["interest A pp.1  HC 1"]);
    expect(server.messages.map(({ message }) => message.subject)).toEqual(["ss.1"]);
    expect(["pp.1", "pp.de", "zz"].map((subject) => link!.maySend("A", subject))).toEqual([
      true,
      false,
      false,
    ]);
    expect(end.connection.closed).toBe("");
  });

  test("takes new permissions while it is up: interest is announced and taken back by them", () => {
    const { server, end } = up();
    const [link] = server.links;
    for (const subject of ["a", "b"]) link!.announce({ account: "A", subject, queue: "", origin: "" }, 1);
    end.lines();
    end.feed(info({ import: { allow: ["b", "c"] } }));
    expect(end.lines()).toEqual(["LS- a"]);
    expect(server.told.at(-1)).toBe("changed");
    expect(link!.maySend("A", "$KV.a")).toBe(false);
    link!.announce({ account: "A", subject: "c", queue: "", origin: "" }, 1);
    expect(end.lines()).toEqual(["LS+ c"]);
  });

  test("names the account of requests as the hub does", () => {
    const { server, end } = up();
    end.lines();
    const block = `NATS/1.0\r\nNats-Request-Info: {"acc":"A","rtt":1}\r\n\r\n`;
    const content = { bytes: new TextEncoder().encode(`${block}x`), headerBytes: block.length };
    const request = { account: "A", origin: "", subject: "svc", reply: "rp", content };
    server.links[0]!.sendMessage(request, []);
    expect(end.connection.take()).toContain('Nats-Request-Info: {"acc":"R","rtt":1}\r\n\r\nx\r\n');
    server.links[0]!.sendMessage({ ...request, reply: "" }, []);
    expect(end.connection.take()).toContain('{"acc":"A","rtt":1}');
  });

  test("does TLS when the hub wants it, and from then on before anything else if the remote says so", () => {
    const { server, end } = dial();
    end.feed(info({ tls_required: true }));
    expect(end.lines()).toEqual([]);
    expect(end.connection.tls).toEqual({ context: "leaf:0", timeoutMs: 2000, serverName: "hub" });
    end.connection.finishTls();
    expect(end.lines()[0]).toContain("CONNECT");
    end.feed(info({ ...SECOND, tls_required: true }));
    expect(server.told[0]).toBe("joined A hub HC");

    const first = dial("tls { handshake_first: true }").end;
    expect(first.connection.tls?.context).toBe("leaf:0");
    first.connection.finishTls();
    first.feed(info({ tls_required: true }));
    expect(first.lines()[0]).toContain("CONNECT");
  });

  test("waits for an account that is not there yet", () => {
    const { server, end, clock } = dial("", {});
    end.lose();
    server.accounts.delete("A");
    clock.advance(1000);
    const lost = server.open();
    expect(lost.connection.closed).toBe("Missing Account");
    expect(server.logs.join("\n")).toContain(
      "error Unable to lookup account A for solicited leafnode connection",
    );
    server.accounts.set("A", LEAF_ACCOUNT);
    clock.advance(1000);
    const found = server.open();
    found.feed(info() + info(SECOND));
    expect(server.told[0]).toBe("joined A hub HC");
  });

  test("finds that a leaf node of ours is of the hub's cluster: a loop", () => {
    const { server, end, clock } = dial();
    const leaf = server.accept();
    leaf.feed(`CONNECT {"version":"2.15.2","name":"X","cluster":"HC"}\r\n`);
    end.feed(info() + info(SECOND));
    expect(end.lines().at(-1)).toBe(
      `-ERR 'Loop detected for leafnode account="A". Delaying attempt to reconnect for 30s'`,
    );
    clock.advance(30_999);
    expect(server.dialled.length).toBe(1);
    clock.advance(1);
    expect(server.dialled.length).toBe(2);
  });

  test("counts against the leafs its account may have", () => {
    const { server, end } = dial();
    server.accounts.set("A", { ...LEAF_ACCOUNT, leafsMax: 0 });
    end.feed(info() + info(SECOND));
    expect(end.connection.closed).toBe("Maximum Account Connections Exceeded");
  });

  test("as a hub that dialled stays away from a leaf that does what it may not", () => {
    const { server, end, clock } = up(`hub: true, deny_exports: ["de.>"]`);
    expect(server.told[0]).toBe("joined A spoke HC");
    end.feed("LS+ de.x\r\n");
    expect(end.lines().at(-1)).toBe(`-ERR 'Permissions Violation for Subscription to "de.x"'`);
    clock.advance(30_000);
    expect(server.dialled.length).toBe(1);
    clock.advance(1000);
    expect(server.dialled.length).toBe(2);
  });

  test("connects anew when its cluster is called otherwise", () => {
    const { server, end, clock } = up();
    server.cluster = "NEW";
    server.nodes.reconnectRemotes();
    end.lines();
    expect(end.connection.closed).toBe("Cluster Name Conflict");
    clock.advance(1000);
    const again = server.open();
    again.feed(info());
    expect(connectOf(again.lines()[0]).cluster).toBe("NEW");
  });
});

describe("two servers", () => {
  /** Servers with different random numbers, so that their loop subjects differ. */
  function servers(): { readonly hub: FakeServer; readonly leaf: FakeServer } {
    const [hubClock, leafClock] = [new FakeClock(), new FakeClock()];
    [hubClock.chance, leafClock.chance] = [0.1, 0.9];
    const hub = new FakeServer(hubClock, { serverName: "H" });
    const leaf = new FakeServer(leafClock, { serverName: "L" });
    leaf.cluster = "LC";
    leaf.nodes.setRemotes(remotesOf(`{ url: "nats-leaf://127.0.0.1:7422", account: A }`));
    return { hub, leaf };
  }

  test("tell each other what they want, and messages cross", () => {
    const { hub, leaf } = servers();
    leaf.onJoined = (link) => link.announce({ account: "A", subject: "up", queue: "q", origin: "" }, 2);
    hub.onJoined = (link) => link.announce({ account: "A", subject: "down", queue: "", origin: "" }, 1);
    const [there, here] = [hub.accept(), leaf.open()];
    carry(here, there);
    expect(leaf.told).toContain("interest A down  _ 1");
    expect(hub.told).toContain("interest A up q LC 2");
    const content = { bytes: new TextEncoder().encode("hi"), headerBytes: 0 };
    hub.links[0]!.sendMessage({ account: "A", origin: "", subject: "up", reply: "", content }, ["q"]);
    carry(here, there);
    expect(leaf.messages).toMatchObject([{ message: { subject: "up" }, queues: ["q"] }]);
  });

  test("that are each other's leaf find the loop, and the one that dialled stays away", () => {
    const { hub, leaf } = servers();
    hub.cluster = "HC";
    hub.nodes.setRemotes(remotesOf(`{ url: "nats-leaf://127.0.0.1:7422", account: A }`));
    // Announces the interest of one link on the others.
    for (const server of [hub, leaf]) {
      server.onInterest = (from, key, weight) => {
        for (const link of server.links) if (link !== from) link.announce(key, weight);
      };
    }
    const first = [leaf.open(), hub.accept()] as const;
    carry(...first);
    const second = [hub.open(), leaf.accept()] as const;
    carry(...second);
    carry(...first);
    const ends = [...first, ...second].map((end) => end.connection.closed);
    expect(ends.filter((reason) => reason === "Protocol Violation").length).toBeGreaterThan(0);
    expect([...hub.logs, ...leaf.logs].join("\n")).toContain("Loop detected for leafnode");
  });
});
