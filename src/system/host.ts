import type { RemoteLatency } from "../account/latency.ts";
import type { MonitorSource } from "../monitor/source.ts";
import type { PayloadTraceOptions } from "../protocol/trace.ts";
import type { ConnectionsElsewhere } from "./remote_servers.ts";
import type { UserTerms } from "./user_info.ts";

/** An account that this server knows. */
export interface HostedAccount {
  readonly id: number;
  readonly name: string;
  /** The name in the account's JWT, or else `name`. */
  readonly nameTag: string;
  /** Connections it has on this server, leaf nodes among them. */
  readonly connections: number;
}

/** The server, as its services in the system account see it. Shards are asked, so most of it takes a moment. */
export interface SystemHost {
  readonly monitor: MonitorSource;
  accounts(): readonly HostedAccount[];
  account(name: string): HostedAccount | undefined;
  /** Reads the configuration again; returns what is wrong with it, undefined for nothing. */
  reload(): Promise<string | undefined>;
  /** Closes a client; false if there is none of that id. */
  kick(clientId: number): Promise<boolean>;
  /** Asks a client to go by itself; false if it cannot be asked, null if there is none of that id. */
  sendLameDuck(clientId: number): Promise<boolean | null>;
  /** Null if there is no such client. */
  userTerms(clientId: number): Promise<UserTerms | null>;
  /** Sets how many connections other servers have of an account, whose limits hold for all servers together. */
  setConnectionsElsewhere(account: string, connections: ConnectionsElsewhere): void;
  /** Takes the part of a latency that the responder's server has measured, for a request of a client of this server. */
  takeRemoteLatency(latency: RemoteLatency): void;
  /** Subscriptions of an account that a subject may reach; of a queue group only, unless null. */
  countSubscribers(account: string, subject: string, queue: string | null): Promise<number>;
  /** Gives a message of the server itself to the services that an account imports on its subject, if any. */
  askServices(account: number, subject: string, payload: Uint8Array, headers?: Uint8Array): void;
  /** How the log shows what the server itself says in its account; null where it does not. */
  readonly tracing: PayloadTraceOptions | null;
  logTrace(text: string): void;
  logError(text: string): void;
}
