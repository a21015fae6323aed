/** Servers inside the test's own process, and clients of theirs. */
import { type LogLevel, Midge, type MidgeOptions } from "../../src/mod.ts";
import { RawClient } from "./raw_client.ts";

/** A server on a free port of 127.0.0.1 whose log is kept, each line as `<level> <text>`. */
export async function startEmbedded(options: MidgeOptions = {}): Promise<{ server: Midge; log: string[] }> {
  const log: string[] = [];
  const hear = (level: LogLevel, text: string) => void log.push(`${level} ${text}`);
  const server = await Midge.start({ host: "127.0.0.1", port: -1, log: hear, ...options });
  return { server, log };
}

/** A client that has sent CONNECT and got its PONG. */
export async function connectTo(server: Midge, fields: Record<string, unknown> = {}): Promise<RawClient> {
  const client = await RawClient.open(server.port);
  await client.readInfo();
  await client.handshake(fields);
  return client;
}

/** Everything that came before the answer to a PING sent now: all that was sent before has been done. */
export function roundTripText(client: RawClient): Promise<string> {
  client.send("PING\r\n");
  return client.readUntil("PONG\r\n");
}
