/** The bodies of events. Keys stand in nats-server's order. Source: nats-server events.go. */
import { type ClientInfo, clientInfoMembers } from "../account/client_info.ts";
import { accountStatistics } from "../monitor/accstatz.ts";
import type { AccountSnapshot } from "../monitor/snapshots/accounts.ts";
import type { Traffic } from "../monitor/snapshots/traffic.ts";
import { type EpochMs, formatTime } from "../protocol/go_json.ts";
import type { ServerObject } from "../protocol/server_object.ts";

const CONNECT = "io.nats.server.advisory.v1.client_connect";
const DISCONNECT = "io.nats.server.advisory.v1.client_disconnect";
const CONNECTIONS = "io.nats.server.advisory.v1.account_connections";

/** What every event of a type has. */
export interface EventHead {
  /** 22 characters, the event's own. */
  readonly id: string;
  readonly atMs: EpochMs;
  readonly server: ServerObject;
}

/** Their first keys. */
export function eventHead(type: string, { id, atMs, server }: EventHead) {
  return { type, id, timestamp: formatTime(atMs), server };
}

/** A client is in. */
export function connectEvent(event: EventHead, client: ClientInfo) {
  return { ...eventHead(CONNECT, event), client: clientInfoMembers(client) };
}

/** A client is gone, or was refused. `traffic` is the server's count; the event tells it as the client would. */
export function disconnectEvent(event: EventHead, client: ClientInfo, traffic: Traffic, reason: string) {
  const { inMessages, inBytes, outMessages, outBytes } = traffic;
  return {
    ...eventHead(DISCONNECT, event),
    client: clientInfoMembers(client),
    sent: { msgs: inMessages, bytes: inBytes },
    received: { msgs: outMessages, bytes: outBytes },
    reason,
  };
}

/** How many connections an account has, and what they have done. */
export function connectionCountEvent(event: EventHead, account: AccountSnapshot) {
  return { ...eventHead(CONNECTIONS, event), ...accountStatistics(account) };
}
