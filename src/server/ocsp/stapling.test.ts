import { afterAll, describe, expect, test } from "bun:test";
import type { KeyPair } from "../../../test/support/certificates.ts";
import { createAuthority } from "../../../test/support/ocsp_authority.ts";
import { optionsOf } from "../../auth/testing/requests.ts";
import { checkedBlocks } from "./checked_blocks.ts";
import { planStapling } from "./stapling.ts";

const authority = await createAuthority();
const plain = authority.make("/CN=plain");
const mustStaple = authority.make("/CN=must", ["tlsfeature=status_request"]);
afterAll(() => authority.remove());

const tlsOf = ({ certFile, keyFile }: KeyPair, more = "") =>
  `tls { cert_file: "${certFile}", key_file: "${keyFile}", ca_file: "${authority.pair.certFile}", ${more} }`;
const plan = (text: string) => planStapling(optionsOf(text));
const isStapled = (text: string) => plan(text).staples.map((staple) => staple !== null);

describe("planStapling()", () => {
  test("staples what must be, or everything, or nothing", () => {
    const modes = ["", "ocsp: true", "ocsp { mode: must }", "ocsp { mode: always }", "ocsp: false"];
    expect(modes.flatMap((mode) => isStapled(`${tlsOf(plain)}\n${mode}`))).toEqual([
      false,
      false,
      false,
      true,
      false,
    ]);
    expect(modes.flatMap((mode) => isStapled(`${tlsOf(mustStaple)}\n${mode}`))).toEqual([
      true,
      true,
      true,
      true,
      false,
    ]);
  });

  test("only must and always stop a server", () => {
    const stops = (mode: string) => plan(`${tlsOf(mustStaple)}\n${mode}`).staples[0]!.stopsWhenBad;
    expect(["", "ocsp: true", "ocsp { mode: must }", "ocsp { mode: always }"].map(stops)).toEqual([
      false,
      false,
      true,
      true,
    ]);
  });

  test("warns of a certificate that must be stapled and is not", () => {
    expect(plan(`${tlsOf(mustStaple)}\nocsp: false`).warnings).toEqual([
      `Certificate at '${mustStaple.certFile}' has MustStaple but OCSP is disabled`,
    ]);
    expect(plan(`${tlsOf(mustStaple)}\nocsp: true`).warnings).toEqual([]);
  });

  test("takes the issuer from the authorities; one that is none is refused", () => {
    expect(plan(`${tlsOf(mustStaple)}`).staples[0]!.issuer.name).toBe("CN=Test CA");
    const stranger = authority.maker.makeAuthority("Stranger");
    const { certFile, keyFile } = mustStaple;
    expect(() =>
      plan(`tls { cert_file: "${certFile}", key_file: "${keyFile}", ca_file: "${stranger.certFile}" }`),
    ).toThrow("no issuers found");
  });

  test("refuses routes and gateways that would need staples, and says what has no effect on them", () => {
    for (const block of ["cluster { port: 1, name: c, TLS }", "gateway { port: 1, name: c, TLS }"]) {
      const text = (tls: string) => block.replace("TLS", tls);
      expect(() => plan(`${text(tlsOf(mustStaple))}`)).toThrow("ocsp: staples between routes or gateways");
      expect(() => plan(`${text(tlsOf(plain))}\nocsp { mode: always }`)).toThrow("ocsp: staples between");
      expect(plan(`${text(tlsOf(mustStaple))}\nocsp: false`).warnings).toEqual([]);
      expect(plan(text(tlsOf(plain, "ocsp_peer: true"))).warnings).toEqual([
        `${block.split(" ")[0]}.tls: ocsp_peer has no effect on routes and gateways`,
      ]);
    }
    expect(isStapled(`leafnodes { port: 1, ${tlsOf(plain)} }\nocsp { mode: always }`)).toEqual([]);
  });
});

test("checkedBlocks() are those of clients and leaf nodes, each with what its peers are", () => {
  const blocks = checkedBlocks(
    optionsOf(`
      ${tlsOf(plain, "verify: true, ocsp_peer: true")}
      cluster { port: 1, name: c, ${tlsOf(plain, "ocsp_peer: true")} }
      leafnodes {
        port: 1, ${tlsOf(plain, "verify: true, ocsp_peer { verify: true, warn_only: true }")}
        remotes: [
          { url: "tls://a:1", tls { ocsp_peer: true } }
          { url: "tls://b:1", tls { ocsp_peer: false } }
          { url: "tls://c:1", tls { insecure: true, ocsp_peer: true } }
        ]
      }`),
  );
  expect(blocks.map(({ name, peers }) => [name, peers])).toEqual([
    ["client", { kind: "Client", side: "client", isVerified: true }],
    ["leafnodes", { kind: "Leafnode", side: "client", isVerified: true }],
    ["leaf:0", { kind: "Leafnode", side: "server", isVerified: true }],
    ["leaf:2", { kind: "Leafnode", side: "server", isVerified: false }],
  ]);
  expect(blocks.map(({ options }) => options.warnOnly)).toEqual([false, true, false, false]);
});
