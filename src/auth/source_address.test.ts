import { expect, test } from "bun:test";
import { isSourceAllowed } from "./source_address.ts";

test("isSourceAllowed() admits every address without networks", () => {
  expect(isSourceAllowed("10.0.0.1", [])).toBe(true);
  expect(isSourceAllowed("", [])).toBe(true);
});

test("isSourceAllowed() wants an address in one of the networks", () => {
  const networks = ["192.168.1.0/24", "10.1.2.3/8", "2001:db8::/32", "::ffff:172.16.0.0/108"];
  for (const ip of ["192.168.1.255", "10.200.0.1", "2001:db8:ffff::1", "::ffff:10.0.0.1", "172.31.0.1"]) {
    expect(isSourceAllowed(ip, networks)).toBe(true);
  }
  for (const ip of ["192.168.2.1", "11.0.0.1", "2001:db9::1", "", "localhost", "10.0.0.1:4222"]) {
    expect(isSourceAllowed(ip, networks)).toBe(false);
  }
});

test("isSourceAllowed() admits nobody by a network it cannot read", () => {
  for (const network of ["", "10.0.0.1", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/8/8", "ten/8", "::/129"]) {
    expect(isSourceAllowed("10.0.0.1", [network])).toBe(false);
  }
});
