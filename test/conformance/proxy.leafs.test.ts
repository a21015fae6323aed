import { afterAll, expect } from "bun:test";
import { CertificateMaker } from "../support/certificates.ts";
import { ConnectProxy } from "../support/connect_proxy.ts";
import { kindOf, linkAddress, Servers, untilReached } from "../support/links.ts";
import { CLOSED_PORT } from "../support/raw_listener.ts";
import { rowsInParallel } from "../support/row.ts";
import { ServerProcess } from "../support/server_process.ts";

// Hubs that are reached by way of an HTTP proxy.

const MESH_MS = 15_000;
const maker = new CertificateMaker();
afterAll(() => maker.remove());

const leaf = (url: string, proxy: string, more = "") =>
  `server_name: L\ndebug: true\nleafnodes { reconnect: "200ms", remotes: [ { url: "${url}", ${more} proxy { url: "http://${proxy}" } } ] }`;

/** A leaf node of a hub that is reached by the proxy: messages go both ways. */
async function expectLinked(
  servers: Servers,
  url: string,
  proxy: ConnectProxy,
  hub: ServerProcess,
  more = "",
) {
  const spoke = await servers.start({ config: leaf(url, proxy.address, more) });
  const [here, there] = [await spoke.connectAs(), await hub.connectAs()];
  await untilReached(there, here, MESH_MS);
  await untilReached(here, there, MESH_MS);
  return spoke;
}

rowsInParallel({
  "leafs 61: a hub by a proxy, whose INFO comes right behind the answer": async () => {
    await using servers = new Servers();
    await using proxy = await ConnectProxy.open();
    const hub = await servers.start({
      role: "peer",
      config: `server_name: H\nleafnodes { listen: "127.0.0.1:-1" }`,
    });
    const address = await linkAddress(hub, "leafnode");
    const spoke = await expectLinked(servers, `nats-leaf://${address}`, proxy, hub);
    expect(proxy.requests).toHaveLength(1);
    const [request, ...headers] = proxy.requests[0]!.trimEnd().split("\r\n");
    expect(request).toBe(`CONNECT ${address} HTTP/1.1`);
    expect(headers).toContain(`Host: ${address}`);
    expect(headers.join("\n")).not.toMatch(/authorization/i);
    await spoke.waitForLog(`Trying to connect as leafnode to remote server on "${address}"`);
    await spoke.waitForLog(new RegExp(`${proxy.address} - lid:\\d+ - Leafnode connection created`));
  },

  "leafs 61: a hub by WebSocket and a proxy that asks who it is": async () => {
    await using servers = new Servers();
    await using proxy = await ConnectProxy.open();
    const hub = await servers.start({
      role: "peer",
      config: `
        server_name: H
        leafnodes { listen: "127.0.0.1:-1" }
        websocket { listen: "127.0.0.1:-1", no_tls: true }
      `,
    });
    const port = hub.listenerPort("Listening for websocket clients on ws://");
    const url = `ws://127.0.0.1:${port}`;
    const spoke = await servers.start({
      config: `server_name: L\nleafnodes { remotes: [ { url: "${url}", proxy {
        url: "http://${proxy.address}", username: us, password: "p:w", timeout: "3s" } } ] }`,
    });
    await untilReached(await hub.connectAs(), await spoke.connectAs(), MESH_MS);
    expect(proxy.requests[0]).toContain(`\r\nProxy-Authorization: Basic ${btoa("us:p:w")}\r\n`);
  },

  "leafs 61: a proxy that refuses is told of, and asked again": async () => {
    await using proxy = await ConnectProxy.open();
    proxy.answer = "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n";
    const hub = `127.0.0.1:${CLOSED_PORT}`;
    await using server = await ServerProcess.start({ config: leaf(`nats-leaf://${hub}`, proxy.address) });
    const told = (attempt: number, problem: string) =>
      server.waitForLog(
        `Error trying to connect as leafnode to remote server "${hub}" (attempt ${attempt}): ${problem}`,
      );
    await told(1, "proxy CONNECT failed: 407 Proxy Authentication Required");
    proxy.answer = "nonsense\r\n\r\n";
    await server.waitForLog(
      /attempt \d+\): failed to read proxy response: malformed HTTP response "nonsense"/,
    );
  },

  "leafs 61: a proxy that says nothing, or is not there": async () => {
    await using proxy = await ConnectProxy.open();
    proxy.answer = null;
    const hub = `127.0.0.1:${CLOSED_PORT}`;
    await using silent = await ServerProcess.start({
      config: `server_name: L\nleafnodes { remotes: [ { url: "nats-leaf://${hub}", proxy { url: "http://${proxy.address}", timeout: "300ms" } } ] }`,
    });
    await silent.waitForLog(
      new RegExp(
        `remote server "${hub}" \\(attempt 1\\): failed to read proxy response: read tcp 127\\.0\\.0\\.1:\\d+->${proxy.address}: i/o timeout`,
      ),
    );
    await using lost = await ServerProcess.start({ config: leaf(`nats-leaf://${hub}`, hub) });
    await lost.waitForLog(
      `(attempt 1): failed to connect to proxy: dial tcp ${hub}: connect: connection refused`,
    );
  },

  "leafs 61: a proxy that is spoken with by TLS": async () => {
    await using servers = new Servers();
    const authority = maker.makeAuthority("Proxy CA");
    await using proxy = await ConnectProxy.open(maker.makeServer("localhost", authority));
    const secure = `url: "https://localhost:${proxy.address.split(":")[1]}"`;
    const hub = await servers.start({
      role: "peer",
      config: `server_name: H\nleafnodes { listen: "127.0.0.1:-1" }`,
    });
    const address = await linkAddress(hub, "leafnode");
    const config = (tls: string) =>
      `server_name: L\nleafnodes { reconnect: "200ms", remotes: [ { url: "nats-leaf://${address}", proxy { ${secure} ${tls} } } ] }`;
    const spoke = await servers.start({ config: config("") });
    await spoke.waitForLog(
      /\(attempt 1\): proxy TLS handshake failed: tls: failed to verify certificate: x509: certificate signed by unknown authority/,
    );
    await spoke.reload(config(`, tls { ca_file: "${authority.certFile}" }`));
    await untilReached(await hub.connectAs(), await spoke.connectAs(), MESH_MS);
    expect(proxy.requests[0]).toStartWith(`CONNECT ${address} HTTP/1.1\r\n`);
    // What is secured is the way to the proxy, not the one to the hub.
    expect(spoke.log).not.toContain("TLS handshake complete");
  },

  "leafs 61: TLS with the hub inside of TLS with the proxy": async () => {
    await using servers = new Servers();
    const authority = maker.makeAuthority("Both CA");
    const identity = maker.makeServer("localhost", authority);
    await using proxy = await ConnectProxy.open(identity);
    const secure = `url: "https://localhost:${proxy.address.split(":")[1]}", tls { ca_file: "${authority.certFile}" }`;
    const files = `cert_file: "${identity.certFile}", key_file: "${identity.keyFile}"`;
    const peer = await servers.start({ role: "peer" });
    // nats-server 2.9 has no handshake_first.
    for (const first of (await kindOf(peer)).isOld ? [""] : ["", ", handshake_first: true"]) {
      const hub = await servers.start({
        role: "peer",
        config: `server_name: H\nleafnodes { listen: "127.0.0.1:-1", tls { ${files}, timeout: 5${first} } }`,
      });
      const [, port] = (await linkAddress(hub, "leafnode")).split(":");
      const spoke = await servers.start({
        config: `server_name: L\nleafnodes { remotes: [ { url: "tls://localhost:${port}"
          tls { ca_file: "${authority.certFile}", timeout: 5${first} }, proxy { ${secure} } } ] }`,
        flags: ["-D"],
      });
      await untilReached(await hub.connectAs(), await spoke.connectAs(), MESH_MS);
      await spoke.waitForLog("Starting TLS leafnode client handshake");
      // More than any of the records that carry it.
      const [publisher, subscriber] = [await spoke.connectAs(), await hub.connectAs()];
      const payload = "x".repeat(300_000);
      subscriber.send("SUB large 1\r\n");
      await subscriber.roundTrip();
      await untilReached(publisher, subscriber, MESH_MS);
      for (let i = 0; i < 5; i++) publisher.send(`PUB large ${payload.length}\r\n${payload}\r\n`);
      for (let i = 0; i < 5; i++) await subscriber.expect(`MSG large 1 ${payload.length}\r\n${payload}\r\n`);
    }
  },

  "leafs 61: what a proxy may not be configured with": async () => {
    for (const [remote, text] of [
      [
        `url: "nats-leaf://h:1", proxy { username: a }`,
        "proxy URL must be specified when other proxy options are set",
      ],
      [
        `url: "nats-leaf://h:1", proxy { url: "ftp://p" }`,
        "proxy URL scheme must be http or https, got: ftp",
      ],
      [`url: "nats-leaf://h:1", proxy { url: "http://" }`, "proxy URL must specify a host"],
      [
        `url: "nats-leaf://h:1", proxy { url: "http://p", username: a }`,
        "proxy username and password must both be specified or both be empty",
      ],
      [
        `url: "wss://h:1", proxy { url: "http://p" }`,
        "proxy is configured but remote URL wss://h:1 requires TLS and no TLS configuration is provided",
      ],
      [`url: "nats-leaf://h:1", proxy { url: "http://p", timeout: "-1s" }`, "proxy timeout must be >= 0"],
      [
        `url: "nats-leaf://h:1", proxy { url: "http://p", tls { insecure: true } }`,
        "proxy TLS configuration requires an https proxy URL, got: http",
      ],
      [
        `url: "nats-leaf://h:1", proxy { url: "https://p", tls { verify: true } }`,
        '"verify" is not supported for proxy TLS',
      ],
    ] as const) {
      await using server = ServerProcess.spawn({ config: `leafnodes { remotes: [ { ${remote} } ] }` });
      const { stderr } = await server.waitForExit(MESH_MS);
      expect(stderr).toContain(text);
    }
  },
});
