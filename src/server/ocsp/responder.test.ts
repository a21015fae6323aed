import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { askByGet, askByPost } from "./responder.ts";

const REQUEST = Uint8Array.of(0xfb, 0xff, 0xbe);
/** Base64 with all that a URL needs escaped. */
const ESCAPED = "%2B%2F%2B%2B";
const TIMEOUT_MS = 2000;

const asked: string[] = [];
let answer = (_request: IncomingMessage, response: ServerResponse) => void response.end("yes");
const server = createServer((request, response) => {
  asked.push(`${request.method} ${request.url} ${request.headers["content-type"] ?? ""}`.trim());
  answer(request, response);
});
await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
afterAll(() => {
  server.closeAllConnections();
  server.close();
});
beforeEach(() => {
  asked.length = 0;
  answer = (_request, response) => void response.end("yes");
});

const textOf = (result: Awaited<ReturnType<typeof askByGet>>) =>
  result.ok ? new TextDecoder().decode(result.bytes) : result.reason;

describe("askByGet()", () => {
  test("puts the request behind the URL, slash or not", async () => {
    expect(textOf(await askByGet([url], REQUEST, TIMEOUT_MS))).toBe("yes");
    expect(asked).toEqual([`GET /${ESCAPED}`]);
    asked.length = 0;
    await askByGet([`${url}/ocsp/`], REQUEST, TIMEOUT_MS);
    expect(asked).toEqual([`GET /ocsp/${ESCAPED}`]);
  });

  test("asks the next one where one fails, and says of the last one why", async () => {
    answer = (request, response) => {
      response.statusCode = request.url!.startsWith("/a") ? 500 : 200;
      response.end("yes");
    };
    expect(textOf(await askByGet([`${url}/a`, `${url}/b`], REQUEST, TIMEOUT_MS))).toBe("yes");
    expect(asked.length).toBe(2);
    expect(textOf(await askByGet([`${url}/a`], REQUEST, TIMEOUT_MS))).toBe(
      `exhausted ocsp servers: GET ${url}: bad OCSP responder http status: [500]`,
    );
    expect(textOf(await askByGet([], REQUEST, TIMEOUT_MS))).toBe("no available ocsp servers");
  });

  test("does not wait for ever, and takes no more than a response can have", async () => {
    answer = () => {};
    const startMs = performance.now();
    expect((await askByGet([url], REQUEST, 50)).ok).toBe(false);
    expect(performance.now() - startMs).toBeLessThan(TIMEOUT_MS);
    answer = (_request, response) => void response.end("x".repeat(300 * 1024));
    expect(textOf(await askByGet([url], REQUEST, TIMEOUT_MS))).toContain("more than 262144 bytes");
  });

  test("tells nothing of a URL but where it leads", async () => {
    const reason = textOf(await askByGet(["http://me:secret@127.0.0.1:1/path"], REQUEST, TIMEOUT_MS));
    expect(reason).toMatch(/^exhausted ocsp servers: GET http:\/\/127\.0\.0\.1:1: /);
    expect(reason).not.toContain("secret");
  });
});

describe("askByPost()", () => {
  test("posts, and gets where that is not taken", async () => {
    expect(textOf(await askByPost([url], REQUEST, TIMEOUT_MS))).toBe("yes");
    expect(asked).toEqual(["POST / application/ocsp-request"]);
    asked.length = 0;
    answer = (request, response) => {
      response.statusCode = request.method === "POST" ? 405 : 200;
      response.end("got");
    };
    expect(textOf(await askByPost([url], REQUEST, TIMEOUT_MS))).toBe("got");
    expect(asked.map((line) => line.split(" ")[0])).toEqual(["POST", "GET"]);
  });
});
