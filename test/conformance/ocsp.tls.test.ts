import { afterAll, beforeEach, describe, expect } from "bun:test";
import { createHash, X509Certificate } from "node:crypto";
import { CertificateMaker, type KeyPair } from "../support/certificates.ts";
import { until } from "../support/deadline.ts";
import { findFreePort } from "../support/free_port.ts";
import { OcspResponder } from "../support/ocsp_responder.ts";
import { row } from "../support/row.ts";
import { readIfPresent, ServerProcess, serverCommand } from "../support/server_process.ts";
import { startFailure } from "../support/start_failure.ts";
import { listen, nextMessage, SYSTEM_ACCOUNTS } from "../support/system.ts";
import { connectSecurely, expectRefused, identity, sClient } from "../support/tls_client.ts";

const maker = new CertificateMaker();
const authority = maker.makeAuthority("Test CA");
const responder = await OcspResponder.start(maker, authority);
afterAll(async () => {
  await responder.stop();
  maker.remove();
});
beforeEach(() => {
  responder.failure = null;
  responder.options = {};
  responder.requests.length = 0;
});

/** node:tls neither staples nor, on Deno, verifies clients. */
const IS_RUNTIME = serverCommand().join(" ").includes("--transport runtime");

const certificateOf = (name: string, usage: string, more: readonly string[] = []) =>
  maker.make({
    subject: `/O=Acme/CN=${name}`,
    extensions: ["subjectAltName=DNS:localhost", `extendedKeyUsage=${usage}`, responder.extension, ...more],
    issuer: authority,
  });
const listener = certificateOf("server", "serverAuth");
const client = certificateOf("client", "clientAuth");
const other = certificateOf("other", "clientAuth");

const MINUTE_TEXT = "good, next update ";
const fingerprint = ({ cert }: KeyPair) =>
  createHash("sha256").update(new X509Certificate(cert).raw).digest("base64");

function peerConfig(ocspPeer: string, more = ""): string {
  return `
    tls {
      cert_file: "${listener.certFile}", key_file: "${listener.keyFile}", ca_file: "${authority.certFile}"
      verify: true, timeout: 5
      ocsp_peer: ${ocspPeer}
    }
    ${more.includes("ocsp_cache") ? "" : "ocsp_cache { type: none }"}
    ${more}`;
}

function stapleConfig(pair: KeyPair, ocsp: string, more = ""): string {
  return `
    tls {
      cert_file: "${pair.certFile}", key_file: "${pair.keyFile}", ca_file: "${authority.certFile}"
      handshake_first: true, timeout: 5
    }
    ${ocsp}
    ${more}`;
}

const config = (text: string) => ({ config: text, monitoring: true, flags: ["-D"] });
const accept = (server: ServerProcess, pair = client) => connectSecurely(server, identity(pair, authority));
const refuse = (server: ServerProcess, pair = client) => expectRefused(server, identity(pair, authority));

/** What a client that asks for a staple is given. */
function stapleOf(server: ServerProcess): Promise<string> {
  return sClient(server.clientPort, ["-status", "-CAfile", authority.certFile]);
}

describe("ocsp_peer", () => {
  if (IS_RUNTIME && "Deno" in globalThis) return;

  row("a client whose certificate is good comes in, a revoked one does not", async () => {
    await using server = await ServerProcess.start(config(peerConfig("true")));
    responder.setState(client, "good");
    await accept(server);
    expect(responder.requests).toEqual(["GET"]);
    responder.setState(client, "revoked");
    await refuse(server);
    await server.waitForLog("OCSP verify fail for [CN=client,O=Acme] with CA status [revoked]");
    await server.waitForLog("TLS handshake error: client not OCSP valid");
  });

  row("it must say so while the client still waits: TLS 1.2 and 1.3", async () => {
    await using server = await ServerProcess.start(config(peerConfig("true")));
    for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const) {
      responder.setState(client, "revoked");
      await expectRefused(server, { ...identity(client, authority), maxVersion });
      responder.setState(client, "good");
      await connectSecurely(server, { ...identity(client, authority), maxVersion });
    }
  });

  row("unknown is refused, unless unknown_is_good", async () => {
    responder.setState(client, "unknown");
    {
      await using server = await ServerProcess.start(config(peerConfig("true")));
      await refuse(server);
      await server.waitForLog("OCSP verify fail for [CN=client,O=Acme] with CA status [unknown]");
    }
    await using server = await ServerProcess.start(
      config(peerConfig("{ verify: true, unknown_is_good: true }")),
    );
    await accept(server);
  });

  row("warn_only lets everybody in, and says so", async () => {
    responder.setState(client, "revoked");
    await using server = await ServerProcess.start(config(peerConfig("{ verify: true, warn_only: true }")));
    await accept(server);
    await server.waitForLog("OCSP verify fail for [CN=client,O=Acme] but WarnOnly is true so allowing");
  });

  row("without an answer nobody comes in, unless allow_when_ca_unreachable", async () => {
    responder.setState(client, "good");
    responder.failure = { status: 503, body: new Uint8Array(0) };
    {
      await using server = await ServerProcess.start(config(peerConfig("true")));
      await refuse(server);
      await server.waitForLog(
        /Attempt to obtain OCSP response from CA responder for \[CN=client,O=Acme\] failed: .*503/,
      );
    }
    await using server = await ServerProcess.start(
      config(peerConfig("{ verify: true, allow_when_ca_unreachable: true }")),
    );
    await accept(server);
    await server.waitForLog("but AllowWhenCAUnreachable set; no cached revocation so allowing");
  });

  row("what is no response, is signed by others, or does not hold now is not believed", async () => {
    await using server = await ServerProcess.start(config(peerConfig("true")));
    responder.setState(client, "good");
    responder.failure = { status: 200, body: new TextEncoder().encode("<html></html>") };
    await refuse(server);
    await server.waitForLog("Could not parse OCSP CA response for [CN=client,O=Acme]: ");
    responder.failure = null;
    responder.options = { signer: maker.makeAuthority("Test CA") };
    await refuse(server);
    await server.waitForLog("bad OCSP signature");
    // A certificate of the authority that is not for this.
    responder.options = { signer: other };
    await refuse(server);
    await server.waitForLog("Invalid OCSP response delegation: CN=client,O=Acme");
    responder.options = { signer: certificateOf("delegate", "OCSPSigning") };
    await accept(server);
  });

  row("a certificate that names no responder is not asked about", async () => {
    const silent = maker.makeClient("/CN=silent", authority);
    await using server = await ServerProcess.start(config(peerConfig("true")));
    await accept(server, silent);
    expect(responder.requests).toEqual([]);
  });

  row("verify: false checks nobody", async () => {
    responder.setState(client, "revoked");
    await using server = await ServerProcess.start(config(peerConfig("{ verify: false }")));
    await accept(server);
    expect(responder.requests).toEqual([]);
  });

  row("is refused without verify", async () => {
    const tls = `cert_file: "${listener.certFile}", key_file: "${listener.keyFile}", ocsp_peer: true`;
    expect(await startFailure(`tls { ${tls} }`)).toContain(
      "OCSP peer verification for client connections requires TLS verify (mTLS) to be enabled",
    );
  });

  row("a reload turns it on and off", async () => {
    responder.setState(client, "revoked");
    await using server = await ServerProcess.start(config(peerConfig("false")));
    await accept(server);
    await server.reload(peerConfig("true"));
    await refuse(server);
    await server.reload(peerConfig("false"));
    await accept(server);
  });

  row("ocsp_cache: a response is asked for once and kept in a file", async () => {
    const text = peerConfig(
      "true",
      'ocsp_cache { type: local, local_store: "DIRECTORY/_rc_", save_interval: 1 }',
    );
    await using server = await ServerProcess.start(config(text));
    responder.setState(client, "good");
    responder.setState(other, "revoked");
    await accept(server);
    await accept(server);
    await refuse(server, other);
    expect(responder.requests.length).toBe(2);
    const varz = await server.json<{ tls_ocsp_peer_verify: boolean; ocsp_peer_cache: object }>("/varz");
    expect(varz.tls_ocsp_peer_verify).toBe(true);
    expect(varz.ocsp_peer_cache).toEqual({
      cache_type: "local",
      cache_hits: 1,
      cache_misses: 2,
      cached_responses: 2,
      cached_revoked_responses: 1,
      cached_good_responses: 1,
    });
    const path = server.path("_rc_/cache.json");
    await until(
      () => readIfPresent(path)?.includes(fingerprint(other)) === true,
      () => `${path} holds ${readIfPresent(path)}`,
    );
    const kept = JSON.parse(readIfPresent(path)!) as Record<string, Record<string, string>>;
    expect(Object.keys(kept[fingerprint(client)]!)).toEqual([
      "subject",
      "cached_at",
      "resp_status",
      "resp_expires",
      "resp",
    ]);
    expect(kept[fingerprint(other)]!.resp_status).toBe("revoked");
    await server.waitForLog("OCSP peer cache online, type [local]");
  });

  row("ocsp_cache: what was kept is used after a restart", async () => {
    responder.setState(client, "good");
    const text = 'ocsp_cache { type: local, local_store: "DIRECTORY/_rc_" }';
    const first = await ServerProcess.start(config(peerConfig("true", text)));
    await accept(first);
    first.signal("SIGINT");
    await first.waitForExit();
    const store = first.path("_rc_");
    const asked = responder.requests.length;
    await using second = await ServerProcess.start(
      config(peerConfig("true", `ocsp_cache { type: local, local_store: "${store}" }`)),
    );
    await accept(second);
    expect(responder.requests.length).toBe(asked);
    await first.stop();
  });

  row("the system account hears of it", async () => {
    responder.setState(client, "good");
    responder.setState(other, "revoked");
    await using server = await ServerProcess.start(config(peerConfig("true", SYSTEM_ACCOUNTS)));
    const watcher = await connectSecurely(server, identity(client, authority), { user: "sys", pass: "p" });
    await listen(watcher, "$SYS.SERVER.*.OCSP.>");
    await refuse(server, other);
    const link = await nextMessage(watcher);
    const peer = await nextMessage(watcher);
    const told = {
      subject: "CN=other,O=Acme",
      issuer: "CN=Test CA",
      fingerprint: fingerprint(other),
      raw: new X509Certificate(other.cert).raw.toString("base64"),
    };
    expect(link.subject).toMatch(/\.OCSP\.PEER\.LINK\.INVALID$/);
    expect(Object.keys(link.json)).toEqual(["type", "id", "timestamp", "link", "peer", "server", "reason"]);
    expect(link.json).toMatchObject({
      type: "io.nats.server.advisory.v1.ocsp_peer_link_invalid",
      link: told,
      peer: told,
      reason: "Invalid OCSP response status: revoked",
    });
    expect(peer.subject).toMatch(/\.OCSP\.PEER\.CONN\.REJECT$/);
    expect(Object.keys(peer.json)).toEqual(["type", "id", "timestamp", "kind", "peer", "server", "reason"]);
    expect(peer.json).toMatchObject({
      type: "io.nats.server.advisory.v1.ocsp_peer_reject",
      kind: "Client",
      peer: told,
      reason: "client not OCSP valid",
    });
  });
});

describe("ocsp_peer of leaf nodes", () => {
  if (IS_RUNTIME) return;

  const tlsOf = (pair: KeyPair, more: string) =>
    `tls { cert_file: "${pair.certFile}", key_file: "${pair.keyFile}", ca_file: "${authority.certFile}", ${more} }`;
  const hubConfig = (port: number, more: string) => `
    server_name: hub
    leafnodes { listen: "127.0.0.1:${port}", ${tlsOf(listener, more)} }
    ocsp_cache { type: none }`;
  const spokeConfig = (port: number, more: string) => `
    server_name: spoke
    leafnodes { reconnect: "100ms", remotes: [ { url: "tls://localhost:${port}", ${tlsOf(client, more)} } ] }
    ocsp_cache { type: none }`;

  /** Returns once what is published on the hub reaches the spoke. */
  async function untilLinked(hub: ServerProcess, spoke: ServerProcess): Promise<void> {
    const [publisher, subscriber] = [await hub.connectAs(), await spoke.connectAs()];
    subscriber.send("SUB over 1\r\n");
    await subscriber.roundTrip();
    let isOver = false;
    void subscriber.expect("MSG over 1 1\r\nx\r\n").then(() => {
      isOver = true;
    });
    await until(
      async () => {
        if (!isOver) publisher.send("PUB over 1\r\nx\r\n");
        await publisher.roundTrip();
        return isOver;
      },
      () => `nothing comes over; the spoke says:\n${spoke.log}`,
    );
  }

  row("a hub asks about the certificates of who connects", async () => {
    const port = await findFreePort();
    await using hub = await ServerProcess.start(
      config(hubConfig(port, "verify: true, timeout: 5, ocsp_peer: true")),
    );
    responder.setState(client, "revoked");
    await using spoke = await ServerProcess.start(config(spokeConfig(port, "timeout: 5")));
    await hub.waitForLog("OCSP verify fail for [CN=client,O=Acme] with CA status [revoked]");
    await hub.waitForLog(/TLS leafnode handshake error: .*client not OCSP valid/);
    responder.setState(client, "good");
    await untilLinked(hub, spoke);
  });

  row("who dials asks about the certificates of the hub", async () => {
    const port = await findFreePort();
    await using hub = await ServerProcess.start(config(hubConfig(port, "verify: true, timeout: 5")));
    responder.setState(listener, "revoked");
    await using spoke = await ServerProcess.start(config(spokeConfig(port, "timeout: 5, ocsp_peer: true")));
    await spoke.waitForLog("OCSP verify fail for [CN=server,O=Acme] with CA status [revoked]");
    await spoke.waitForLog(/TLS leafnode handshake error: .*server not OCSP valid/);
    responder.setState(listener, "good");
    await untilLinked(hub, spoke);
  });

  row("a hub is refused without verify", async () => {
    expect(await startFailure(hubConfig(-1, "ocsp_peer: true"))).toContain(
      "OCSP peer verification for client connections requires TLS verify (mTLS) to be enabled",
    );
  });
});

describe("ocsp", () => {
  const mustStaple = certificateOf("must", "serverAuth", ["tlsfeature=status_request"]);

  if (IS_RUNTIME) {
    row("is refused where the runtime's own TLS serves", async () => {
      responder.setState(listener, "good");
      expect(await startFailure(stapleConfig(listener, "ocsp { mode: always }"))).toContain(
        "the runtime's own TLS cannot staple",
      );
    });
    return;
  }

  row("always: handshakes carry the response", async () => {
    responder.setState(listener, "good");
    await using server = await ServerProcess.start(config(stapleConfig(listener, "ocsp { mode: always }")));
    expect(responder.requests).toEqual(["POST"]);
    expect(await stapleOf(server)).toMatch(/OCSP Response Status: successful[\s\S]*Cert Status: good/);
    await server.waitForLog("OCSP Stapling enabled for Client connections");
    await server.waitForLog(
      `Found OCSP status for Client certificate at '${listener.certFile}': ${MINUTE_TEXT}`,
    );
    // Who does not ask gets none.
    expect(await sClient(server.clientPort, [])).not.toContain("OCSP Response");
  });

  row("auto: only a certificate that must be stapled is, even without an ocsp block", async () => {
    responder.setState(mustStaple, "good");
    for (const ocsp of ["", "ocsp: true", "ocsp { mode: must }"]) {
      await using server = await ServerProcess.start(config(stapleConfig(mustStaple, ocsp)));
      expect(await stapleOf(server)).toContain("Cert Status: good");
    }
    for (const ocsp of ["", "ocsp: true", "ocsp { mode: must }"]) {
      await using server = await ServerProcess.start(config(stapleConfig(listener, ocsp)));
      expect(await stapleOf(server)).toContain("OCSP response: no response sent");
    }
  });

  row("never: no staple, even where there must be one", async () => {
    await using server = await ServerProcess.start(config(stapleConfig(mustStaple, "ocsp: false")));
    expect(await stapleOf(server)).toContain("OCSP response: no response sent");
  });

  row("a revoked certificate: always and must do not start, auto staples that", async () => {
    responder.setState(mustStaple, "revoked");
    for (const mode of ["always", "must"]) {
      expect(await startFailure(stapleConfig(mustStaple, `ocsp { mode: ${mode} }`))).toContain(
        `found existing OCSP status for certificate at '${mustStaple.certFile}': revoked`,
      );
    }
    await using server = await ServerProcess.start(config(stapleConfig(mustStaple, "ocsp: true")));
    expect(await stapleOf(server)).toContain("Cert Status: revoked");
  });

  row("without a responder that answers it does not start", async () => {
    responder.failure = { status: 500, body: new Uint8Array(0) };
    expect(await startFailure(stapleConfig(listener, "ocsp { mode: always }"))).toMatch(
      /bad OCSP status update for certificate at '.*': exhausted ocsp servers: /,
    );
  });

  row("url: asked instead of the responder in the certificate", async () => {
    const unnamed = maker.makeServer("unnamed", authority);
    responder.setState(unnamed, "good");
    await using server = await ServerProcess.start(
      config(stapleConfig(unnamed, `ocsp { mode: always, url: "${responder.url}" }`)),
    );
    expect(await stapleOf(server)).toContain("Cert Status: good");
  });

  row("store_dir: a response that is kept serves the next start", async () => {
    responder.setState(listener, "good");
    const first = await ServerProcess.start(
      config(stapleConfig(listener, "ocsp { mode: always }", 'store_dir: "DIRECTORY/store"')),
    );
    const store = first.path("store");
    first.signal("SIGINT");
    await first.waitForExit();
    responder.failure = { status: 500, body: new Uint8Array(0) };
    await using second = await ServerProcess.start(
      config(stapleConfig(listener, "ocsp { mode: always }", `store_dir: "${store}"`)),
    );
    expect(await stapleOf(second)).toContain("Cert Status: good");
    await first.stop();
  });

  row("a reload turns it on and off", async () => {
    responder.setState(listener, "good");
    await using server = await ServerProcess.start(config(stapleConfig(listener, "")));
    expect(await stapleOf(server)).toContain("OCSP response: no response sent");
    expect(await server.reload(stapleConfig(listener, "ocsp { mode: always }"))).toContain("Reloaded: OCSP");
    expect(await stapleOf(server)).toContain("Cert Status: good");
    await server.reload(stapleConfig(listener, "ocsp { mode: never }"));
    expect(await stapleOf(server)).toContain("OCSP response: no response sent");
  });
});
