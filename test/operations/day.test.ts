/** Runs docs/operations/day.md as it stands, with clients on all its servers. */
import { expect, test } from "bun:test";
import { Buffer } from "node:buffer";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { fromSeed } from "nkeys.js";
import { freePorts } from "../../src/cli/demo/ports.ts";
import { RoamingClient } from "../robustness/roaming_client.ts";
import { masked, readTranscript, ShellSession } from "../support/console_page.ts";
import { until } from "../support/deadline.ts";
import { RawClient } from "../support/raw_client.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const RUNTIME = "Deno" in globalThis ? "deno" : "bun";
const STEP_MS = 60_000;
const PAGE_MS = 90_000;

/** Ports of the page, in place of which free ones are used. */
const PORTS = ["4222", "4223", "4224", "4225", "8222", "8223", "8224", "6222", "6223", "6224"];

test(
  "docs/operations/day.md: its commands print what it says, and clients lose only their connection",
  async () => {
    const free = (await freePorts(PORTS.length)).map(String);
    const folder = mkdtempSync(join(tmpdir(), "midge-day-"));
    const shell = new ShellSession(folder, {
      PATH: `${root}bin:${process.env.PATH}`,
      MIDGE_RUNTIME: RUNTIME,
    });
    const clients: RoamingClient[] = [];
    const heard: string[][] = [];
    /** Logged in with creds that the old key of the account has signed. */
    let client!: RawClient;
    let creds = "";
    try {
      let section = "";
      for (const step of readTranscript(`${root}docs/operations/day.md`)) {
        if (step.section !== section && section === "Three servers") {
          for (const port of free.slice(0, 3)) clients.push(await RoamingClient.open(Number(port), LOGIN));
          heard.push(...clients.map(listen));
        }
        if (step.section !== section && section === "Users come and go")
          await expectAllServed(clients, heard);
        if (step.section !== section && section === "An account's signing key") {
          await client.readToEnd();
          const again = await logIn(Number(free[3]), creds);
          expect(await again.readToEnd()).toBe("-ERR 'Authorization Violation'\r\n");
        }
        section = step.section;
        if (step.command === "midge account edit app --rm-sk $old") {
          creds = readFileSync(join(folder, "acme/keys/creds/acme/app/app.creds"), "utf8");
          client = await logIn(Number(free[3]), creds);
          await client.expect("PONG\r\n");
        }
        const printed = await shell.run(exchange(step.command, PORTS, free), STEP_MS);
        const asThere = exchange(printed, free, PORTS);
        expect(`$ ${step.command}\n${masked(asThere)}`).toBe(`$ ${step.command}\n${masked(step.output)}`);
      }
    } finally {
      for (const { connection } of clients) await connection.close();
      shell.end();
      rmSync(folder, { recursive: true });
    }
  },
  PAGE_MS,
);

/** Sends CONNECT and PING by a creds file's text. */
async function logIn(port: number, creds: string): Promise<RawClient> {
  const [jwt, seed] = Array.from(creds.matchAll(/^-----BEGIN .*\n(\S+)\n/gm), ([, line]) => line!);
  const client = await RawClient.open(port);
  const { nonce } = await client.readInfo();
  const signature = fromSeed(Buffer.from(seed!)).sign(Buffer.from(String(nonce)));
  const connect = { verbose: false, jwt, sig: Buffer.from(signature).toString("base64url") };
  client.send(`CONNECT ${JSON.stringify(connect)}\r\nPING\r\n`);
  return client;
}

const LOGIN = { user: "app", pass: "secret" };

/** Subscribed before anything happens: whatever server a client goes to, it tells it of that again. */
function listen({ connection }: RoamingClient): string[] {
  const heard: string[] = [];
  connection.subscribe("hello", { callback: (_error, message) => void heard.push(message.string()) });
  return heard;
}

/** Each has had to reconnect at least once, is there, and is heard by all. */
async function expectAllServed(
  clients: readonly RoamingClient[],
  heard: readonly (readonly string[])[],
): Promise<void> {
  for (const { isConnected, gaps } of clients) {
    expect(isConnected).toBe(true);
    expect(gaps.length).toBeGreaterThan(0);
  }
  for (const [index, { connection }] of clients.entries()) connection.publish("hello", String(index));
  // A client does not hear itself (`noEcho`).
  const wanted = ["1,2", "0,2", "0,1"];
  const sorted = () => heard.map((texts) => [...texts].sort().join());
  await until(
    () => sorted().join(" ") === wanted.join(" "),
    () => `the clients have heard ${JSON.stringify(heard)}`,
  );
}

/** The text with each of `from` replaced by that of `to` at the same place. */
function exchange(text: string, from: readonly string[], to: readonly string[]): string {
  return text.replace(/\b\d{4,5}\b/g, (port) => to[from.indexOf(port)] ?? port);
}
