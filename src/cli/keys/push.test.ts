/** Tests `midge push` against servers that this file plays. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { Buffer } from "node:buffer";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { type AddressInfo, createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { decodeBase64Url } from "../../auth/base64.ts";
import { decodeAs } from "../../auth/jwt/decode.ts";
import { KeyPair, verifySignature } from "../../auth/nkey.ts";
import { runKeyTool } from "./main.ts";
import { Store } from "./store.ts";

const NONCE = "bm9uY2Vub25jZTE";

let folder: string;
const servers: Server[] = [];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "midge-push-"));
  await run("init", folder, "-o", "acme");
});

afterAll(() => {
  for (const server of servers) server.close();
  rmSync(folder, { recursive: true });
});

async function run(...words: string[]) {
  const outcome = { code: 0, printed: "", complaint: "" };
  const session = {
    print: (text: string) => {
      outcome.printed += `${text}\n`;
    },
    nowSeconds: () => Date.now() / 1000,
  };
  outcome.code = await runKeyTool(words, session, (text) => {
    outcome.complaint += text;
  });
  return outcome;
}

const push = (url: string, ...words: string[]) => run("push", "--dir", folder, "--url", url, ...words);

/** A server that greets, and answers each line it gets with what `answer` returns; the rest of a message included. */
async function play(
  answer: (line: string, body: string) => string,
  greeting = `INFO {"nonce":"${NONCE}"} \r\n`,
) {
  const server = createServer((socket) => {
    socket.write(greeting);
    let received = "";
    socket.on("error", () => {});
    socket.on("data", (bytes: Buffer) => {
      received += bytes.toString("latin1");
      for (let end = received.indexOf("\r\n"); end >= 0; end = received.indexOf("\r\n")) {
        const line = received.slice(0, end);
        const bodyBytes = line.startsWith("PUB ") ? Number(line.split(" ").at(-1)) + 2 : 0;
        if (received.length < end + 2 + bodyBytes) return;
        const reply = answer(line, received.slice(end + 2, end + bodyBytes));
        received = received.slice(end + 2 + bodyBytes);
        // Cut in two, for what arrives is not whole lines.
        socket.write(reply.slice(0, 5));
        socket.write(reply.slice(5));
      }
    });
  }).listen(0, "127.0.0.1");
  servers.push(server);
  await once(server, "listening");
  return `nats://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** MSG with a JSON answer of a server. */
function message(inbox: string, answer: object): string {
  const body = JSON.stringify(answer);
  return `MSG ${inbox} 1 ${Buffer.byteLength(body)}\r\n${body}\r\n`;
}

test("logs in as a short-lived user of the system account and sends the account's token", async () => {
  let connect: { jwt: string; sig: string } | undefined;
  const updates: string[] = [];
  const url = await play((line, body) => {
    if (line.startsWith("CONNECT ")) connect = JSON.parse(line.slice("CONNECT ".length));
    if (line === "PING") return "PONG\r\nPING\r\n";
    const [verb, subject, inbox = ""] = line.split(" ");
    if (verb !== "PUB") return "";
    updates.push(`${subject} ${body}`);
    const [one, two] = ["S1", "S2"].map((name) =>
      message(inbox, { server: { name }, data: { message: "jwt updated" } }),
    );
    return `${one}${two}`;
  });
  const { code, printed, complaint } = await push(url, "app", "SYS");
  expect({ code, complaint }).toEqual({ code: 0, complaint: "" });
  expect(printed).toBe(
    ["app", "SYS"]
      .map((name) => ["S1", "S2"].map((server) => `account ${name}: ${server}: jwt updated\n`).join(""))
      .join(""),
  );

  const store = Store.open(folder, undefined);
  expect(updates).toEqual(
    ["app", "SYS"].map((name) => `$SYS.REQ.CLAIMS.UPDATE ${store.account(name).token}`),
  );
  const login = decodeAs("user", connect?.jwt ?? "");
  if (!login.ok) throw new Error(login.text);
  expect(login.claims.issuer).toBe(store.account("SYS").claims.subject);
  expect(login.claims.nats.publish.allow).toEqual(["$SYS.REQ.CLAIMS.UPDATE", "$SYS.REQ.CLAIMS.DELETE"]);
  expect(login.claims.expiresAtSeconds - Date.now() / 1000).toBeLessThanOrEqual(120);
  const signature = decodeBase64Url(connect?.sig ?? "");
  expect(signature.ok && verifySignature(login.claims.subject, Buffer.from(NONCE), signature.bytes)).toBe(
    true,
  );
});

test("has servers delete an account that the store has no more, by its key", async () => {
  let deletion = "";
  const url = await play((line, payload) => {
    if (line === "PING") return "PONG\r\n";
    const [verb, subject, inbox = ""] = line.split(" ");
    if (verb !== "PUB") return "";
    deletion = `${subject} ${payload}`;
    return message(inbox, { server: { name: "S1" }, data: { message: "deleted 1 accounts" } });
  });
  const { publicKey } = KeyPair.create("account");
  expect(await push(url, "--delete", publicKey)).toMatchObject({ code: 0, complaint: "" });
  const [subject, token = ""] = deletion.split(" ");
  expect(subject).toBe("$SYS.REQ.CLAIMS.DELETE");
  const claims = JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString());
  expect(claims.nats).toMatchObject({ accounts: [publicKey] });
});

test("reports what a server refuses", async () => {
  const url = await play((line) => {
    if (line === "PING") return "PONG\r\n";
    const [verb, , inbox = ""] = line.split(" ");
    const error = { description: "jwt store is full" };
    return verb === "PUB" ? message(inbox, { server: { name: "S1" }, error }) : "";
  });
  expect(await push(url, "app")).toEqual({
    code: 1,
    printed: "",
    complaint: "midge: account app: S1: jwt store is full",
  });
});

test.each([
  ["MSG x 1 3\r\n{a}\r\n", /a server answered something that is no answer: "\{a\}"/],
  ["MSG x 1 many\r\n", /it does not speak the NATS protocol/],
  ["MSG x 1 -1\r\n", /it does not speak the NATS protocol/],
])("copes with a server that answers %j", async (answer, complaint) => {
  const url = await play((line) => (line === "PING" ? "PONG\r\n" : line.startsWith("PUB ") ? answer : ""));
  expect((await push(url, "app")).complaint).toMatch(complaint);
});

test("says that no server takes accounts", async () => {
  const url = await play((line) => {
    if (line === "PING") return "PONG\r\n";
    const [verb, , inbox = ""] = line.split(" ");
    return verb === "PUB" ? `HMSG ${inbox} 1 16 16\r\nNATS/1.0 503\r\n\r\n\r\n` : "";
  });
  expect((await push(url, "app")).complaint).toBe(
    `midge: ${url}: no server takes $SYS.REQ.CLAIMS.UPDATE: its resolver is not of type full or cache`,
  );
});

test("says why it could not log in", async () => {
  const url = await play((line) => (line === "PING" ? "-ERR 'Authorization Violation'\r\n" : ""));
  expect((await push(url, "app")).complaint).toBe(
    `midge: ${url} ended the connection: Authorization Violation`,
  );
});

test("says why it could not connect", async () => {
  const web = await play(() => "", "HTTP/1.1 400 Bad Request\r\n");
  expect((await push(web, "app")).complaint).toBe(`midge: cannot connect to ${web}: it is no NATS server`);
  const garbled = await play(() => "", "INFO {nonce\r\n");
  expect((await push(garbled, "app")).complaint).toMatch(/^midge: cannot connect to /);
  const closed = createServer().listen(0, "127.0.0.1");
  await once(closed, "listening");
  const url = `nats://127.0.0.1:${(closed.address() as AddressInfo).port}`;
  closed.close();
  await once(closed, "close");
  expect((await push(url, "app")).complaint).toBe(`midge: cannot connect to ${url}: nobody listens there`);
  expect((await push("http://a/b", "app")).complaint).toMatch(/"http:\/\/a\/b" is no server to push to/);
});

test("wants to know what to push, and knows only accounts of the store", async () => {
  expect((await push("nats://a")).complaint).toMatch(/name the accounts to push, or use --all or --delete/);
  expect((await push("nats://a", "nobody")).complaint).toMatch(/no account "nobody" of acme/);
  expect((await push("nats://a", "--delete", "nobody")).complaint).toMatch(/no account "nobody" of acme/);
});
