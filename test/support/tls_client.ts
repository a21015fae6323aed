import { spawn } from "node:child_process";
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from "node:tls";
import type { KeyPair } from "./certificates.ts";
import { RawClient } from "./raw_client.ts";
import type { ServerProcess } from "./server_process.ts";

/** How long an input may stay without an echo before the next one follows, and how often that is looked at. */
const PIECE_MS = 500;
const STEP_MS = 5;

/** Takes over a plain connection with a TLS handshake, which must succeed. */
export function upgrade(client: RawClient, options: ConnectionOptions = {}): Promise<RawClient> {
  return new Promise((resolve, reject) => {
    client.release();
    const socket: TLSSocket = connectTls({
      socket: client.socket,
      servername: "localhost",
      rejectUnauthorized: options.ca !== undefined,
      ...options,
    });
    socket.once("error", reject);
    socket.once("secureConnect", () => {
      socket.off("error", reject);
      resolve(RawClient.over(socket));
    });
  });
}

/** INFO in clear, handshake, CONNECT. */
export async function connectSecurely(
  server: ServerProcess,
  options: ConnectionOptions = {},
  fields: Record<string, unknown> = {},
): Promise<RawClient> {
  const client = await upgrade(await server.connect(), options);
  await client.handshake(fields);
  return client;
}

/**
 * A connection that the server ends in the handshake or, as TLS 1.3 has it for a client's certificate, right after the
 * client thinks that it is done. Resolves when it is gone and nothing of the protocol came.
 */
export async function expectRefused(server: ServerProcess, options: ConnectionOptions): Promise<void> {
  const plain = await server.connect();
  let secure: RawClient;
  try {
    secure = await upgrade(plain, options);
  } catch {
    return;
  }
  secure.send("PING\r\n");
  await secure.expectClosed();
}

/** A client's side of a certificate. */
export function identity({ cert, key }: KeyPair, authority: KeyPair): ConnectionOptions {
  return { cert, key, ca: authority.cert };
}

/**
 * What `openssl s_client` says of a handshake with a server that has `handshake_first`, stdout and stderr: another
 * library's view, with choices that `node:tls` does not give. It sends the inputs, one after the other, once it is
 * connected and ends by itself.
 */
export function sClient(
  port: number,
  flags: readonly string[],
  input: string | readonly string[] = "",
  waitMs = 300,
): Promise<string> {
  return new Promise((resolve) => {
    const child = spawn("openssl", ["s_client", "-connect", `127.0.0.1:${port}`, ...flags], {
      stdio: ["pipe", "pipe", "pipe"],
    });
    let output = "";
    let hasSent = false;
    const sendAll = async () => {
      for (const piece of typeof input === "string" ? [input] : input) {
        const said = output.length;
        child.stdin.write(piece);
        for (let waited = 0; output.length === said && waited < PIECE_MS; waited += STEP_MS) {
          await new Promise((next) => setTimeout(next, STEP_MS));
        }
      }
      setTimeout(() => child.stdin.end(), waitMs);
    };
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => {
        output += text;
        if (hasSent || !output.includes("INFO {")) return;
        hasSent = true;
        void sendAll();
      });
    }
    child.stdin.on("error", () => {});
    child.once("close", () => resolve(output));
  });
}
