import { expect, test } from "bun:test";
import { fileURLToPath } from "node:url";
import { loadConfigText } from "../../src/config/load.ts";
import { Logger } from "../../src/log/logger.ts";
import { loadRuntime } from "../../src/runtime/mod.ts";
import { Server } from "../../src/server/server.ts";
import { RawClient } from "../support/raw_client.ts";
import { upgrade } from "../support/tls_client.ts";

const FIXTURES = fileURLToPath(new URL("../conformance/fixtures/", import.meta.url));
const TLS = `tls { cert_file: "${FIXTURES}server_cert.pem", key_file: "${FIXTURES}server_key.pem" }`;
const REASON = "cannot open OpenSSL 3: there is none";

/** A server on a machine without OpenSSL, and its log. */
async function startWithout(config: string, reloaded = config, transport: "auto" | "epoll" = "auto") {
  const log: string[] = [];
  const sink = { write: (_level: string, text: string) => void log.push(text), close: () => {} };
  const load = (text: string) => {
    const loaded = loadConfigText(text, "config", { readFile: () => "", environment: {} });
    if (!loaded.ok) throw new Error(loaded.lines.join("\n"));
    return loaded;
  };
  const { options } = load(config);
  const server = await Server.start({
    options: { ...options, midge: { ...options.midge, transport } },
    runtime: { ...(await loadRuntime()), openOpenSsl: () => ({ ok: false, reason: REASON }) },
    logger: new Logger(sink, { debug: false, trace: false }),
    openLog: null,
    config: { file: "config", digest: "", read: () => load(reloaded) },
    executableName: "midge",
    commandLine: [],
    endsProcess: false,
  });
  return { server, log };
}

const LISTEN = 'listen: "127.0.0.1:-1"';

test("without OpenSSL a server with TLS takes the runtime's sockets and TLS, and says so", async () => {
  const { server, log } = await startWithout(`${LISTEN}\n${TLS}`);
  expect(log.some((line) => line.includes(REASON))).toBe(true);
  const plain = await RawClient.open(server.port);
  expect((await plain.readInfo()).tls_required).toBe(true);
  const client = await upgrade(plain);
  await client.handshake();
  client.send("SUB foo 1\r\nPUB foo 2\r\nhi\r\n");
  await client.expect("MSG foo 1 2\r\nhi\r\n");
  client.destroy();
  await server.stop();
});

test("without OpenSSL a server without TLS keeps its own sockets, and cannot gain TLS by a reload", async () => {
  const { server, log } = await startWithout(LISTEN, `${LISTEN}\n${TLS}`);
  expect(log.some((line) => line.includes(REASON))).toBe(false);
  const result = await server.reload();
  expect(result).toEqual({ ok: false, reason: `tls: ${REASON}; restart to use the runtime's own TLS` });
  const client = await RawClient.open(server.port);
  expect((await client.readInfo()).tls_required).toBe(undefined);
  client.destroy();
  await server.stop();
});

test("transport epoll with TLS and without OpenSSL refuses to start, and says why", async () => {
  await expect(startWithout(`${LISTEN}\n${TLS}`, "", "epoll")).rejects.toThrow(`transport epoll: ${REASON}`);
});
