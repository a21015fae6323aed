/** Questions to shards that have no answer yet. */

export interface OpenQuery<T> {
  readonly id: number;
  /** Undefined where the shard dies first. */
  readonly answer: Promise<T | undefined>;
}

export class ShardQueries {
  #lastId = 0;
  readonly #open = new Map<number, { readonly node: number; resolve(data: unknown): void }>();

  /** Opens a question to a node. What its answer is, who asks must know. */
  open<T>(node: number): OpenQuery<T> {
    const id = ++this.#lastId;
    const { promise, resolve } = Promise.withResolvers<T | undefined>();
    this.#open.set(id, { node, resolve: resolve as (data: unknown) => void });
    return { id, answer: promise };
  }

  answer(id: number, data: unknown): void {
    this.#open.get(id)?.resolve(data);
    this.#open.delete(id);
  }

  /** The node is dead: it answers nothing any more. */
  forget(node: number): void {
    for (const [id, query] of this.#open) {
      if (query.node !== node) continue;
      this.#open.delete(id);
      query.resolve(undefined);
    }
  }
}
