/** The logins thread: it judges logins for the shards and keeps the accounts of operator mode. */
import type { AccountsChange } from "../src/account/accounts_change.ts";
import { errorText } from "../src/base/error_text.ts";
import { EventLoopNode } from "../src/fabric/event_loop_node.ts";
import { openInterestIndex } from "../src/interest/interest_index.ts";
import type { ServiceRequest } from "../src/logins/callouts.ts";
import { Logins } from "../src/logins/logins.ts";
import type { LoginsMessage, LoginsReport, LoginsStart } from "../src/logins/logins_messages.ts";
import { OperatorMode } from "../src/logins/operator_mode.ts";
import { CONNECTION_BYTES, CONNECTION_CLIENT } from "../src/memory/layout.ts";
import {
  accountWord,
  clientsElsewhereWord,
  NODE_IS_UP,
  NODE_LOGINS,
  NODE_SHARD_FIRST,
  NODE_STATE,
} from "../src/memory/map.ts";
import { nextMessageNumber, nodeWord, openSharedMemory } from "../src/memory/shared_memory.ts";
import { ServerObjects } from "../src/protocol/server_object.ts";
import { loadRuntime } from "../src/runtime/mod.ts";
import type { LoginQuestion, ShardControl } from "../src/shard/shard_messages.ts";

const report = (message: LoginsReport) => self.postMessage(message);

/** Resolves once the thread serves. Messages that come before wait for it. */
const serving = Promise.withResolvers<Serving>();

self.onmessage = async ({ data }: MessageEvent<LoginsMessage>) => {
  switch (data.type) {
    case "start": {
      const started = await start(data);
      if (started !== null) serving.resolve(started);
      break;
    }
    case "shard":
      (await serving.promise).listen(data.node, data.port);
      break;
    case "reload":
      await (await serving.promise).reload(data);
      break;
    case "describe":
      await (await serving.promise).describe(data);
      break;
  }
};

interface Serving {
  listen(node: number, port: MessagePort): void;
  reload(message: Extract<LoginsMessage, { type: "reload" }>): Promise<void>;
  describe(message: Extract<LoginsMessage, { type: "describe" }>): Promise<void>;
}

/** Builds the thread's parts. Null if the server cannot start; main has been told why. */
async function start(message: LoginsStart): Promise<Serving | null> {
  const { memory, engineCode, transport, server, serverHash, secrets } = message;
  const shared = openSharedMemory(memory);
  const { words, map } = shared;
  const opened = transport === "epoll" ? (await loadRuntime()).openPosix() : null;
  if (opened !== null && !opened.ok) throw new Error(opened.reason);
  const index = openInterestIndex({ buffer: shared.buffer, ...map.index });
  const own = new EventLoopNode(shared, index, NODE_LOGINS, engineCode, opened?.posix ?? null);
  const { queue } = own;
  const client = own.createClient((text) => report({ type: "log", level: "error", text }));
  own.markUp();
  void client.run();

  const tellShards = (change: AccountsChange) => {
    for (let node = NODE_SHARD_FIRST; node < map.nodeCount; node++) {
      queue.sendControl(node, { type: "accounts", change } satisfies ShardControl);
    }
    report({ type: "accounts", change });
  };
  /** Asks services through any shard that is up. If none is, nobody is logged in. */
  const askServices = ({ payload, headers, ...request }: ServiceRequest) => {
    for (let node = NODE_SHARD_FIRST; node < map.nodeCount; node++) {
      if (Atomics.load(words, nodeWord(node, NODE_STATE)) !== NODE_IS_UP) continue;
      const encoded = { payload: base64(payload), headers: headers === undefined ? "" : base64(headers) };
      queue.sendControl(node, { type: "request", ...request, ...encoded } satisfies ShardControl);
      return;
    }
  };
  const servers = new ServerObjects(server, () => nextMessageNumber(words));
  let operator: OperatorMode | null = null;
  try {
    operator =
      message.operator === null
        ? null
        : new OperatorMode(message.operator, client, () => servers.next(Date.now()), {
            onAccounts: tellShards,
            onLog: (level, text) => report({ type: "log", level, text }),
          });
  } catch (error) {
    report({ type: "ready", problem: errorText(error) });
    return null;
  }
  const problem = await operator?.start();
  if (problem !== undefined) {
    report({ type: "ready", problem });
    return null;
  }
  const logins = await Logins.create(message.logins, operator, {
    client,
    askServices,
    countClients: (account) =>
      Atomics.load(words, accountWord(map, account)) +
      Atomics.load(words, clientsElsewhereWord(map, account)),
    server,
    serverHash,
    secrets,
  });
  report({ type: "ready", problem: undefined });

  return {
    listen(node, port) {
      // A shard that replaces one that died knows no accounts yet.
      const changed = operator?.definitions ?? [];
      const change: AccountsChange = { changed, removed: [], terms: [] };
      if (changed.length > 0) queue.sendControl(node, { type: "accounts", change } satisfies ShardControl);
      port.onmessage = ({ data }: MessageEvent<string>) => {
        const { slot, clientId, loginNumber, isAgain, request, clientTls }: LoginQuestion = JSON.parse(data);
        const clientWord = (map.area(node).connections + slot * CONNECTION_BYTES + CONNECTION_CLIENT) >> 2;
        logins.add({
          node,
          clientId,
          isAgain,
          request,
          clientTls,
          isWanted: () => Atomics.load(words, clientWord) === (clientId | 0),
          conclude: (verdict) => {
            const answer: ShardControl = { type: "verdict", slot, clientId, loginNumber, isAgain, verdict };
            queue.sendControl(node, answer);
          },
        });
      };
    },
    async reload({ logins: settings, accounts }) {
      await logins.changeSettings(settings);
      if (accounts !== null) await operator?.reload(accounts);
      report({ type: "reloaded" });
    },
    async describe({ id, account, loads }) {
      if (loads) await operator?.load(account);
      report({ type: "details", id, details: operator?.describe(account) });
    },
  };
}

function base64(bytes: Uint8Array): string {
  return Uint8Array.from(bytes).toBase64();
}
