/**
 * Registers links whose handshake is done: with the engine, which takes their bytes from then on, and leaf links with
 * their account, as a connection of it.
 */
import {
  CONNECTION_CONTEXT,
  CONNECTION_FLAGS,
  CONNECTION_HAS_NO_ECHO,
  CONNECTION_IS_GATEWAY,
  CONNECTION_IS_LINK,
  CONNECTION_IS_ROUTE,
  CONNECTION_PAYLOAD_MAX,
  CONNECTION_TAKES_HEADERS,
  CONTEXT_FROM_GATEWAY,
  CONTEXT_FROM_ROUTE,
} from "../../memory/layout.ts";
import { countIn, countOut } from "../../shard/account_counts.ts";
import type { Connection } from "../../shard/connection.ts";
import type { LinkShard } from "../../shard/links/link_host.ts";
import type { Link } from "../core/link.ts";
import { hostOf } from "./host_link.ts";
import { CONTEXT_FROM_LEAF } from "./plan_rules.ts";

const NO_LIMIT = 0x7fffffff;

export class Registration {
  readonly #shard: LinkShard;

  constructor(shard: LinkShard) {
    this.#shard = shard;
  }

  /** Tells the engine how to treat the bytes of a link, and enters a leaf link in its account. */
  join(link: Link): void {
    const { words } = this.#shard.shared;
    const host = hostOf(link);
    const { connection } = host;
    host.registered = link;
    let flags = CONNECTION_IS_LINK | CONNECTION_HAS_NO_ECHO;
    if (link.takesHeaders) flags |= CONNECTION_TAKES_HEADERS;
    if (link.kind === "gateway") flags |= CONNECTION_IS_GATEWAY;
    if (link.kind === "route") flags |= CONNECTION_IS_ROUTE;
    else if (link.kind === "leaf") this.#enterAccount(connection, link.account!);
    words[(connection.address + CONNECTION_FLAGS) >> 2]! |= flags;
    this.#setContext(link);
    this.limit(link);
  }

  /** Tells the engine the size limit of a link's messages. */
  limit(link: Link): void {
    const { connection, peer } = hostOf(link);
    const { words } = this.#shard.shared;
    words[(connection.address + CONNECTION_PAYLOAD_MAX) >> 2] = peer.rules.payloadBytesMax ?? NO_LIMIT;
  }

  leave(link: Link): void {
    const host = hostOf(link);
    host.registered = null;
    if (link.kind !== "leaf") return;
    this.#shard.contexts.release(host.connection.context);
    countOut(this.#shard.shared, host.connection);
  }

  /** Accounts were defined again. A leaf link goes by the new definition of its account. */
  refresh(link: Link): void {
    const { accounts } = this.#shard;
    const { connection } = hostOf(link);
    if (link.kind === "leaf") connection.account = accounts.byId(connection.account.id) ?? connection.account;
    else this.#setContext(link);
  }

  /** Sets the context in which messages of a link are looked up, with the account if they do not name it. */
  #setContext(link: Link): void {
    const host = hostOf(link);
    const { address, slot } = host.connection;
    let context = CONTEXT_FROM_LEAF | slot;
    if (link.kind === "gateway") context = CONTEXT_FROM_GATEWAY;
    else if (link.kind === "route") {
      const account = link.account === null ? undefined : this.#shard.accounts.byByteName(link.account);
      host.isOfUnknownAccount = link.account !== null && account === undefined;
      context = CONTEXT_FROM_ROUTE | (account?.id ?? 0);
    }
    this.#shard.shared.words[(address + CONNECTION_CONTEXT) >> 2] = context;
  }

  #enterAccount(connection: Connection, name: string): void {
    const { accounts, contexts, shared } = this.#shard;
    connection.account = accounts.byByteName(name) ?? accounts.global;
    // The leaf protocol applies the permissions. The account treats the messages of a leaf node like those of clients.
    connection.context = contexts.take(connection.account, null);
    countIn(shared, connection, connection.account.id);
  }
}
