import { afterAll, expect } from "bun:test";
import { accept, CalloutService } from "../support/callout_service.ts";
import { CertificateMaker } from "../support/certificates.ts";
import { NKey } from "../support/nkey.ts";
import { row } from "../support/row.ts";
import { ServerProcess } from "../support/server_process.ts";
import { connectSecurely, identity } from "../support/tls_client.ts";

const maker = new CertificateMaker();
afterAll(() => maker.remove());

const issuer = new NKey("account");
const authority = maker.makeAuthority("authority");
const { certFile, keyFile } = maker.makeServer("server", authority);
const holder = maker.makeClient("/CN=holder", authority);

for (const isVerified of [true, false]) {
  row(`§1.8 callout: a client's TLS, and its certificate where it is verified (${isVerified})`, async () => {
    await using server = await ServerProcess.start({
      config: `
        accounts { AUTH { users: [ { user: auth, password: p } ] }, $SYS { users: [ { user: sys, password: p } ] } }
        authorization {
          timeout: "5s"
          auth_callout { issuer: ${issuer.publicKey}, account: AUTH, auth_users: [auth, sys] }
        }
        tls {
          cert_file: "${certFile}", key_file: "${keyFile}", ca_file: "${authority.certFile}", verify: ${isVerified}
        }`,
    });
    const serving = await connectSecurely(server, identity(holder, authority), { user: "auth", pass: "p" });
    const service = await CalloutService.over(serving);
    const [client, asked] = await Promise.all([
      connectSecurely(server, identity(holder, authority), { user: "dave", pass: "q" }),
      service.answer((each) => accept(each, issuer)),
    ]);
    const { version, cipher, certs, verified_chains: chains } = asked.nats.client_tls ?? {};
    expect(version).toBe("1.3");
    expect(String(cipher)).toMatch(/^TLS_(AES_128_GCM_SHA256|AES_256_GCM_SHA384|CHACHA20_POLY1305_SHA256)$/);
    expect(certs).toBe(undefined);
    expect(chains).toEqual(isVerified ? [[holder.cert, authority.cert]] : undefined);
    await client.roundTrip();
    for (const each of [client, serving]) each.destroy();
  });
}
