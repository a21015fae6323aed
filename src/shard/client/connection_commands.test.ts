import { expect, test } from "bun:test";
import { CloseReason } from "../../protocol/close_reason.ts";
import * as errors from "../../protocol/errors.ts";
import { type Connection, STATE_CLOSING, STATE_CONNECTED } from "../connection.ts";
import type { ClientProtocol } from "./client_protocol.ts";
import { ConnectionCommands } from "./connection_commands.ts";
import type { Handshakes } from "./handshakes.ts";
import type { Upgrades } from "./upgrades.ts";

/** Commands to a shard with these connections in its slots, and what they did, by client id. */
function commandsTo(...states: { clientId: number; state?: number; listener?: string }[]) {
  const connections = states.map(
    (each) => ({ state: STATE_CONNECTED, listener: "client", isLink: false, ...each }) as Connection,
  );
  const done: [what: string, clientId: number, value?: unknown][] = [];
  const note =
    (what: string) =>
    ({ clientId }: Connection, value?: unknown) =>
      void done.push([what, clientId, value]);
  const shard = {
    otherClusters: [],
    connections: [null, ...connections],
    close: note("close"),
    fail: note("fail"),
  };
  const protocol = { logins: { answer: note("answer") }, sendInfo: note("info") };
  const handshakes = { onPeerChecked: note("peer") };
  const upgrades = { onPeerChecked: note("upgrade") };
  const commands = new ConnectionCommands(
    shard,
    protocol as unknown as ClientProtocol,
    handshakes as unknown as Handshakes,
    upgrades as unknown as Upgrades,
    null,
  );
  return { commands, done };
}

test("an answer about a connection whose slot somebody else has by now is not for that one", () => {
  const { commands, done } = commandsTo({ clientId: 7 });
  commands.take({ type: "peer", slot: 1, clientId: 6, isValid: true });
  commands.take({ type: "peer", slot: 9, clientId: -3, isValid: true });
  commands.take({ type: "peer", slot: 1, clientId: 7, isValid: false });
  expect(done).toEqual([
    // The answer may be about a WebSocket that is no client yet.
    ["upgrade", 6, true],
    ["upgrade", -3, true],
    ["peer", 7, false],
  ]);
});

test("so many are closed as are to be, of those that are open", () => {
  const { commands, done } = commandsTo(
    { clientId: 1, state: STATE_CLOSING },
    { clientId: 2 },
    { clientId: 3 },
    { clientId: 4 },
    { clientId: 5, state: STATE_CLOSING },
  );
  commands.take({ type: "closeSome", count: 2, reason: CloseReason.ServerShutdown });
  commands.take({ type: "accountFull", clientIds: [4, 5, 99] });
  expect(done).toEqual([
    ["close", 2, CloseReason.ServerShutdown],
    ["close", 3, CloseReason.ServerShutdown],
    ["fail", 4, errors.ERROR_MAXIMUM_ACCOUNT_CONNECTIONS],
  ]);
});

test("INFO goes to one client, or to those of a port, or to all that are open", () => {
  const { commands, done } = commandsTo(
    { clientId: 1 },
    { clientId: 2, listener: "websocket" },
    { clientId: 3, state: STATE_CLOSING },
  );
  const told = (command: { clientId?: number; listener?: "client" | "websocket" }) => {
    done.length = 0;
    commands.take({ type: "info", info: { serverId: "N" } as never, ...command });
    return done.map(([, clientId]) => clientId);
  };
  expect(told({})).toEqual([1, 2]);
  expect(told({ listener: "websocket" })).toEqual([2]);
  expect(told({ clientId: 1 })).toEqual([1]);
});
