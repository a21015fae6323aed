/**
 * Operator mode on the logins thread: the accounts that have been asked for, where their JWTs come from, and the
 * requests of operators' tools in the system account. Shards are told of every change.
 */
import { AccountIds } from "../account/account_ids.ts";
import type { ImportRule } from "../account/account_source.ts";
import type { AccountsChange } from "../account/accounts_change.ts";
import { destinationsOf, sourceOfClaims } from "../account/claims_source.ts";
import { type AccountDefinition, SYSTEM_ACCOUNT_ID } from "../account/definition.ts";
import { AccountRegistry, type RegistryChange } from "../account/registry.ts";
import { termsOf } from "../auth/account_terms.ts";
import type { AccountClaims, ActivationClaims } from "../auth/jwt/claims.ts";
import { decodeAs } from "../auth/jwt/decode.ts";
import type { AccountResult } from "../auth/jwt_login.ts";
import { permissionsOf } from "../auth/jwt_permissions.ts";
import type { LoadedAccount } from "../auth/loaded_account.ts";
import type { OperatorTrust } from "../auth/operator_trust.ts";
import { AccountBook, type AccountChange } from "../auth/resolver/account_book.ts";
import {
  answerClaimRequest,
  CLAIM_SUBSCRIPTIONS,
  type ClaimContext,
  type ClaimSubscription,
  mergePack,
  PACK,
} from "../auth/resolver/claim_requests.ts";
import { LookupAnswers } from "../auth/resolver/directory_resolver.ts";
import type { JwtStore } from "../auth/resolver/jwt_store.ts";
import {
  findPreloadWarnings,
  type OpenResolverResult,
  openResolver,
} from "../auth/resolver/open_resolver.ts";
import type { FetchResult, Resolver } from "../auth/resolver/resolver.ts";
import { UrlResolver } from "../auth/resolver/url_resolver.ts";
import { randomDigits } from "../base/nuid.ts";
import { findMappingProblem } from "../config/mappings.ts";
import type { ResolverOptions } from "../config/operator.ts";
import type { InternalClient, InternalMessage } from "../fabric/internal_client.ts";
import type { ServerObject } from "../protocol/server_object.ts";
import type { TlsMaterial } from "../runtime/tls_material.ts";
import { type AccountDetails, accountDetails } from "./account_details.ts";
import { ExporterSearches } from "./exporter_searches.ts";

/** How often accounts, tokens and files are checked for expiry. */
const EXPIRY_LOOK_MS = 500;
/** How often a system account that could not be fetched is looked for. */
const BOOTSTRAP_RETRY_MS = 1000;
const INBOX_CHARACTERS = 8;
const encoder = new TextEncoder();

/** Where accounts come from. A reload may change it as far as `compareResolver` allows. Plain data. */
export interface AccountsOrigin {
  readonly resolver: ResolverOptions;
  /** The TLS material for a URL resolver's HTTPS. */
  readonly resolverTls: TlsMaterial;
  /** Each has been verified to be an account's JWT. */
  readonly preload: readonly (readonly [accountKey: string, jwt: string])[];
}

/** What main has derived from the configuration. Plain data. */
export interface OperatorSetup {
  readonly trust: OperatorTrust;
  readonly accounts: AccountsOrigin;
  /**
   * Whether the server may start without its system account and wait for it: there is one operator, and the resolver is
   * not in memory.
   */
  readonly mayBootstrap: boolean;
  /** The hash that stands for this server in subjects. */
  readonly serverHash: string;
}

export interface OperatorEvents {
  /** Called before the change lets anybody in. */
  onAccounts(change: AccountsChange): void;
  onLog(level: "info" | "warning" | "error" | "debug", text: string): void;
}

export class OperatorMode {
  readonly book: AccountBook;
  readonly trust: OperatorTrust;
  readonly #setup: OperatorSetup;
  readonly #events: OperatorEvents;
  readonly #client: InternalClient;
  readonly #server: () => ServerObject;
  readonly #registry: AccountRegistry;
  /** The folder of a resolver, if it has one. A reload does not change it. */
  readonly #store: JwtStore | undefined;
  readonly #canDelete: boolean;
  #resolver: Resolver;
  /** Searches for exporters that imports of accounts in the book wait for. */
  readonly #searches: ExporterSearches;
  #isServing = false;

  /** Throws if the resolver's folder cannot be used: then the server does not start. */
  constructor(
    setup: OperatorSetup,
    client: InternalClient,
    server: () => ServerObject,
    events: OperatorEvents,
  ) {
    this.#setup = setup;
    this.#client = client;
    this.#server = server;
    this.#events = events;
    this.trust = setup.trust;
    const { systemAccount } = setup.trust;
    this.#registry = new AccountRegistry({
      ids: new AccountIds(systemAccount || undefined),
      systemAccount: systemAccount || undefined,
      verifyActivation,
      nowSeconds: () => Date.now() / 1000,
    });
    const opened = this.#open(setup.accounts);
    if (!opened.ok) throw new Error(opened.problem);
    this.#store = opened.store;
    this.#resolver = opened.resolver;
    this.#canDelete = opened.canDelete;
    opened.store?.watch({
      onChanged: (accountKey) => this.#onStored(accountKey),
      onDeleted: (accountKey) => this.book.markDeleted(accountKey),
    });
    this.book = new AccountBook({
      trust: setup.trust,
      resolver: this.#resolver,
      nowMs: () => Date.now(),
      onChange: (change) => this.#onChange(change),
      onLog: ({ level, text }) => events.onLog(level === "notice" ? "info" : level, text),
    });
    this.#searches = new ExporterSearches({
      load: (accountKey) => this.book.load(accountKey),
      exportersOf: (accountKey) =>
        this.book.get(accountKey)?.claims.nats.imports.map(({ account }) => account) ?? [],
    });
    this.#warnOfPreload(setup.accounts);
  }

  /** All accounts that shards know. */
  get definitions(): readonly AccountDefinition[] {
    return [...this.book.accounts()].flatMap(({ key }) => this.#registry.get(key) ?? []);
  }

  /** Undefined for an account that has not been asked for yet. */
  describe(accountKey: string): AccountDetails | undefined {
    const [account, description] = [this.book.get(accountKey), this.#registry.describe(accountKey)];
    if (account === undefined || description === undefined) return undefined;
    return accountDetails(description, account, Date.now());
  }

  /** Finds the system account and serves requests. Returns why the server cannot start. */
  async start(): Promise<string | undefined> {
    if (this.#resolver instanceof UrlResolver) {
      const problem = await this.#resolver.probe();
      if (problem !== undefined) return problem;
    }
    const problem = await this.#startSystemAccount();
    if (problem !== undefined) return problem;
    this.#isServing = true;
    this.#subscribe();
    setInterval(() => this.#expire(), EXPIRY_LOOK_MS);
    const store = this.#store;
    if (store !== undefined)
      setInterval(() => this.#tryWith("clean up", () => store.removeExpired()), store.checkIntervalMs);
    return undefined;
  }

  /** Runs `act` on the resolver's folder, which may be gone or unreadable; then what is known stays in force. */
  #tryWith(what: string, act: () => void): void {
    try {
      act();
    } catch (error) {
      this.#events.onLog("error", `Cannot ${what} the resolver's directory: ${(error as Error).message}`);
    }
  }

  /** An account in the book, as shards know it. */
  definitionOf(accountKey: string): AccountDefinition | undefined {
    return this.#registry.get(accountKey);
  }

  /** An account by its key, with the accounts it imports from. */
  async load(accountKey: string): Promise<AccountResult> {
    const result = await this.book.load(accountKey);
    await this.#searches.finish(accountKey);
    // The search for exporters may take seconds. Meanwhile the account may have revoked this very user, or may be gone.
    return result.ok ? await this.book.load(accountKey) : result;
  }

  /**
   * Applies a reload: files may have been changed by hand, preloaded accounts may be others, and accounts may come from
   * elsewhere.
   */
  async reload(accounts: AccountsOrigin): Promise<void> {
    if (this.#store !== undefined) {
      this.#reloadStore(this.#store, accounts);
      return;
    }
    const opened = this.#open(accounts);
    if (!opened.ok) {
      this.#events.onLog("error", opened.problem);
      return;
    }
    this.#resolver = opened.resolver;
    this.book.changeResolver(opened.resolver);
    if (accounts.resolver.kind !== "memory") return;
    this.#warnOfPreload(accounts);
    await this.book.fetchAgain();
  }

  #reloadStore(store: JwtStore, { preload }: AccountsOrigin): void {
    this.#tryWith("read", () => store.reload());
    for (const [accountKey, jwt] of preload) {
      const problem = store.saveIfNewer(accountKey, jwt);
      if (problem === undefined) continue;
      const name = JSON.stringify(accountKey);
      this.#events.onLog("error", `Preloaded account ${name} is not stored: ${problem}`);
    }
  }

  #open({ resolver, resolverTls, preload }: AccountsOrigin): OpenResolverResult {
    const timeoutMs = "timeoutMs" in resolver ? resolver.timeoutMs : 0;
    return openResolver(resolver, new Map(preload), {
      get: async (url, limitMs) => (await import("./http_get.ts")).httpGet(url, limitMs, resolverTls),
      ask: (accountKey) => this.#askServers(accountKey, timeoutMs),
      nowMs: () => Date.now(),
    });
  }

  #warnOfPreload({ preload }: AccountsOrigin): void {
    for (const text of findPreloadWarnings(new Map(preload), Date.now())) {
      this.#events.onLog("warning", text);
    }
  }

  /** A file of the store has changed. For an account in the book, the change applies at once. */
  #onStored(accountKey: string): void {
    if (this.book.get(accountKey) === undefined) return;
    const loaded = this.#store!.load(accountKey);
    if (!loaded.ok) return;
    const problem = this.book.update(accountKey, loaded.jwt);
    if (problem === undefined) return;
    const name = JSON.stringify(accountKey);
    this.#events.onLog("error", `DirResolver - Update for account ${name} resulted in error ${problem}`);
  }

  async #startSystemAccount(): Promise<string | undefined> {
    const { systemAccount } = this.trust;
    if (systemAccount === "") return undefined;
    const result = await this.load(systemAccount);
    if (result.ok) return undefined;
    if (!this.#setup.mayBootstrap) return `error resolving system account: ${result.problem}`;
    this.#events.onLog("info", "Using bootstrapping system account");
    this.book.addBootstrapAccount(systemAccount);
    this.#waitForSystemAccount(systemAccount);
    return undefined;
  }

  #waitForSystemAccount(systemAccount: string): void {
    const timer = setInterval(async () => {
      // It may have been pushed meanwhile.
      if (this.book.get(systemAccount)?.jwt === "") {
        const fetched = await this.#resolver.fetch(systemAccount);
        if (!fetched.ok || this.book.update(systemAccount, fetched.jwt) !== undefined) return;
      }
      clearInterval(timer);
      this.#events.onLog("info", "System account fetched and updated");
    }, BOOTSTRAP_RETRY_MS);
  }

  #onChange({ kind, account, previous }: AccountChange): void {
    if (kind === "dropped") {
      const gone = this.#registry.get(account.key);
      const { changed } = this.#registry.remove(account.key);
      this.#tell({ changed, removed: gone === undefined ? [] : [gone.id], terms: [] });
      return;
    }
    const source = sourceOf(account);
    // An account that was deleted imports nothing.
    const change = this.#registry.set(kind === "deleted" ? { ...source, imports: [] } : source);
    this.#tell({ changed: change.changed, removed: [], terms: [termsOf(account, previous)] });
    this.#lookForExporters(change);
  }

  /**
   * Logs which imports are left out, and why, and searches for missing exporters. The imports work once their exporters
   * are there.
   */
  #lookForExporters({ skipped }: RegistryChange): void {
    for (const { account, rule, reason, isExporterMissing } of skipped) {
      if (!isExporterMissing) {
        const what = `${rule.kind} import ${JSON.stringify(rule.local || rule.remote)}`;
        this.#events.onLog("debug", `Error adding ${what} to account [${account}]: ${reason}`);
      } else if (this.book.get(rule.exporter) === undefined) {
        void this.#searchExporter(rule);
      }
    }
  }

  async #searchExporter({ exporter, remote, kind }: ImportRule): Promise<void> {
    const result = await this.#searches.start(exporter);
    if (result.ok) return;
    const what = `import of [${remote}] ${kind}`;
    this.#events.onLog("error", `Can't locate account [${exporter}] for ${what} (err=${result.problem})`);
  }

  #tell(change: AccountsChange): void {
    this.#events.onAccounts(change);
  }

  #expire(): void {
    this.book.expireDue();
    const dueAtS = this.#registry.nextExpirySeconds;
    if (dueAtS === undefined || dueAtS > Date.now() / 1000) return;
    const { changed } = this.#registry.expireActivations();
    this.#tell({ changed, removed: [], terms: [] });
  }

  #subscribe(): void {
    if (this.trust.systemAccount === "") return;
    const { resolver } = this.#setup.accounts;
    const { kind } = resolver;
    const context: ClaimContext = {
      book: this.book,
      store: this.#store,
      kind,
      operator: this.trust.operator,
      systemAccount: this.trust.systemAccount,
      canDelete: this.#canDelete,
      findMappingProblem: (claims) => mappingProblem(claims),
      nowMs: () => Date.now(),
      onLog: ({ level, text }) => this.#events.onLog(level, text),
    };
    for (const subscription of CLAIM_SUBSCRIPTIONS[kind]) {
      this.#client.subscribe(SYSTEM_ACCOUNT_ID, subscription.subject, subscription.queue ?? "", (message) =>
        this.#answer(subscription, message, context),
      );
    }
    if (resolver.kind === "full") this.#comparePacks(resolver.intervalMs, context);
  }

  #answer(subscription: ClaimSubscription, message: InternalMessage, context: ClaimContext): void {
    const { bytes, headerBytes } = message.content;
    const payload = subscription.allowsHeaders ? bytes.subarray(headerBytes) : bytes;
    const answers = answerClaimRequest(subscription.kind, message.subject, payload, this.#server(), context);
    if (message.reply === "") return;
    for (const text of answers) this.#client.publish(SYSTEM_ACCOUNT_ID, message.reply, encoder.encode(text));
  }

  /** Full resolvers regularly ask one another for accounts that they do not have. */
  #comparePacks(intervalMs: number, context: ClaimContext): void {
    const inbox = this.#newInbox();
    this.#client.subscribe(SYSTEM_ACCOUNT_ID, inbox, "", ({ content }) =>
      mergePack(content.bytes.subarray(content.headerBytes), context),
    );
    setInterval(() => {
      this.#client.publish(SYSTEM_ACCOUNT_ID, PACK.subject, this.#store!.hash(), inbox);
    }, intervalMs);
  }

  #askServers(accountKey: string, timeoutMs: number): Promise<FetchResult> {
    // No other server is linked before this one serves, so a search would only run into the resolver's timeout.
    if (!this.#isServing) return Promise.resolve({ ok: false, problem: "no other server can be asked yet" });
    const { promise, resolve } = Promise.withResolvers<FetchResult>();
    const answers = new LookupAnswers(0);
    const inbox = this.#newInbox();
    const timer = setTimeout(() => resolve(LookupAnswers.timedOut), timeoutMs);
    const unsubscribe = this.#client.subscribe(SYSTEM_ACCOUNT_ID, inbox, "", ({ content }) => {
      const result = answers.add(new TextDecoder().decode(content.bytes.subarray(content.headerBytes)));
      if (result !== null) resolve(result);
    });
    const subject = `$SYS.REQ.ACCOUNT.${accountKey}.CLAIMS.LOOKUP`;
    this.#client.publish(SYSTEM_ACCOUNT_ID, subject, new Uint8Array(0), inbox);
    return promise.finally(() => {
      clearTimeout(timer);
      unsubscribe();
    });
  }

  #newInbox(): string {
    return `$SYS._INBOX.${this.#setup.serverHash}.${randomDigits(INBOX_CHARACTERS)}`;
  }
}

function sourceOf({ claims, userIssuers }: LoadedAccount) {
  const source = sourceOfClaims(claims, permissionsOf(claims.nats.defaultPermissions));
  return { ...source, signingKeys: new Set(userIssuers.keys()) };
}

/** The claims of a well-formed token with a valid signature; the registry decides whether they fit. */
function verifyActivation(token: string): ActivationClaims | null {
  const decoded = decodeAs("activation", token);
  return decoded.ok ? decoded.claims : null;
}

function mappingProblem({ nats }: AccountClaims): string | undefined {
  for (const [source, list] of nats.mappings) {
    const problem = findMappingProblem(source, destinationsOf(list));
    if (problem === undefined) continue;
    const to = problem.destination === undefined ? "" : ` -> ${JSON.stringify(problem.destination)}`;
    return `mapping ${JSON.stringify(source)}${to}: ${problem.text}`;
  }
  return undefined;
}
