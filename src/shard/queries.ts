/** What main asks a shard, and the answers. Cold: for monitoring and system requests. */
import { CloseReason } from "../protocol/close_reason.ts";
import type { ClientProtocol } from "./client_protocol.ts";
import type { Closings } from "./closings.ts";
import type { ShardContext } from "./context.ts";
import type { Handshakes } from "./handshakes.ts";
import type { LinkHost } from "./link_host.ts";
import type { Services } from "./services.ts";
import type { ShardQuery } from "./shard_options.ts";
import {
  accountCounters,
  clientsOf,
  connectionPage,
  openConnection,
  subscriberCount,
  subscriptionPage,
  userRecord,
} from "./snapshot.ts";

export class Queries {
  readonly #shard: ShardContext;
  readonly #protocol: ClientProtocol;
  readonly #handshakes: Handshakes;
  readonly #services: Services;
  readonly #closings: Closings;
  readonly #links: LinkHost | null;

  constructor(
    shard: ShardContext,
    protocol: ClientProtocol,
    handshakes: Handshakes,
    services: Services,
    closings: Closings,
    links: LinkHost | null,
  ) {
    this.#shard = shard;
    this.#protocol = protocol;
    this.#handshakes = handshakes;
    this.#services = services;
    this.#closings = closings;
    this.#links = links;
  }

  /** What JSON can say of the answer; `ShardQuery` says what that is. */
  answer(query: ShardQuery): unknown {
    const shard = this.#shard;
    switch (query.what) {
      case "done":
        return null;
      case "closeUnpinned":
        return this.#handshakes.closeUnpinned();
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
        return connection === undefined ? null : this.#protocol.sendLameDuck(connection);
      }
      case "subscribers":
        return this.#links?.countSubscribers(query) ?? subscriberCount(shard, query);
      case "responses": {
        const account = shard.accounts.byName(query.account);
        return account === undefined ? [] : this.#services.responsesOf(account.id);
      }
      case "clients":
        return clientsOf(shard, query.account);
      case "accounts":
        return accountCounters(shard, this.#closings.goneCounters);
      case "links":
      case "linkAccounts":
      case "routes":
      case "gateways":
      case "leafs":
        return this.#links?.query(query) ?? null;
    }
  }

  #kick(clientId: number): boolean {
    if (this.#links !== null) return this.#links.kick(clientId);
    const connection = openConnection(this.#shard, clientId);
    if (connection === undefined) return false;
    this.#shard.close(connection, CloseReason.Kicked);
    return true;
  }
}
