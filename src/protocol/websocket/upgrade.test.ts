import { describe, expect, test } from "bun:test";
import { byteStringOf } from "../../subject/byte_string.ts";
import { HeadReader, type HttpHead, isBadHead } from "./http_head.ts";
import { parseOrigin } from "./origin.ts";
import { answerUpgrade, refuseFirstLine, refuseHead, type UpgradeRules } from "./upgrade.ts";

const DATE = "Sun, 06 Nov 1994 08:49:37 GMT";
const RULES: UpgradeRules = {
  isSecure: false,
  origins: { isSameRequired: false, allowed: [] },
  allowsCompression: false,
  headers: [],
  cookieNames: { jwt: "", user: "u", password: "", token: "" },
};
const HEADERS = {
  Host: "127.0.0.1:80",
  Upgrade: "websocket",
  Connection: "keep-alive, Upgrade",
  "Sec-WebSocket-Version": "13",
  "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
};

function headOf(text: string): HttpHead {
  const bytes = new TextEncoder().encode(text);
  const reader = new HeadReader();
  reader.add(bytes, 0, bytes.length);
  const head = reader.take();
  if (head === null || isBadHead(head)) throw new Error(`no head in ${text}`);
  return head;
}

/** The usual request, with these headers over it (undefined for none) and this first line. */
function ask(
  headers: Record<string, string | undefined> = {},
  rules: Partial<UpgradeRules> = {},
  firstLine = "GET /any/path?x=1 HTTP/1.1",
) {
  const lines = Object.entries({ ...HEADERS, ...headers }).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}: ${value}\r\n`],
  );
  return answerUpgrade(headOf(`${firstLine}\r\n${lines.join("")}\r\n`), { ...RULES, ...rules }, DATE);
}

function upgraded(...parameters: Parameters<typeof ask>) {
  const answer = ask(...parameters);
  if (answer.kind !== "upgrade") throw new Error(`refused: ${answer.problem}`);
  return answer;
}

function refused(...parameters: Parameters<typeof ask>) {
  const answer = ask(...parameters);
  if (answer.kind !== "refusal") throw new Error("upgraded");
  return { ...answer, text: byteStringOf(answer.response) };
}

describe("answerUpgrade()", () => {
  test("the accept key of RFC 6455, and nothing that nobody asked for", () => {
    expect(byteStringOf(upgraded().response)).toBe(
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
        "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
    );
    expect(upgraded({ "Sec-WebSocket-Protocol": "nats" }).response).toEqual(upgraded().response);
  });

  test("tokens are of any case and in lists", () => {
    upgraded({ Upgrade: "foo , WebSocket", Connection: "upgrade", "Sec-WebSocket-Version": "8, 13" });
    upgraded({}, {}, "GET http://other/x HTTP/1.1");
    upgraded({}, {}, "GET / HTTP/1.0");
  });

  test("a path that ends in /leafnode is a leaf node's", () => {
    expect(upgraded({}, {}, "GET /leafnode HTTP/1.1").endpoint).toBe("leafnode");
    expect(upgraded({}, {}, "GET /a/leafnode?b HTTP/1.1").endpoint).toBe("leafnode");
    expect(upgraded({}, {}, "GET /leafnode/a HTTP/1.1").endpoint).toBe("client");
  });

  test("compression where both sides want it", () => {
    const extensions = { "Sec-WebSocket-Extensions": "x, Permessage-Deflate; client_max_window_bits" };
    const line =
      "\r\nSec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover\r\n";
    expect(upgraded(extensions).terms.isCompressed).toBe(false);
    expect(upgraded({}, { allowsCompression: true }).terms.isCompressed).toBe(false);
    const both = upgraded(extensions, { allowsCompression: true });
    expect(both.terms.isCompressed).toBe(true);
    expect(byteStringOf(both.response)).toContain(line);
  });

  test("no masking for whoever asks, exactly", () => {
    const answer = upgraded({ "Nats-No-Masking": "true" });
    expect(answer.terms.isMasked).toBe(false);
    expect(byteStringOf(answer.response)).toContain("\r\nNats-No-Masking: true\r\n");
    expect(upgraded({ "Nats-No-Masking": "True" }).terms.isMasked).toBe(true);
  });

  test("small frames for browsers; compressed ones whole for Safari", () => {
    const termsOf = (agent: string) => upgraded({ "User-Agent": agent }).terms;
    expect(termsOf("curl/8")).toMatchObject({ frameBytesMax: 0, compressedFrameBytesMax: 0 });
    expect(termsOf("Mozilla/5.0 Chrome/1 Safari/1")).toMatchObject({
      frameBytesMax: 4096,
      compressedFrameBytesMax: 4096,
    });
    expect(termsOf("Mozilla/5.0 Version/17 Safari/1")).toMatchObject({
      frameBytesMax: 4096,
      compressedFrameBytesMax: 0,
    });
  });

  test("headers of the configuration come last, cookies and a proxy's word are read", () => {
    const answer = upgraded(
      { Cookie: "u=me", "X-Forwarded-For": "10.1.2.3" },
      {
        headers: [
          ["X-A", "1"],
          ["X-B", "ü"],
        ],
      },
    );
    expect(byteStringOf(answer.response)).toEndWith("\r\nX-A: 1\r\nX-B: \xc3\xbc\r\n\r\n");
    expect(answer.cookies).toEqual({ jwt: "", user: "me", password: "", token: "" });
    expect(answer.forwardedFor).toBe("10.1.2.3");
  });

  test("a proxy's word is one address or nothing", () => {
    const forwardedFor = (text: string) => upgraded({ "X-Forwarded-For": text }).forwardedFor;
    expect(forwardedFor("2001:db8::1")).toBe("2001:db8::1");
    for (const text of ["10.1.2.3, 10.0.0.1", "10.1.2.256", "10.1.2", "host", "01.2.3.4", "1::2::3"]) {
      expect(forwardedFor(text)).toBe("");
    }
  });

  test("a refusal is told as Go tells it, and the connection stays", () => {
    const { text, staysOpen } = refused({ Upgrade: undefined });
    expect(text).toBe(
      "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nSec-Websocket-Version: 13\r\n" +
        `X-Content-Type-Options: nosniff\r\nDate: ${DATE}\r\nContent-Length: 12\r\n\r\nBad Request\n`,
    );
    expect(staysOpen).toBe(true);
  });

  test("a connection that is to close, or is of HTTP/1.0, or sends a body, does not stay", () => {
    const closing = refused({ Upgrade: undefined, Connection: "close" });
    expect(closing.text).toContain("\r\nConnection: close\r\n");
    expect(closing.staysOpen).toBe(false);
    expect(refused({ "Content-Length": "3" }, {}, "POST / HTTP/1.1").staysOpen).toBe(false);
    expect(refused({ "Content-Length": "0" }, {}, "POST / HTTP/1.1").staysOpen).toBe(true);
    expect(refused({ "Transfer-Encoding": "chunked" }, {}, "POST / HTTP/1.1").staysOpen).toBe(false);
    const old = refused({ Upgrade: undefined }, {}, "GET / HTTP/1.0");
    expect(old.text).toStartWith("HTTP/1.0 400 ");
    expect(old.text).toContain("\r\nConnection: keep-alive\r\n");
    expect(refused({ Connection: "Upgrade", Upgrade: undefined }, {}, "GET / HTTP/1.0").staysOpen).toBe(
      false,
    );
    expect(refused({}, {}, "HEAD / HTTP/1.1").text).toEndWith("\r\n\r\n");
  });

  const only = (origin: string) => ({ origins: { isSameRequired: false, allowed: [parseOrigin(origin)!] } });
  const refusals: [what: string, parameters: Parameters<typeof ask>, status: number, problem: string][] = [
    ["a method", [{}, {}, "POST / HTTP/1.1"], 405, "request method must be GET"],
    ["no host in HTTP/1.0", [{ Host: undefined }, {}, "GET / HTTP/1.0"], 400, "'Host' missing in request"],
    ["an empty host", [{ Host: "" }], 400, "'Host' missing in request"],
    ["no upgrade", [{ Upgrade: undefined }], 400, "invalid value for header 'Upgrade'"],
    ["another upgrade", [{ Upgrade: "h2c" }], 400, "invalid value for header 'Upgrade'"],
    ["no connection", [{ Connection: "keep-alive" }], 400, "invalid value for header 'Connection'"],
    ["no key", [{ "Sec-WebSocket-Key": undefined }], 400, "key missing"],
    ["a short key", [{ "Sec-WebSocket-Key": "aGVsbG8=" }], 400, "invalid websocket key"],
    [
      "a key without padding",
      [{ "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ" }],
      400,
      "invalid websocket key",
    ],
    ["another version", [{ "Sec-WebSocket-Version": "8" }], 400, "invalid version"],
    [
      "MQTT, before all else",
      [{ Host: "" }, {}, "POST /x/mqtt HTTP/1.1"],
      404,
      "mqtt websocket endpoint not enabled",
    ],
    [
      "an origin",
      [{ Origin: "http://b" }, only("http://a")],
      403,
      "origin not allowed: not in the allowed list",
    ],
    [
      "an origin by its old name",
      [{ "Sec-WebSocket-Origin": "http://b" }, only("http://a")],
      403,
      "origin not allowed: not in the allowed list",
    ],
  ];
  for (const [what, parameters, status, problem] of refusals) {
    test(`refuses ${what}`, () => {
      const answer = refused(...parameters);
      expect(answer.text).toContain(` ${status} `);
      expect(answer.problem).toBe(problem);
    });
  }

  test("what is no request of HTTP/1.1 ends the connection", () => {
    const missing = refused({ Host: undefined });
    expect(missing.staysOpen).toBe(false);
    expect(missing.text).toBe(
      "HTTP/1.1 400 Bad Request: missing required Host header\r\nContent-Type: text/plain; charset=utf-8\r\n" +
        "Connection: close\r\n\r\n400 Bad Request: missing required Host header",
    );
    expect(refused({ Host: "a b" }).text).toContain(" 400 Bad Request: malformed Host header\r\n");
    expect(refused({ Host: "a", host: "b" }).text).toEndWith("\r\n\r\n400 Bad Request");
  });
});

test("refuseFirstLine() sees at once what is no request", () => {
  const said = (line: string) => {
    const refusal = refuseFirstLine(line);
    return refusal && byteStringOf(refusal.response).split("\r\n")[0];
  };
  for (const line of ["GET / HTTP/1.1", "G-1 /x?y HTTP/1.0", "GET http://h HTTP/1.1", "OPTIONS * HTTP/1.1"]) {
    expect(said(line)).toBe(null);
  }
  for (const line of [
    "",
    "PING",
    "CONNECT {}",
    "GET /",
    "GET  / HTTP/1.1",
    "GET x HTTP/1.1",
    "G@T / HTTP/1.1",
  ]) {
    expect(said(line)).toBe("HTTP/1.1 400 Bad Request");
  }
  expect(said("GET / HTTP/2.0")).toBe(
    "HTTP/1.1 505 HTTP Version Not Supported: unsupported protocol version",
  );
});

test("refuseHead() names what is too long", () => {
  expect(byteStringOf(refuseHead({ isTooLong: true, text: "" }).response)).toStartWith(
    "HTTP/1.1 431 Request Header Fields Too Large\r\n",
  );
});
