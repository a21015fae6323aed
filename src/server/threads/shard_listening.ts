/** Listening by the shards themselves, with the runtime's sockets: each starts with the ports that it is to open. */
import { type ListenerKind, servesClients } from "../../fabric/listeners.ts";
import type { OwnListener } from "../../shard/shard_options.ts";
import type { ListenerOptions } from "./listeners.ts";
import type { Listening, ListeningSteps, ListenResult } from "./listening.ts";
import { CannotListen } from "./shard_thread.ts";
import type { Shards } from "./shards.ts";

export class ShardListening implements Listening {
  readonly threadNames = [];
  readonly #shards: Shards;
  readonly #shardCount: number;

  /** `shardCount`: shards of clients. */
  constructor(shards: Shards, shardCount: number) {
    this.#shards = shards;
    this.#shardCount = shardCount;
  }

  async start(): Promise<void> {}

  async listen(listeners: readonly ListenerOptions[], steps: ListeningSteps): Promise<ListenResult> {
    const shardCount = this.#shardCount;
    const forClients = listeners.filter(({ kind }) => servesClients(kind));
    const forLinks = listeners.filter(({ kind }) => !servesClients(kind));
    // Only Linux spreads connections over several listeners of one port.
    const reusePort = process.platform === "linux" && shardCount > 1;
    const listeningCount = reusePort ? shardCount : 1;
    let own: readonly OwnListener[] = forClients.map((listener) => ({ ...listener, reusePort }));
    const ports = new Map<ListenerKind, number>();
    try {
      if (this.#shards.count > shardCount) {
        const links = this.#shards.start(
          shardCount,
          forLinks.map((listener) => ({ ...listener, reusePort: false })),
        );
        const listened = await links.ready.promise;
        links.listen = links.listen.map((listener, at) => ({ ...listener, port: listened[at]! }));
        for (const { kind, port } of links.listen) ports.set(kind, port);
      }
      for (let i = 0; i < shardCount; i++) {
        const shard = this.#shards.start(i, i < listeningCount ? own : []);
        const listened = await shard.ready.promise;
        if (i > 0) continue;
        // The others listen on the ports that the first one got.
        own = own.map((listener, at) => ({ ...listener, port: listened[at]! }));
        shard.listen = own;
        for (const { kind, port } of own) ports.set(kind, port);
        steps.portsKnown(ports);
      }
    } catch (error) {
      if (!(error instanceof CannotListen)) throw error;
      return { ok: false, listener: error.listener, error: error.message };
    }
    steps.setUpLinks();
    // The first one has heard only now which port it listens on.
    await this.#shards.settle();
    return { ok: true, ports };
  }

  async close(kinds: readonly ListenerKind[]): Promise<void> {
    this.#shards.broadcast({ type: "stopListening", listeners: kinds });
    await this.#shards.settle();
  }

  async stop(): Promise<void> {}
}
