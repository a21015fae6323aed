import { expect } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { until } from "../support/deadline.ts";
import type { RawClient } from "../support/raw_client.ts";
import { rowsInParallel } from "../support/row.ts";
import { ServerProcess } from "../support/server_process.ts";

const OK = /Reloaded server configuration \(sha256:[0-9a-f]{64}\)/;

/** Reloads `to` over `from` and expects a refusal that names the option and changes nothing. */
async function expectUnsupported(from: string, to: string, name: string): Promise<void> {
  await using server = await ServerProcess.start({ config: `max_payload: 1000\n${from}` });
  const log = await server.reload(`max_payload: 2000\n${to}`);
  expect(log).toContain(
    `Failed to reload server configuration: config reload not supported for ${name}: old=`,
  );
  expect((await server.connect()).info.max_payload).toBe(1000);
}

/** Reloads `to` over `from` and expects it to be applied. */
async function expectSupported(from: string, to: string, line?: string | RegExp): Promise<void> {
  await using server = await ServerProcess.start({ config: from });
  const log = await server.reload(to);
  expect(log).toMatch(OK);
  if (typeof line === "string") expect(log).toContain(line);
  else if (line) expect(log).toMatch(line);
  await (await server.connectAs()).roundTrip();
}

const rows: Record<string, () => Promise<void>> = {
  "§14.1 an unchanged file reloads": () => expectSupported("max_payload: 1000", "max_payload: 1000"),

  "§14.1 a file with an error leaves everything as it is": async () => {
    await using server = await ServerProcess.start({ config: "max_payload: 1000" });
    const client = await server.connectAs();
    expect(await server.reload("max_payload: 2000\nnonsense: 1")).toMatch(
      /\[ERR\] Failed to reload server configuration: \S+server\.conf:2:1: unknown field "nonsense"/,
    );
    expect(await server.reload("max_payload: {")).toContain("Failed to reload server configuration: ");
    expect((await server.connect()).info.max_payload).toBe(1000);
    await client.roundTrip();
    expect(await server.reload("max_payload: 3000")).toMatch(OK);
    expect((await server.connect()).info.max_payload).toBe(3000);
  },

  "§14.1 the digest of the reloaded file is logged and shown": async () => {
    await using server = await ServerProcess.start({ config: "max_payload: 1000", monitoring: true });
    const before = await server.json<{ config_digest: string; config_load_time: string }>("/varz");
    const log = await server.reload("max_payload: 2000");
    const after = await server.json<{ config_digest: string; config_load_time: string; max_payload: number }>(
      "/varz",
    );
    expect(log).toContain(`Reloaded server configuration (${after.config_digest})`);
    expect(after.config_digest === before.config_digest).toBe(false);
    expect(Date.parse(after.config_load_time)).toBeGreaterThan(Date.parse(before.config_load_time) - 1);
    expect(after.config_load_time === before.config_load_time).toBe(false);
    expect(after.max_payload).toBe(2000);
  },

  "§14.1 several reloads in a row each count": async () => {
    await using server = await ServerProcess.start({ config: "max_payload: 1000" });
    for (const limit of [1001, 1002, 1003]) {
      expect(await server.reload(`max_payload: ${limit}`)).toMatch(OK);
      expect((await server.connect()).info.max_payload).toBe(limit);
    }
  },

  "§14.2 max_payload holds for live connections at once, no INFO is pushed": async () => {
    await using server = await ServerProcess.start({ config: "max_payload: 1000" });
    const client = await server.connectAs({ protocol: 1 });
    const other = await server.connectAs({ protocol: 1 });
    expect(await server.reload("max_payload: 10")).toContain("Reloaded: max_payload = 10");
    client.send("PUB a 10\r\n0123456789\r\n");
    await client.roundTrip();
    client.send("PUB a 11\r\n");
    await client.expect("-ERR 'Maximum Payload Violation'\r\n");
    await client.expectClosed();
    expect(await server.reload("max_payload: 2000")).toMatch(OK);
    other.send(`PUB a 2000\r\n${"x".repeat(2000)}\r\n`);
    await other.roundTrip();
  },

  "§14.2 max_control_line holds for live connections at once": async () => {
    await using server = await ServerProcess.start({ config: "max_control_line: 1000" });
    const client = await server.connectAs();
    expect(await server.reload("max_control_line: 300")).toContain("Reloaded: max_control_line = 300");
    client.send(`SUB ${"s".repeat(298)} 1\r\n`);
    await client.roundTrip();
    client.send(`SUB ${"s".repeat(299)} 1\r\n`);
    await client.expect("-ERR 'maximum control line exceeded'\r\n");
    await client.expectClosed();
  },

  "§14.2 max_connections lowered: surplus clients get the error, the others stay": async () => {
    await using server = await ServerProcess.start({ config: "max_connections: 10" });
    const clients: RawClient[] = [];
    for (let index = 0; index < 5; index++) clients.push(await server.connectAs());
    const log = await server.reload("max_connections: 2");
    expect(log).toContain("Reloaded: max_connections = 2");
    await server.waitForLog("Closed 3 connections to fall within max_connections");
    await until(
      () => clients.filter((client) => client.isClosed).length === 3,
      () => `${clients.filter((client) => client.isClosed).length} of 5 clients were closed`,
    );
    for (const client of clients) {
      if (client.isClosed) expect(await client.readToEnd()).toBe("-ERR 'maximum connections exceeded'\r\n");
      else await client.roundTrip();
    }
  },

  "§14.2 ping_interval and ping_max": async () => {
    await using server = await ServerProcess.start({ config: `ping_interval: "10m"` });
    expect(await server.reload(`ping_interval: "200ms"\nping_max: 1`)).toContain(
      "Reloaded: ping_interval = 200ms",
    );
    const client = await server.connect();
    client.showsKeepAlive = true;
    await client.expect("PING\r\n-ERR 'Stale Connection'\r\n");
  },

  "§14.2 debug and trace change for live connections": async () => {
    await using server = await ServerProcess.start({ config: "debug: false" });
    const client = await server.connectAs();
    client.send("PUB first 0\r\n\r\n");
    await client.roundTrip();
    expect(await server.reload("debug: true\ntrace: true")).toContain("Reloaded: debug = true");
    client.send("PUB second 0\r\n\r\n");
    await client.roundTrip();
    await server.waitForLog("<<- [PUB second 0]");
    expect(server.log).not.toContain("[PUB first 0]");
    await server.reload("debug: false\ntrace: false");
    client.send("PUB third 0\r\n\r\n");
    await client.roundTrip();
    (await server.connectAs()).destroy();
    await server.reload("trace: true");
    client.send("PUB fourth 0\r\n\r\n");
    await client.roundTrip();
    await server.waitForLog("<<- [PUB fourth 0]");
    expect(server.log).not.toContain("[PUB third 0]");
  },

  "§14.2 log_file: the log goes on in the new file": async () => {
    await using server = await ServerProcess.start({
      config: `log_file: "DIRECTORY/one.log"`,
      logFile: "one.log",
    });
    server.writeConfig(`log_file: "DIRECTORY/two.log"`);
    server.signal("SIGHUP");
    const two = server.path("two.log");
    await until(
      () => existsSync(two) && OK.test(readFileSync(two, "utf8")),
      () => `the new log file ${existsSync(two) ? `holds ${readFileSync(two, "utf8")}` : "does not exist"}`,
    );
    expect(readFileSync(server.path("one.log"), "utf8")).not.toMatch(OK);
  },

  "§14.2 pid_file: the new file is written": async () => {
    await using server = await ServerProcess.start({ config: `pid_file: "DIRECTORY/one.pid"` });
    expect(await server.reload(`pid_file: "DIRECTORY/two.pid"`)).toContain("Reloaded: pid_file = ");
    expect(readFileSync(server.path("two.pid"), "utf8")).toBe(String(server.processId));
  },

  "§14.2 pid_file: one that cannot be written is told, and the rest holds": async () => {
    await using server = await ServerProcess.start({ config: "max_payload: 1000" });
    const log = await server.reload(`max_payload: 2000\npid_file: "DIRECTORY/none/x.pid"`);
    expect(log).toMatch(/\[ERR\] Failed to write pidfile: open \S+\/none\/x\.pid: no such file or directory/);
    expect((await server.connect()).info.max_payload).toBe(2000);
  },

  "§14.2 ports_file_dir: the old file goes, the new one comes": async () => {
    await using server = await ServerProcess.start({ config: `ports_file_dir: "DIRECTORY"` });
    const count = (directory: string) =>
      readdirSync(directory).filter((name) => name.endsWith(".ports")).length;
    await until(
      () => count(server.directory) === 1,
      () => "there is no ports file",
    );
    await using other = await ServerProcess.start();
    expect(await server.reload(`ports_file_dir: "${other.directory}"`)).toMatch(OK);
    await until(
      () => count(server.directory) === 0 && count(other.directory) === 1,
      () => `${count(server.directory)} old and ${count(other.directory)} new ports files`,
    );
  },

  "§14.2 client_advertise shows in the next INFO": async () => {
    await using server = await ServerProcess.start({ config: "debug: false" });
    expect(await server.reload(`client_advertise: "me.test:99"`)).toContain(
      "Reload: client_advertise = me.test:99",
    );
    expect((await server.connect()).info.host).toBe("me.test");
  },

  "§14.2 server_tags and server_metadata": async () => {
    await using server = await ServerProcess.start({ config: "server_tags: a", monitoring: true });
    expect(await server.reload(`server_tags: [b, c]\nserver_metadata { k: v }`)).toContain("Reloaded: tags");
    const varz = await server.json<{ tags: string[]; metadata: unknown }>("/varz");
    expect([varz.tags, varz.metadata]).toEqual([["b", "c"], { k: "v" }]);
  },

  "§14.2 live clients keep their subscriptions": async () => {
    await using server = await ServerProcess.start({ config: "max_payload: 1000" });
    const client = await server.connectAs();
    client.send("SUB keep 1\r\nSUB keep q 2\r\nUNSUB 1 3\r\nPUB keep 0\r\n\r\n");
    await client.readUntil("2 0\r\n\r\n");
    await server.reload("max_payload: 2000\ndebug: true");
    await server.connectAs();
    client.send("UNSUB 2\r\nPUB keep 0\r\n\r\n");
    const text = await client.readUntil("MSG keep 1 0\r\n\r\n");
    expect(text.length).toBeGreaterThan(0);
  },

  "§14.3 a client without credentials survives a reload": async () => {
    await using server = await ServerProcess.start({ config: "max_payload: 1000" });
    const client = await server.connectAs({ name: "n" });
    await server.reload("max_payload: 2000");
    await client.roundTrip();
  },

  "§14.4 flags for port, debug and pid stay in force over the new file": async () => {
    await using server = await ServerProcess.start({
      config: "max_payload: 1000",
      flags: ["-D", "-P", "DIRECTORY/flag.pid"],
    });
    expect(await server.reload("max_payload: 2000\ndebug: false")).toMatch(OK);
    const from = server.log.length;
    await server.connectAs();
    await server.waitForLog("[DBG]", from);
  },
};

for (const [name, from, to, line] of [
  ["write_deadline", `write_deadline: "5s"`, `write_deadline: "6s"`, "Reloaded: write_deadline = 6s"],
  ["logtime", "logtime: true", "logtime: false", "Reloaded: logtime = false"],
  [
    "max_traced_msg_len",
    "max_traced_msg_len: 1",
    "max_traced_msg_len: 2",
    "Reloaded: max_traced_msg_len = 2",
  ],
  [
    "connect_error_reports",
    "connect_error_reports: 1",
    "connect_error_reports: 2",
    "Reloaded: connect_error_reports = 2",
  ],
  [
    "no_fast_producer_stall",
    "debug: false",
    "no_fast_producer_stall: true",
    /fast producers will not be stalled/,
  ],
  ["store_dir", `store_dir: "DIRECTORY/a"`, `store_dir: "DIRECTORY/b"`, OK],
] as const) {
  rows[`§14.2 ${name} can change`] = () => expectSupported(from, to, line);
}

for (const [from, to, name] of [
  ["server_name: a", "server_name: b", "ServerName"],
  ["max_pending: 1MB", "max_pending: 2MB", "MaxPending"],
  ["max_subscriptions: 1", "max_subscriptions: 2", "MaxSubs"],
  ["max_subscription_tokens: 1", "max_subscription_tokens: 2", "MaxSubTokens"],
  ["max_closed_clients: 1", "max_closed_clients: 2", "MaxClosedClients"],
  [`lame_duck_duration: "30s"`, `lame_duck_duration: "31s"`, "LameDuckDuration"],
  [`lame_duck_grace_period: "1s"`, `lame_duck_grace_period: "2s"`, "LameDuckGracePeriod"],
  ["write_timeout: close", "write_timeout: retry", "WriteTimeout"],
  ["no_header_support: false", "no_header_support: true", "NoHeaderSupport"],
  ["allow_non_tls: false", "allow_non_tls: true", "AllowNonTLS"],
  ["log_size_limit: 0", "log_size_limit: 1MB", "LogSizeLimit"],
  ["log_max_num: 1", "log_max_num: 2", "LogMaxFiles"],
  ["http_base_path: a", "http_base_path: b", "HTTPBasePath"],
  ["debug: false", "http_port: 1", "HTTPPort"],
  ["debug: false", "prof_port: 1", "ProfPort"],
] as const) {
  rows[`§14.2 ${to.split(":")[0]} cannot change and the whole reload is refused`] = () =>
    expectUnsupported(from, to, name);
}

rowsInParallel(rows, 6);
