import { describe, expect, test } from "bun:test";
import { parseRemoteUrl } from "./remote_url.ts";
import { RemoteUrls } from "./remote_urls.ts";

describe("parseRemoteUrl()", () => {
  test("reads scheme, user, host, port and path", () => {
    expect(parseRemoteUrl("nats-leaf://u%40x:p:q@host:7000")).toEqual({
      scheme: "nats-leaf",
      host: "host",
      port: 7000,
      path: "",
      user: { user: "u@x", password: "p:q" },
    });
    expect(parseRemoteUrl("WSS://[::1]:443/some/path")).toMatchObject({
      scheme: "wss",
      host: "::1",
      port: 443,
      path: "/some/path",
      user: null,
    });
    expect(parseRemoteUrl("tls://host")).toMatchObject({ port: 7422, path: "" });
    expect(parseRemoteUrl("host:1")).toMatchObject({ scheme: "nats-leaf", host: "host", port: 1 });
  });

  test("is null for what names no place", () => {
    expect([parseRemoteUrl("nats-leaf://:7422"), parseRemoteUrl("nats-leaf://a:99999")]).toEqual([
      null,
      null,
    ]);
  });
});

/** The hosts and ports of the next `count` attempts. */
function attempts(urls: RemoteUrls, count: number): string[] {
  return Array.from({ length: count }, () => {
    const { host, port } = urls.next();
    return `${host}:${port}`;
  });
}

describe("RemoteUrls", () => {
  test("tries the URLs of the file in turn", () => {
    const urls = new RemoteUrls(["nats-leaf://a:1", "nats-leaf://b:2", "nats-leaf://c:3"], undefined);
    expect(attempts(urls, 4)).toEqual(["a:1", "b:2", "c:3", "a:1"]);
  });

  test("shuffles them where it may", () => {
    const urls = new RemoteUrls(["nats-leaf://a:1", "nats-leaf://b:2", "nats-leaf://c:3"], () => 0);
    expect(attempts(urls, 3)).toEqual(["b:2", "c:3", "a:1"]);
  });

  test("puts what the hub tells first, once, and forgets what it told before", () => {
    const urls = new RemoteUrls(["nats-leaf://a:1"], undefined);
    attempts(urls, 1);
    urls.learn(["d:4", "a:1", "e:5"]);
    expect(attempts(urls, 4)).toEqual(["d:4", "e:5", "a:1", "d:4"]);
    urls.learn(["f:6"]);
    expect(attempts(urls, 3)).toEqual(["f:6", "a:1", "f:6"]);
  });

  test("takes the user of one URL for those without, and the first name for certificates", () => {
    const urls = new RemoteUrls(["nats-leaf://10.0.0.1:1", "nats-leaf://u:p@hub:2"], undefined);
    urls.next();
    expect(urls.user).toEqual({ user: "u", password: "p" });
    expect(urls.serverName).toBe("hub");
    const bare = new RemoteUrls(["nats-leaf://10.0.0.1:1"], undefined);
    expect([bare.user, bare.serverName]).toEqual([null, ""]);
    bare.learn(["told:7422"]);
    expect(bare.serverName).toBe("told");
  });

  test("keeps to WebSocket, with TLS as the file has it", () => {
    const urls = new RemoteUrls(["wss://a:443"], undefined);
    expect([urls.isWebSocket, urls.wantsTls]).toEqual([true, true]);
    urls.learn(["b:443"]);
    expect(urls.next()).toMatchObject({ scheme: "wss", host: "b", port: 443 });
  });
});
