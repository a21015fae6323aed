import type { FetchResult, WritableResolver } from "./resolver.ts";

/** `resolver: MEMORY`: the accounts of `resolver_preload` and no others. */
export class MemoryResolver implements WritableResolver {
  readonly kind = "memory";
  readonly #jwts: Map<string, string>;

  constructor(preload: ReadonlyMap<string, string>) {
    this.#jwts = new Map(preload);
  }

  async fetch(accountKey: string): Promise<FetchResult> {
    const jwt = this.#jwts.get(accountKey);
    return jwt === undefined ? { ok: false, problem: "account missing" } : { ok: true, jwt };
  }

  store(accountKey: string, jwt: string): undefined {
    this.#jwts.set(accountKey, jwt);
  }
}
