import { afterAll, describe, expect, test } from "bun:test";
import { copyFileSync, rmSync, writeFileSync } from "node:fs";
import { Midge } from "../../src/mod.ts";
import { CertificateMaker, type KeyPair } from "../support/certificates.ts";
import { until } from "../support/deadline.ts";
import { startEmbedded } from "../support/embedded.ts";
import { RawClient } from "../support/raw_client.ts";
import { upgrade } from "../support/tls_client.ts";

const maker = new CertificateMaker();
afterAll(() => maker.remove());

const authority = maker.makeAuthority("Test CA");
const otherAuthority = maker.makeAuthority("Other CA");
const listener = maker.makeServer("localhost", authority);
const otherListener = maker.makeServer("localhost", otherAuthority);

function tls({ certFile, keyFile }: KeyPair): string {
  return `tls { cert_file: "${certFile}", key_file: "${keyFile}" }`;
}

async function connect({ port }: Midge, { cert: ca }: KeyPair): Promise<RawClient> {
  const plain = await RawClient.open(port);
  await plain.readInfo();
  const client = await upgrade(plain, { ca });
  await client.handshake();
  return client;
}

for (const transport of ["epoll", "runtime"] as const) {
  describe(`with ${transport} sockets, over TLS,`, () => {
    const start = (config: string, shards = 1) => startEmbedded({ config, midge: { shards, transport } });

    test("two servers in one process have certificates of their own", async () => {
      const [one, two] = await Promise.all([start(tls(listener)), start(tls(otherListener))]);
      expect(one.server.clientUrl).toBe(`tls://127.0.0.1:${one.server.port}`);
      const a = await connect(one.server, authority);
      const b = await connect(two.server, otherAuthority);
      await expect(connect(one.server, otherAuthority)).rejects.toThrow();
      await one.server.stop();
      await a.expectClosed();
      await b.roundTrip();
      expect((await two.server.connz()).connections?.[0]?.tls_version).toBe("1.3");
      await two.server.stop();
      b.destroy();
    });

    test("reload() with another certificate is for new clients", async () => {
      const { server } = await start(tls(listener));
      const before = await connect(server, authority);
      await server.reload(tls(otherListener));
      const after = await connect(server, otherAuthority);
      await before.roundTrip();
      await after.roundTrip();
      await expect(server.reload(tls({ ...listener, keyFile: otherListener.keyFile }))).rejects.toThrow(
        "tls: private key does not match public key",
      );
      (await connect(server, otherAuthority)).destroy();
      await server.stop();
    });

    test("messages cross shards, and the successor of a shard that failed has the certificate of the last reload, whatever became of its files", async () => {
      const [certFile, keyFile] = [`${maker.folder}/${transport}.pem`, `${maker.folder}/${transport}.key`];
      copyFileSync(otherListener.certFile, certFile);
      copyFileSync(otherListener.keyFile, keyFile);
      const { server, log } = await start(tls(listener), 2);
      await server.reload(tls({ ...otherListener, certFile, keyFile }));
      const clients = await Promise.all([1, 2, 3, 4].map(() => connect(server, otherAuthority)));
      for (const client of clients) client.send("SUB all 1\r\n");
      for (const client of clients) await client.roundTrip();
      clients[0]!.send("PUB all 2\r\nhi\r\n");
      for (const client of clients) await client.expect("MSG all 1 2\r\nhi\r\n");
      writeFileSync(certFile, "");
      rmSync(keyFile);
      server.failShard(0);
      await until(
        () => log.some((line) => line === "info Shard 0 is replaced"),
        () => `the shard is replaced: ${log.join("\n")}`,
      );
      const again = await Promise.all([1, 2, 3, 4].map(() => connect(server, otherAuthority)));
      again[0]!.send("SUB after 1\r\n");
      await again[0]!.roundTrip();
      again[1]!.send("PUB after 2\r\nhi\r\n");
      await again[0]!.expect("MSG after 1 2\r\nhi\r\n");
      await server.stop();
    });
  });
}

test("a missing certificate keeps a server from starting", async () => {
  const config = tls({ ...listener, certFile: "/missing.pem" });
  await expect(Midge.start({ config, host: "127.0.0.1", port: -1 })).rejects.toThrow("/missing.pem");
});
