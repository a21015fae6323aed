import { afterAll, expect, test } from "bun:test";
import { CertificateMaker } from "../../../test/support/certificates.ts";
import { Operator, preload } from "../../../test/support/operator.ts";
import { loadConfigText } from "../../config/load.ts";
import { setUpOperators } from "./operator_setup.ts";

const maker = new CertificateMaker();
afterAll(() => maker.remove());
const authority = maker.makeAuthority("account servers");
const operator = new Operator();
const URL_CONFIG = operator.configWith(`URL("https://127.0.0.1:1/")`);

function setUp(text: string, limit?: string) {
  const loaded = loadConfigText(text, "x.conf", { readFile: () => "", environment: {} });
  if (!loaded.ok) throw new Error(loaded.lines.join("\n"));
  return setUpOperators(loaded.options, "hash", { findTlsLimit: () => limit });
}

test("setUpOperators() reads the files of resolver_tls, for who asks by URL", () => {
  const tls = `resolver_tls { ca_file: "${authority.certFile}", insecure: true }`;
  expect(setUp(`${URL_CONFIG}\n${tls}`)).toMatchObject({
    ok: true,
    setup: { accounts: { resolverTls: { ca: authority.cert, insecure: true } } },
  });
  expect(setUp(`${operator.configWithMemory()}\n${tls}`)).toMatchObject({
    ok: true,
    setup: { accounts: { resolverTls: { ca: undefined, insecure: false } } },
  });
});

test("setUpOperators() refuses what could not be dialled with", () => {
  expect(setUp(`${URL_CONFIG}\nresolver_tls { ca_file: "/none.pem" }`)).toMatchObject({
    ok: false,
    problem: expect.stringMatching(/^resolver_tls: .*no such file/),
  });
  expect(setUp(URL_CONFIG, "tls: it has no choice of cipher_suites")).toEqual({
    ok: false,
    problem: "resolver_tls: tls: it has no choice of cipher_suites; run on Bun",
  });
});

test("setUpOperators() refuses accounts that cannot be preloaded", () => {
  const { publicKey } = operator.systemAccount;
  const broken = preload([{ publicKey, jwt: "eyJ.a.b" }]);
  expect(setUp(`${operator.configWith("MEMORY")}\n${broken}`)).toMatchObject({
    ok: false,
    problem: expect.stringContaining(`preload account error for "${publicKey}"`),
  });
});
