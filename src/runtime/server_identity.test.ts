import { describe, expect, test } from "bun:test";
import type { Certificate } from "../base/x509.ts";
import { serverIdentityProblem } from "./server_identity.ts";

const NONE: Certificate = {
  subject: [],
  emails: [],
  dnsNames: [],
  uris: [],
  ipAddresses: [],
  notBeforeMs: 0,
  notAfterMs: 0,
  publicKeyInfo: new Uint8Array(),
};
const NAMED = { ...NONE, dnsNames: ["a.example", "*.b.example"], ipAddresses: ["10.0.0.1", "fd00::1"] };

describe("serverIdentityProblem()", () => {
  test("has nothing to say of names and addresses that the certificate has", () => {
    for (const name of ["a.example", "A.Example.", "x.b.example", "10.0.0.1", "fd00:0::0001"]) {
      expect(serverIdentityProblem(NAMED, name)).toBe(undefined);
    }
  });

  test("lists what the certificate is for", () => {
    expect(serverIdentityProblem(NAMED, "b.example")).toBe(
      "certificate is valid for a.example, *.b.example, not b.example",
    );
    expect(serverIdentityProblem(NAMED, "x.y.b.example")).toContain(", not x.y.b.example");
    expect(serverIdentityProblem(NAMED, "10.0.0.2")).toBe(
      "certificate is valid for 10.0.0.1, fd00::1, not 10.0.0.2",
    );
  });

  test("counts many of them", () => {
    const dnsNames = Array.from({ length: 100 }, (_, i) => `h${i}.example`);
    expect(serverIdentityProblem({ ...NONE, dnsNames }, "other")).toBe(
      "certificate is valid for 100 names, but none matched other",
    );
  });

  test("says when there are none", () => {
    expect(serverIdentityProblem(NONE, "a.example")).toBe(
      "certificate is not valid for any names, but wanted to match a.example",
    );
    expect(serverIdentityProblem(NONE, "::1")).toBe(
      "cannot validate certificate for ::1 because it doesn't contain any IP SANs",
    );
  });

  test("does not take the common name", () => {
    const subject = [[{ type: "2.5.4.3", value: "a.example" }]];
    expect(serverIdentityProblem({ ...NONE, subject }, "a.example")).toBe(
      "certificate relies on legacy Common Name field, use SANs instead",
    );
  });
});
