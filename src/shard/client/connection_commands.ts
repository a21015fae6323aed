/** Commands of main and the logins thread about single connections, or a number of them. */
import type { CloseReason } from "../../protocol/close_reason.ts";
import * as errors from "../../protocol/errors.ts";
import { type Connection, STATE_CLOSING } from "../connection.ts";
import type { ShardContext } from "../context.ts";
import type { LinkHost } from "../links/link_host.ts";
import type { ShardControl } from "../shard_messages.ts";
import type { ClientProtocol } from "./client_protocol.ts";
import type { Handshakes } from "./handshakes.ts";
import type { Upgrades } from "./upgrades.ts";

export type ConnectionCommand = Extract<
  ShardControl,
  { readonly type: "verdict" | "peer" | "info" | "closeSome" | "shrink" | "accountFull" | "otherClusters" }
>;

type CommandedShard = Pick<ShardContext, "connections" | "otherClusters" | "close" | "fail">;

export class ConnectionCommands {
  readonly #shard: CommandedShard;
  readonly #protocol: ClientProtocol;
  readonly #handshakes: Handshakes;
  readonly #upgrades: Upgrades | null;
  readonly #links: LinkHost | null;

  constructor(
    shard: CommandedShard,
    protocol: ClientProtocol,
    handshakes: Handshakes,
    upgrades: Upgrades | null,
    links: LinkHost | null,
  ) {
    this.#shard = shard;
    this.#protocol = protocol;
    this.#handshakes = handshakes;
    this.#upgrades = upgrades;
    this.#links = links;
  }

  take(command: ConnectionCommand): void {
    switch (command.type) {
      case "verdict": {
        const connection = this.#find(command);
        if (connection?.isLink) this.#links!.answer(connection, command.verdict);
        else if (connection !== null) this.#protocol.logins.answer(connection, command);
        break;
      }
      case "peer": {
        const connection = this.#find(command);
        if (connection === null) this.#upgrades?.onPeerChecked(command, command.isValid);
        else if (connection.isLink) this.#links!.peerChecked(connection, command.isValid);
        else this.#handshakes.onPeerChecked(connection, command.isValid);
        break;
      }
      case "info":
        this.#sendInfo(command);
        break;
      case "closeSome":
        this.#closeSome(command.count, (connection) =>
          this.#shard.close(connection, command.reason as CloseReason),
        );
        break;
      case "shrink":
        this.#closeSome(command.count, (connection) =>
          this.#shard.fail(connection, errors.ERROR_MAXIMUM_CONNECTIONS),
        );
        break;
      case "otherClusters":
        this.#shard.otherClusters = command.names;
        for (const connection of this.#shard.connections) {
          if (connection !== null) this.#protocol.memberships.forgetDisclosure(connection);
        }
        break;
      case "accountFull": {
        const ids = new Set(command.clientIds);
        for (const connection of this.#shard.connections) {
          if (connection === null || connection.state >= STATE_CLOSING) continue;
          if (!ids.has(connection.clientId)) continue;
          if (connection.isLink) this.#links!.endSurplus(connection.clientId);
          else this.#shard.fail(connection, errors.ERROR_MAXIMUM_ACCOUNT_CONNECTIONS);
        }
        break;
      }
    }
  }

  /** The connection that a command is about; null if it is gone. */
  #find({ slot, clientId }: { readonly slot: number; readonly clientId: number }): Connection | null {
    const connection = this.#shard.connections[slot];
    return connection?.clientId === clientId ? connection : null;
  }

  #sendInfo({ info, clientId, listener }: Extract<ConnectionCommand, { type: "info" }>): void {
    for (const connection of this.#shard.connections) {
      if (connection === null || connection.state >= STATE_CLOSING || connection.isLink) continue;
      if (clientId !== undefined && clientId !== connection.clientId) continue;
      if (listener !== undefined && listener !== connection.listener) continue;
      this.#protocol.sendInfo(connection, info);
    }
  }

  #closeSome(count: number, close: (connection: Connection) => void): void {
    let left = count;
    for (const connection of this.#shard.connections) {
      if (left <= 0) return;
      if (connection === null || connection.state >= STATE_CLOSING) continue;
      close(connection);
      left--;
    }
  }
}
