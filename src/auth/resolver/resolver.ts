import { isPublicKey } from "../../config/nkey_text.ts";

/** Where the JWTs of accounts come from. The texts of problems are nats-server's: operators grep for them. */

export type FetchResult =
  | { readonly ok: true; readonly jwt: string }
  | { readonly ok: false; readonly problem: string };

export interface Resolver {
  readonly kind: "memory" | "url" | "full" | "cache";
  /** The JWT of an account by its public key, not looked into. Never rejects. */
  fetch(accountKey: string): Promise<FetchResult>;
}

/** A resolver that JWTs can be put into: by `resolver_preload`, and by other servers. */
export interface WritableResolver extends Resolver {
  /** Returns why it was not stored; undefined if it was, or if what is there is newer. */
  store(accountKey: string, jwt: string): string | undefined;
}

/** `resolver.fetch()` for keys of accounts only, so that nobody makes a server ask for something else. */
export async function fetchAccountJwt(resolver: Resolver, accountKey: string): Promise<FetchResult> {
  if (isPublicKey(accountKey, "account")) return await resolver.fetch(accountKey);
  return { ok: false, problem: "will only fetch valid account keys" };
}
