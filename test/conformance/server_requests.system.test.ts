import { expect } from "bun:test";
import { gunzipSync } from "node:zlib";
import { headerLines } from "../support/headers.ts";
import { readMessage } from "../support/message.ts";
import type { RawClient } from "../support/raw_client.ts";
import { row, rowsInParallel, sharedServer } from "../support/row.ts";
import { ServerProcess } from "../support/server_process.ts";
import { unframeSnappy } from "../support/snappy.ts";
import {
  ask,
  askForBytes,
  askForSilence,
  dataOf,
  type Json,
  listen,
  loginAs,
  nextMessage,
  SYSTEM_ACCOUNTS,
} from "../support/system.ts";

// Requests about the server, by `$SYS.REQ.SERVER.PING.<what>` and by its id.

const server = sharedServer({
  config: `server_name: srv1\nserver_tags: [ Foo, bar ]\n${SYSTEM_ACCOUNTS}`,
  monitoring: true,
});

const PING = "$SYS.REQ.SERVER.PING";

async function withSystem(body: (system: RawClient, own: string) => Promise<void>): Promise<void> {
  const system = await loginAs(server(), "sys");
  await body(system, `$SYS.REQ.SERVER.${system.info.server_id}`);
  system.destroy();
}

const errorOf = ({ json }: { json: Json }) => json.error as { code: number; description: string };

row("§8.22 §8.24 PING tells of the server, without an envelope", async () => {
  await withSystem(async (system, own) => {
    for (const subject of [PING, `${PING}.STATSZ`, `${own}.STATSZ`]) {
      const { json } = await ask(system, subject);
      expect(Object.keys(json)).toEqual(["server", "statsz"]);
      expect(json.server).toMatchObject({ name: "srv1", id: system.info.server_id, tags: ["foo", "bar"] });
      const statsz = json.statsz as Json;
      expect(statsz).toMatchObject({ active_servers: 1, slow_consumers: 0 });
      expect(statsz.routes).toBe(undefined);
      expect(Number(statsz.connections)).toBeGreaterThan(0);
      for (const key of ["sent", "sent_to_clients", "received", "received_from_clients"]) {
        expect(Object.keys(statsz[key] as Json)).toEqual(["msgs", "bytes"]);
      }
      expect(statsz.start).toMatch(/Z$/);
      expect(Number(statsz.mem)).toBeGreaterThan(1e6);
    }
  });
});

row("§12 trace_verbose traces what the server says in the system account", async () => {
  await using verbose = await ServerProcess.start({
    config: `trace_verbose: true\nmax_traced_msg_len: 9\n${SYSTEM_ACCOUNTS}`,
  });
  expect(verbose.log).toMatch(/\[TRC\] SYSTEM - <<- \[SUB \$SYS\.REQ\.SERVER\.PING\.VARZ {2}\d+\]\n/);
  const system = await loginAs(verbose, "sys");
  await ask(system, `${PING}.IDZ`);
  await verbose.waitForLog(/\[TRC\] SYSTEM - <<- \[PUB _INBOX\S+ {2}\d+\]\n/);
  await verbose.waitForLog(String.raw`[TRC] SYSTEM - <<- MSG_PAYLOAD: ["{\"name\":\"..."]`);
});

row("§3.6 PING counts clients, accounts and what they sent", async () => {
  await withSystem(async (system) => {
    const statszOf = async () => (await ask(system, PING)).json.statsz as Json;
    const before = await statszOf();
    const client = await loginAs(server(), "a");
    client.send("PUB x 4\r\nfour\r\n".repeat(5));
    await client.roundTrip();
    const after = await statszOf();
    expect(Number(after.connections) - Number(before.connections)).toBe(1);
    expect(Number(after.total_connections) - Number(before.total_connections)).toBe(1);
    expect(Number(after.active_accounts) - Number(before.active_accounts)).toBe(1);
    const grown = (key: string) =>
      Number((after.received_from_clients as Json)[key]) -
      Number((before.received_from_clients as Json)[key]);
    // The second PING is one message more.
    expect([grown("msgs"), grown("bytes")]).toEqual([6, 20]);
    client.destroy();
  });
});

row("§3.6 the system account counts as active, whoever is connected", async () => {
  const subject = "$SYS.REQ.SERVER.PING.STATSZ";
  await using other = await ServerProcess.start({
    config: `accounts {
      $SYS { exports: [ { service: "${subject}" } ] }
      A { users: [ { user: a, password: p } ], imports: [ { service: { account: "$SYS", subject: "${subject}" } } ] }
    }`,
  });
  const client = await loginAs(other, "a");
  expect((await ask(client, subject)).json.statsz).toMatchObject({ connections: 1, active_accounts: 2 });
});

row("§8.25 IDZ says who it is, without an envelope", async () => {
  await withSystem(async (system, own) => {
    const id = { name: "srv1", host: "127.0.0.1", id: system.info.server_id };
    expect((await ask(system, `${PING}.IDZ`)).json).toEqual(id);
    expect((await ask(system, `${own}.IDZ`, "{not looked at")).json).toEqual(id);
  });
});

const KEYS: Readonly<Record<string, readonly string[]>> = {
  VARZ: ["server_id", "server_name", "version", "proto"],
  SUBSZ: ["server_id", "now", "num_subscriptions", "num_cache"],
  CONNZ: ["server_id", "now", "num_connections", "total", "offset", "limit", "connections"],
  ROUTEZ: ["server_id", "server_name", "now", "num_routes", "routes"],
  GATEWAYZ: ["server_id", "now", "outbound_gateways", "inbound_gateways"],
  LEAFZ: ["server_id", "now", "leafnodes", "leafs"],
  ACCOUNTZ: ["server_id", "now", "system_account", "accounts"],
  JSZ: ["memory", "storage", "reserved_memory", "reserved_storage"],
  HEALTHZ: ["status", "status_code"],
};

for (const [what, keys] of Object.entries(KEYS)) {
  row(`§8.26 ${what} by PING and by id, headers or not`, async () => {
    await withSystem(async (system, own) => {
      for (const subject of [`${PING}.${what}`, `${own}.${what}`]) {
        for (const headers of ["", "Stray: header"]) {
          const answer = await ask(system, subject, "", headers);
          expect(Object.keys(answer.json)).toEqual(["server", "data"]);
          expect(answer.headers).toBe("");
          expect(Object.keys(dataOf(answer)).slice(0, keys.length)).toEqual([...keys]);
        }
      }
    });
  });
}

row("§5.4 VARZ and CONNZ are what HTTP shows", async () => {
  await withSystem(async (system) => {
    const varz = dataOf(await ask(system, `${PING}.VARZ`));
    const page = await server().json<Json>("/varz");
    expect(Object.keys(varz)).toEqual(Object.keys(page));
    for (const key of ["server_id", "server_name", "max_payload", "ping_interval", "tags", "start"]) {
      expect(varz[key]).toEqual(page[key]);
    }
    const connz = dataOf(await ask(system, `${PING}.CONNZ`, { subscriptions: true, auth: true }));
    const connection = (connz.connections as Json[]).find(({ cid }) => cid === system.info.client_id)!;
    expect(connection).toMatchObject({ authorized_user: "sys", account: "$SYS", kind: "Client" });
    expect((connection.subscriptions_list as string[])[0]).toMatch(/^_INBOX\.request\./);
  });
});

row("§5.4 HEALTHZ with options that contradict one another", async () => {
  await withSystem(async (system) => {
    expect(dataOf(await ask(system, `${PING}.HEALTHZ`, { stream: "s" }))).toEqual({
      status: "error",
      status_code: 400,
      error: '"account" must not be empty when checking stream health',
    });
  });
});

row("§5.4 IPQUEUESZ, RAFTZ and PROFILEZ answer", async () => {
  await withSystem(async (system) => {
    expect(typeof dataOf(await ask(system, `${PING}.IPQUEUESZ`))).toBe("object");
    expect(dataOf(await ask(system, `${PING}.RAFTZ`))).toEqual({});
    const problems: readonly (readonly [body: unknown, error: string])[] = [
      ["", "Profile name not specified"],
      [{ name: "nonsense" }, 'Profile "nonsense" not found'],
      [{ name: "cpu" }, "Duration 0s should be between 0s and 15s"],
      [{ name: "cpu", duration: 16e9 }, "Duration 16s should be between 0s and 15s"],
      [{ name: "cpu", duration: -5e8 }, "Duration -500ms should be between 0s and 15s"],
    ];
    for (const [body, error] of problems) {
      expect(dataOf(await ask(system, `${PING}.PROFILEZ`, body))).toEqual({ profile: null, error });
    }
  });
});

/** Bodies that are no options for CONNZ, and what is said about them. */
const BAD_BODIES: readonly (readonly [body: string, description: string])[] = [
  ["{MALFORMEDJSON", "invalid character 'M' looking for beginning of object key string"],
  ["x", "invalid character 'x' looking for beginning of value"],
  ["{", "unexpected end of JSON input"],
  ["[]", "json: cannot unmarshal array into Go value of type server.ConnzEventOptions"],
  ['"x"', "json: cannot unmarshal string into Go value of type server.ConnzEventOptions"],
  ["1", "json: cannot unmarshal number into Go value of type server.ConnzEventOptions"],
  ["true", "json: cannot unmarshal bool into Go value of type server.ConnzEventOptions"],
  [
    '{"limit":"x"}',
    "json: cannot unmarshal string into Go struct field ConnzEventOptions.ConnzOptions.limit of type int",
  ],
  [
    '{"LIMIT":1.5}',
    "json: cannot unmarshal number 1.5 into Go struct field ConnzEventOptions.ConnzOptions.limit of type int",
  ],
  [
    '{"cid":-1}',
    "json: cannot unmarshal number -1 into Go struct field ConnzEventOptions.ConnzOptions.cid of type uint64",
  ],
  [
    '{"cid":-0}',
    "json: cannot unmarshal number -0 into Go struct field ConnzEventOptions.ConnzOptions.cid of type uint64",
  ],
  [
    '{"auth":1}',
    "json: cannot unmarshal number into Go struct field ConnzEventOptions.ConnzOptions.auth of type bool",
  ],
  [
    '{"state":"closed"}',
    "json: cannot unmarshal string into Go struct field ConnzEventOptions.ConnzOptions.state of type server.ConnState",
  ],
  [
    '{"user":{}}',
    "json: cannot unmarshal object into Go struct field ConnzEventOptions.ConnzOptions.user of type string",
  ],
  [
    '{"sort":1}',
    "json: cannot unmarshal number into Go struct field ConnzEventOptions.ConnzOptions.sort of type server.SortOpt",
  ],
  [
    '{"tags":"a"}',
    "json: cannot unmarshal string into Go struct field ConnzEventOptions.EventFilterOptions.tags of type []string",
  ],
  [
    '{"tags":[1]}',
    "json: cannot unmarshal number into Go struct field ConnzEventOptions.EventFilterOptions.tags of type string",
  ],
];

row("§8.27 a body that is no options: 400 with the fault, and no data", async () => {
  await withSystem(async (system) => {
    for (const [body, description] of BAD_BODIES) {
      const { json } = await ask(system, `${PING}.CONNZ`, body);
      expect([body, Object.keys(json), json.error]).toEqual([
        body,
        ["server", "error"],
        { code: 400, description },
      ]);
    }
    const statsz = await ask(system, PING, '{"server_name":1}');
    expect(errorOf(statsz).description).toBe(
      "json: cannot unmarshal number into Go struct field StatszEventOptions.EventFilterOptions.server_name of type string",
    );
  });
});

row("§1 a body of null, of nothing, of unknown keys and of nulls changes nothing", async () => {
  await withSystem(async (system) => {
    for (const body of ["null", "", "{}", '{"nonsense":{"a":[1]},"limit":null}', " {} "]) {
      expect(dataOf(await ask(system, `${PING}.CONNZ`, body))).toMatchObject({ offset: 0, limit: 1024 });
    }
  });
});

row("§8.28 who is not meant says nothing", async () => {
  await withSystem(async (system, own) => {
    await askForSilence(
      system,
      [`${PING}.VARZ`, { server_name: "zz" }],
      [`${own}.VARZ`, { host: "10.0.0.1" }],
      [`${PING}.CONNZ`, { cluster: "C1" }],
      [`${PING}.VARZ`, { domain: "D" }],
      [`${PING}.VARZ`, { server_name: "srv1", tags: ["foo", "baz"] }],
      [`${own}.RELOAD`, { server_name: "zz" }],
      ["$SYS.REQ.ACCOUNT.A.CONNZ", { server_name: "zz" }],
    );
  });
});

row("§8.29 a part of the name does, unless it must be exact", async () => {
  await withSystem(async (system) => {
    for (const filter of [
      { server_name: "rv" },
      { server_name: "srv1", exact_match: true },
      { host: "127." },
      { cluster: "" },
      { SERVER_NAME: "srv" },
    ]) {
      expect(dataOf(await ask(system, `${PING}.VARZ`, filter)).server_name).toBe("srv1");
    }
    await askForSilence(
      system,
      [`${PING}.VARZ`, { server_name: "srv", exact_match: true }],
      [`${PING}.VARZ`, { server_name: "srv10" }],
      [`${PING}.VARZ`, { host: "127.", exact_match: true }],
    );
  });
});

row("§8.25 §8.29 the host of a server is the one that it advertises", async () => {
  const host = "advertised.test";
  await using advertising = await ServerProcess.start({
    config: `client_advertise: "${host}:4222"\n${SYSTEM_ACCOUNTS}`,
  });
  const system = await loginAs(advertising, "sys");
  expect((await ask(system, `${PING}.IDZ`)).json.host).toBe(host);
  const { json } = await ask(system, `${PING}.HEALTHZ`, { host: "advertised", cluster: "" });
  expect((json.server as Json).host).toBe(host);
  await askForSilence(system, [`${PING}.HEALTHZ`, { host: "127." }]);
});

row("§8.30 all tags, in any case", async () => {
  await withSystem(async (system) => {
    for (const tags of [["foo", "bar"], ["BAR"], [" Foo "], []]) {
      expect(dataOf(await ask(system, `${PING}.VARZ`, { tags })).server_name).toBe("srv1");
    }
    const emptied = '{"tags":["x"],"TAGS":null}';
    expect(dataOf(await ask(system, `${PING}.VARZ`, emptied)).server_name).toBe("srv1");
    await askForSilence(system, [`${PING}.VARZ`, { tags: ["foo", "x"] }], [`${PING}.VARZ`, { tags: [""] }]);
  });
});

row("§8.32 CONNZ: a number that stands for no state finds nothing", async () => {
  const sys = await loginAs(server(), "sys");
  for (const state of [3, -1]) {
    const { data } = (await ask(sys, "$SYS.REQ.SERVER.PING.CONNZ", { state })).json as { data: Json };
    expect([data.total, data.num_connections, data.connections]).toEqual([0, 0, []]);
  }
  sys.destroy();
});

row("§8.32 CONNZ: states by number, subjects only with an account", async () => {
  await withSystem(async (system) => {
    const gone = await loginAs(server(), "a");
    const cid = gone.info.client_id;
    gone.destroy();
    let closed: Json[] = [];
    while (closed.length === 0) {
      closed = dataOf(await ask(system, `${PING}.CONNZ`, { state: 1, cid })).connections as Json[];
    }
    expect(closed[0]).toMatchObject({ cid, reason: "Client Closed" });
    expect(dataOf(await ask(system, `${PING}.CONNZ`, { state: 0, cid })).connections).toEqual([]);
    expect((dataOf(await ask(system, `${PING}.CONNZ`, { state: 2, cid })).connections as Json[]).length).toBe(
      1,
    );

    const listener = await loginAs(server(), "b");
    const idler = await loginAs(server(), "b");
    await listen(listener, "wanted.*");
    const { json } = await ask(system, `${PING}.CONNZ`, { filter_subject: "wanted.x" });
    expect(Object.keys(json)).toEqual(["server", "data", "error"]);
    expect(json.data).toBe(null);
    expect(json.error).toEqual({
      code: 500,
      description: "filter by subject only valid with account filtering",
    });
    const found = dataOf(await ask(system, `${PING}.CONNZ`, { filter_subject: "wanted.x", acc: "B" }));
    expect((found.connections as Json[]).map((connection) => connection.cid)).toEqual([
      listener.info.client_id,
    ]);
    for (const client of [listener, idler]) client.destroy();
  });
});

row("§5.4 CONNZ and SUBSZ refuse what cannot be sorted, or subscribed", async () => {
  await withSystem(async (system) => {
    for (const [what, body, description] of [
      ["CONNZ", { sort: "bad" }, "invalid sorting option: bad"],
      ["CONNZ", { sort: "stop" }, "sort by stop only valid on closed connections"],
      ["CONNZ", { sort: "reason", state: 2 }, "sort by reason only valid on closed connections"],
      ["SUBSZ", { test: "a.*" }, "invalid test subject, must be valid publish subject: a.*"],
      ["ACCOUNTZ", { account: "nope" }, "Account nope does not exist"],
    ] as const) {
      const { json } = await ask(system, `${PING}.${what}`, body);
      expect(json.error).toEqual({ code: 500, description });
    }
  });
});

row("§8.38 JetStream is off; only a leader is asked: silence", async () => {
  await withSystem(async (system) => {
    expect(dataOf(await ask(system, `${PING}.JSZ`))).toMatchObject({ disabled: true, streams: 0 });
    await askForSilence(system, [`${PING}.JSZ`, { leader_only: true }]);
  });
});

row("§8.47 encodings: snappy, gzip, identity, and none", async () => {
  await withSystem(async (system) => {
    const varz = (bytes: Uint8Array) =>
      (JSON.parse(new TextDecoder().decode(bytes)) as { data: Json }).data.server_name;
    for (const [accepted, encoding, decode] of [
      ["snappy", "snappy", unframeSnappy],
      ["S2", "snappy", unframeSnappy],
      ["gzip, Snappy", "snappy", unframeSnappy],
      ["GZIP", "gzip", (bytes: Uint8Array) => new Uint8Array(gunzipSync(bytes))],
      ["br", "identity", (bytes: Uint8Array) => bytes],
    ] as const) {
      const { headers, payload } = await askForBytes(system, `${PING}.VARZ`, `Accept-Encoding: ${accepted}`);
      expect(headerLines(headers)).toEqual([`Content-Encoding: ${encoding}`]);
      expect(varz(decode(payload))).toBe("srv1");
    }
    expect((await ask(system, `${PING}.VARZ`)).headers).toBe("");
  });
});

row("§8.48 PING, IDZ and errors go out as they are", async () => {
  await withSystem(async (system) => {
    for (const [subject, body] of [
      [PING, ""],
      [`${PING}.STATSZ`, ""],
      [`${PING}.IDZ`, ""],
      [`${PING}.VARZ`, "{bad"],
      [`${PING}.ACCOUNTZ`, '{"account":"nope"}'],
    ] as const) {
      expect((await ask(system, subject, body, "Accept-Encoding: gzip")).headers).toBe("");
    }
  });
});

row("§5.1 a request without a reply is dropped", async () => {
  await withSystem(async (system, own) => {
    for (const subject of [`${PING}.VARZ`, `${PING}.IDZ`, `${own}.CONNZ`]) {
      system.send(`PUB ${subject} 0\r\n\r\n`);
    }
    await askForSilence(system);
  });
});

row("§5.4 unknown ids and types have no responder", async () => {
  await withSystem(async (system, own) => {
    for (const subject of [`${PING}.NOPE`, `${own}.NOPE`, `${own}x.VARZ`, "$SYS.REQ.SERVER", own]) {
      system.send(`SUB in.1 1\r\nUNSUB 1 1\r\nPUB ${subject} in.1 0\r\n\r\n`);
      expect((await readMessage(system)).headers).toMatch(/^NATS\/1\.0 503\r\n/);
    }
  });
});

row("§8.19 seq grows by one from message to message", async () => {
  await withSystem(async (system, own) => {
    const seqs: number[] = [];
    for (let i = 0; i < 6; i++) {
      for (const subject of [PING, `${own}.VARZ`, "$SYS.REQ.USER.INFO"]) {
        seqs.push(Number(((await ask(system, subject)).json.server as Json).seq));
      }
    }
    for (const [index, seq] of seqs.entries()) if (index > 0) expect(seq).toBeGreaterThan(seqs[index - 1]!);
  });
});

row("§8.18 PING without a reply: the summary for everybody", async () => {
  await withSystem(async (system) => {
    await listen(system, "$SYS.SERVER.*.STATSZ");
    for (let i = 0; i < 3; i++) {
      system.send(`PUB ${PING} 0\r\n\r\n`);
      const { subject, json } = await nextMessage(system);
      expect(subject).toBe(`$SYS.SERVER.${system.info.server_id}.STATSZ`);
      expect(Object.keys(json)).toEqual(["server", "statsz"]);
    }
  });
});

row("§8.59 DEBUG.SUBSCRIBERS counts what a subject reaches", async () => {
  await withSystem(async (system) => {
    const other = await loginAs(server(), "sys");
    other.send("SUB foo 1\r\nSUB foo.* 2\r\nSUB foo.bar 3\r\nSUB foo.bar q1 4\r\nSUB foo.> q1 5\r\n");
    await other.roundTrip();
    const count = async (body: string) => {
      system.send(`SUB in.1 1\r\nUNSUB 1 1\r\nPUB $SYS.DEBUG.SUBSCRIBERS in.1 ${body.length}\r\n${body}\r\n`);
      return (await readMessage(system)).payload;
    };
    expect(await count("foo")).toBe("1");
    expect(await count("foo.bar")).toBe("4");
    expect(await count("foo.bar q1")).toBe("2");
    expect(await count("foo.*")).toBe("3");
    expect(await count("foo.>")).toBe("4");
    expect(await count("foo.> q1")).toBe("2");
    expect(await count("nothing")).toBe("0");
    other.destroy();
  });
});

rowsInParallel({
  "§8.17 a server alone says nothing that nobody hears": async () => {
    await using alone = await ServerProcess.start({ config: SYSTEM_ACCOUNTS });
    const system = await loginAs(alone, "sys");
    const seq = async () => Number(((await ask(system, PING)).json.server as Json).seq);
    const before = await seq();
    await new Promise((resolve) => setTimeout(resolve, 8000));
    expect((await seq()) - before).toBe(1);
  },

  "§8.16 the summary comes ever more seldom after a start": async () => {
    await using fresh = await ServerProcess.start({ config: SYSTEM_ACCOUNTS });
    const system = await loginAs(fresh, "sys");
    await listen(system, "$SYS.SERVER.*.STATSZ");
    const nextTimeS = async () =>
      Date.parse(String(((await nextMessage(system, 20_000)).json.server as Json).time)) / 1000;
    const waits: number[] = [];
    // Of those from 0.25 s on some were before anybody listened; the last are 8 and 10 s.
    for (let last = await nextTimeS(); (waits.at(-1) ?? 0) < 9; ) {
      const time = await nextTimeS();
      waits.push(time - last);
      last = time;
    }
    expect(Math.abs(waits.at(-2)! - 8)).toBeLessThan(1);
    expect(Math.abs(waits.at(-1)! - 10)).toBeLessThan(1);
  },

  "§8.19 tags that change are told, once a second at most": async () => {
    const config = (tag: string) => `server_tags: [ "${tag}" ]\n${SYSTEM_ACCOUNTS}`;
    await using tagged = await ServerProcess.start({ config: config("t0") });
    const system = await loginAs(tagged, "sys");
    // Past the first summaries, which come by themselves.
    await new Promise((resolve) => setTimeout(resolve, 3600));
    await listen(system, "$SYS.SERVER.*.STATSZ");
    for (const tag of ["t1", "t2", "t3"]) await tagged.reload(config(tag));
    const told: [tags: unknown, time: number][] = [];
    while (told.at(-1)?.[0] !== "t3") {
      const { tags, time } = (await nextMessage(system)).json.server as Json;
      told.push([(tags as string[])[0], Date.parse(String(time))]);
    }
    expect(told.length).toBeLessThan(4);
    for (const [index, [, time]] of told.entries()) {
      if (index > 0) expect(time - told[index - 1]![1]).toBeGreaterThan(900);
    }
  },

  "§1.1 without a system account nobody answers": async () => {
    await using none = await ServerProcess.start({ config: "no_system_account: true" });
    const client = await none.connectAs();
    for (const subject of [PING, "$SYS.REQ.USER.INFO"]) {
      client.send(`SUB in.1 1\r\nUNSUB 1 1\r\nPUB ${subject} in.1 0\r\n\r\n`);
      expect((await readMessage(client)).headers).toMatch(/^NATS\/1\.0 503\r\n/);
    }
  },

  "§1.1 a system account of another name": async () => {
    await using named = await ServerProcess.start({
      config: `system_account: OPS\naccounts { OPS { users: [ {user: o, password: p} ] }, A { users: [ {user: a, password: p} ] } }`,
    });
    const ops = await loginAs(named, "o");
    expect(dataOf(await ask(ops, `${PING}.ACCOUNTZ`)).system_account).toBe("OPS");
    await listen(ops, "$SYS.ACCOUNT.*.CONNECT");
    await loginAs(named, "a");
    expect((await nextMessage(ops)).subject).toBe("$SYS.ACCOUNT.A.CONNECT");
  },
});
