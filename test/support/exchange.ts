import type { Bytes } from "./raw_client.ts";
import type { ServerProcess } from "./server_process.ts";

/**
 * On a fresh connection that has sent CONNECT, with `fields` over quiet ones, `input` is answered with exactly `output`,
 * and the connection stays open.
 */
export async function expectExchange(
  server: ServerProcess,
  input: Bytes,
  output: Bytes,
  fields: Record<string, unknown> = {},
): Promise<void> {
  const client = await server.connectAs(fields);
  client.send(input);
  await client.expect(output);
  await client.roundTrip();
  client.destroy();
}
