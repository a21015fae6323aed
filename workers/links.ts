/** The links thread: judges logins for the shards. Routes, gateways and leafnodes are to come here. */
import { createEngine } from "../src/engine/engine.ts";
import { NO_HOST } from "../src/engine/no_host.ts";
import { RecordQueue } from "../src/fabric/record_queue.ts";
import { Wake } from "../src/fabric/wake.ts";
import type { LinksMessage, LinksReport } from "../src/link/links_messages.ts";
import { LoginService } from "../src/link/login_service.ts";
import { NODE_IS_UP, NODE_LINKS, NODE_STATE } from "../src/memory/map.ts";
import { nodeWord, openSharedMemory } from "../src/memory/shared_memory.ts";
import { wakeEpollPoller } from "../src/runtime/epoll_poller.ts";
import { loadRuntime } from "../src/runtime/mod.ts";
import { wakeSocketPoller } from "../src/runtime/socket_poller.ts";
import type { LoginQuestion, ShardControl } from "../src/shard/shard_options.ts";

type Start = Extract<LinksMessage, { type: "start" }>;

const report = (message: LinksReport) => self.postMessage(message);

/** Ports that arrive before the thread has started. */
const early: MessagePort[] = [];
let logins: LoginService | null = null;
let commands: RecordQueue | null = null;

self.onmessage = async ({ data }: MessageEvent<LinksMessage>) => {
  if (data.type === "start") await start(data);
  else if (data.type === "rules") logins?.changeRules(data.rules);
  else if (commands === null) early.push(data.port);
  else listen(data.port);
};

async function start({ memory, transport, rules }: Start): Promise<void> {
  const shared = openSharedMemory(memory);
  const engine = createEngine(memory, shared.map.area(NODE_LINKS).area, NO_HOST);
  const opened = transport === "epoll" ? (await loadRuntime()).openPosix() : null;
  if (opened !== null && !opened.ok) throw new Error(opened.reason);
  const wake = new Wake(shared.words, (handle) => {
    if (opened?.ok) wakeEpollPoller(opened.posix, handle);
    else wakeSocketPoller(shared.words, handle);
  });
  Atomics.store(shared.words, nodeWord(NODE_LINKS, NODE_STATE), NODE_IS_UP);
  logins = new LoginService(rules);
  commands = new RecordQueue(engine, shared, wake);
  for (const port of early.splice(0)) listen(port);
  report({ type: "ready" });
}

function listen(port: MessagePort): void {
  port.onmessage = ({ data }: MessageEvent<LoginQuestion>) => void answer(data);
}

async function answer({ node, slot, clientId, isAgain, request }: LoginQuestion): Promise<void> {
  const verdict = await logins!.judge(request);
  const command: ShardControl = { type: "verdict", slot, clientId, isAgain, verdict };
  commands!.sendControl(node, command);
}
