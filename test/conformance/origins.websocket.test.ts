import { expect } from "bun:test";
import { rowsInParallel, sharedServer } from "../support/row.ts";
import { ServerProcess } from "../support/server_process.ts";
import { openListener, UPGRADE_LINES } from "../support/websocket_peer.ts";

const block = (more: string) => `websocket { listen: "127.0.0.1:-1", no_tls: true, ${more} }`;
const anyone = sharedServer({ config: block("") });

/** The status that a request with these header lines is answered with. */
async function statusOf(server: ServerProcess, host: string, origin: string): Promise<number> {
  const client = await openListener(server);
  const lines = [`Host: ${host}`, ...UPGRADE_LINES.slice(1), ...(origin === "" ? [] : [origin])];
  client.send(`GET / HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n`);
  const line = await client.readLine();
  client.destroy();
  return Number(line.split(" ")[1]);
}

rowsInParallel({
  "§12.37 without a rule any origin does": async () => {
    for (const origin of ["", "Origin: http://evil", "Origin: null", "Origin: ???"]) {
      expect(await statusOf(anyone(), "h", origin)).toBe(101);
    }
  },

  "§12.37 same_origin": async () => {
    await using own = await ServerProcess.start({ config: block("same_origin: true") });
    for (const [host, origin, status] of [
      ["h", "", 101],
      ["h", "Origin: http://h", 101],
      ["h:80", "Origin: http://H", 101],
      ["h", "Origin: http://h:80/page", 101],
      ["h:8080", "Origin: http://h:8080", 101],
      ["h", "Origin: https://h", 403],
      ["h:443", "Origin: https://h", 403],
      ["h", "Origin: http://h:8080", 403],
      ["h", "Origin: http://h.evil", 403],
      ["h", "Origin: null", 403],
      ["h", "Sec-WebSocket-Origin: http://h", 101],
      ["h", "Sec-WebSocket-Origin: http://evil", 403],
    ] as const) {
      expect(await statusOf(own, host, origin)).toBe(status);
    }
    await own.waitForLog("websocket handshake error: origin not allowed: not same origin");
  },

  "§12.37 allowed_origins": async () => {
    await using own = await ServerProcess.start({
      config: block(`allowed_origins: ["http://a", "https://a:8443", "http://B:81/app"]`),
    });
    for (const [origin, status] of [
      ["", 101],
      ["Origin: http://a", 101],
      ["Origin: http://A:80", 101],
      ["Origin: https://a:8443", 101],
      ["Origin: http://b:81", 101],
      ["Origin: https://a", 403],
      ["Origin: http://a:8443", 403],
      ["Origin: http://b", 403],
      ["Origin: http://c", 403],
      ["Origin: null", 403],
    ] as const) {
      expect(await statusOf(own, "h", origin)).toBe(status);
    }
    await own.waitForLog("websocket handshake error: origin not allowed: not in the allowed list");
  },

  "§12.37 both rules hold together": async () => {
    await using own = await ServerProcess.start({
      config: block(`same_origin: true, allowed_origins: ["http://a", "http://h"]`),
    });
    expect(await statusOf(own, "h", "Origin: http://h")).toBe(101);
    expect(await statusOf(own, "h", "Origin: http://a")).toBe(403);
    expect(await statusOf(own, "x", "Origin: http://x")).toBe(403);
  },
});
