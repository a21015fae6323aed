/** The engine's entry points for TypeScript. `assembly/` says what each of them reads and writes. */
import { loadUnit } from "./load_unit.ts";

/** Where a message lies in the shared memory, behind its subject. */
export interface MessagePlace {
  /** Address of its line: `[reply ][header size ]size␍␊` in plain form. The payload follows. */
  readonly rest: number;
  readonly lineLength: number;
  /** −1 for a PUB. */
  readonly headerLength: number;
  readonly payloadLength: number;
  /** The payload lies outside the shared memory: the host attaches it. */
  readonly isLarge: boolean;
}

/** What the engine calls in its shard in the middle of a message: see `assembly/host.ts`. */
export interface EngineHost {
  flush(slot: number): void;
  reclaim(): void;
  flushAll(): void;
  attach(slot: number, skipped: number): void;
  sendLarge(node: number, isPlain: number, pickCount: number, wantsTaker: number): void;
  note(slot: number, target: number, message: MessagePlace): void;
}

export interface Engine {
  attach(area: number): void;
  hash(address: number, length: number): number;
  scan(slot: number, start: number, end: number): number;
  scanLink(slot: number, start: number, end: number): number;
  fileInterest(
    region: number,
    node: number,
    slot: number,
    start: number,
    end: number,
    ids: number,
    countMax: number,
  ): number;
  fileLiteral(region: number, node: number, account: number, subject: number, length: number): number;
  moveSlots(region: number, from: number, count: number, to: number, mask: number): void;
  findPlan(slot: number, context: number, subject: number, length: number): number;
  /**
   * Describes the message at hand for one call of the next two, because whatever is delivered describes another one.
   * `publisher` is the address of a connection.
   */
  describe(
    publisher: number,
    rest: number,
    lineLength: number,
    headerLength: number,
    payloadLength: number,
    isLarge: boolean,
  ): void;
  publishOne(plan: number, wantsTaker: boolean): number;
  deliverHere(plan: number, isPlain: boolean, queues: number, queueCount: number): number;
  drain(node: number, bytesMax: number): number;
  hasInbound(): number;
  room(connection: number, bytes: number): number;
  closeSegment(connection: number): void;
  reserve(node: number, bytes: number): number;
  commit(node: number, bytes: number): void;
  publish(node: number): void;
  peek(node: number): number;
  skip(node: number, record: number): void;
  available(node: number): number;
  /** An int32 that wraps, so compare by differences. */
  taken(node: number): number;
  release(node: number): void;
  /** Notes that somebody has just subscribed to the subject. On a node with links, as is the next. */
  noteYoung(subject: number, length: number): void;
  /** Whether the subject was subscribed to lately, 0 for no. */
  isYoung(subject: number, length: number): number;
  /** Remembers the mapped reply at `text`, which is delivered without its prefix. Only on the node with links. */
  remember(account: number, text: number, length: number): void;
  /** Address of the REPLY_… entry of the request that was delivered with that reply, 0 for none. */
  recall(account: number, subject: number, length: number): number;
  /** Forgets the replies that are over. Returns 0 if none is left. Only on the node with links. */
  forgetOver(): number;
  /** Forgets a request that is answered or given up, by the address of its REQUEST_… entry. */
  forget(request: number): void;
  unmask(to: number, from: number, length: number, mask: number): void;
}

const ENGINE_FILE = new URL("./engine.wasm", import.meta.url);

/**
 * The engine's code. Main loads it and gives it to the threads: loading `node:fs` costs each of them 20 ms and 4 MB on
 * Deno, and code that V8 has optimised for one thread is there for all.
 */
export function loadEngineCode(): WebAssembly.Module {
  return loadUnit(ENGINE_FILE);
}

/** Instantiates the engine for one thread. It works for the node whose area lies at `area`. */
export function createEngine(
  memory: WebAssembly.Memory,
  area: number,
  host: EngineHost,
  code = loadEngineCode(),
): Engine {
  const instance = new WebAssembly.Instance(code, {
    env: { memory },
    host: {
      flush: (slot: number) => host.flush(slot),
      reclaim: () => host.reclaim(),
      flushAll: () => host.flushAll(),
      attach: (slot: number, skipped: number) => host.attach(slot, skipped),
      sendLarge: (node: number, isPlain: number, pickCount: number, wantsTaker: number) =>
        host.sendLarge(node, isPlain, pickCount, wantsTaker),
      note: (
        slot: number,
        target: number,
        rest: number,
        lineLength: number,
        headerLength: number,
        payloadLength: number,
        isLarge: number,
      ) =>
        host.note(slot, target, {
          rest,
          lineLength,
          headerLength,
          payloadLength,
          isLarge: isLarge !== 0,
        }),
    },
  });
  const engine = instance.exports as unknown as Engine;
  engine.attach(area);
  return engine;
}
