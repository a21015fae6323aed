/** How a proxy is asked for a tunnel to another host, and what it answers. Pure. Source: RFC 9110, CONNECT. Cold. */
import { Buffer } from "node:buffer";
import { byteStringOfText, bytesOf } from "../subject/byte_string.ts";
import { type BadHead, type HttpHead, isBadHead } from "./websocket/http_head.ts";

/** `target` is `host:port`. Without a user the request carries no credentials. */
export function tunnelRequest(target: string, user: string, password: string): Uint8Array {
  const basic = Buffer.from(`${user}:${password}`).toString("base64");
  const lines = [
    `CONNECT ${target} HTTP/1.1`,
    `Host: ${target}`,
    ...(user === "" ? [] : [`Proxy-Authorization: Basic ${basic}`]),
  ];
  return bytesOf(byteStringOfText(`${lines.join("\r\n")}\r\n\r\n`));
}

/** Why there is no tunnel, in Go's words; null if there is one. */
export function tunnelProblem(answer: HttpHead | BadHead): string | null {
  if (isBadHead(answer)) return "failed to read proxy response: malformed MIME header";
  const { firstLine } = answer;
  const [, status, code] = /^HTTP\/1\.\d ((\d{3})(?: .*)?)$/.exec(firstLine) ?? [];
  if (status === undefined)
    return `failed to read proxy response: malformed HTTP response ${JSON.stringify(firstLine)}`;
  return code === "200" ? null : `proxy CONNECT failed: ${status}`;
}
