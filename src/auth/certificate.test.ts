import { describe, expect, test } from "bun:test";
import { findCertificateUser, parseDistinguishedName } from "./certificate.ts";
import type { PeerIdentity } from "./login.ts";
import { certificateOf } from "./testing/requests.ts";

/** The user found among `names`, or the line that says why none was. */
function find(parts: Partial<PeerIdentity> | null, ...names: string[]): string {
  const { user, log } = findCertificateUser(parts && certificateOf(parts), {
    find: (name) => names.find((candidate) => candidate === name),
    all: () => names.map((name) => ({ name, user: name })),
  });
  return user ?? log.text;
}

const TYPES = {
  C: "2.5.4.6",
  ST: "2.5.4.8",
  L: "2.5.4.7",
  O: "2.5.4.10",
  OU: "2.5.4.11",
  CN: "2.5.4.3",
  DC: "0.9.2342.19200300.100.1.25",
  UID: "0.9.2342.19200300.100.1.1",
};

/** A subject of parts like `CN=x` or `CN=x+OU=y`, in the order of the certificate. */
function subjectOf(...parts: string[]) {
  const subject = parts.map((part) =>
    part.split("+").map((attribute) => {
      const [name = "", value = ""] = attribute.split("=");
      return { type: TYPES[name as keyof typeof TYPES], value };
    }),
  );
  return { subject };
}

const SUBJECT = subjectOf("C=US", "O=Acme", "OU=Eng", "CN=x");

describe("findCertificateUser()", () => {
  test("tries email, DNS and URI names, then the subject", () => {
    const all = { emails: ["x@acme"], dnsNames: ["x.acme"], uris: ["spiffe://acme/x"], ...SUBJECT };
    const byRank = ["x@acme", "x.acme", "spiffe://acme/x", "CN=x,OU=Eng,O=Acme,C=US"];
    for (const [rank, wanted] of byRank.entries()) {
      expect(find(all, ...byRank.slice(rank).reverse())).toBe(wanted);
    }
  });

  test("takes names as they are, without wildcards", () => {
    expect(find({ dnsNames: ["x.acme.com"], ...subjectOf("CN=x") }, "*.acme.com")).toBe(
      'User in cert ["CN=x"], not found',
    );
  });

  test("compares the subject as a distinguished name, in any order of its parts", () => {
    expect(find(SUBJECT, "CN=x, OU=Eng, O=Acme, C=US")).toBe("CN=x, OU=Eng, O=Acme, C=US");
    expect(find(SUBJECT, "c=US,o=Acme,ou=Eng,cn=x")).toBe("c=US,o=Acme,ou=Eng,cn=x");
    expect(find(SUBJECT, "C=US,O=Acme,OU=Eng,CN=x", "CN=x,OU=Eng,O=Acme,C=US")).toBe(
      "CN=x,OU=Eng,O=Acme,C=US",
    );
  });

  test("wants all parts of the subject, and knows no bare common name", () => {
    for (const name of ["x", "CN=x", "CN=x,OU=Eng,O=Acme", "CN=X,OU=Eng,O=Acme,C=US"]) {
      expect(find(SUBJECT, name)).toBe('User in cert ["CN=x,OU=Eng,O=Acme,C=US"], not found');
    }
  });

  test("knows domain components in the order of the certificate, and the subject without them", () => {
    const certificate = subjectOf("DC=com", "DC=acme", "CN=x");
    expect(find(certificate, "CN=x,DC=com,DC=acme")).toBe("CN=x,DC=com,DC=acme");
    expect(find(certificate, "CN=x")).toBe("CN=x");
    expect(find(certificate, "DC=acme,CN=x")).toBe('User in cert ["CN=x"], not found');
  });

  test("writes the subject in Go's order, whatever that of the certificate", () => {
    const places = subjectOf("OU=b", "O=A", "L=SF", "ST=CA", "C=US", "CN=z");
    expect(find(places)).toBe('User in cert ["CN=z,OU=b,O=A,L=SF,ST=CA,C=US"], not found');
    const certificate = subjectOf("UID=7", "CN=old", "OU=b", "C=US", "CN=a,b", "OU=a");
    expect(find(certificate)).toBe('User in cert ["CN=a\\\\,b,OU=b+OU=a,C=US"], not found');
    expect(find(certificate, "CN=a\\,b,OU=b+OU=a,C=US")).toBe("CN=a\\,b,OU=b+OU=a,C=US");
  });

  test("compares parts of several attributes, in any order of these", () => {
    expect(find(subjectOf("C=US", "CN=x+OU=y"), "OU=y+CN=x,C=US")).toBe("OU=y+CN=x,C=US");
    expect(find(subjectOf("C=US", "CN=x+OU=y"), "CN=x,OU=y,C=US")).toBe("CN=x,OU=y,C=US"); // as Go's text
    expect(find(subjectOf("CN=x", "UID=7"), "cn=x")).toBe('User in cert ["CN=x"], not found');
  });

  test("says what is missing", () => {
    expect(find(null, "x")).toBe("User required in cert, no peer certificates found");
    expect(find({}, "")).toBe("User required in cert, none found");
  });
});

describe("parseDistinguishedName()", () => {
  test("reads parts, several attributes in one, blanks and escapes", () => {
    expect(parseDistinguishedName("CN=a b ,  O = Acme")).toEqual([[["CN", "a b"]], [["O", "Acme"]]]);
    expect(parseDistinguishedName("CN=a+OU=b,C=US")).toEqual([
      [
        ["CN", "a"],
        ["OU", "b"],
      ],
      [["C", "US"]],
    ]);
    expect(parseDistinguishedName("CN=a\\,b\\ ")).toEqual([[["CN", "a,b "]]]);
    expect(parseDistinguishedName("CN=J\\c3\\b6rg")).toEqual([[["CN", "Jörg"]]]);
  });

  test("refuses what is none", () => {
    for (const text of ["alice", "CN=a,b", "CN=#04", "CN=a\\", "CN=a\\zz"]) {
      expect(parseDistinguishedName(text)).toBeUndefined();
    }
  });
});
