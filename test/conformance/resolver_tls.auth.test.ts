import { afterAll, expect } from "bun:test";
import { AccountServer } from "../support/account_server.ts";
import { CertificateMaker, type KeyPair } from "../support/certificates.ts";
import { login } from "../support/login.ts";
import { loginAsSystem, Operator } from "../support/operator.ts";
import { rowsInParallel } from "../support/row.ts";
import { ServerProcess } from "../support/server_process.ts";
import { startFailure } from "../support/start_failure.ts";

const maker = new CertificateMaker();
afterAll(() => maker.remove());
const authority = maker.makeAuthority("account servers");
const listener = maker.makeServer("localhost", authority);
const member = maker.makeClient("/CN=member", authority);

const trusting = ({ certFile }: KeyPair) => `ca_file: "${certFile}"`;
const showing = ({ certFile, keyFile }: KeyPair) => `cert_file: "${certFile}", key_file: "${keyFile}"`;

rowsInParallel({
  "§6.1 URL by HTTPS: resolver_tls says whom to trust, and who asks": async () => {
    const operator = new Operator();
    const known = operator.account("known");
    await using accountServer = await AccountServer.start({
      ...listener,
      ca: authority.cert,
      requestCert: true,
      rejectUnauthorized: true,
    });
    for (const { publicKey, jwt } of [operator.systemAccount, known])
      accountServer.accounts.set(publicKey, jwt);
    const config = operator.configWith(`URL("${accountServer.url}")`);
    await using server = await ServerProcess.start({
      config: `${config}\nresolver_tls { ${trusting(authority)}, ${showing(member)} }`,
    });
    await login(server, known.user().credentials);
    expect(accountServer.count(`/accounts/${known.publicKey}`)).toBe(1);
    const asked = accountServer.paths.length;
    // Not by who shows nothing.
    await startFailure(`${config}\nresolver_tls { ${trusting(authority)} }`);
    expect(accountServer.paths.length).toBe(asked);
  },

  "§6.1 URL by HTTPS: nobody else is asked, unless with insecure": async () => {
    const operator = new Operator();
    await using accountServer = await AccountServer.start({ ...listener });
    accountServer.accounts.set(operator.systemAccount.publicKey, operator.systemAccount.jwt);
    const config = operator.configWith(`URL("${accountServer.url}")`);
    const stranger = maker.makeAuthority("stranger");
    for (const tls of ["", `resolver_tls { ${trusting(stranger)} }`]) {
      expect(await startFailure(`${config}\n${tls}`)).toContain(
        "tls: failed to verify certificate: x509: certificate signed by unknown authority",
      );
    }
    expect(accountServer.paths).toEqual([]);
    await using server = await ServerProcess.start({ config: `${config}\nresolver_tls { insecure: true }` });
    await loginAsSystem(server, operator);
  },
});
