/** The acceptor's thread as main sees it: given listening sockets once, told to close some or all of them. */
import { assert } from "../../base/assert.ts";
import {
  type AcceptedListener,
  type AcceptorReport,
  type AcceptorStart,
  LISTENERS_MAX,
  type ListenerKind,
} from "../../fabric/listeners.ts";
import { HEADER_LISTENERS_CLOSED } from "../../memory/map.ts";
import type { SharedMemory } from "../../memory/shared_memory.ts";
import type { Posix } from "../../runtime/posix/posix.ts";
import { workerUrl } from "../../runtime/worker_url.ts";

const ACCEPTOR_WORKER = workerUrl("acceptor.ts");

export interface AcceptorEvents {
  log(level: "error", text: string): void;
  /** The thread failed: nobody can connect any more. */
  fatal(text: string): void;
}

export class AcceptorThread {
  readonly #shared: SharedMemory;
  readonly #engineCode: WebAssembly.Module;
  readonly #posix: Posix;
  readonly #events: AcceptorEvents;
  readonly #worker = new Worker(ACCEPTOR_WORKER, { type: "module" });
  /** Resolves with its wake handle when it accepts. */
  readonly #ready = Promise.withResolvers<number>();
  readonly #stopped = Promise.withResolvers<void>();
  #listeners: readonly (AcceptedListener & { readonly closed: PromiseWithResolvers<void> })[] = [];
  #isStopping = false;

  /** The thread alone: it accepts nothing before accept(). */
  constructor(shared: SharedMemory, engineCode: WebAssembly.Module, posix: Posix, events: AcceptorEvents) {
    this.#shared = shared;
    this.#engineCode = engineCode;
    this.#posix = posix;
    this.#events = events;
    this.#ready.promise.catch(() => {});
    this.#worker.onmessage = ({ data }: MessageEvent<AcceptorReport>) => this.#onReport(data);
    this.#worker.onerror = (event) => {
      event.preventDefault();
      this.#ready.reject(new Error(event.message));
      this.#end();
      if (!this.#isStopping) this.#events.fatal(`The acceptor failed: ${event.message}`);
    };
  }

  /** Hands listening sockets over, once; resolves when connections to them are taken. */
  async accept(listeners: readonly AcceptedListener[]): Promise<void> {
    assert(listeners.length <= LISTENERS_MAX, "the acceptor has a bit for each listener");
    this.#listeners = listeners.map((listener) => ({ ...listener, closed: Promise.withResolvers() }));
    const start: AcceptorStart = { memory: this.#shared.memory, engineCode: this.#engineCode, listeners };
    this.#worker.postMessage(start);
    await this.#ready.promise;
  }

  /** Closes the listeners of these kinds; resolves when nobody can connect to them. */
  async close(kinds: readonly ListenerKind[]): Promise<void> {
    const closing: Promise<void>[] = [];
    for (const [index, { kind, closed }] of this.#listeners.entries()) {
      if (!kinds.includes(kind)) continue;
      Atomics.or(this.#shared.words, HEADER_LISTENERS_CLOSED, 1 << index);
      closing.push(closed.promise);
    }
    if (closing.length === 0) return;
    this.#posix.signalEventfd(await this.#ready.promise);
    await Promise.all(closing);
  }

  /** Closes every listener and ends the thread. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    if (this.#listeners.length > 0) {
      Atomics.store(this.#shared.words, HEADER_LISTENERS_CLOSED, -1);
      this.#posix.signalEventfd(await this.#ready.promise);
      await this.#stopped.promise;
    }
    this.#worker.terminate();
  }

  #onReport(report: AcceptorReport): void {
    switch (report.type) {
      case "ready":
        this.#ready.resolve(report.wakeHandle);
        break;
      case "paused":
        this.#events.log("error", report.text);
        break;
      case "closed":
        this.#listeners[report.index]!.closed.resolve();
        break;
      case "stopped":
        this.#end();
        break;
    }
  }

  /** It accepts nothing any more. */
  #end(): void {
    this.#stopped.resolve();
    for (const { closed } of this.#listeners) closed.resolve();
  }
}
