import { afterAll, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { CertificateMaker } from "../../../test/support/certificates.ts";
import { loadConfigText } from "../../config/load.ts";
import { checkLoaded } from "./check_loaded.ts";

const maker = new CertificateMaker();
afterAll(() => maker.remove());
const [one, other] = [maker.makeAuthority("one"), maker.makeAuthority("other")];

const MISMATCH = `tls { cert_file: "${one.certFile}", key_file: "${other.keyFile}" }`;
const REFUSED = "error parsing X509 certificate/key pair: tls: private key does not match public key";

function linesOf(text: string): readonly string[] {
  const loaded = checkLoaded(loadConfigText(text, "x.conf", { readFile: () => "", environment: {} }));
  return loaded.ok ? [] : loaded.lines;
}

for (const [text, column] of [
  [MISMATCH, 0],
  [`cluster { port: -1, ${MISMATCH} }`, 20],
  [`gateway { name: a, port: -1, ${MISMATCH} }`, 29],
  [`gateway { name: a, port: -1, gateways: [ { name: b, url: "nats://b:1", ${MISMATCH} } ] }`, 71],
  [`leafnodes { port: -1, ${MISMATCH} }`, 22],
  [`leafnodes { remotes: [ { url: "tls://a:1", ${MISMATCH} } ] }`, 43],
  [`websocket { port: -1, ${MISMATCH} }`, 22],
  [`resolver_${MISMATCH}`, 0],
] as const) {
  const what = text.replaceAll(MISMATCH, "tls { … }");
  test(`checkLoaded() opens the certificates of ${what}, and says where they stand`, () => {
    expect(linesOf(text)).toEqual([`x.conf:1:${column}: ${REFUSED}`]);
  });
}

test("checkLoaded() says what is wrong with a certificate's file", () => {
  const swapped = `tls { cert_file: "${one.keyFile}", key_file: "${one.certFile}" }`;
  expect(linesOf(swapped)[0]).toMatch(/did find a private key; PEM inputs may have been switched$/);
  expect(linesOf(`tls { cert_file: "${one.certFile}", key_file: "${one.keyFile}" }`)).toEqual([]);
});

test("checkLoaded() refuses a resolver's folder that could not be one", () => {
  const resolver = (dir: string) => `resolver { type: full, dir: "${dir}" }`;
  const refused = "x.conf:1:0: dir needs to point to an accessible directory";
  expect(linesOf(resolver(one.certFile))).toEqual([`${refused}: ${one.certFile}: not a directory`]);
  expect(linesOf(resolver(`${one.certFile}/deep`))).toEqual([`${refused}: ${one.certFile}: not a directory`]);
  expect(linesOf(resolver(maker.folder))).toEqual([]);
  expect(linesOf(resolver(`${maker.folder}/new/deep`))).toEqual([]);
  expect(existsSync(`${maker.folder}/new`)).toBe(false);
});
