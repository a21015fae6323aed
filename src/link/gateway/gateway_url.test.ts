import { describe, expect, test } from "bun:test";
import { isHostName, parseGatewayUrl } from "./gateway_url.ts";

describe("parseGatewayUrl()", () => {
  test("reads URLs of a configuration, credentials unescaped", () => {
    expect(parseGatewayUrl("nats://u%40x:p%3Aw@gw.example.com:7222")).toEqual({
      host: "gw.example.com",
      port: 7222,
      address: "gw.example.com:7222",
      credentials: { user: "u@x", password: "p:w" },
    });
    // A byte string, like everything that is compared with what peers send.
    expect(parseGatewayUrl("nats://%C3%A9:%zz@gw:1")?.credentials).toEqual({
      user: "\xc3\xa9",
      password: "%zz",
    });
    expect(parseGatewayUrl("nats-gateway://me@10.0.0.1:7222/")?.credentials).toEqual({
      user: "me",
      password: "",
    });
  });

  test("reads what gossip has: host and port alone, IPv6 in brackets", () => {
    expect(parseGatewayUrl("[fe80::1]:7222")).toEqual({
      host: "fe80::1",
      port: 7222,
      address: "[fe80::1]:7222",
      credentials: null,
    });
  });

  test.each(["", "host", "nats://host", "host:0", "host:70000", "host:port", "nats://:7222"])(
    "is null for %p",
    (url) => {
      expect(parseGatewayUrl(url)).toBe(null);
    },
  );
});

test("isHostName() tells names from addresses", () => {
  const isName = (url: string) => isHostName(parseGatewayUrl(url)!);
  expect(["gw.example.com:1", "10.0.0.1:1", "[::1]:1"].map(isName)).toEqual([true, false, false]);
});
