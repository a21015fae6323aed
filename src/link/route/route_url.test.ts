import { expect, test } from "bun:test";
import { parseRouteUrl, redacted, routeUrlOf } from "./route_url.ts";

test("parseRouteUrl() reads address and credentials", () => {
  expect(parseRouteUrl("nats-route://127.0.0.1:6222")).toMatchObject({
    host: "127.0.0.1",
    port: 6222,
    user: "",
  });
  expect(parseRouteUrl("nats-route://u:p%40ss@host.example:6222/")).toMatchObject({
    host: "host.example",
    port: 6222,
    user: "u",
    password: "p@ss",
  });
  expect(parseRouteUrl("nats://u@[fd00::2]:1")).toMatchObject({
    host: "fd00::2",
    port: 1,
    user: "u",
    password: "",
  });
  expect(parseRouteUrl("nats-route://host")).toBe(undefined);
  expect(parseRouteUrl("host:1")).toBe(undefined);
});

test("redacted() hides the password", () => {
  expect(redacted(parseRouteUrl("nats-route://u:secret@host:1")!)).toBe("nats-route://u:xxxxx@host:1");
  expect(redacted(parseRouteUrl("nats-route://host:1")!)).toBe("nats-route://host:1");
});

test("routeUrlOf() puts brackets around IPv6", () => {
  expect(routeUrlOf("fd00::2", 1).text).toBe("nats-route://[fd00::2]:1/");
});
