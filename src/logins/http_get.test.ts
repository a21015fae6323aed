import { expect, test } from "bun:test";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { httpGet } from "./http_get.ts";

const reasonOf = (url: string) =>
  httpGet(url, 1000).then(
    () => "",
    (error: Error) => error.message,
  );

test("httpGet() gives status and body, whatever the status", async () => {
  const server = createServer((request, response) => {
    response.writeHead(request.url === "/a" ? 200 : 404);
    response.end("jwt");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  expect(await httpGet(`http://127.0.0.1:${port}/a`, 1000)).toMatchObject({ status: 200, body: "jwt" });
  expect(await httpGet(`http://127.0.0.1:${port}/b`, 1000)).toMatchObject({ status: 404, body: "jwt" });
  await new Promise((resolve) => server.close(resolve));
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
