import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { loadConfigText } from "../config/load.ts";
import { defaultOptions } from "../config/option_table.ts";
import { announcedAddress, serverIdentity, serverInfo } from "./server_info.ts";
import { MIDGE_VERSION } from "./version.ts";

describe("announcedAddress()", () => {
  const announced = (clientAdvertise: string | undefined) => {
    const address = announcedAddress({ ...defaultOptions(), host: "h", clientAdvertise }, 42);
    return address.ok ? `${address.host} ${address.port}` : "refused";
  };

  test("is the listen address unless another is advertised, whose port may be left out", () => {
    expect(announced(undefined)).toBe("h 42");
    expect(announced("a.test")).toBe("a.test 42");
    expect(announced("a.test:99")).toBe("a.test 99");
    expect(announced("a.test:0")).toBe("a.test 42");
    expect(announced("a.test:-1")).toBe("a.test 42");
    expect(announced("[::1]:99")).toBe("::1 99");
  });

  test("refuses a port that is none", () => {
    expect(announced("a.test:x")).toBe("refused");
    expect(announced("a.test:70000")).toBe("refused");
    expect(announced(":99")).toBe("refused");
    expect(announced("a:b:99")).toBe("refused");
    expect(announced("::1")).toBe("refused");
  });
});

test("serverIdentity() has the host that clients are told to use", () => {
  const hostOf = (clientAdvertise?: string) =>
    serverIdentity({ ...defaultOptions(), host: "h", clientAdvertise }, "NID").host;
  expect([hostOf(), hostOf("a.test:99"), hostOf("a.test:x")]).toEqual(["h", "a.test", "h"]);
});

describe("the cluster", () => {
  function clusters(text: string): readonly [string | undefined, string] {
    const loaded = loadConfigText(text, "x.conf", { readFile: () => "", environment: {} });
    if (!loaded.ok) throw new Error(loaded.lines.join("\n"));
    const { options } = loaded;
    const server = { id: "NID", xkey: "XID", runtime: "bun 1" };
    const info = serverInfo(options, server, { host: "h", port: 1 }, false);
    return [info.cluster, serverIdentity(options, "NID").cluster];
  }

  test("of a leaf node that is in none is the server itself", () => {
    const remotes = "leafnodes { remotes: [{ url: nats-leaf://h }] }";
    expect(clusters(`server_name: n, ${remotes}`)).toEqual(["n", "n"]);
    expect(clusters(remotes)).toEqual([undefined, ""]);
    expect(clusters(`cluster { name: c, port: 6222 }, ${remotes}`)).toEqual(["c", "c"]);
    expect(clusters("server_name: n")).toEqual([undefined, ""]);
  });

  test("of a server without routes is what its configuration says", () => {
    expect(clusters("cluster { name: c }")).toEqual(["c", "c"]);
    expect(clusters("gateway { name: g, port: 7222 }")).toEqual(["g", "g"]);
    expect(clusters("cluster { name: c }, leafnodes { remotes: [{ url: nats-leaf://h }] }")).toEqual([
      "c",
      "c",
    ]);
  });
});

test("serverInfo() names the server by its id where it has no name", () => {
  const server = { id: "NID", xkey: "XID", runtime: "bun 1" };
  const address = { host: "h", port: 1 };
  expect(serverInfo(defaultOptions(), server, address, false).serverName).toBe("NID");
  expect(serverInfo({ ...defaultOptions(), serverName: "n" }, server, address, true)).toEqual({
    serverId: "NID",
    serverName: "n",
    version: "2.15.2",
    goVersion: "bun 1",
    host: "h",
    port: 1,
    headers: true,
    authRequired: true,
    maxPayloadBytes: 1_048_576,
    jetStreamApiLevel: 5,
    xkey: "XID",
  });
});

test("MIDGE_VERSION is that of package.json", () => {
  const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));
  expect(MIDGE_VERSION).toBe(version);
});
