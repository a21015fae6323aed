/** How many connections the server and its accounts have, and which of them are closed if there are too many. */
import type { AccountDefinition } from "../../account/definition.ts";
import { accountWord, clientsElsewhereWord, leafnodesElsewhereWord, NODE_LOAD } from "../../memory/map.ts";
import { nodeWord, type SharedMemory } from "../../memory/shared_memory.ts";
import type { ShardControl } from "../../shard/shard_messages.ts";
import type { ShardQuery } from "../../shard/watch/shard_queries.ts";

/** What closing connections needs of the shards. */
export interface ClosingShards {
  readonly clientNodes: readonly number[];
  send(node: number, message: ShardControl): void;
  broadcast(message: ShardControl): void;
  query<T>(query: ShardQuery): Promise<T[]>;
  queryLinks<T>(query: ShardQuery): Promise<T | undefined>;
}

export class ClientCounts {
  readonly #shared: SharedMemory;
  readonly #shards: ClosingShards;

  constructor(shared: SharedMemory, shards: ClosingShards) {
    this.#shared = shared;
    this.#shards = shards;
  }

  /** How many connections an account has on all shards, leaf nodes among them. */
  ofAccount(accountId: number): number {
    return Atomics.load(this.#shared.words, accountWord(this.#shared.map, accountId));
  }

  /** Sets how many connections other servers have of an account. */
  setElsewhere(accountId: number, clients: number, leafnodes: number): void {
    const { words, map } = this.#shared;
    Atomics.store(words, clientsElsewhereWord(map, accountId), clients);
    Atomics.store(words, leafnodesElsewhereWord(map, accountId), leafnodes);
  }

  /**
   * Closes the clients that an account has in excess of its limit, the newest first; with `endsLeafs` its leaf nodes
   * too.
   */
  async limitAccount(account: AccountDefinition, { endsLeafs }: { endsLeafs: boolean }): Promise<void> {
    const { id, name, limits } = account;
    const { maxConnections } = limits;
    if (maxConnections < 0) return;
    const { words, map } = this.#shared;
    const elsewhere = Atomics.load(words, clientsElsewhereWord(map, id));
    if (this.ofAccount(id) + elsewhere <= maxConnections) return;
    const query: ShardQuery = { what: "accountConnections", account: name };
    const [ofShards, ofLinks = []] = await Promise.all([
      this.#shards.query<number[]>(query),
      endsLeafs ? this.#shards.queryLinks<number[]>(query) : undefined,
    ]);
    const surplus = this.ofAccount(id) + elsewhere - maxConnections;
    if (surplus <= 0) return;
    const clientIds = [...ofShards.flat(), ...ofLinks].sort((a, b) => b - a).slice(0, surplus);
    this.#shards.broadcast({ type: "accountFull", clientIds });
  }

  /** Closes `count` connections for `reason`, taken from the shards in turn. */
  closeSome(count: number, reason: number): void {
    for (const [node, share] of this.#shares(count))
      this.#shards.send(node, { type: "closeSome", count: share, reason });
  }

  /** Closes `count` connections because there are too many. */
  shrink(count: number): void {
    for (const [node, share] of this.#shares(count))
      this.#shards.send(node, { type: "shrink", count: share });
  }

  /** Splits a number over the shards so that what they have left is as even as can be. */
  #shares(count: number): [node: number, share: number][] {
    const loads = this.#shards.clientNodes.map((node): [number, number] => [
      node,
      Atomics.load(this.#shared.words, nodeWord(node, NODE_LOAD)),
    ]);
    const shares: [number, number][] = loads.map(([node]) => [node, 0]);
    for (let left = count; left > 0; left--) {
      let most = 0;
      for (let i = 1; i < loads.length; i++) if (loads[i]![1] > loads[most]![1]) most = i;
      if (loads[most] === undefined || loads[most]![1] <= 0) break;
      loads[most]![1]--;
      shares[most]![1]++;
    }
    return shares.filter(([, share]) => share > 0);
  }
}
