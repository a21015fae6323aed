import { describe, expect, test } from "bun:test";
import { lookUpHost } from "./host_lookup.ts";

describe("lookUpHost()", () => {
  test("finds this machine, and takes an address for itself", async () => {
    const { addresses, problem } = await lookUpHost("localhost");
    expect(problem).toBe("");
    expect(addresses.includes("127.0.0.1") || addresses.includes("::1")).toBe(true);
    expect(await lookUpHost("192.0.2.7")).toEqual({ addresses: ["192.0.2.7"], problem: "" });
    expect((await lookUpHost("::1")).addresses).toEqual(["::1"]);
  });

  test("says that there is no such host", async () => {
    expect(await lookUpHost("nobody.invalid")).toEqual({
      addresses: [],
      problem: 'lookup for host "nobody.invalid": lookup nobody.invalid: no such host',
    });
  });
});
