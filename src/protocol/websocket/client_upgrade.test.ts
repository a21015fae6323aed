import { expect, test } from "bun:test";
import { byteStringOf } from "../../subject/byte_string.ts";
import { acceptKey, isWebSocketKey, newWebSocketKey } from "./accept_key.ts";
import { leafnodeUpgradeRequest, readUpgradeResponse, type UpgradeWish } from "./client_upgrade.ts";
import { HeadReader, type HttpHead, isBadHead } from "./http_head.ts";
import { answerUpgrade } from "./upgrade.ts";

const WISH: UpgradeWish = {
  host: "hub:443",
  path: "",
  key: newWebSocketKey(),
  wantsCompression: true,
  wantsNoMasking: true,
};

function headOf(bytes: Uint8Array): HttpHead {
  const reader = new HeadReader();
  reader.add(bytes, 0, bytes.length);
  const head = reader.take();
  if (head === null || isBadHead(head)) throw new Error("no head");
  return head;
}

/** What our own server answers. */
function answered(wish: UpgradeWish, allowsCompression = true): HttpHead {
  const rules = {
    isSecure: false,
    origins: { isSameRequired: true, allowed: [] },
    allowsCompression,
    headers: [],
    cookieNames: { jwt: "", user: "", password: "", token: "" },
  };
  const answer = answerUpgrade(headOf(leafnodeUpgradeRequest(wish)), rules, "");
  expect(answer).toMatchObject({ kind: "upgrade", endpoint: "leafnode" });
  return headOf(answer.response);
}

test("a request and our own server's answer make terms", () => {
  expect(readUpgradeResponse(answered(WISH), WISH)).toMatchObject({
    ok: true,
    terms: { isMasked: false, isCompressed: true },
  });
  const plain = { ...WISH, wantsCompression: false, wantsNoMasking: false, path: "/some/path/" };
  expect(readUpgradeResponse(answered(plain), plain)).toMatchObject({
    ok: true,
    terms: { isMasked: true, isCompressed: false },
  });
  expect(readUpgradeResponse(answered(WISH, false), WISH)).toMatchObject({ terms: { isCompressed: false } });
});

test("the path of the remote comes before /leafnode", () => {
  const lineOf = (path: string) => byteStringOf(leafnodeUpgradeRequest({ ...WISH, path })).split("\r\n")[0];
  expect(lineOf("")).toBe("GET /leafnode HTTP/1.1");
  expect(lineOf("/")).toBe("GET /leafnode HTTP/1.1");
  expect(lineOf("/a/b")).toBe("GET /a/b/leafnode HTTP/1.1");
  expect(lineOf("//a/../b /")).toBe("GET /b%20/leafnode HTTP/1.1");
});

test("what is no upgrade, or no answer to this request, is refused", () => {
  const good = answered(WISH);
  const problem = (firstLine: string, headers: HttpHead["headers"]) =>
    readUpgradeResponse({ firstLine, headers }, WISH);
  const bad = { ok: false, problem: "invalid websocket connection" } as const;
  expect(problem("HTTP/1.1 200 OK", good.headers)).toEqual(bad);
  for (const name of ["upgrade", "connection", "sec-websocket-accept"]) {
    expect(problem(good.firstLine, new Map([...good.headers].filter(([other]) => other !== name)))).toEqual(
      bad,
    );
  }
  const other = new Map([...good.headers, ["sec-websocket-accept", [acceptKey(newWebSocketKey())]] as const]);
  expect(problem(good.firstLine, other)).toEqual(bad);
});

test("compression that keeps contexts is refused", () => {
  const good = answered(WISH);
  const headers = new Map([...good.headers, ["sec-websocket-extensions", ["permessage-deflate"]] as const]);
  expect(readUpgradeResponse({ ...good, headers }, WISH)).toEqual({
    ok: false,
    problem: "compression negotiation error",
  });
});

test("keys are 16 random bytes in base64", () => {
  expect(isWebSocketKey(newWebSocketKey())).toBe(true);
  expect(newWebSocketKey()).not.toBe(newWebSocketKey());
  expect(acceptKey("dGhlIHNhbXBsZSBub25jZQ==")).toBe("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
});
