/**
 * What `midge init` and the commands after it write, given to nats-server: it starts with the configuration, takes
 * pushed accounts, and clients of @nats-io/transport-node log in with the creds: `npm run test:peers`.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { connect, credsAuthenticator, type NatsConnection } from "@nats-io/transport-node";
import { masked, readTranscript } from "../support/console_page.ts";
import { findFreePort } from "../support/free_port.ts";
import { sendsInfo } from "./greeting.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const cache = `${root}.cache/peers`;
const midge = `${root}bin/midge`;

const READY_MS_MAX = 20_000;
const CLIENT_MS_MAX = 30_000;

/** Servers that what the tool writes is given to. */
const PROGRAMS: readonly [name: string, program: string][] = [
  ["nats-server 2.15.2", `${cache}/bin/nats-server-2.15.2`],
];

const RUNTIMES = ["bun", "deno"] as const;

const CASES = PROGRAMS.flatMap(([name, program]) => RUNTIMES.map((runtime) => ({ name, program, runtime })));

for (const { name, program, runtime } of CASES) {
  describe(`${name} and the key tool on ${runtime}:`, () => {
    let folder: string;
    let port: number;
    let server: ChildProcess;
    const connections: NatsConnection[] = [];

    beforeAll(async () => {
      folder = mkdtempSync(join(tmpdir(), "midge-init-"));
      port = await findFreePort();
      await tool("init", "--operator", "acme", "--port", String(port));
      server = await startServer(program, join(folder, "server.conf"), port);
    }, READY_MS_MAX);

    afterAll(async () => {
      for (const connection of connections) await connection.close();
      await stopServer(server);
      rmSync(folder, { recursive: true });
    });

    /** Runs the key tool in the folder and returns what it printed. */
    async function tool(...words: string[]): Promise<string> {
      const child = spawn(midge, words, {
        cwd: folder,
        stdio: ["ignore", "pipe", "pipe"],
        env: { ...process.env, MIDGE_RUNTIME: runtime },
      });
      let [printed, complaint] = ["", ""];
      child.stdout.on("data", (bytes) => {
        printed += bytes;
      });
      child.stderr.on("data", (bytes) => {
        complaint += bytes;
      });
      const [code] = await once(child, "close");
      if (code !== 0) throw new Error(`midge ${words.join(" ")} ended with ${code}: ${complaint}`);
      return printed;
    }

    async function logIn(account: string, user: string): Promise<NatsConnection> {
      const creds = readFileSync(join(folder, `keys/creds/acme/${account}/${user}.creds`));
      const connection = await connect({
        servers: `127.0.0.1:${port}`,
        authenticator: credsAuthenticator(creds),
        reconnect: false,
        timeout: CLIENT_MS_MAX,
      });
      connections.push(connection);
      return connection;
    }

    test(
      "the user that init made talks to itself",
      async () => {
        const client = await logIn("app", "app");
        const subscription = client.subscribe("hello", { max: 1 });
        client.publish("hello", "world");
        for await (const message of subscription) expect(message.string()).toBe("world");
      },
      CLIENT_MS_MAX,
    );

    test(
      "the system user sees all servers",
      async () => {
        const client = await logIn("SYS", "sys");
        const answer = await client.request("$SYS.REQ.SERVER.PING", "", { timeout: CLIENT_MS_MAX });
        expect(answer.json()).toMatchObject({ server: { name: "acme-1" } });
      },
      CLIENT_MS_MAX,
    );

    test(
      "an account made later serves once it is pushed; revoked, its user is sent away",
      async () => {
        await tool("account", "add", "orders");
        await tool("user", "add", "bob", "-a", "orders", "--allow-pub", "o.>", "--expiry", "1h");
        expect(await tool("push", "orders")).toMatch(/^account orders: \S+: jwt updated\n$/);
        const bob = await logIn("orders", "bob");
        await bob.flush();
        const closed = bob.closed();
        await tool("user", "revoke", "bob", "-a", "orders");
        await tool("push", "orders");
        expect(String(await closed)).toMatch(/revoked/i);
        await expect(logIn("orders", "bob")).rejects.toThrow(/authorization/i);
        expect(await tool("push", "--delete", "orders")).toMatch(/^deletion: \S+: deleted 1 accounts\n$/);
      },
      CLIENT_MS_MAX,
    );

    test(
      "a role fills in its user's name and tags",
      async () => {
        await tool("account", "role", "app", "reader", "--allow-sub", "in.{{name()}}.{{tag(room)}}");
        await tool("user", "add", "carl", "-a", "app", "--role", "reader", "--tag", "room:blue");
        await tool("push", "app");
        const carl = await logIn("app", "carl");
        const app = await logIn("app", "app");
        const allowed = carl.subscribe("in.carl.blue", { max: 1 });
        const refused = carl.subscribe("in.bob.blue");
        const failed = (async () => {
          for await (const _ of refused);
        })();
        await expect(failed).rejects.toThrow(/permissions violation/i);
        await carl.flush();
        app.publish("in.carl.blue", "hi");
        for await (const message of allowed) expect(message.string()).toBe("hi");
      },
      CLIENT_MS_MAX,
    );

    test(
      "a private service is imported with an activation token",
      async () => {
        await tool("account", "add", "buyer");
        await tool("user", "add", "ann", "-a", "buyer");
        await tool("account", "export", "app", "price.*", "--service", "--private", "yes");
        const share = ["price.*", "buyer.jwt", "--importer", "buyer", "--service", "--expiry", "1h"];
        await tool("account", "activate", "app", ...share);
        const import_ = [
          "price.*",
          "--from",
          "app",
          "--service",
          "--token",
          "buyer.jwt",
          "--local-subject",
          "ask.$1",
        ];
        await tool("account", "import", "buyer", ...import_);
        await tool("push", "--all");
        const app = await logIn("app", "app");
        const ann = await logIn("buyer", "ann");
        app.subscribe("price.*", { callback: (_, message) => void message.respond(`${message.subject} 5`) });
        await app.flush();
        expect((await ann.request("ask.tea", "", { timeout: CLIENT_MS_MAX })).string()).toBe("price.tea 5");
      },
      CLIENT_MS_MAX,
    );

    test(
      "a server with TLS is pushed to if its certificate is trusted",
      async () => {
        const securePort = await findFreePort();
        const fixtures = `${root}test/conformance/fixtures`;
        const config = join(folder, "tls.conf");
        await tool("config", config, "--port", String(securePort));
        const text = readFileSync(config, "utf8").replace('/jwt"', '/jwt-of-tls"');
        const files = `cert_file: "${fixtures}/server_cert.pem", key_file: "${fixtures}/server_key.pem"`;
        writeFileSync(config, `${text}\ntls { ${files} }\n`);
        const secure = await startServer(program, config, securePort);
        try {
          const url = ["--url", `tls://127.0.0.1:${securePort}`];
          const trusted = `${fixtures}/server_cert.pem`;
          expect(await tool("push", "app", ...url, "--tls-ca", trusted)).toMatch(/jwt updated/);
          await expect(tool("push", "app", ...url)).rejects.toThrow(/self.signed certificate/);
        } finally {
          await stopServer(secure);
        }
      },
      CLIENT_MS_MAX,
    );

    test(
      "a strict operator is served after a restart, with what was signed by signing keys",
      async () => {
        await tool("operator", "edit", "--strict", "yes");
        for (const [account, user] of [
          ["app", "app"],
          ["SYS", "sys"],
        ] as const) {
          await tool("account", "edit", account, "--sk", "generate");
          await tool("user", "sign", user, "-a", account);
        }
        await tool("config", "--port", String(port));
        await stopServer(server);
        rmSync(join(folder, "jwt"), { recursive: true });
        server = await startServer(program, join(folder, "server.conf"), port);
        expect(await tool("push", "--all")).toMatch(/account app: \S+: jwt updated/);
        const client = await logIn("app", "app");
        await client.flush();
      },
      CLIENT_MS_MAX,
    );
  });
}

describe("docs/operations/keys.md", () => {
  test(
    "its commands print what it says, but for keys and times",
    async () => {
      const folder = mkdtempSync(join(tmpdir(), "midge-docs-"));
      const port = await findFreePort();
      let cwd = folder;
      let server: ChildProcess | undefined;
      try {
        for (const { command, output } of readTranscript(`${root}docs/operations/keys.md`)) {
          if (command.startsWith("cd ")) {
            cwd = join(cwd, command.slice("cd ".length));
            continue;
          }
          const own = command.replace("midge init acme", `midge init acme --port ${port}`);
          const printed = execFileSync("sh", ["-c", own], {
            cwd,
            env: { ...process.env, PATH: `${root}bin:${process.env.PATH}` },
            encoding: "utf8",
          });
          const asThere = printed
            .replace(` -s nats://localhost:${port}`, "")
            .replaceAll(String(port), "4222");
          expect(`$ ${command}\n${masked(asThere)}`).toBe(`$ ${command}\n${masked(output)}`);
          server ??= await startServer(PROGRAMS[0]![1], join(folder, "acme/server.conf"), port);
        }
      } finally {
        if (server !== undefined) await stopServer(server);
        rmSync(folder, { recursive: true });
      }
    },
    CLIENT_MS_MAX,
  );
});

/** Starts a server with the configuration and waits until it greets on the port. */
async function startServer(program: string, config: string, port: number): Promise<ChildProcess> {
  if (!existsSync(program)) throw new Error(`${program} is not there: run "npm run peers"`);
  mkdirSync(`${cache}/logs`, { recursive: true });
  const log = openSync(`${cache}/logs/keys.log`, "a");
  const child = spawn(program, ["-c", config, "-a", "127.0.0.1"], { stdio: ["ignore", log, log] });
  closeSync(log);
  const deadlineMs = Date.now() + READY_MS_MAX;
  while (!(await sendsInfo(port))) {
    if (child.exitCode !== null)
      throw new Error(`${program} ended with ${child.exitCode}; see ${cache}/logs`);
    if (Date.now() > deadlineMs)
      throw new Error(`${program} did not serve port ${port} in ${READY_MS_MAX} ms`);
  }
  return child;
}

async function stopServer(server: ChildProcess): Promise<void> {
  const exited = once(server, "exit");
  server.kill("SIGTERM");
  await exited;
}
