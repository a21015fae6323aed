import { ShardAccounts } from "../../../shard/accounts.ts";
import { Connection } from "../../../shard/connection.ts";

/** The connection of a link without a socket, in slot 1, with the client id 7. */
export function linkConnection(ip = "10.0.0.2", port = 6222): Connection {
  return new Connection({
    slot: 1,
    address: 0,
    clientId: 7,
    ip,
    port,
    startMs: 0,
    nonce: "",
    webSocket: null,
    tls: null,
    account: new ShardAccounts([], undefined).global,
    maxPayloadBytes: 0,
    maxSubscriptions: -1,
  });
}
