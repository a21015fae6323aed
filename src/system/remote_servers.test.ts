import { describe, expect, test } from "bun:test";
import { RemoteServers } from "./remote_servers.ts";

describe("RemoteServers", () => {
  test("a server is new once, and its numbers rise", () => {
    const servers = new RemoteServers();
    expect(servers.heard("NA", 7, 0)).toBe("new");
    expect(servers.heard("NA", 8, 1)).toBe("known");
    expect(servers.heard("NA", 8, 2)).toBe("out of order");
    expect(servers.heard("NB", 1, 3)).toBe("new");
    expect(servers.count).toBe(2);
  });

  test("connections of an account add up over servers, and the last word of each counts", () => {
    const servers = new RemoteServers();
    servers.heard("NA", 1, 0);
    servers.heard("NB", 1, 0);
    servers.setConnections("NA", "APP", { clients: 2, leafnodes: 1 });
    servers.setConnections("NA", "APP", { clients: 3, leafnodes: 0 });
    servers.setConnections("NB", "APP", { clients: 1, leafnodes: 1 });
    servers.setConnections("NC", "APP", { clients: 9, leafnodes: 9 });
    expect(servers.connectionsOf("APP")).toEqual({ clients: 4, leafnodes: 1 });
    expect(servers.connectionsOf("OTHER")).toEqual({ clients: 0, leafnodes: 0 });
  });

  test("what a server had goes with it", () => {
    const servers = new RemoteServers();
    servers.heard("NA", 1, 0);
    servers.setConnections("NA", "APP", { clients: 2, leafnodes: 0 });
    servers.setConnections("NA", "GONE", { clients: 1, leafnodes: 0 });
    servers.setConnections("NA", "GONE", { clients: 0, leafnodes: 0 });
    expect(servers.remove("NA")).toEqual(["APP"]);
    expect(servers.connectionsOf("APP")).toEqual({ clients: 0, leafnodes: 0 });
    expect(servers.remove("NA")).toEqual([]);
    expect(servers.heard("NA", 1, 5)).toBe("new");
  });

  test("silence is borne for 150 seconds", () => {
    const servers = new RemoteServers();
    servers.heard("NA", 1, 0);
    servers.heard("NB", 1, 0);
    servers.heard("NB", 2, 10_000);
    expect(servers.silent(150_000)).toEqual([]);
    expect(servers.silent(150_001)).toEqual(["NA"]);
  });
});
