import { afterAll, expect } from "bun:test";
import { CertificateMaker } from "../support/certificates.ts";
import { OcspResponder } from "../support/ocsp_responder.ts";
import { rowsInParallel } from "../support/row.ts";
import { ServerProcess } from "../support/server_process.ts";
import { identity } from "../support/tls_client.ts";
import { openListener, WebSocketPeer } from "../support/websocket_peer.ts";

const maker = new CertificateMaker();
afterAll(() => maker.remove());

const authority = maker.makeAuthority("Test CA");
const { certFile, keyFile } = maker.makeServer("localhost", authority);
const alice = maker.makeClient("/CN=alice", authority, {
  extensions: ["subjectAltName=email:alice@acme.test", "extendedKeyUsage=clientAuth"],
});
const TLS = { tls: { ca: authority.cert } };

const block = (more: string) => `websocket { listen: "127.0.0.1:-1", tls {
  cert_file: "${certFile}", key_file: "${keyFile}", ca_file: "${authority.certFile}", timeout: 5, ${more}
} }`;

const responder = await OcspResponder.start(maker, authority);
afterAll(() => responder.stop());

rowsInParallel({
  "§1.7 ocsp_peer: a certificate that its authority revoked is refused": async () => {
    const bob = maker.makeClient("/CN=bob", authority, {
      extensions: [responder.extension, "extendedKeyUsage=clientAuth"],
    });
    responder.setState(bob, "good");
    await using own = await ServerProcess.start({
      config: `${block("verify: true, ocsp_peer: true")}\nocsp_cache { type: none }`,
    });
    const peer = await WebSocketPeer.connect(own, {}, { tls: identity(bob, authority) });
    responder.setState(bob, "revoked");
    await expect(WebSocketPeer.connect(own, {}, { tls: identity(bob, authority) })).rejects.toThrow();
    await own.waitForLog(/websocket: TLS handshake error from 127.0.0.1:\d+: client not OCSP valid/);
    await peer.roundTrip();
    peer.destroy();
  },

  "§1.7 verify: a certificate is needed, and is not who one is": async () => {
    await using own = await ServerProcess.start({
      config: `${block("verify: true")}\nauthorization { user: u, password: p }`,
    });
    let rest = "";
    try {
      const client = await openListener(own, TLS.tls);
      client.send("GET / HTTP/1.1\r\n\r\n");
      rest = await client.readToEnd();
    } catch {
      rest = "";
    }
    expect(rest).toBe("");
    await own.waitForLog(/websocket: TLS handshake error from .*tls: client didn't provide a certificate/);
    const peer = await WebSocketPeer.connect(
      own,
      { user: "u", pass: "p" },
      { tls: identity(alice, authority) },
    );
    expect(peer.info.tls_verify).toBe(undefined);
    peer.destroy();
  },

  "§1.7 verify_and_map of the block names users for WebSockets alone": async () => {
    await using own = await ServerProcess.start({
      config: `${block("verify_and_map: true")}
        authorization { users: [ { user: "alice@acme.test" }, { user: b, password: p } ] }`,
      monitoring: true,
    });
    const peer = await WebSocketPeer.connect(own, {}, { tls: identity(alice, authority) });
    const page = await own.json<{ connections: { authorized_user?: string }[] }>(
      `/connz?auth=1&cid=${peer.info.client_id}`,
    );
    expect(page.connections[0]?.authorized_user).toBe("alice@acme.test");
    const { websocket } = await own.json<{ websocket: Record<string, unknown> }>("/varz");
    expect(websocket.tls_map).toBe(true);
    const tcp = await own.connectAs({ user: "b", pass: "p" });
    await tcp.roundTrip();
    peer.destroy();
  },
});
