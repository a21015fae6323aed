/** One life of a shard, as main sees it: its thread, and how far it has come. */
import { workerUrl } from "../../runtime/worker_url.ts";
import type { ShardMessage, ShardReport } from "../../shard/shard_messages.ts";
import type { OwnListener, ShardStart } from "../../shard/shard_options.ts";

const SHARD_WORKER = workerUrl("shard.ts");

/** A port that a shard was to listen on cannot be opened; the message says why. */
export class CannotListen extends Error {
  readonly listener: OwnListener;

  constructor(listener: OwnListener, message: string) {
    super(message);
    this.listener = listener;
  }
}

export interface ShardThreadEvents {
  onReport(shard: ShardThread, report: ShardReport): void;
  /** The thread ended with an uncaught error. */
  onFailure(shard: ShardThread, error: string): void;
}

export class ShardThread {
  readonly index: number;
  readonly node: number;
  /** As the log calls it. */
  readonly name: string;
  /** What its successor listens on, too. */
  listen: readonly OwnListener[];
  /** Resolves when it serves, with the ports it listens on by itself. */
  readonly ready = Promise.withResolvers<readonly number[]>();
  /** Resolves when its loop has ended. */
  readonly stopped = Promise.withResolvers<void>();
  /** Resolves when it has given back what it opened. */
  readonly disposed = Promise.withResolvers<void>();
  readonly #worker = new Worker(SHARD_WORKER, { type: "module" });
  #hasFailed = false;

  constructor(index: number, name: string, start: ShardStart, events: ShardThreadEvents) {
    this.index = index;
    this.node = start.node;
    this.name = name;
    this.listen = start.listen;
    // Who does not wait for it hears of a failure by other ways.
    this.ready.promise.catch(() => {});
    this.#worker.onmessage = ({ data }: MessageEvent<ShardReport>) => events.onReport(this, data);
    this.#worker.onerror = (event) => {
      event.preventDefault();
      events.onFailure(this, event.message);
    };
    this.#worker.postMessage(start, [start.logins]);
  }

  get hasFailed(): boolean {
    return this.#hasFailed;
  }

  /** To its event loop: a shard in `epoll_wait` hears nothing by it. */
  post(message: ShardMessage, transfer: MessagePort[] = []): void {
    this.#worker.postMessage(message, transfer);
  }

  /** Ends a thread that has failed: nobody waits for it any more. */
  fail(error: string): void {
    this.#hasFailed = true;
    this.ready.reject(new Error(error));
    this.stopped.resolve();
    this.disposed.resolve();
    this.terminate();
  }

  terminate(): void {
    this.#worker.terminate();
  }
}
