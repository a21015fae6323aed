/** Listening by the acceptor: main opens the ports, and shards are given connections. */
import type { ListenerKind } from "../../fabric/listeners.ts";
import type { SharedMemory } from "../../memory/shared_memory.ts";
import { listenTcp } from "../../runtime/posix/listen.ts";
import type { Posix } from "../../runtime/posix/posix.ts";
import { type AcceptorEvents, AcceptorThread } from "./acceptor_thread.ts";
import type { ListenerOptions } from "./listeners.ts";
import type { Listening, ListeningSteps, ListenResult } from "./listening.ts";
import type { Shards } from "./shards.ts";

const BACKLOG = 4096;

export class AcceptorListening implements Listening {
  readonly #shards: Shards;
  readonly #posix: Posix;
  readonly #startAcceptor: () => AcceptorThread;
  #acceptor: AcceptorThread | null = null;

  constructor(
    shards: Shards,
    shared: SharedMemory,
    engineCode: WebAssembly.Module,
    posix: Posix,
    events: AcceptorEvents,
  ) {
    this.#shards = shards;
    this.#posix = posix;
    this.#startAcceptor = () => new AcceptorThread(shared, engineCode, posix, events);
  }

  get threadNames(): readonly string[] {
    return this.#acceptor === null ? [] : ["acceptor"];
  }

  async start(): Promise<void> {
    for (let i = 0; i < this.#shards.count; i++) this.#shards.start(i, []);
    this.#acceptor = this.#startAcceptor();
    await Promise.all(this.#shards.threads.map(({ ready }) => ready.promise));
  }

  async listen(listeners: readonly ListenerOptions[], steps: ListeningSteps): Promise<ListenResult> {
    const opened: { kind: ListenerKind; fd: number; port: number }[] = [];
    for (const listener of listeners) {
      const result = await listenTcp(this.#posix, listener.host, listener.port, BACKLOG);
      if (!result.ok) {
        for (const { fd } of opened) this.#posix.close(fd);
        return { ok: false, listener, error: result.error };
      }
      opened.push({ kind: listener.kind, fd: result.fd, port: result.port });
    }
    const ports = new Map(opened.map(({ kind, port }) => [kind, port]));
    steps.portsKnown(ports);
    steps.setUpLinks();
    await this.#acceptor!.accept(opened.map(({ kind, fd }) => ({ kind, fd })));
    return { ok: true, ports };
  }

  async close(kinds: readonly ListenerKind[]): Promise<void> {
    await this.#acceptor?.close(kinds);
  }

  async stop(): Promise<void> {
    await this.#acceptor?.stop();
  }
}
