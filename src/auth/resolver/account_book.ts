import type { AccountClaims } from "../jwt/claims.ts";
import { decodeAs } from "../jwt/decode.ts";
import { areBlocking } from "../jwt/issues.ts";
import { newAccount } from "../jwt/new_claims.ts";
import { validate } from "../jwt/validate.ts";
import type { AccountResult } from "../jwt_login.ts";
import { type LoadedAccount, userIssuersOf } from "../loaded_account.ts";
import type { LoginLog } from "../login.ts";
import type { OperatorTrust } from "../operator_trust.ts";
import { fetchAccountJwt, type Resolver } from "./resolver.ts";

/** What happened to an account, for those who keep its clients and its imports. */
export interface AccountChange {
  readonly kind:
    | "added"
    /** Its JWT says something else; an account that had expired may be back. */
    | "changed"
    /** The time of its JWT is over. */
    | "expired"
    /** It was deleted from the resolver. */
    | "deleted"
    /** A reload left it out: it is not in the book any more. */
    | "dropped";
  readonly account: LoadedAccount;
  /** What it was before; undefined when it was added. */
  readonly previous: LoadedAccount | undefined;
}

export interface AccountBookOptions {
  readonly trust: OperatorTrust;
  readonly resolver: Resolver;
  /** Unix milliseconds. */
  readonly nowMs: () => number;
  readonly onChange: (change: AccountChange) => void;
  readonly onLog: (log: LoginLog | { readonly level: "notice"; readonly text: string }) => void;
}

/** An expired account is looked for again at most this often. */
const REFETCH_INTERVAL_MS = 1000;
const SLOW_FETCH_MS = 1000;

const EXPIRED: AccountResult = { ok: false, problem: "account expired" };
const INVALID = "account validation failed";

/**
 * The accounts of operator mode that somebody has asked for. Each was verified: signed by a trusted operator, valid,
 * about itself. Source: nats-server server.go, lookupOrFetchAccount, updateAccountWithClaimJWT.
 */
export class AccountBook {
  readonly #options: AccountBookOptions;
  #resolver: Resolver;
  readonly #accounts = new Map<string, LoadedAccount>();
  /** Searches under way, so that a hundred logins ask for an account once. */
  readonly #searches = new Map<string, Promise<AccountResult>>();
  /** When an expired account was last looked for, by its key. */
  readonly #refetchedAtMs = new Map<string, number>();

  constructor(options: AccountBookOptions) {
    this.#options = options;
    this.#resolver = options.resolver;
  }

  /** An account that is in the book, expired or not. */
  get(accountKey: string): LoadedAccount | undefined {
    return this.#accounts.get(accountKey);
  }

  /** An account whose users may log in at once. */
  find(accountKey: string): LoadedAccount | undefined {
    const account = this.#accounts.get(accountKey);
    return account?.isExpired ? undefined : account;
  }

  accounts(): Iterable<LoadedAccount> {
    return this.#accounts.values();
  }

  /** Answers a verdict of "needs account": the account from the book, else from the resolver. Never rejects. */
  async load(accountKey: string): Promise<AccountResult> {
    const account = this.find(accountKey);
    if (account !== undefined) return { ok: true, account };
    const running = this.#searches.get(accountKey);
    if (running !== undefined) return await running;
    const search = this.#search(accountKey);
    this.#searches.set(accountKey, search);
    try {
      return await search;
    } finally {
      this.#searches.delete(accountKey);
    }
  }

  /**
   * Takes over a new JWT for an account that is in the book. Returns why not; undefined if it holds now, which it
   * also does when it is the same as before.
   */
  update(accountKey: string, jwt: string): string | undefined {
    const previous = this.#accounts.get(accountKey);
    if (previous === undefined) return "account missing";
    if (previous.jwt === jwt && !previous.isExpired) {
      this.#debug(`Requested account update for [${accountKey}], same claims detected`);
      return undefined;
    }
    const verified = this.#verify(jwt);
    if (!verified.ok) return verified.problem;
    if (verified.claims.subject !== accountKey) return INVALID;
    const account = this.#toAccount(jwt, verified.claims);
    this.#accounts.set(accountKey, account);
    this.#options.onChange({ kind: "changed", account, previous });
    return undefined;
  }

  /** The resolver deleted the account: nobody gets in until there is a JWT for it again. */
  markDeleted(accountKey: string): void {
    this.#debug(`Disable account ${accountKey} due to remove`);
    this.#expire(accountKey, "deleted");
  }

  /** Marks the accounts whose time is over. */
  expireDue(): void {
    const nowMs = this.#options.nowMs();
    for (const { key, claims, isExpired } of [...this.#accounts.values()]) {
      if (!isExpired && isOver(claims, nowMs)) this.#expire(key, "expired");
    }
  }

  /**
   * Puts a stand-in for a system account that cannot be fetched yet into the book: users signed by the account's
   * identity may log in and push its JWT, which then takes its place by update().
   */
  addBootstrapAccount(accountKey: string): LoadedAccount {
    const [issuer = ""] = this.#options.trust.trustedKeys;
    const claims = { ...newAccount(accountKey, ""), issuer };
    const account: LoadedAccount = {
      ...this.#toAccount("", claims),
      userIssuers: new Map([[accountKey, undefined]]),
    };
    this.#accounts.set(accountKey, account);
    this.#options.onChange({ kind: "added", account, previous: undefined });
    return account;
  }

  /** Asks another resolver from now on. */
  changeResolver(resolver: Resolver): void {
    this.#resolver = resolver;
  }

  /**
   * Asks for every account again, as a reload of a resolver in memory wants it: those it does not have, or has no valid JWT
   * for, are dropped. The system account stays.
   */
  async fetchAgain(): Promise<void> {
    const { systemAccount } = this.#options.trust;
    for (const account of [...this.#accounts.values()]) {
      const { key } = account;
      const fetched = await fetchAccountJwt(this.#resolver, key);
      if (fetched.ok && this.update(key, fetched.jwt) === undefined) continue;
      if (key === systemAccount) continue;
      this.#options.onLog({ level: "notice", text: `Reloaded: deleting account [removed]: "${key}"` });
      this.#accounts.delete(key);
      this.#options.onChange({
        kind: "dropped",
        account: { ...account, isExpired: true },
        previous: account,
      });
    }
  }

  async #search(accountKey: string): Promise<AccountResult> {
    const expired = this.#accounts.get(accountKey);
    if (expired !== undefined) return await this.#renew(accountKey);
    const fetched = await this.#fetch(accountKey);
    if (!fetched.ok) return fetched;
    const verified = this.#verify(fetched.jwt);
    if (!verified.ok) return verified;
    if (verified.claims.subject !== accountKey) return { ok: false, problem: INVALID };
    // It may have come into the book meanwhile, by an update.
    const previous = this.#accounts.get(accountKey);
    const account = this.#toAccount(fetched.jwt, verified.claims);
    this.#accounts.set(accountKey, account);
    this.#options.onChange({ kind: previous === undefined ? "added" : "changed", account, previous });
    return { ok: true, account };
  }

  /** Looks whether the resolver has a newer JWT for an account that has expired. */
  async #renew(accountKey: string): Promise<AccountResult> {
    this.#debug(`Requested account [${accountKey}] has expired`);
    const nowMs = this.#options.nowMs();
    const lastMs = this.#refetchedAtMs.get(accountKey) ?? this.#accounts.get(accountKey)?.updatedAtMs ?? 0;
    if (nowMs - lastMs < REFETCH_INTERVAL_MS) {
      this.#debug(`Requested account update for [${accountKey}] ignored, too soon`);
      return EXPIRED;
    }
    this.#refetchedAtMs.set(accountKey, nowMs);
    const fetched = await this.#fetch(accountKey);
    if (!fetched.ok || this.update(accountKey, fetched.jwt) !== undefined) return EXPIRED;
    const account = this.find(accountKey);
    return account === undefined ? EXPIRED : { ok: true, account };
  }

  async #fetch(accountKey: string) {
    const startMs = this.#options.nowMs();
    const fetched = await fetchAccountJwt(this.#resolver, accountKey);
    const tookMs = this.#options.nowMs() - startMs;
    const level = tookMs > SLOW_FETCH_MS ? "warning" : "debug";
    this.#options.onLog({ level, text: `Account [${accountKey}] fetch took ${tookMs}ms` });
    if (!fetched.ok) {
      this.#options.onLog({ level: "warning", text: `Account fetch failed: ${fetched.problem}` });
    }
    return fetched;
  }

  /** Whether a token is an account's, signed by a trusted operator, and valid now. */
  #verify(jwt: string): { ok: true; claims: AccountClaims } | { ok: false; problem: string } {
    const decoded = decodeAs("account", jwt);
    if (!decoded.ok) return { ok: false, problem: decoded.text };
    const { claims } = decoded;
    const issues = validate(claims, this.#options.nowMs() / 1000);
    const isTrusted = this.#options.trust.trustedKeys.includes(claims.issuer);
    if (!isTrusted || areBlocking(issues, { withTimeChecks: true })) return { ok: false, problem: INVALID };
    return { ok: true, claims };
  }

  #toAccount(jwt: string, claims: AccountClaims): LoadedAccount {
    const { trust, nowMs } = this.#options;
    const updatedAtMs = nowMs();
    return {
      key: claims.subject,
      jwt,
      claims,
      userIssuers: userIssuersOf(claims, trust.strictKeys),
      isExpired: isOver(claims, updatedAtMs),
      updatedAtMs,
    };
  }

  #expire(accountKey: string, kind: "expired" | "deleted"): void {
    const previous = this.#accounts.get(accountKey);
    if (previous === undefined) return;
    const account = { ...previous, isExpired: true, updatedAtMs: this.#options.nowMs() };
    this.#accounts.set(accountKey, account);
    this.#options.onChange({ kind, account, previous });
  }

  #debug(text: string): void {
    this.#options.onLog({ level: "debug", text });
  }
}

/** Unlike a token, which holds through its last second, an account expires as that second begins. */
function isOver({ expiresAtSeconds }: AccountClaims, nowMs: number): boolean {
  return expiresAtSeconds !== 0 && expiresAtSeconds <= Math.floor(nowMs / 1000);
}
