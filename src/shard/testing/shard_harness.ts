/** Whole shards in one thread, over fake pollers and one shared memory, for tests: wire bytes in, wire bytes out. */
import { type AccountDefinition, GLOBAL_ACCOUNT_ID } from "../../account/definition.ts";
import type { ListenerRules, LoginRules } from "../../auth/login_rules.ts";
import { createDeflater } from "../../engine/deflater.ts";
import { createEngine, type Engine, loadEngineCode } from "../../engine/engine.ts";
import { NO_HOST } from "../../engine/no_host.ts";
import { controlPieces, sendPiece } from "../../fabric/control.ts";
import type { ListenerKind } from "../../fabric/listeners.ts";
import { createInspectedIndex, type InspectedIndex } from "../../interest/testing/inspected_index.ts";
import { NODE_IS_UP, NODE_MAIN, NODE_SHARD_FIRST, NODE_STATE, PACKING_BYTES } from "../../memory/map.ts";
import { createSharedMemory, nodeWord, type SharedMemory } from "../../memory/shared_memory.ts";
import type { ServerInfo } from "../../protocol/info.ts";
import { WebSocketPoller } from "../../runtime/websocket/websocket_poller.ts";
import { Upgrades } from "../client/upgrades.ts";
import { Rings } from "../rings.ts";
import { Shard } from "../shard.ts";
import type { LoginQuestion, ShardControl, ShardReport } from "../shard_messages.ts";
import type { ShardOptions } from "../shard_options.ts";
import { FakePoller, FakeSocket } from "./fake_poller.ts";
import { FakeTls, securedPoller } from "./fake_tls.ts";

const OPEN: ListenerRules = {
  noAuthUser: "",
  user: "",
  password: "",
  token: "",
  mapsCertificates: false,
  isAuthRequired: false,
};

/** Rules that let everybody in. */
const NO_RULES: LoginRules = {
  isOperatorMode: false,
  users: [],
  nkeys: [],
  client: OPEN,
  websocket: OPEN,
  leafnode: OPEN,
  leafnodeWebSocket: OPEN,
  leafCredentials: null,
  leafAccount: "$G",
  isProxyRequired: false,
  trustedProxies: [],
  callout: null,
  pinnedAccounts: undefined,
  defaultSentinel: "",
  automaticUser: "",
};

/** An account in which nothing special happens. */
export function accountDefinition(id: number, name: string): AccountDefinition {
  return {
    id,
    name,
    isSystem: false,
    limits: { maxConnections: -1, maxSubscriptions: -1, maxPayloadBytes: -1, maxLeafnodes: -1 },
    mappings: [],
    streamImports: [],
    serviceImports: [],
  };
}

export const OPTIONS: ShardOptions = {
  maxConnections: 65536,
  maxPayloadBytes: 1024 * 1024,
  maxControlLineBytes: 4096,
  maxPendingBytes: 64 * 1024 * 1024,
  maxSubscriptions: 0,
  maxSubscriptionTokens: 0,
  pingIntervalMs: 120_000,
  pingMax: 2,
  writeDeadlineMs: 10_000,
  retriesWrites: false,
  dropsInsteadOfStalling: false,
  supportsHeaders: true,
  takesProxyHeaders: false,
  logsDebug: false,
  logsTrace: false,
  tracesHeadersOnly: false,
  maxTracedBytes: 0,
  login: { rules: NO_RULES, timeoutMs: 2000, calloutTargets: [] },
  accounts: [accountDefinition(GLOBAL_ACCOUNT_ID, "$G")],
  replySecret: [1, 2, 3, 4],
  serverHash: "TESTHASH",
  clusterName: undefined,
  tls: null,
  webSocket: null,
};

const INFO: ServerInfo = {
  serverId: "NTEST",
  serverName: "test",
  version: "2.15.2",
  goVersion: "go1",
  host: "127.0.0.1",
  port: 4222,
  headers: true,
  maxPayloadBytes: OPTIONS.maxPayloadBytes,
};

/** Turns after which shards that still have something to do count as stuck. */
const TURNS_MAX = 20_000;
/** Wake-ups within one turn of a shard after which it is taken to wait for the shard that it wakes. */
const WAKES_BEFORE_TURN = 20;
/** Wake-ups within one turn of a shard after which two shards count as deadlocked. */
const NESTED_TURNS_MAX = 1000;

/** The rings that were drained last. Each turn begins with a drain, so this tells which rings a shard has. */
let lastDrained: Rings | null = null;
const { drainAll } = Rings.prototype;
Rings.prototype.drainAll = function () {
  lastDrained = this;
  return drainAll.call(this);
};

export class ShardHarness {
  readonly shared: SharedMemory;
  readonly index: InspectedIndex;
  readonly shards: Shard[] = [];
  readonly pollers: FakePoller[] = [];
  readonly tls: FakeTls[] = [];
  readonly reports: ShardReport[] = [];
  /** Logins that shards want a verdict on. */
  readonly questions: LoginQuestion[] = [];
  readonly rings: Rings[] = [];
  readonly #engine: Engine;
  /** Shards whose turn is on the stack: a shard that waits for room in a ring runs the others. */
  readonly #inTurn = new Set<number>();
  #wakes = 0;
  /** Shards that were woken by others. */
  readonly woken: number[] = [];
  readonly #toldToStop = new Set<number>();

  /** With `hasLinksNode` there is memory for a links shard, but no such shard. */
  constructor(shardCount: number, options: Partial<ShardOptions> = {}, hasLinksNode = false, spinMs = 0) {
    const seeds = new Uint32Array([0x12345678, 0x9abcdef0, 0x0fedcba9, 0x87654321]);
    this.shared = createSharedMemory(shardCount, seeds, hasLinksNode);
    const { map, words } = this.shared;
    this.index = createInspectedIndex(
      { buffer: this.shared.buffer, ...map.index },
      { hashSeed: [1, 2, 3, 4] },
    );
    const engineCode = loadEngineCode();
    this.#engine = createEngine(this.shared.memory, map.area(NODE_MAIN).area, NO_HOST, engineCode);
    words[nodeWord(NODE_MAIN, NODE_STATE)] = NODE_IS_UP;
    for (let i = 0; i < shardCount; i++) {
      const node = NODE_SHARD_FIRST + i;
      words[nodeWord(node, NODE_STATE)] = NODE_IS_UP;
      const poller = new FakePoller(this.shared.bytes, i);
      const tls = new FakeTls(poller);
      const start = {
        node,
        memory: this.shared.memory,
        engineCode,
        s2Code: null,
        deflateCode: null,
        transport: "runtime" as const,
        listen: [],
        info: INFO,
        otherClusters: [],
        options: { ...OPTIONS, ...options },
        spinMs,
        hashSeed: 7,
        logins: new MessageChannel().port1,
      };
      const layer =
        options.webSocket == null
          ? null
          : new WebSocketPoller(securedPoller(poller, tls), {
              memory: this.shared.bytes,
              packing: map.area(node).packing,
              packingBytes: PACKING_BYTES,
              deflating: map.area(node).deflating,
              openDeflater: () => createDeflater(this.shared.memory, map.area(node).deflating),
              openInflater: () => null,
            });
      const shard = new Shard(start, {
        poller: layer ?? poller,
        tls,
        webSocket: layer && { layer, createUpgrades: (host) => new Upgrades(host, tls, layer) },
        wake: (handle) => this.#wake(handle),
        report: (report) => this.reports.push(report),
        ask: (question) => this.questions.push(question),
        collectGarbage: () => {},
        collectRecentGarbage: () => {},
        residentBytes: () => 0,
        stopListening: () => {},
        createLinks: null,
      });
      void shard.run();
      poller.turn();
      this.rings.push(lastDrained!);
      this.pollers.push(poller);
      this.tls.push(tls);
      this.shards.push(shard);
    }
  }

  /** A client of shard `index` that has sent CONNECT with these options and received INFO. */
  connect(index = 0, connectOptions: Record<string, unknown> = {}): FakeSocket {
    const socket = this.open(index);
    const json = JSON.stringify({ verbose: false, pedantic: false, ...connectOptions });
    socket.send(`CONNECT ${json}\r\nPING\r\n`);
    this.settle();
    socket.take();
    return socket;
  }

  /** A client that has sent nothing yet. */
  open(index = 0, listener: ListenerKind = "client"): FakeSocket {
    const socket = new FakeSocket();
    const poller = this.pollers[index]!;
    this.shards[index]!.accept(listener, poller.offer(socket), "127.0.0.1", 1000 + poller.sockets.size);
    return socket;
  }

  /** Sends a message from main to a shard, which takes it in its next turn. */
  control(index: number, message: ShardControl): void {
    if (message.type === "stop") this.#toldToStop.add(index);
    for (const piece of controlPieces(message)) {
      if (!sendPiece(this.#engine, this.shared, NODE_SHARD_FIRST + index, piece)) {
        throw new Error("the ring from main is full");
      }
    }
  }

  turn(index = 0): void {
    if (this.#inTurn.has(index)) return;
    if (this.pollers[index]!.isStopped && this.#toldToStop.has(index)) return;
    if (this.#inTurn.size === 0) this.#wakes = 0;
    this.#inTurn.add(index);
    try {
      this.pollers[index]!.turn();
    } finally {
      this.#inTurn.delete(index);
    }
  }

  /** Runs turns of all shards until none has anything to read, write or take from a ring. Waits for paused clients. */
  settle(): void {
    for (let i = 0; i < TURNS_MAX; i++) {
      for (let index = 0; index < this.shards.length; index++) {
        this.turn(index);
      }
      if (!this.#isBusy()) return;
    }
    throw new Error(`the shards are still busy after ${TURNS_MAX} turns`);
  }

  /** The text of log lines so far. */
  get logLines(): string[] {
    return this.reports.flatMap((report) => (report.type === "log" ? [report.text] : []));
  }

  #isBusy(): boolean {
    return this.shards.some((shard, index) => {
      const poller = this.pollers[index]!;
      if (poller.isStopped) return false;
      const hasPostponed = shard.connections.some((connection) => connection?.isPostponed);
      return hasPostponed || shard.engine.hasInbound() || poller.wait(0) > 0 || this.#hasPaused(poller);
    });
  }

  #hasPaused(poller: FakePoller): boolean {
    for (const socket of poller.sockets.values()) {
      if (!socket.wantsRead && socket.toServer.length > 0) {
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
        return true;
      }
    }
    return false;
  }

  /**
   * A shard that waits for another lets it work: here by running the other's turn on top of its own. If the other one
   * waits itself, it takes what it is sent meanwhile.
   */
  #wake(handle: number): void {
    this.woken.push(handle);
    if (this.#inTurn.size === 0) return;
    if (++this.#wakes < WAKES_BEFORE_TURN) return;
    if (this.#wakes > NESTED_TURNS_MAX) throw new Error("two shards wait for each other for ever");
    if (this.#inTurn.has(handle)) drainAll.call(this.rings[handle]!);
    else this.turn(handle);
  }
}

/** A MSG as it is on the wire. */
export function msg(subject: string, sid: string | number, payload: string, reply = ""): string {
  return `MSG ${subject} ${sid} ${reply === "" ? "" : `${reply} `}${payload.length}\r\n${payload}\r\n`;
}

export function pub(subject: string, payload: string, reply = ""): string {
  return `PUB ${subject} ${reply === "" ? "" : `${reply} `}${payload.length}\r\n${payload}\r\n`;
}
