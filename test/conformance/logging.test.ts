import { expect } from "bun:test";
import { readdirSync, readFileSync, renameSync, statSync } from "node:fs";
import { until } from "../support/deadline.ts";
import { isNatsServer } from "../support/reference.ts";
import { rowsInParallel } from "../support/row.ts";
import { ServerProcess } from "../support/server_process.ts";

const LINE = /^\[\d+\] \d{4}\/\d{2}\/\d{2} \d{2}:\d{2}:\d{2}\.\d{6} \[(INF|DBG|WRN|ERR|FTL|TRC)\] .*$/;

/** Every whole line logged so far. */
const lines = (server: ServerProcess) => server.log.trimEnd().split(/\r?\n/);

/** The text after the level of each line. */
const messages = (server: ServerProcess) =>
  lines(server).map((line) => line.replace(/^.*? \[[A-Z]{3}\] /, ""));

rowsInParallel(
  {
    "§8 start-up lines come in the documented order": async () => {
      await using server = await ServerProcess.start({
        config: "server_name: starter\nprof_port: -1",
        monitoring: true,
      });
      const found = messages(server);
      const order = [
        /^Starting nats-server$/,
        /^ {2}Version: {2}2\.\d+\.\d+/,
        /^ {2}Git: {6}\[.+\]$/,
        /^ {2}Name: {5}starter$/,
        /^ {2}ID: {7}N[A-Z2-7]{55}$/,
        /^Using configuration file: \S+server\.conf \(sha256:[0-9a-f]{64}\)$/,
        /^Starting http monitor on 127\.0\.0\.1:\d+$/,
        /^Listening for client connections on 127\.0\.0\.1:\d+$/,
        /^Server is ready$/,
      ];
      const positions = order.map((pattern) => found.findIndex((message) => pattern.test(message)));
      expect([positions.includes(-1), positions, found]).toEqual([
        false,
        [...positions].sort((a, b) => a - b),
        found,
      ]);
      for (const line of lines(server)) expect(line).toMatch(LINE);
    },

    "§8 the Go build line is DBG, the name is the id when none is set": async () => {
      await using server = await ServerProcess.start({ config: "debug: true" });
      const client = await server.connect();
      expect(server.log).toMatch(new RegExp(`\\[INF\\]   Name:     ${client.info.server_id}\n`));
      expect(server.log).toMatch(new RegExp(`\\[INF\\]   ID:       ${client.info.server_id}\n`));
      expect(server.log).not.toContain("Cluster:");
    },

    "§8 feature flags are listed": async () => {
      await using server = await ServerProcess.start({ config: "feature_flags { zzz: true }" });
      expect(server.log).toMatch(/\[INF\] {3}Feature flags:\n/);
      expect(server.log).toMatch(/\[INF\] {5}Unsupported: {3}zzz/);
    },

    "§8 shutdown prints its two lines": async () => {
      await using server = await ServerProcess.start();
      server.signal("SIGINT");
      const exit = await server.waitForExit();
      expect(exit.stderr).toMatch(
        /\[INF\] Initiating Shutdown\.\.\.\n(.*\n)*.*\[INF\] Server Exiting\.\.\n$/,
      );
    },

    "§12 every line has pid, time and level, nothing goes to stdout": async () => {
      await using server = await ServerProcess.start({ flags: ["-DV"] });
      const client = await server.connectAs({ name: "n" });
      client.send("SUB foo 1\r\nPUB foo 1\r\nx\r\n");
      await client.expect("MSG foo 1 1\r\nx\r\n");
      client.end();
      await server.waitForLog("Client connection closed: Client Closed");
      for (const line of lines(server)) {
        expect(line).toMatch(LINE);
        expect(line.startsWith(`[${server.processId}] `)).toBe(true);
      }
      expect(server.stdout).toBe("");
    },

    "§12 logtime false leaves out time and its blank": async () => {
      await using server = await ServerProcess.start({ config: "logtime: false" });
      for (const line of lines(server)) expect(line).toMatch(/^\[\d+\] \[[A-Z]{3}\] /);
    },

    "§12 logtime_utc writes UTC": async () => {
      await using server = await ServerProcess.start({
        config: "logtime_utc: true",
        environment: { TZ: "Asia/Tokyo" },
      });
      const [, date, time] = / (\d{4}\/\d{2}\/\d{2}) (\d{2}:\d{2}:\d{2})\./.exec(lines(server)[0]!)!;
      const logged = Date.parse(`${date!.replaceAll("/", "-")}T${time}Z`);
      expect(Math.abs(Date.now() - logged)).toBeLessThan(60_000);
    },

    "§12 the prefix of a connection gains version, language and name after CONNECT": async () => {
      await using server = await ServerProcess.start({ flags: ["-DV"] });
      const client = await server.connect();
      const id = client.info.client_id;
      client.send("PING\r\n");
      await client.expect("PONG\r\n");
      await server.waitForLog(
        new RegExp(`\\[DBG\\] 127\\.0\\.0\\.1:\\d+ - cid:${id} - Client connection created\n`),
      );
      await server.waitForLog(new RegExp(`\\[TRC\\] 127\\.0\\.0\\.1:\\d+ - cid:${id} - <<- \\[PING\\]\n`));
      client.send(`CONNECT {"verbose":false,"version":"1.2.3","lang":"ts","name":"tester"}\r\nPING\r\n`);
      await client.expect("PONG\r\n");
      await server.waitForLog(
        new RegExp(
          `\\[TRC\\] 127\\.0\\.0\\.1:\\d+ - cid:${id} - "v1\\.2\\.3:ts:tester" - (".*" - )?<<- \\[PING\\]\n`,
        ),
      );
    },

    "§12 trace lines": async () => {
      await using server = await ServerProcess.start({ flags: ["-V"] });
      const client = await server.connectAs();
      const from = server.log.length;
      client.send(
        "SUB foo 1\r\nPUB foo re 5\r\nhello\r\nUNSUB 1\r\nSUB a..b 2\r\nPUB _GR_.a 1\r\nx\r\nHPUB bar 12 14\r\nNATS/1.0\r\n\r\nhi\r\nPING\r\n",
      );
      await client.expect(
        "MSG foo 1 re 5\r\nhello\r\n-ERR 'Invalid Subject'\r\n" +
          `-ERR 'Permissions Violation for Publish to "_GR_.a"'\r\nPONG\r\n`,
      );
      const text = await server.waitForLog(/HPUB bar[\s\S]*->> \[PONG\]/, from);
      const traced = text
        .trimEnd()
        .split("\n")
        .map((line) => /(<<-|->>|<->) .*/.exec(line)?.[0])
        .filter((line) => line !== undefined);
      for (const line of [
        "<<- [SUB foo 1]",
        "<<- [PUB foo re 5]",
        `<<- MSG_PAYLOAD: ["hello"]`,
        "->> [MSG foo 1 re 5]",
        "<<- [UNSUB 1]",
        "<-> [DELSUB 1]",
        "->> [-ERR Invalid Subject]",
        `->> [-ERR Permissions Violation for Publish to "_GR_.a"]`,
        "<<- [HPUB bar 12 14]",
        "<<- [PING]",
        "->> [PONG]",
      ]) {
        expect([line, traced.some((each) => each === line)]).toEqual([line, true]);
      }
    },

    "§12 a message is traced with its own subject, as published and as mapped": async () => {
      const config = `mappings = { "a.*": "b.{{wildcard(1)}}" }`;
      await using server = await ServerProcess.start({ config, flags: ["-V"] });
      const client = await server.connectAs();
      const from = server.log.length;
      client.send("SUB b.* 1\r\nPUB a.1 2\r\nhi\r\nHPUB b.2 12 14\r\nNATS/1.0\r\n\r\nyo\r\nPING\r\n");
      await client.expect("MSG b.1 1 2\r\nhi\r\nHMSG b.2 1 12 14\r\nNATS/1.0\r\n\r\nyo\r\nPONG\r\n");
      const text = await server.waitForLog(/\[SUB[\s\S]*->> \[PONG\]/, from);
      expect(text.slice(text.indexOf("<<- [SUB")).match(/(<<-|->>) .*/g)).toEqual([
        "<<- [SUB b.* 1]",
        "<<- [PUB a.1 2]",
        "<<- [MAPPING a.1 -> b.1]",
        `<<- MSG_PAYLOAD: ["hi"]`,
        "->> [MSG b.1 1 2]",
        `->> MSG_PAYLOAD: ["hi"]`,
        "<<- [HPUB b.2 12 14]",
        `<<- MSG_PAYLOAD: ["NATS/1.0\\r\\n\\r\\nyo"]`,
        "->> [HMSG b.2 1 12 14]",
        `->> MSG_PAYLOAD: ["NATS/1.0\\r\\n\\r\\nyo"]`,
        "<<- [PING]",
        "->> [PONG]",
      ]);
    },

    "§12 a client that goes leaves its subscriptions": async () => {
      await using server = await ServerProcess.start({ flags: ["-DV"] });
      const client = await server.connectAs();
      client.send("SUB foo 1\r\nPING\r\n");
      await client.expect("PONG\r\n");
      client.end();
      const text = await server.waitForLog(/connection closed[\s\S]*DELSUB 1\]/);
      expect(text).toMatch(/ - Client connection closed: Client Closed\n.* - <-> \[DELSUB 1\]/);
    },

    "§12 a large message is traced like any other": async () => {
      await using server = await ServerProcess.start({ flags: ["-V", "--max_traced_msg_len", "5"] });
      const client = await server.connectAs();
      client.send(`PUB foo 300000\r\n${"x".repeat(300_000)}\r\nPING\r\n`);
      await client.expect("PONG\r\n");
      const text = await server.waitForLog(/\[PUB[\s\S]*->> \[PONG\]/);
      expect(text.slice(text.indexOf("<<- [PUB")).match(/(<<-|->>) .*/g)).toEqual([
        "<<- [PUB foo 300000]",
        `<<- MSG_PAYLOAD: ["xxxxx..."]`,
        "<<- [PING]",
        "->> [PONG]",
      ]);
    },

    "§12 traced OK, secrets in CONNECT are redacted": async () => {
      await using server = await ServerProcess.start({ flags: ["-V"] });
      const client = await server.connect();
      client.send(`CONNECT {"verbose":true,"user":"me","pass":"s3cret","auth_token":"t0ken","name":"n"}\r\n`);
      await client.expect("+OK\r\n");
      const text = await server.waitForLog("->> [OK]");
      expect(text).toContain("<<- [CONNECT {");
      expect(text).toContain("[REDACTED]");
      expect(text).not.toContain("s3cret");
      expect(text).not.toContain("t0ken");
    },

    "§12 payloads are quoted and cut at max_traced_msg_len": async () => {
      await using server = await ServerProcess.start({ config: "trace: true\nmax_traced_msg_len: 5" });
      const client = await server.connectAs();
      client.send(`PUB foo 10\r\n0123456789\r\nPUB foo 4\r\n"\r\n\x01\r\n`);
      await client.roundTrip();
      const text = await server.waitForLog("->> [PONG]");
      await server.waitForLog(`<<- MSG_PAYLOAD: ["01234..."]`);
      expect(text.length).toBeGreaterThan(0);
      await server.waitForLog(String.raw`<<- MSG_PAYLOAD: ["\"\r\n\x01"]`);
    },

    "§12 a client's -ERR is logged": async () => {
      await using server = await ServerProcess.start();
      const client = await server.connectAs();
      client.send("-ERR 'something odd'\r\n");
      await client.expectClosed();
      await server.waitForLog(/\[ERR\] 127\.0\.0\.1:\d+ - cid:\d+ - Client Error 'something odd'/);
    },

    "§12 an operation that ends a client is logged with what was wrong": async () => {
      await using server = await ServerProcess.start({ config: "max_payload: 100000" });
      const faults: readonly (readonly [input: string, line: string])[] = [
        ["PUB foo -1\r\n", 'processPub Bad or Missing Size: "foo -1"'],
        ["PUB foo 1 2 3 4\r\n", 'processPub Parse Error: "foo 1 2 3 4"'],
        ["PUB foo 100001\r\n", "maximum payload exceeded: 100001 vs 100000"],
        ["SUB a b c d\r\n", 'processSub Parse Error: "a b c d"'],
        ["UNSUB 1 2 3\r\n", 'processUnsub Parse Error: "1 2 3"'],
        ["HPUB foo 1\r\n", 'processHeaderPub Parse Error: "foo 1"'],
        ["HPUB foo x 12\r\n", 'processHeaderPub Bad or Missing Header Size: "foo x 12"'],
        ["HPUB foo 1 y\r\n", 'processHeaderPub Bad or Missing Total Size: "foo 1 y"'],
        ["HPUB foo 20 12\r\n", 'processHeaderPub Header Size larger then TotalSize: "foo 20 12"'],
        [
          "GET / HTTP/1.1\r\nHost: a.b.c.d.e.f.g.h\r\n\r\n",
          `Client parser ERROR, state=0, i=0: proto='"GET / HTTP/1.1\\r\\nHost: a.b.c.d.e."...'`,
        ],
      ];
      for (const [input, line] of faults) {
        const client = await server.connectAs();
        client.send(input);
        await client.readToEnd();
        const text = await server.waitForLog(line);
        expect(text).toMatch(/\[ERR\] 127\.0\.0\.1:\d+ - cid:\d+ - .*\n$/);
      }
      const client = await server.connectAs({ headers: false, no_responders: false });
      client.send("HPUB foo 2 2\r\n");
      await client.readToEnd();
      await server.waitForLog(/\[ERR\] 127\.0\.0\.1:\d+ - cid:\d+ - message headers not supported\n/);
    },

    "§12 clients that send the like one after the other: once a second; nats-server logs each": async () => {
      await using server = await ServerProcess.start();
      const times = 20;
      let isReference = false;
      for (let i = 0; i < times; i++) {
        const client = await server.connectAs();
        isReference = isNatsServer(client);
        client.send(`PUB foo x${i}\r\n`);
        await client.readToEnd();
      }
      const count = () =>
        lines(server).filter((line) => line.includes("processPub Bad or Missing Size")).length;
      await server.waitForLog('processPub Bad or Missing Size: "foo x0"');
      if (isReference) {
        await until(
          () => count() === times,
          () => `${count()} lines`,
        );
      } else expect(count()).toBeLessThan(times / 2);
    },

    "§12 debug lines tell why a connection closed": async () => {
      await using server = await ServerProcess.start({ flags: ["-D"] });
      const client = await server.connectAs();
      client.send("BOOM\r\n");
      await client.readToEnd();
      await server.waitForLog(
        /\[DBG\] 127\.0\.0\.1:\d+ - cid:\d+ - Client connection closed: Protocol Violation/,
      );
    },

    "§12 debug lines tell of pings, of who needs none, and of who does not answer": async () => {
      await using server = await ServerProcess.start({
        config: `debug: true\nping_interval: "300ms"\nping_max: 1`,
      });
      const active = await server.connectAs();
      const line = (text: string) => new RegExp(`\\[DBG\\] 127\\.0\\.0\\.1:\\d+ - cid:\\d+ - ${text}\\n`);
      const delayed = line("Delaying PING due to remote client data or ping 0s ago");
      await until(
        async () => {
          await active.roundTrip();
          return delayed.test(server.log);
        },
        () => `no ping was left out; the log holds:\n${server.log}`,
      );
      active.destroy();
      const silent = await server.connectAs();
      silent.showsKeepAlive = true;
      await silent.readToEnd();
      await server.waitForLog(line("Stale Client Connection - Closing"));
      expect(server.log).toMatch(line("Client Ping Timer"));
    },

    "§12 a log file is appended to": async () => {
      await using server = await ServerProcess.start({
        config: `log_file: "DIRECTORY/out.log"`,
        logFile: "out.log",
        files: { "out.log": "an earlier line\n" },
      });
      expect(server.stderr).toBe("");
      expect(server.log).toMatch(/^an earlier line\n\[\d+\] .*Starting nats-server\n/);
    },

    "§12 a log file has mode 0640 before umask": async () => {
      await using server = await ServerProcess.start({
        config: `log_file: "DIRECTORY/out.log"`,
        logFile: "out.log",
      });
      expect(statSync(server.path("out.log")).mode & 0o137).toBe(0);
    },

    "§10 SIGUSR1 reopens the log file, so that it can be moved away": async () => {
      await using server = await ServerProcess.start({
        config: `log_file: "DIRECTORY/out.log"`,
        logFile: "out.log",
      });
      renameSync(server.path("out.log"), server.path("old.log"));
      server.signal("SIGUSR1");
      await server.waitForLog("File log re-opened");
      expect(readFileSync(server.path("old.log"), "utf8")).toContain("Server is ready");
      expect(readFileSync(server.path("out.log"), "utf8")).not.toContain("Server is ready");
    },

    "§10 SIGUSR1 without a log file is ignored, with a line": async () => {
      await using server = await ServerProcess.start();
      server.signal("SIGUSR1");
      await server.waitForLog("File log re-open ignored, not a file logger");
      await server.waitForLog(`Trapped "user defined signal 1" signal`);
    },

    "§12 log_size_limit rotates to a dated name, log_max_num keeps that many": async () => {
      await using server = await ServerProcess.start({
        config: `log_file: "DIRECTORY/out.log"\nlog_size_limit: 2000\nlog_max_num: 3\ntrace: true`,
        logFile: "out.log",
      });
      const client = await server.connectAs();
      const backups = () => readdirSync(server.directory).filter((name) => name.startsWith("out.log."));
      await until(
        async () => {
          client.send(`PUB filler 100\r\n${"x".repeat(100)}\r\n`.repeat(20));
          await client.roundTrip();
          return backups().length >= 2 && server.log.includes("Purged log file");
        },
        () => `the files are ${readdirSync(server.directory).join(", ")}`,
      );
      await until(
        () => backups().length === 2,
        () => `with log_max_num 3 there are ${backups().join(", ")}`,
      );
      for (const name of backups())
        expect(name).toMatch(/^out\.log\.\d{4}\.\d{2}\.\d{2}\.\d{2}\.\d{2}\.\d{2}\.\d{9}$/);
      const content = readFileSync(server.path("out.log"), "utf8");
      expect(content).toMatch(/^\[\d+\] .*\[INF\] Rotated log, backup saved as ".*out\.log\.[\d.]+"\r\n/);
    },

    "§12 a file too big at start is rotated first": async () => {
      await using server = await ServerProcess.start({
        config: `log_file: "DIRECTORY/out.log"\nlog_size_limit: 100000`,
        logFile: "out.log",
        files: { "out.log": `${"an earlier line\n".repeat(10_000)}` },
      });
      expect(server.log).not.toContain("an earlier line");
      const backups = readdirSync(server.directory).filter((name) => name.startsWith("out.log."));
      expect(backups.length).toBe(1);
      expect(readFileSync(server.path(backups[0]!), "utf8")).toContain("an earlier line");
    },

    "§12 without a terminal levels have no colours": async () => {
      await using server = await ServerProcess.start();
      expect(server.log).not.toContain("\x1b[");
    },
  },
  6,
);
