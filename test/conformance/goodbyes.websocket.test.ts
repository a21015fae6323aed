import { expect } from "bun:test";
import { closedReason } from "../support/closed_connection.ts";
import { row, rowsInParallel, sharedServer } from "../support/row.ts";
import { ServerProcess } from "../support/server_process.ts";
import { ask, SYSTEM_ACCOUNTS } from "../support/system.ts";
import { WebSocketPeer } from "../support/websocket_peer.ts";

// What a server says when it closes a WebSocket: -ERR where there is one, then a close frame.

const BLOCK = `websocket { listen: "127.0.0.1:-1", no_tls: true }`;
const server = sharedServer({ config: `${BLOCK}\nmax_control_line: 512`, monitoring: true });

for (const [cause, input, error, status, reason] of [
  [
    "a payload over the limit",
    "PUB foo 1048577\r\n",
    "Maximum Payload Violation",
    1009,
    "Maximum Message Payload Exceeded",
  ],
  [
    "a control line over the limit",
    `SUB ${"a".repeat(600)} 1\r\n`,
    "maximum control line exceeded",
    1008,
    "Maximum Control Line Exceeded",
  ],
  [
    "protocol 2",
    `CONNECT {"protocol":2}\r\n`,
    "invalid client protocol",
    1002,
    "Bad Client Protocol Version",
  ],
  [
    "no_responders without headers",
    `CONNECT {"headers":false,"no_responders":true}\r\n`,
    "no responders requires headers support",
    1011,
    "No Responders Requires Headers",
  ],
  [
    "a legacy account field",
    `CONNECT {"account":"A"}\r\n`,
    "Authorization Violation",
    1008,
    "Authentication Failure",
  ],
] as const) {
  row(`§18 ${cause}: ${status} ${reason}`, async () => {
    const peer = await WebSocketPeer.connect(server());
    peer.send(input);
    await peer.expect(`-ERR '${error}'\r\n`);
    await peer.expectClose(status, reason);
    expect(await closedReason(server(), peer)).toBe(reason);
  });
}

row("§18 a verb that is none: what TCP would say and 1002, or nothing at all", async () => {
  const peer = await WebSocketPeer.connect(server());
  peer.send("BOOM\r\n");
  const rest = await peer.client.readToEnd();
  const error = "-ERR 'Unknown Protocol Operation'\r\n";
  const said = `\x82${String.fromCharCode(error.length)}${error}\x88\x14\x03\xeaProtocol Violation`;
  expect(["", said]).toContain(rest);
  expect(await closedReason(server(), peer)).toMatch(/^(Read Error|Protocol Violation)$/);
});

rowsInParallel({
  "§18 no login in time: 1008": async () => {
    await using own = await ServerProcess.start({
      config: `${BLOCK}\nauthorization { user: a, password: b, timeout: 0.5 }`,
      monitoring: true,
    });
    const peer = await WebSocketPeer.open(own);
    expect(peer.info.auth_required).toBe(true);
    await peer.expect("-ERR 'Authentication Timeout'\r\n");
    await peer.expectClose(1008, "Authentication Timeout");
    expect(await closedReason(own, peer)).toBe("Authentication Timeout");
  },

  "§10.5 a block's own timeout": async () => {
    await using own = await ServerProcess.start({
      config: `websocket { listen: "127.0.0.1:-1", no_tls: true, authorization { token: t, timeout: 0.5 } }
        authorization { user: a, password: b, timeout: 50 }`,
    });
    const peer = await WebSocketPeer.open(own);
    await peer.expect("-ERR 'Authentication Timeout'\r\n");
    await peer.expectClose(1008, "Authentication Timeout");
  },

  "§18 a wrong password: 1008": async () => {
    await using own = await ServerProcess.start({
      config: `${BLOCK}\nauthorization { user: a, password: b }`,
    });
    for (const text of [`CONNECT {"user":"a","pass":"x"}\r\n`, "PING\r\n"]) {
      const peer = await WebSocketPeer.open(own);
      peer.send(text);
      await peer.expect("-ERR 'Authorization Violation'\r\n");
      await peer.expectClose(1008, "Authentication Failure");
    }
  },

  "§18 too many connections: 1008, after INFO": async () => {
    await using own = await ServerProcess.start({ config: `${BLOCK}\nmax_connections: 1` });
    const first = await WebSocketPeer.connect(own);
    const second = await WebSocketPeer.open(own);
    await second.expect("-ERR 'maximum connections exceeded'\r\n");
    await second.expectClose(1008, "Maximum Connections Exceeded");
    await first.roundTrip();
  },

  "§18 too many connections of an account: 1008": async () => {
    await using own = await ServerProcess.start({
      config: `${BLOCK}\naccounts { A { limits { max_connections: 1 }, users: [ { user: a, password: p } ] } }`,
    });
    await WebSocketPeer.connect(own, { user: "a", pass: "p" });
    const second = await WebSocketPeer.open(own);
    second.send(`CONNECT {"user":"a","pass":"p"}\r\n`);
    await second.expect("-ERR 'maximum account active connections exceeded'\r\n");
    await second.expectClose(1008, "Maximum Account Connections Exceeded");
  },

  "§18 a stale connection: 1001, by the block's own ping_interval": async () => {
    await using own = await ServerProcess.start({
      config: `websocket { listen: "127.0.0.1:-1", no_tls: true, ping_interval: "200ms" }\nping_max: 1`,
      monitoring: true,
    });
    const tcp = await own.connectAs();
    const peer = await WebSocketPeer.open(own);
    peer.send(`CONNECT {"verbose":false}\r\n`);
    const text: string[] = [];
    while (true) {
      const { opcode, payload } = await peer.readFrame();
      if (opcode === 8) {
        expect(`${payload.readUInt16BE()} ${payload.subarray(2)}`).toBe("1001 Stale Connection");
        break;
      }
      text.push(payload.toString());
    }
    expect(text.join("")).toBe("PING\r\n-ERR 'Stale Connection'\r\n");
    expect(await closedReason(own, peer)).toBe("Stale Connection");
    await tcp.roundTrip();
  },

  "§18 a shutdown: 1001": async () => {
    await using own = await ServerProcess.start({ config: BLOCK });
    const peer = await WebSocketPeer.connect(own);
    own.signal("SIGTERM");
    expect(await peer.readGoodbye()).toBe("1001 Server Shutdown");
  },

  "§17 lame duck: no more upgrades, INFO, then 1001": async () => {
    await using own = await ServerProcess.start({
      config: `${BLOCK}\nlame_duck_duration: "30s"\nlame_duck_grace_period: "300ms"`,
    });
    const peer = await WebSocketPeer.open(own);
    const { port } = peer.info;
    peer.send(`CONNECT {"verbose":false,"protocol":1}\r\nPING\r\n`);
    expect(await peer.readLine()).toBe("PONG");
    expect(await peer.readLine()).toContain('"connect_info":true');
    own.signal("SIGUSR2");
    const info = JSON.parse((await peer.readLine()).slice(5));
    expect(info).toMatchObject({ ldm: true, host: "127.0.0.1", port });
    const refused = await WebSocketPeer.open(own).catch(() => null);
    expect(refused).toBe(null);
    await peer.expectClose(1001, "Server Shutdown");
  },

  "§18 a kick: 1011": async () => {
    await using own = await ServerProcess.start({ config: `${BLOCK}\n${SYSTEM_ACCOUNTS}` });
    const system = await own.connectAs({ user: "sys", pass: "p" });
    const peer = await WebSocketPeer.connect(own, { user: "a", pass: "p" });
    await ask(system, `$SYS.REQ.SERVER.${peer.info.server_id}.KICK`, { cid: peer.info.client_id });
    await peer.expectClose(1011, "Kicked");
  },

  "§18 a user that a reload removes: 1000": async () => {
    const config = (users: string) => `${BLOCK}\nauthorization { users: [ ${users} ] }`;
    await using own = await ServerProcess.start({
      config: config("{ user: a, password: p }, { user: b, password: p }"),
    });
    const peer = await WebSocketPeer.connect(own, { user: "b", pass: "p" });
    await own.reload(config("{ user: a, password: p }"));
    await peer.expectClose(1000, "Client Closed");
  },

  "§18 a slow consumer: an end without a word": async () => {
    await using own = await ServerProcess.start({
      config: `${BLOCK}\nmax_pending: 2000000\nwrite_deadline: "1s"`,
      monitoring: true,
    });
    const peer = await WebSocketPeer.connect(own);
    peer.send("SUB slow 1\r\n");
    await peer.roundTrip();
    peer.client.pause();
    const publisher = await own.connectAs();
    const line = `PUB slow 100000\r\n${"x".repeat(100_000)}\r\n`;
    for (let i = 0; i < 300; i++) publisher.send(line);
    await publisher.roundTrip(20_000);
    expect(await closedReason(own, peer)).toMatch(/^Slow Consumer \((Pending Bytes|Write Deadline)\)$/);
  },
});
