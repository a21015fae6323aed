import { Buffer } from "node:buffer";
import { connect } from "node:net";
import { DEADLINE_MS } from "./deadline.ts";

/** An HTTP answer as it came: header names in lower case, `rawHead` untouched. */
export interface HttpResponse {
  readonly status: number;
  readonly statusText: string;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
  readonly rawHead: string;
}

/** One request on a connection of its own, over plain TCP, so that tests see what the server really sends. */
export function httpRequest(request: {
  readonly host: string;
  readonly port: number;
  readonly path: string;
  readonly method?: string;
  /** Replaces the whole header block, `Host` and `Connection: close` included. */
  readonly headers?: readonly string[];
}): Promise<HttpResponse> {
  const method = request.method ?? "GET";
  const headers = request.headers ?? [`Host: ${request.host}:${request.port}`, "Connection: close"];
  const text = `${[`${method} ${request.path} HTTP/1.1`, ...headers].join("\r\n")}\r\n\r\n`;
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    const socket = connect({ host: request.host, port: request.port });
    const timer = setTimeout(() => {
      socket.destroy();
      reject(new Error(`${method} ${request.path}: no whole answer after ${DEADLINE_MS} ms`));
    }, DEADLINE_MS);
    socket.on("error", reject);
    socket.on("data", (bytes: Buffer) => chunks.push(bytes));
    socket.on("close", () => {
      clearTimeout(timer);
      try {
        resolve(parseResponse(Buffer.concat(chunks), method));
      } catch (error) {
        reject(error);
      }
    });
    socket.write(text);
  });
}

function parseResponse(bytes: Buffer, method: string): HttpResponse {
  const headEnd = bytes.indexOf("\r\n\r\n");
  if (headEnd < 0) throw new Error(`no HTTP answer in ${JSON.stringify(bytes.toString())}`);
  const rawHead = bytes.subarray(0, headEnd).toString("latin1");
  const [statusLine, ...lines] = rawHead.split("\r\n");
  const [, status, statusText] = /^HTTP\/1\.[01] (\d{3}) ?(.*)$/.exec(statusLine!) ?? [];
  const headers = new Map(
    lines.map((line) => {
      const colon = line.indexOf(":");
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
    }),
  );
  let body = bytes.subarray(headEnd + 4);
  if (headers.get("transfer-encoding") === "chunked") body = joinChunks(body);
  const length = headers.get("content-length");
  if (length !== undefined && method !== "HEAD" && Number(length) !== body.length) {
    throw new Error(`Content-Length ${length} but ${body.length} bytes of body`);
  }
  return { status: Number(status), statusText: statusText ?? "", headers, body: body.toString(), rawHead };
}

function joinChunks(bytes: Buffer): Buffer {
  const chunks: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const lineEnd = bytes.indexOf("\r\n", at);
    const size = Number.parseInt(bytes.subarray(at, lineEnd).toString(), 16);
    if (size === 0) break;
    chunks.push(bytes.subarray(lineEnd + 2, lineEnd + 2 + size));
    at = lineEnd + 2 + size + 2;
  }
  return Buffer.concat(chunks);
}
