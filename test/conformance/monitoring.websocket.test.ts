import { expect } from "bun:test";
import { readdirSync } from "node:fs";
import { until } from "../support/deadline.ts";
import { row, rowsInParallel, sharedServer } from "../support/row.ts";
import { readIfPresent, ServerProcess } from "../support/server_process.ts";
import { listen, loginAs, nextMessage, SYSTEM_ACCOUNTS } from "../support/system.ts";
import { WebSocketPeer, webSocketPort } from "../support/websocket_peer.ts";

type Json = Record<string, unknown>;

const BLOCK = 'listen: "127.0.0.1:-1", no_tls: true';
const server = sharedServer({ config: `websocket { ${BLOCK} }\n${SYSTEM_ACCOUNTS}`, monitoring: true });

row("§12.11 varz shows the block's settings and the real port", async () => {
  const { websocket } = await server().json<{ websocket: Json }>("/varz");
  expect(websocket).toEqual({ host: "127.0.0.1", port: webSocketPort(server()), no_tls: true });
});

row("§5 connz: type websocket, open and closed, counted as any client", async () => {
  const tcp = await loginAs(server(), "a");
  const peer = await WebSocketPeer.connect(server(), {
    user: "a",
    pass: "p",
    name: "web",
    lang: "x",
    version: "1",
  });
  peer.send("SUB count 1\r\nPUB count 5\r\nhello\r\nPING\r\n");
  await peer.expect("MSG count 1 5\r\nhello\r\nPONG\r\n");
  const cid = peer.info.client_id;
  const page = await server().json<{ connections: Json[] }>(`/connz?cid=${cid}&subs=1&auth=1`);
  const [connection] = page.connections;
  expect(connection).toMatchObject({
    cid,
    kind: "Client",
    type: "websocket",
    ip: "127.0.0.1",
    name: "web",
    lang: "x",
    version: "1",
    authorized_user: "a",
    account: "A",
    in_msgs: 1,
    out_msgs: 1,
    in_bytes: 5,
    out_bytes: 5,
    subscriptions: 1,
    subscriptions_list: ["count"],
  });
  expect(connection!.tls_version).toBe(undefined);
  const all = await server().json<{ connections: Json[] }>("/connz");
  expect(all.connections.find((each) => each.cid === tcp.info.client_id)?.type).toBe("nats");
  const { connections, total_connections } = await server().json<{
    connections: number;
    total_connections: number;
  }>("/varz");
  expect(connections).toBe(all.connections.length);
  expect(total_connections).toBeGreaterThanOrEqual(connections);
  peer.sendFrames({ opcode: 8 });
  await peer.client.readToEnd();
  let closed: Json | undefined;
  await until(
    async () => {
      closed = (await server().json<{ connections: Json[] }>(`/connz?state=closed&cid=${cid}`))
        .connections[0];
      return closed !== undefined;
    },
    () => "the connection is not among the closed ones",
  );
  expect(closed).toMatchObject({ type: "websocket", reason: "Client Closed" });
});

row("§8.2 events name websocket as the client's type", async () => {
  const system = await loginAs(server(), "sys");
  await listen(system, "$SYS.ACCOUNT.A.>");
  const peer = await WebSocketPeer.connect(server(), { user: "a", pass: "p" });
  const isOf = ({ json }: { json: Json }) => (json.client as Json | undefined)?.id === peer.info.client_id;
  let event = await nextMessage(system);
  while (!isOf(event) || !event.subject.endsWith(".CONNECT")) event = await nextMessage(system);
  expect(event.json.client).toMatchObject({ kind: "Client", client_type: "websocket", user: "a", acc: "A" });
  peer.sendFrames({ opcode: 8 });
  while (!isOf(event) || !event.subject.endsWith(".DISCONNECT")) event = await nextMessage(system);
  expect(event.json.client).toMatchObject({ client_type: "websocket" });
  expect(event.json.reason).toBe("Client Closed");
});

row("§10.2 a client's lines in the log begin with wid", async () => {
  await using own = await ServerProcess.start({ config: `websocket { ${BLOCK} }`, flags: ["-DV"] });
  const peer = await WebSocketPeer.connect(own, { name: "me", lang: "x", version: "1" });
  const cid = peer.info.client_id;
  await own.waitForLog(new RegExp(`127\\.0\\.0\\.1:\\d+ - wid:${cid} - Client connection created`));
  await own.waitForLog(new RegExp(`wid:${cid}( - "v1:x:me")? - <<- \\[CONNECT \\{`));
  await own.waitForLog(new RegExp(`wid:${cid}.* - ->> \\[PONG\\]`));
  peer.sendFrames({ opcode: 8 });
  await own.waitForLog(new RegExp(`wid:${cid}.* - Client connection closed: Client Closed`));
});

rowsInParallel({
  "§12.11 varz: every setting that is shown": async () => {
    await using own = await ServerProcess.start({
      config: `websocket { ${BLOCK}, advertise: "web.example:443", same_origin: true, allowed_origins: ["http://a", "https://b:1"],
        compression: true, handshake_timeout: "3s", authorization { token: t, timeout: 4 }, headers { a: b }, ping_interval: "1m" }`,
      monitoring: true,
    });
    const { websocket, auth_required } = await own.json<{ websocket: Json; auth_required?: boolean }>(
      "/varz",
    );
    expect(websocket).toEqual({
      host: "127.0.0.1",
      port: webSocketPort(own),
      advertise: "web.example:443",
      handshake_timeout: 3_000_000_000,
      auth_timeout: 4,
      no_tls: true,
      same_origin: true,
      allowed_origins: ["http://a", "https://b:1"],
      compression: true,
    });
    expect(auth_required).toBe(undefined);
    const peer = await WebSocketPeer.open(own);
    expect(peer.info.auth_required).toBe(true);
    await peer.login({ auth_token: "t", protocol: 1 });
    // The block's own credentials are those of the first INFO alone.
    expect(await peer.readLine()).not.toContain("auth_required");
    peer.destroy();
  },

  "§10.5 a block's no_auth_user is not hidden in INFO, and shown": async () => {
    await using own = await ServerProcess.start({
      config: `websocket { ${BLOCK}, no_auth_user: a }\nauthorization { users: [ { user: a, password: p } ] }`,
      monitoring: true,
    });
    const { websocket } = await own.json<{ websocket: Json }>("/varz");
    expect(websocket).toMatchObject({ no_auth_user: "a" });
    const peer = await WebSocketPeer.open(own);
    expect(peer.info.auth_required).toBe(true);
    await peer.login();
    peer.destroy();
  },

  "§11 the ports file": async () => {
    await using own = await ServerProcess.start({
      config: `websocket { ${BLOCK} }\nports_file_dir: "DIRECTORY"`,
    });
    const find = () => readdirSync(own.directory).find((name) => name.endsWith(".ports"));
    await until(
      () => Boolean(readIfPresent(own.path(find() ?? "none"))),
      () => "there is no ports file",
    );
    const ports = JSON.parse(readIfPresent(own.path(find()!))!);
    expect(ports.websocket).toEqual([`ws://127.0.0.1:${webSocketPort(own)}`]);
  },

  "§9 a reload: the block may not change, the rest may, and clients stay": async () => {
    const config = (block: string, more: string) => `websocket { ${BLOCK} ${block} }\nmax_payload: ${more}`;
    await using own = await ServerProcess.start({ config: config("", "1000") });
    const peer = await WebSocketPeer.connect(own);
    for (const block of [
      ", same_origin: true",
      `, allowed_origins: ["http://a"]`,
      ", compression: true",
      `, handshake_timeout: "5s"`,
      ", authorization { token: t }",
      `, headers { a: b }`,
      `, ping_interval: "5s"`,
      `, token_cookie: "t"`,
      `, advertise: "x:1"`,
    ]) {
      const said = await own.reload(config(block, "1000"));
      expect(said).toContain(
        "Failed to reload server configuration: config reload not supported for Websocket",
      );
    }
    expect(await own.reload(config("", "2000"))).toContain("Reloaded: max_payload = 2000");
    await peer.roundTrip();
    const next = await WebSocketPeer.open(own);
    expect(next.info).toMatchObject({ max_payload: 2000, port: peer.info.port });
    for (const each of [peer, next]) each.destroy();
  },

  "§12.38 without tls, no_tls must be said": async () => {
    const failed = ServerProcess.spawn({ config: `websocket { listen: "127.0.0.1:-1" }` });
    const { code, stderr } = await failed.waitForExit(20_000);
    expect(code).toBe(1);
    expect(stderr).toContain("websocket requires TLS configuration");
    await failed.stop();
  },

  "§10.5 what services are told of a client names websocket": async () => {
    await using own = await ServerProcess.start({
      config: `websocket { ${BLOCK} }
        accounts {
          S { users: [ { user: s, password: p } ], exports: [ { service: "time", accounts: [C] } ] }
          C { users: [ { user: c, password: p } ], imports: [ { service: { account: S, subject: "time" }, share: true } ] }
        }`,
    });
    const service = await own.connectAs({ user: "s", pass: "p" });
    service.send("SUB time 1\r\n");
    await service.roundTrip();
    const peer = await WebSocketPeer.connect(own, { user: "c", pass: "p" });
    peer.send("PUB time inbox 0\r\n\r\n");
    const line = await service.readLine();
    expect(line).toStartWith("HMSG time 1 ");
    const text = await service.readUntil("\r\n\r\n");
    const info = JSON.parse(/Nats-Request-Info:\s*(\{.*\})/.exec(text)![1]!);
    expect(info).toMatchObject({ kind: "Client", client_type: "websocket", acc: "C" });
    peer.destroy();
  },
});
