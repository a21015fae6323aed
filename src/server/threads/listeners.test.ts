import { describe, expect, test } from "bun:test";
import { loadConfigText } from "../../config/load.ts";
import { hasLinks, listenErrorText, listenersOf, listeningText } from "./listeners.ts";

function options(text: string) {
  const loaded = loadConfigText(text, "test", { readFile: () => "", environment: {} });
  if (!loaded.ok) throw new Error(loaded.lines.join("\n"));
  return loaded.options;
}

const EVERY_PORT = `
  listen: 127.0.0.1:-1
  cluster { listen: 127.0.0.1:-1 }
  gateway { name: A, listen: 127.0.0.1:7222 }
  leafnodes { listen: 0.0.0.0:7422 }
`;

describe("listenersOf()", () => {
  test("has the clients' port first, and that of each block which has one", () => {
    expect(listenersOf(options(EVERY_PORT))).toEqual([
      { kind: "client", host: "127.0.0.1", port: 0 },
      { kind: "cluster", host: "127.0.0.1", port: 0 },
      { kind: "gateway", host: "127.0.0.1", port: 7222 },
      { kind: "leafnodes", host: "0.0.0.0", port: 7422 },
    ]);
    expect(listenersOf(options("port: 4222")).map(({ kind }) => kind)).toEqual(["client"]);
  });
});

describe("hasLinks()", () => {
  for (const text of [
    "cluster { port: 6222 }",
    "gateway { name: A }",
    "leafnodes { port: 7422 }",
    "leafnodes { remotes: [ { url: nats://hub } ] }",
  ]) {
    test(`is true of: ${text}`, () => expect(hasLinks(options(text))).toBe(true));
  }

  test("is false of a server by itself, which may have the name of a cluster", () => {
    expect(hasLinks(options("cluster { name: C }"))).toBe(false);
  });
});

test("listenErrorText() names the port in the words of each kind", () => {
  const error = "listen tcp 127.0.0.1:7: bind: permission denied";
  const texts = (["client", "cluster", "gateway", "leafnodes"] as const).map((kind) =>
    listenErrorText({ kind, host: "127.0.0.1", port: 7 }, error),
  );
  expect(texts).toEqual([
    `Error listening on port: 127.0.0.1:7, "${error}"`,
    `Error listening on router port: 7 - ${error}`,
    `Error listening on gateway port: 7 - ${error}`,
    `Error listening on leafnode port: 7 - ${error}`,
  ]);
});

test("listeningText() has a word for each kind, and a scheme for WebSockets", () => {
  expect(
    listeningText(
      { kind: "websocket", host: "::1", port: 7 },
      options("websocket { port: 7, no_tls: true }"),
    ),
  ).toBe("Listening for websocket clients on ws://[::1]:7");
  expect(listeningText({ kind: "gateway", host: "127.0.0.1", port: 7 }, options(""))).toBe(
    "Listening for gateways connections on 127.0.0.1:7",
  );
  expect(listeningText({ kind: "cluster", host: "::1", port: 7 }, options(""))).toBe(
    "Listening for route connections on [::1]:7",
  );
});
