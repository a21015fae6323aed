import { expect } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import { checkConfig } from "../support/config_check.ts";
import { until } from "../support/deadline.ts";
import { rowsInParallel } from "../support/row.ts";
import { runToExit, ServerProcess } from "../support/server_process.ts";

/** Starts a server with these flags, lets `look` judge it, stops it. */
async function withFlags(flags: string[], look: (server: ServerProcess) => Promise<void>): Promise<void> {
  await using server = await ServerProcess.start({ ownListen: true, flags });
  await look(server);
}

const LOCAL = ["-a", "127.0.0.1", "-p", "-1"];

rowsInParallel(
  {
    "§6 -v and --version and version print the version line on stdout and exit 0": async () => {
      for (const flag of ["-v", "--version", "-version", "version"]) {
        const exit = await runToExit({ flags: [flag] });
        expect([flag, exit.code]).toEqual([flag, 0]);
        expect(exit.stdout).toMatch(/^nats-server: v2\.\d+\.\d+\S*\n$/);
        expect(exit.stderr).toBe("");
      }
    },

    "§6 -h and --help and help print the usage on stdout and exit 0": async () => {
      for (const flag of ["-h", "--help", "help"]) {
        const exit = await runToExit({ flags: [flag] });
        expect([flag, exit.code]).toEqual([flag, 0]);
        expect(exit.stdout).toContain("--port");
        expect(exit.stdout).toContain("--config");
        expect(exit.stderr).toBe("");
      }
    },

    "§6 --help_tls exits 0": async () => {
      const exit = await runToExit({ flags: ["--help_tls"] });
      expect(exit.code).toBe(0);
      expect(exit.stdout).toContain("tls");
    },

    "§6 an unknown word is refused": async () => {
      const exit = await runToExit({ flags: ["frobnicate"] });
      expect(exit.code).toBe(1);
      expect(exit.stderr).toBe(`nats-server: unrecognized command: "frobnicate"\n`);
    },

    "§9 an unknown flag says so on stderr and shows the usage": async () => {
      const exit = await runToExit({ flags: ["--frobnicate"] });
      // nats-server exits 0; a server may prefer an error.
      expect(exit.code === 0 || exit.code === 1 || exit.code === 2).toBe(true);
      expect(exit.stderr).toContain("frobnicate");
      expect(exit.stdout + exit.stderr).toContain("--port");
    },

    "§9 an unparsable flag value says so on stderr": async () => {
      const exit = await runToExit({ flags: ["-p", "abc"] });
      expect(exit.code === 0 || exit.code === 1 || exit.code === 2).toBe(true);
      expect(exit.stderr).toContain("abc");
    },

    "§7 -t without -c is refused": async () => {
      const exit = await runToExit({ flags: ["-t"] });
      expect(exit.code).toBe(1);
      expect(exit.stderr).toBe(
        "nats-server: must specify [-c, --config] option to check configuration file syntax\n",
      );
    },

    "§7 -t of a missing file is refused": async () => {
      const exit = await runToExit({ flags: ["-t", "-c", "DIRECTORY/none.conf"] });
      expect(exit.code).toBe(1);
      expect(exit.stderr).toMatch(/^nats-server: open \S+none\.conf: no such file or directory\n$/);
    },

    "§7 -t of a valid file says so with its digest, exit 0, nothing on stdout": async () => {
      const check = await checkConfig("port: 4222\n");
      expect(check.code).toBe(0);
      expect(check.stdout).toBe("");
      expect(check.stderr).toBe(
        `nats-server: configuration file ${check.path} is valid (sha256:797533ebd0dfba7d34a0f9337ecf147e442871f48ddfd07ed751575a5737267e)\n`,
      );
    },

    "§9 a missing configuration file at start: exit 1": async () => {
      const exit = await runToExit({ flags: ["-c", "DIRECTORY/none.conf"] });
      expect(exit.code).toBe(1);
      expect(exit.stderr).toMatch(/^nats-server: open \S+none\.conf: no such file or directory\n$/);
    },

    "§9 a bad configuration at start: exit 1": async () => {
      const server = ServerProcess.spawn({ config: "nonsense: 1" });
      const exit = await server.waitForExit();
      await server.stop();
      expect(exit.code).toBe(1);
      expect(exit.stderr).toMatch(/^nats-server: \S+server\.conf:1:0: unknown field "nonsense"\n/);
    },

    "§6 flags take one dash or two, a value after a blank or an equals sign": () =>
      withFlags(["--addr=127.0.0.1", "-port", "-1", "--name=two words", "-m=-1"], async (server) => {
        const client = await server.connect();
        expect(client.info.host).toBe("127.0.0.1");
        expect(client.info.server_name).toBe("two words");
        expect((await server.http("/varz")).status).toBe(200);
      }).catch((error: unknown) => {
        // A server may refuse the space, as the configuration file does.
        if (!String(error).includes("spaces")) throw error;
      }),

    "§6 --net, --server_name, --http_port, --client_advertise": () =>
      withFlags(
        [
          "--net",
          "127.0.0.1",
          "-p",
          "-1",
          "--server_name",
          "srv",
          "--http_port",
          "-1",
          "--client_advertise",
          "example.test:99",
        ],
        async (server) => {
          const client = await server.connect();
          expect(client.info.server_name).toBe("srv");
          expect(client.info.host).toBe("example.test");
          expect(client.info.port).toBe(99);
          expect((await server.http("/healthz")).body).toBe(`{"status":"ok"}`);
        },
      ),

    "§6 a given port is used": async () => {
      const probe = createServer().listen(0, "127.0.0.1");
      await new Promise((resolve) => probe.once("listening", resolve));
      const port = (probe.address() as { port: number }).port;
      await new Promise((resolve) => probe.close(resolve));
      await withFlags(["-a", "127.0.0.1", "-p", String(port)], async (server) => {
        expect(server.clientPort).toBe(port);
        expect((await server.connect()).info.port).toBe(port);
      });
    },

    "§8 a port in use is fatal: exit 1": async () => {
      const holder = createServer().listen(0, "127.0.0.1");
      await new Promise((resolve) => holder.once("listening", resolve));
      const port = (holder.address() as { port: number }).port;
      const server = ServerProcess.spawn({ ownListen: true, flags: ["-a", "127.0.0.1", "-p", String(port)] });
      const exit = await server.waitForExit();
      await server.stop();
      holder.close();
      expect(exit.code).toBe(1);
      expect(exit.stderr).toMatch(/\[FTL\] Error listening on port: 127\.0\.0\.1:\d+, "listen tcp /);
    },

    "§6 -D logs DBG, -V logs TRC, -DV both, none by default": async () => {
      for (const [flags, debug, trace] of [
        [[], false, false],
        [["-D"], true, false],
        [["-V"], false, true],
        [["-DV"], true, true],
        [["-D=true", "-V=true"], true, true],
        [["-DVV"], true, true],
        [["-VV"], false, true],
      ] as const) {
        await withFlags([...LOCAL, ...flags], async (server) => {
          const client = await server.connectAs();
          client.end();
          await client.expectClosed();
          if (debug) await server.waitForLog(/\[DBG\] .*Client connection closed/);
          if (trace) await server.waitForLog("[TRC]");
          expect([flags, server.log.includes("[DBG]"), server.log.includes("[TRC]")]).toEqual([
            flags,
            debug,
            trace,
          ]);
        });
      }
    },

    "§11 -P writes the pid without newline, overwriting, and leaves it": async () => {
      const server = await ServerProcess.start({
        ownListen: true,
        flags: [...LOCAL, "-P", "DIRECTORY/server.pid"],
      });
      try {
        expect(readFileSync(server.path("server.pid"), "utf8")).toBe(String(server.processId));
        server.signal("SIGINT");
        expect((await server.waitForExit()).code).toBe(0);
        expect(readFileSync(server.path("server.pid"), "utf8")).toBe(String(server.processId));
      } finally {
        await server.stop();
      }
    },

    "§11 --ports_file_dir: one JSON file while the server runs": async () => {
      const server = await ServerProcess.start({
        ownListen: true,
        flags: [...LOCAL, "-m", "-1", "--ports_file_dir", "DIRECTORY"],
      });
      try {
        const find = () =>
          readdirSync(server.directory).find((name) => name.endsWith(`_${server.processId}.ports`));
        await until(
          () => find() !== undefined && readFileSync(server.path(find()!), "utf8").length > 0,
          () => `no ports file in ${readdirSync(server.directory).join(", ")}`,
        );
        expect(JSON.parse(readFileSync(server.path(find()!), "utf8"))).toEqual({
          nats: [`nats://127.0.0.1:${server.clientPort}`],
          monitoring: [`http://127.0.0.1:${server.monitoringPort}`],
        });
        server.signal("SIGINT");
        await server.waitForExit();
        expect(find()).toBe(undefined);
      } finally {
        await server.stop();
      }
    },

    "§6 -l logs to a file, nothing to stderr": async () => {
      await using server = await ServerProcess.start({
        ownListen: true,
        logFile: "out.log",
        flags: [...LOCAL, "-l", "DIRECTORY/out.log"],
      });
      await server.connectAs();
      expect(server.stderr).toBe("");
      expect(readFileSync(server.path("out.log"), "utf8")).toContain("Server is ready");
    },

    "§6 -T=false leaves the time out": () =>
      withFlags([...LOCAL, "-T=false"], async (server) => {
        for (const line of server.log.trimEnd().split("\n")) expect(line).toMatch(/^\[\d+\] \[[A-Z]{3}\] /);
      }),

    "§6 flags that do not fit the file, or name no cluster: exit 1": async () => {
      const config = "accounts { A { users: [ { user: a, password: b } ] } }";
      for (const [flags, problem] of [
        [["--user", "u", "--pass", "p"], /Can not have a single user\/pass and accounts/],
        [["--auth", "t"], /Can not have a token and accounts/],
        [["--cluster_name", "_"], /cluster name is reserved/],
        [["--cluster_name", "a b"], /cluster name cannot contain spaces/],
      ] as const) {
        const server = ServerProcess.spawn({ config, flags: [...flags] });
        const exit = await server.waitForExit();
        await server.stop();
        expect([exit.code, exit.stderr]).toEqual([1, expect.stringMatching(problem)]);
      }
    },

    "§6 a file and flags together": async () => {
      const server = await ServerProcess.start({
        config: "max_payload: 5000\n",
        flags: ["-p", "-1", "--name", "flagged"],
      });
      try {
        const client = await server.connect();
        expect([client.info.server_name, client.info.max_payload]).toEqual(["flagged", 5000]);
      } finally {
        await server.stop();
      }
    },

    "§10 --signal with a pid file reaches the server": async () => {
      await using server = await ServerProcess.start({
        config: `pid_file: "DIRECTORY/server.pid"`,
      });
      const from = server.log.length;
      const reload = await runToExit({ flags: ["--signal", `reload=${server.path("server.pid")}`] });
      expect(reload.code).toBe(0);
      await server.waitForLog("Reloaded server configuration", from);
      const quit = await runToExit({ flags: ["-sl", `quit=${server.processId}`] });
      expect(quit.code).toBe(0);
      expect((await server.waitForExit()).code).toBe(0);
    },

    "§10 --signal reopen, ldm, term and stop": async () => {
      await using server = await ServerProcess.start();
      await runToExit({ flags: ["--signal", `reopen=${server.processId}`] });
      await server.waitForLog("File log re-open ignored, not a file logger");
      await runToExit({ flags: ["--signal=ldm=".concat(String(server.processId))] });
      expect((await server.waitForExit()).code).toBe(0);
      await using second = await ServerProcess.start();
      await runToExit({ flags: ["--signal", `term=${second.processId}`] });
      expect((await second.waitForExit()).signal).toBe(null);
      await using third = await ServerProcess.start();
      await runToExit({ flags: ["--signal", `stop=${third.processId}`] });
      expect((await third.waitForExit()).signal).toBe("SIGKILL");
    },

    "§10 --signal errors": async () => {
      for (const [value, message] of [
        ["bogus=1", `unknown signal "bogus"`],
        ["reload=abc", "invalid pid: abc"],
        ["reload=999999999", "no such process"],
      ] as const) {
        const exit = await runToExit({ flags: ["--signal", value] });
        expect([value, exit.code]).toEqual([value, 1]);
        expect(exit.stderr).toContain(message);
      }
    },

    "§10 --signal with the path of a missing pid file": async () => {
      const exit = await runToExit({ flags: ["--signal", "reload=/nonexistent/file.pid"] });
      expect(exit.code).toBe(1);
      expect(exit.stderr).toContain("invalid pid: /nonexistent/file.pid");
    },

    "§6 TLS flags without certificate are refused": async () => {
      const exit = await runToExit({ flags: [...LOCAL, "--tls"] });
      expect(exit.code).toBe(1);
      expect(exit.stderr).toContain("TLS Server certificate must be present and valid");
    },

    "§6 routes without a cluster are refused": async () => {
      const exit = await runToExit({ flags: [...LOCAL, "--routes", "nats-route://127.0.0.1:1"] });
      expect(exit.code).toBe(1);
      expect(exit.stderr).toContain("solicited routes require cluster capabilities, e.g. --cluster");
    },

    "§1 without -c no file is read": () =>
      withFlags(LOCAL, async (server) => {
        expect(server.log).not.toContain("Using configuration file");
      }),
  },
  4,
);
