import { describe, expect, test } from "bun:test";
import type { PeerIdentity } from "../../auth/login.ts";
import { judgeCertificate } from "./link_certificate.ts";

const NOBODY: PeerIdentity = { emails: [], dnsNames: [], uris: [], subject: [], rfc2253: "" };

describe("judgeCertificate()", () => {
  test("looks for the user among all names", () => {
    const rules = { user: "route@example", hosts: null };
    expect(judgeCertificate({ ...NOBODY, emails: ["x", "route@example"] }, rules).isAuthorized).toBe(true);
    expect(judgeCertificate({ ...NOBODY, dnsNames: ["route@example"] }, rules).isAuthorized).toBe(true);
    expect(judgeCertificate({ ...NOBODY, dnsNames: ["other"] }, rules).isAuthorized).toBe(false);
  });

  test("looks for configured hosts among DNS names alone, a wildcard for the first label", () => {
    const rules = { user: null, hosts: ["a.Example.com", "localhost"] };
    const isAuthorized = (dnsName: string) =>
      judgeCertificate({ ...NOBODY, dnsNames: [dnsName] }, rules).isAuthorized;
    expect(["A.example.com", "*.example.com", "localhost"].map(isAuthorized)).toEqual([true, true, true]);
    expect(["example.com", "*.com", "a.*.com", "b.example.com"].map(isAuthorized)).toEqual([
      false,
      false,
      false,
      false,
    ]);
    expect(judgeCertificate({ ...NOBODY, emails: ["localhost"] }, rules).isAuthorized).toBe(false);
  });

  test("says why there is none", () => {
    const { isAuthorized, log } = judgeCertificate(null, { user: "u", hosts: [] });
    expect(isAuthorized).toBe(false);
    expect(log.text).toBe("User required in cert, no peer certificates found");
  });
});
