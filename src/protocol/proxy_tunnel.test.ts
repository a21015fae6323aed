import { describe, expect, test } from "bun:test";
import { tunnelProblem, tunnelRequest } from "./proxy_tunnel.ts";
import { HeadReader } from "./websocket/http_head.ts";

function problemOf(answer: string): string | null {
  const reader = new HeadReader();
  const bytes = new TextEncoder().encode(answer);
  reader.add(bytes, 0, bytes.length);
  return tunnelProblem(reader.take()!);
}

describe("tunnelRequest()", () => {
  test("names the host, and who asks", () => {
    const text = (...asked: [string, string, string]) => new TextDecoder().decode(tunnelRequest(...asked));
    expect(text("hub:7422", "", "")).toBe("CONNECT hub:7422 HTTP/1.1\r\nHost: hub:7422\r\n\r\n");
    expect(text("[::1]:1", "us", "p:ä")).toBe(
      "CONNECT [::1]:1 HTTP/1.1\r\nHost: [::1]:1\r\nProxy-Authorization: Basic dXM6cDrDpA==\r\n\r\n",
    );
  });
});

describe("tunnelProblem()", () => {
  test("takes 200 alone for a tunnel", () => {
    expect(problemOf("HTTP/1.1 200 OK\r\nVia: x\r\n\r\n")).toBe(null);
    expect(problemOf("HTTP/1.0 200\r\n\r\n")).toBe(null);
    expect(problemOf("HTTP/1.1 204 No Content\r\n\r\n")).toBe("proxy CONNECT failed: 204 No Content");
    expect(problemOf("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")).toBe(
      "proxy CONNECT failed: 407 Proxy Authentication Required",
    );
  });

  test("says what is no answer", () => {
    expect(problemOf("SSH-2.0\r\n\r\n")).toBe(
      'failed to read proxy response: malformed HTTP response "SSH-2.0"',
    );
    expect(problemOf("HTTP/1.1 200 OK\r\nnonsense\r\n\r\n")).toBe(
      "failed to read proxy response: malformed MIME header",
    );
  });
});
