import type { RawClient } from "./raw_client.ts";

/** Whether the server is nats-server itself, for the few rows where ours answers otherwise on purpose. */
export function isNatsServer(client: RawClient): boolean {
  return String(client.info.go).startsWith("go");
}
