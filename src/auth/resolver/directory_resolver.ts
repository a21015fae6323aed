import type { JwtStore } from "./jwt_store.ts";
import type { FetchResult, WritableResolver } from "./resolver.ts";

/** Asks the other servers for an account, by `$SYS.REQ.ACCOUNT.<key>.CLAIMS.LOOKUP`. Never rejects. */
export type AskServers = (accountKey: string) => Promise<FetchResult>;

/**
 * `resolver { type: full | cache }`: a folder, and other servers for what is not in it. Full ones hold every
 * account and answer others, caches those in use.
 */
export class DirectoryResolver implements WritableResolver {
  readonly kind: "full" | "cache";
  readonly #store: JwtStore;
  readonly #ask: AskServers;

  constructor(kind: "full" | "cache", store: JwtStore, ask: AskServers) {
    this.kind = kind;
    this.#store = store;
    this.#ask = ask;
  }

  async fetch(accountKey: string): Promise<FetchResult> {
    const loaded = this.#store.load(accountKey);
    if (loaded.ok && loaded.jwt !== "") return loaded;
    const fetched = await this.#ask(accountKey);
    if (!fetched.ok) return fetched;
    const problem = this.#store.saveIfNewer(accountKey, fetched.jwt);
    if (problem !== undefined) return { ok: false, problem };
    // A newer one may have been pushed while others were asked.
    const kept = this.#store.load(accountKey);
    return kept.ok && kept.jwt !== "" ? kept : fetched;
  }

  store(accountKey: string, jwt: string): string | undefined {
    return this.#store.saveIfNewer(accountKey, jwt);
  }
}

/**
 * The answers to one lookup, as they come: the first that is not empty wins, and once every server that is known has
 * answered with nothing, there is no such account. Source: nats-server accounts.go, fetch.
 */
export class LookupAnswers {
  #outstanding: number;

  /** `serverCount` servers are known besides this one. */
  constructor(serverCount: number) {
    this.#outstanding = serverCount;
  }

  /** The result, or null while others may still answer. */
  add(payload: string): FetchResult | null {
    this.#outstanding--;
    if (payload !== "") return { ok: true, jwt: payload };
    return this.#outstanding > 0 ? null : { ok: false, problem: "account jwt not found" };
  }

  /** The result once the resolver's timeout is over. */
  static readonly timedOut: FetchResult = { ok: false, problem: "fetching jwt timed out" };
}
