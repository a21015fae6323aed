import { afterAll, afterEach, expect, test } from "bun:test";
import { createServer, type RequestListener } from "node:http";
import { createServer as createSecureServer, type ServerOptions } from "node:https";
import type { AddressInfo } from "node:net";
import { CertificateMaker } from "../../test/support/certificates.ts";
import { TLS_DEFAULTS, type TlsOptions } from "../config/tls.ts";
import { readTlsMaterial } from "../runtime/tls_material.ts";
import { httpGet } from "./http_get.ts";

const maker = new CertificateMaker();
const authority = maker.makeAuthority("authority");
const stranger = maker.makeAuthority("stranger");
const localhost = maker.makeServer("server", authority);
const client = maker.makeClient("/CN=client", authority);
afterAll(() => maker.remove());

const closings: (() => void)[] = [];
afterEach(() => {
  for (const close of closings.splice(0)) close();
});

/** Returns its port. */
async function serve(answer: RequestListener, tls?: ServerOptions): Promise<number> {
  const server = tls === undefined ? createServer(answer) : createSecureServer(tls, answer);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closings.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

const get = (url: string, tls: Partial<TlsOptions> = {}, timeoutMs = 5000) =>
  httpGet(url, timeoutMs, readTlsMaterial({ ...TLS_DEFAULTS, ...tls }));
const bodyOf = async (url: string, tls?: Partial<TlsOptions>) => (await get(url, tls)).body;
const reasonOf = (url: string, tls?: Partial<TlsOptions>, timeoutMs?: number) =>
  get(url, tls, timeoutMs).then(
    () => "",
    (error: Error) => error.message,
  );

test("httpGet() gives status and body, whatever the status", async () => {
  const port = await serve((request, response) => {
    response.writeHead(request.url === "/a" ? 200 : 404);
    response.end("jwt");
  });
  expect(await get(`http://127.0.0.1:${port}/a`)).toEqual({ status: 200, statusText: "OK", body: "jwt" });
  expect(await get(`http://127.0.0.1:${port}/b`)).toMatchObject({ status: 404, body: "jwt" });
});

test("httpGet() names the scheme it does not know, and never user or password", async () => {
  expect(await reasonOf("ftp://me:secret@127.0.0.1/")).toBe('unsupported protocol scheme "ftp"');
  expect(await reasonOf("me:secret@127.0.0.1")).not.toContain("secret");
  for (const url of [
    "http://me:secret@127.0.0.1:1/a",
    "http://me:secret@no.such.host.invalid/",
    "http://me:secret@:/",
  ]) {
    const reason = await reasonOf(url);
    expect(reason).not.toBe("");
    expect(reason).not.toContain("secret");
  }
});

test("httpGet() shows user and password to the server they are for, and to no other", async () => {
  const shown = await serve(({ headers }, response) => void response.end(headers.authorization ?? "none"));
  const moved = await serve((_request, response) => {
    response.writeHead(302, { location: `http://127.0.0.1:${shown}/` });
    response.end();
  });
  expect(await bodyOf(`http://me:secret@127.0.0.1:${shown}/`)).toBe(`Basic ${btoa("me:secret")}`);
  expect(await bodyOf(`http://me:secret@127.0.0.1:${moved}/`)).toBe("none");
});

test("httpGet() goes where it is sent, ten times", async () => {
  const port = await serve(({ url }, response) => {
    const left = Number(url!.slice(1));
    response.writeHead(left === 0 ? 200 : 307, left === 0 ? {} : { location: `/${left - 1}` });
    response.end("there");
  });
  expect(await bodyOf(`http://127.0.0.1:${port}/10`)).toBe("there");
  expect(await reasonOf(`http://127.0.0.1:${port}/11`)).toBe("stopped after 10 redirects");
});

test("httpGet() waits no longer than it may, for the head and for the body", async () => {
  const silent = await serve(() => {});
  const slow = await serve((_request, response) => void response.write("half"));
  const cut = await serve((_request, response) => {
    response.writeHead(200, { "content-length": "100" });
    response.write("half");
    setTimeout(() => response.destroy(), 20);
  });
  for (const port of [silent, slow]) {
    expect(await reasonOf(`http://127.0.0.1:${port}/`, {}, 100)).toBe(
      "context deadline exceeded (Client.Timeout exceeded)",
    );
  }
  expect(await reasonOf(`http://127.0.0.1:${cut}/`)).toBe("unexpected EOF");
});

test("httpGet() trusts whom it is told to trust, in Go's words", async () => {
  const port = await serve((_request, response) => void response.end("jwt"), localhost);
  const trusting = { caFile: authority.certFile };
  for (const host of ["localhost", "127.0.0.1"]) {
    expect(await bodyOf(`https://${host}:${port}/`, trusting)).toBe("jwt");
  }
  for (const tls of [{}, { caFile: stranger.certFile }]) {
    expect(await reasonOf(`https://localhost:${port}/`, tls)).toBe(
      "tls: failed to verify certificate: x509: certificate signed by unknown authority",
    );
  }
  expect(await bodyOf(`https://localhost:${port}/`, { insecure: true })).toBe("jwt");

  const subject = "/CN=localhost";
  const named = maker.make({ subject, extensions: ["subjectAltName=DNS:example.com"], issuer: authority });
  const nameless = maker.make({ subject, issuer: authority });
  for (const [pair, reason] of [
    [named, "certificate is valid for example.com, not localhost"],
    [nameless, "certificate relies on legacy Common Name field, use SANs instead"],
  ] as const) {
    const wrong = await serve((_request, response) => void response.end(), pair);
    expect(await reasonOf(`https://localhost:${wrong}/`, trusting)).toContain(`x509: ${reason}`);
  }
});

test("httpGet() shows its certificate to a server that asks for one", async () => {
  const mutual = { ...localhost, ca: authority.cert, requestCert: true, rejectUnauthorized: true };
  const port = await serve((_request, response) => void response.end("jwt"), mutual);
  const trusting = { caFile: authority.certFile };
  const { certFile, keyFile } = client;
  expect(await bodyOf(`https://localhost:${port}/`, { ...trusting, certFile, keyFile })).toBe("jwt");
  expect(await reasonOf(`https://localhost:${port}/`, trusting)).not.toBe("");
});

test("httpGet() offers no version older than it may", async () => {
  const port = await serve((_request, response) => void response.end("jwt"), {
    ...localhost,
    maxVersion: "TLSv1.2",
  });
  const trusting = { caFile: authority.certFile };
  expect(await bodyOf(`https://localhost:${port}/`, trusting)).toBe("jwt");
  expect(await reasonOf(`https://localhost:${port}/`, { ...trusting, minVersion: "1.3" })).not.toBe("");
});
