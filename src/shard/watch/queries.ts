/** Answers what main asks a shard. Cold: for monitoring and system requests. */
import { CloseReason } from "../../protocol/close_reason.ts";
import type { ClientProtocol } from "../client/client_protocol.ts";
import type { Handshakes } from "../client/handshakes.ts";
import type { Closings } from "../closings.ts";
import type { ShardContext } from "../context.ts";
import type { LinkHost } from "../links/link_host.ts";
import type { Services } from "../services/services.ts";
import type { ShardQuery } from "./shard_queries.ts";
import {
  accountCounters,
  connectionPage,
  connectionsOf,
  openConnection,
  subscriberCount,
  subscriptionPage,
  userRecord,
} from "./snapshot.ts";

/** The parts of the shard that know the answers. */
export interface QueriedParts {
  readonly protocol: ClientProtocol;
  readonly handshakes: Handshakes;
  readonly services: Services;
  readonly closings: Closings;
  /** Null for shards of clients. */
  readonly links: LinkHost | null;
}

export class Queries {
  readonly #shard: ShardContext;
  readonly #parts: QueriedParts;

  constructor(shard: ShardContext, parts: QueriedParts) {
    this.#shard = shard;
    this.#parts = parts;
  }

  /** Answers a query with a value for JSON; `ShardQuery` says which. */
  answer(query: ShardQuery): unknown {
    const shard = this.#shard;
    const { protocol, handshakes, services, closings, links } = this.#parts;
    // Connections that this answer leaves out because they are closed must be known to main as closed by then.
    closings.tellAll();
    switch (query.what) {
      case "done":
        return null;
      case "closeUnpinned":
        return handshakes.closeUnpinned();
      case "connections":
        return connectionPage(shard, query);
      case "subscriptions":
        return subscriptionPage(shard, query);
      case "user":
        return userRecord(shard, query.clientId);
      case "kick":
        return this.#kick(query.clientId);
      case "lameDuck": {
        const connection = openConnection(shard, query.clientId);
        return connection === undefined ? null : protocol.sendLameDuck(connection);
      }
      case "subscribers":
        return links?.countSubscribers(query) ?? subscriberCount(shard, query);
      case "responses": {
        const account = shard.accounts.byName(query.account);
        return account === undefined ? [] : services.responsesOf(account.id);
      }
      case "accountConnections":
        return connectionsOf(shard, query.account);
      case "accounts":
        return accountCounters(shard, closings.goneCounters);
      case "links":
      case "linkAccounts":
      case "routes":
      case "gateways":
      case "leafs":
        return links?.query(query) ?? null;
    }
  }

  #kick(clientId: number): boolean {
    const { links } = this.#parts;
    if (links !== null) return links.kick(clientId);
    const connection = openConnection(this.#shard, clientId);
    if (connection === undefined) return false;
    this.#shard.close(connection, CloseReason.Kicked);
    return true;
  }
}
