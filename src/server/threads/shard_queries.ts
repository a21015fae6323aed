/**
 * Questions to shards that have no answer yet. Each shard gets one question at a time: it answers within one turn,
 * which takes a millisecond for each hundred connections of a list, and its clients wait meanwhile.
 */
interface Query {
  readonly id: number;
  /** Whether the shard has been asked. */
  isSent: boolean;
  send(id: number): void;
  resolve(data: unknown): void;
}

export class ShardQueries {
  #lastId = 0;
  /** By node, in the order in which they came. */
  readonly #lines = new Map<number, Query[]>();

  /**
   * Calls `send` once it is this question's turn, and resolves to the node's answer; undefined if the shard dies first.
   * The caller knows the type of the answer.
   */
  ask<T>(node: number, send: (id: number) => void): Promise<T | undefined> {
    const { promise, resolve } = Promise.withResolvers<T | undefined>();
    const line = this.#lines.getOrInsertComputed(node, () => []);
    const id = ++this.#lastId;
    line.push({ id, isSent: false, send, resolve: resolve as (data: unknown) => void });
    this.#sendFirst(line);
    return promise;
  }

  answer(node: number, id: number, data: unknown): void {
    const line = this.#lines.get(node) ?? [];
    const at = line.findIndex((query) => query.id === id);
    if (at < 0) return;
    const [query] = line.splice(at, 1);
    query!.resolve(data);
    this.#sendFirst(line);
  }

  /** The node is dead: it answers nothing any more. */
  forget(node: number): void {
    const line = this.#lines.get(node) ?? [];
    for (const query of line.splice(0)) query.resolve(undefined);
  }

  /** Asks all that is left: the shards are about to be told something after which they answer nothing. */
  sendAll(): void {
    for (const line of this.#lines.values()) for (const query of line) send(query);
  }

  #sendFirst([first]: readonly Query[]): void {
    if (first !== undefined) send(first);
  }
}

function send(query: Query): void {
  if (query.isSent) return;
  query.isSent = true;
  query.send(query.id);
}
