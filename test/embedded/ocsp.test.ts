import { afterAll, describe, expect, test } from "bun:test";
import { CertificateMaker, type KeyPair } from "../support/certificates.ts";
import { startEmbedded } from "../support/embedded.ts";
import { OcspResponder } from "../support/ocsp_responder.ts";
import { sClient } from "../support/tls_client.ts";

const maker = new CertificateMaker();
const authority = maker.makeAuthority("Test CA");
const responder = await OcspResponder.start(maker, authority);
afterAll(async () => {
  await responder.stop();
  maker.remove();
});

const certificateOf = (host: string, more: readonly string[] = [], key: "ec" | "rsa" = "ec") =>
  maker.make({
    subject: `/CN=${host}`,
    extensions: [`subjectAltName=DNS:${host}`, responder.extension, ...more],
    issuer: authority,
    key,
  });
const certsOf = (pairs: readonly KeyPair[]) => {
  const list = pairs.map(({ certFile, keyFile }) => `{ cert_file: "${certFile}", key_file: "${keyFile}" }`);
  return `tls { certs: [ ${list.join(", ")} ], ca_file: "${authority.certFile}", handshake_first: true }`;
};

/** For a server, its certificates and four handshakes of another program, on a slow machine. */
const START_LIMIT_MS = 30_000;

describe("a server that staples", () => {
  const one = certificateOf("one.test");
  responder.setState(one, "good");

  test(
    "gives each of its certificates its own response, to whoever asks for that name",
    async () => {
      const mustBe = ["tlsfeature=status_request"];
      const [good, bad, plain] = [certificateOf("good.test", mustBe), certificateOf("bad.test", mustBe), one];
      responder.setState(good, "good");
      responder.setState(bad, "revoked");
      const { server } = await startEmbedded({
        config: certsOf([good, bad, plain]),
        midge: { shards: 2, transport: "epoll" },
      });
      const said = (name: string) =>
        sClient(server.port, ["-status", "-servername", name, "-CAfile", authority.certFile]);
      const all = await Promise.all(["good.test", "bad.test", "one.test", "else.test"].map(said));
      expect(all.map((text) => /Cert Status: \w+|no response sent/.exec(text)?.[0])).toEqual([
        "Cert Status: good",
        "Cert Status: revoked",
        "no response sent",
        "Cert Status: good",
      ]);
      await server.stop();
    },
    START_LIMIT_MS,
  );

  test(
    "does not start with certificates whose keys are of two kinds",
    async () => {
      const rsa = certificateOf("rsa.test", [], "rsa");
      responder.setState(rsa, "good");
      const config = `${certsOf([one, rsa])}\nocsp { mode: always }`;
      await expect(startEmbedded({ config })).rejects.toThrow(
        "ocsp: certs with different kinds of keys cannot be stapled; use one kind",
      );
    },
    START_LIMIT_MS,
  );
});
