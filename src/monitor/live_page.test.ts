import { expect, test } from "bun:test";
import { answerRequest, type HttpContext } from "./http_routes.ts";
import { LIVE_ASSETS } from "./live/assets.js";
import { FakeSource } from "./testing/fake_source.ts";

function context(basePath = "/"): HttpContext {
  return { source: new FakeSource(), basePath, requestCounts: new Map(), log: { warn: () => {} } };
}

test("every file of the page is served, below the base path too, and nothing else there", async () => {
  for (const [path, { type, text }] of LIVE_ASSETS) {
    const reply = await answerRequest(`/mon${path}`, "", context("/mon"));
    expect([path, reply?.status, reply?.contentType]).toEqual([path, 200, type]);
    expect(reply!.body).toBe(text);
    const policy = reply!.headers!["Content-Security-Policy"];
    expect(policy).toStartWith("default-src 'none'; script-src 'self';");
    expect(policy).not.toContain("unsafe");
  }
  for (const path of [
    "/live/",
    "/live/assets.js",
    "/live/page.ts",
    "/live/../live_data.ts",
    "/live/tsconfig.json",
  ]) {
    expect(await answerRequest(path, "", context())).toBe(null);
  }
});

test("the page asks for nothing outside itself, and each import is one of its files", () => {
  for (const [path, { text }] of LIVE_ASSETS) {
    const addresses = text
      .replace("http://www.w3.org/2000/svg", "")
      .match(/https?:\/\/|\bstyle=|\bon[a-z]+="|innerHTML/g);
    expect([path, addresses]).toEqual([path, null]);
    for (const [, file] of text.matchAll(/from "\.\/([^"]+)"/g))
      expect(LIVE_ASSETS.has(`/live/${file}`)).toBe(true);
  }
  const page = LIVE_ASSETS.get("/live")!.text;
  for (const [, file] of page.matchAll(/(?:href|src)="(live\/[^"]+)"/g))
    expect(LIVE_ASSETS.has(`/${file}`)).toBe(true);
});

test("opening the page is counted, what it polls is not", async () => {
  const asked = context();
  for (const path of ["/live", "/live/page.js", "/live/data", "/live/data"])
    await answerRequest(path, "", asked);
  expect([...asked.requestCounts]).toEqual([["/live", 1]]);
});
