import { acceptService, acceptStream, type CheckToken, LinkedAccount } from "./account_graph.ts";
import type { AccountIds } from "./account_ids.ts";
import type { AccountSource, ImportRule } from "./account_source.ts";
import { activationProblem, type VerifyActivation } from "./activation.ts";
import type { AccountDefinition, ServiceImport, StreamImport } from "./definition.ts";
import type { AccountDescription } from "./description.ts";
import { ExportTable } from "./exports.ts";
import { isCycle } from "./import_cycles.ts";
import { addSystemExports, linkSystemServices } from "./system_services.ts";

/** The outcome of a change to one account, which may change the accounts that import from it as well. */
export interface RegistryChange {
  /** The accounts that have changed; the one that was set or removed comes first. */
  readonly changed: readonly AccountDefinition[];
  /** The imports that do not work, among all accounts that were looked at. */
  readonly skipped: readonly SkippedImport[];
}

export interface SkippedImport {
  readonly account: string;
  readonly rule: ImportRule;
  /** For the log, in nats-server's words. */
  readonly reason: string;
  /** Whether the exporting account is not known: the import works once it has been fetched and set. */
  readonly isExporterMissing: boolean;
}

export interface RegistrySurroundings {
  readonly ids: AccountIds;
  /** Undefined if there is none. */
  readonly systemAccount: string | undefined;
  readonly verifyActivation: VerifyActivation;
  /** Unix time. */
  readonly nowSeconds: () => number;
}

/**
 * The accounts that are known in operator mode, which come, change and go one at a time. An import is left out if its
 * exporter is unknown or does not allow it, or if it would form a cycle; it is tried again after each change that could
 * help.
 *
 * Source: nats-server updateAccountClaimsWithRefresh.
 */
export class AccountRegistry {
  readonly #surroundings: RegistrySurroundings;
  readonly #accounts = new Map<string, LinkedAccount>();
  readonly #definitions = new Map<string, AccountDefinition>();
  /** By exporter, known or not: the accounts that want to import from it. */
  readonly #importers = new Map<string, Set<string>>();
  /** Accounts with an import that would form a cycle; a change to any account may break that cycle. */
  readonly #cyclic = new Set<string>();
  /** By account: when the first of the activation tokens it uses expires, Unix seconds. */
  readonly #expiries = new Map<string, number>();

  constructor(surroundings: RegistrySurroundings) {
    this.#surroundings = surroundings;
  }

  get(name: string): AccountDefinition | undefined {
    return this.#definitions.get(name);
  }

  describe(name: string): AccountDescription | undefined {
    const [account, definition] = [this.#accounts.get(name), this.#definitions.get(name)];
    if (account === undefined || definition === undefined) return undefined;
    const { exports, lapsedImports, isComplete } = account;
    return { definition, exports: exports.list(), lapsedImports, isComplete };
  }

  /** When `expireActivations` is due, in Unix seconds; undefined for never. */
  get nextExpirySeconds(): number | undefined {
    let next: number | undefined;
    for (const expiry of this.#expiries.values()) {
      if (next === undefined || expiry < next) next = expiry;
    }
    return next;
  }

  /** Adds an account, or replaces what it said before. */
  set(source: AccountSource): RegistryChange {
    const { ids, systemAccount } = this.#surroundings;
    const { name } = source;
    this.#forgetWishes(name);
    let account = this.#accounts.get(name);
    if (account === undefined) {
      account = new LinkedAccount(ids.of(name), name === systemAccount, source);
      this.#accounts.set(name, account);
    }
    account.source = source;
    account.exports = this.#exportsOf(account);
    for (const { exporter } of source.imports) {
      const importers = this.#importers.get(exporter) ?? new Set();
      this.#importers.set(exporter, importers.add(name));
    }
    account.forgetImports();
    account.lapsedImports = [];
    return this.#look(this.#concernedBy(name));
  }

  /** Forgets an account. Its number stays its own. */
  remove(name: string): RegistryChange {
    if (!this.#accounts.has(name)) return { changed: [], skipped: [] };
    const concerned = this.#concernedBy(name);
    this.#forgetWishes(name);
    this.#accounts.delete(name);
    this.#definitions.delete(name);
    this.#expiries.delete(name);
    this.#cyclic.delete(name);
    concerned.delete(name);
    return this.#look(concerned);
  }

  /** Stops imports whose activation token has expired. */
  expireActivations(): RegistryChange {
    const now = this.#surroundings.nowSeconds();
    const due = [...this.#expiries].filter(([, expiry]) => expiry <= now).map(([name]) => name);
    return this.#look(new Set(due));
  }

  #forgetWishes(name: string): void {
    for (const { exporter } of this.#accounts.get(name)?.source.imports ?? []) {
      const importers = this.#importers.get(exporter);
      importers?.delete(name);
      if (importers?.size === 0) this.#importers.delete(exporter);
    }
  }

  #exportsOf(account: LinkedAccount): ExportTable {
    const exports = new ExportTable();
    // In a JWT an export that is wrong has been refused with the JWT; nats-server just leaves it out here.
    for (const rule of account.source.exports) {
      if (exports.add(rule) === undefined && rule.latency && this.#surroundings.systemAccount !== undefined)
        exports.track(rule.subject, rule.latency);
    }
    if (account.isSystem) addSystemExports(exports);
    return exports;
  }

  /** The accounts that a change of one may change, that one first. */
  #concernedBy(name: string): Set<string> {
    if (name === this.#surroundings.systemAccount) return new Set([name, ...this.#accounts.keys()]);
    return new Set([name, ...(this.#importers.get(name) ?? []), ...this.#cyclic]);
  }

  /** Decides again about the imports of some accounts. */
  #look(names: ReadonlySet<string>): RegistryChange {
    const changed: AccountDefinition[] = [];
    const skipped: SkippedImport[] = [];
    for (const name of names) {
      const account = this.#accounts.get(name);
      if (account === undefined) continue;
      skipped.push(...this.#link(account));
      const before = this.#definitions.get(name);
      const definition = account.definition();
      if (before !== undefined && JSON.stringify(before) === JSON.stringify(definition)) continue;
      this.#definitions.set(name, definition);
      changed.push(definition);
    }
    return { changed, skipped };
  }

  /** Decides about the imports of one account; returns those left out. */
  #link(account: LinkedAccount): SkippedImport[] {
    const before = [...account.imports, ...account.lapsedImports];
    account.forgetImports();
    this.#cyclic.delete(account.name);
    this.#expiries.delete(account.name);
    this.#linkSystem(account);
    const skipped = account.source.imports.flatMap((rule) => {
      const exporter = this.#accounts.get(rule.exporter);
      const skip = (reason: string, isExporterMissing: boolean) => {
        return { account: account.name, rule, reason, isExporterMissing };
      };
      if (exporter === undefined) return skip("account missing", true);
      const accept = rule.kind === "stream" ? acceptStream : acceptService;
      const reason = accept(account, exporter, rule, this.#tokenCheck(account, exporter, rule));
      if (reason === undefined) return [];
      if (isCycle(reason)) this.#cyclic.add(account.name);
      return skip(reason, false);
    });
    const kept = new Set(account.imports.map(importKey));
    account.lapsedImports = before.filter((each) => !kept.has(importKey(each)));
    account.isComplete = skipped.length === account.lapsedImports.length;
    return skipped;
  }

  #linkSystem(account: LinkedAccount): void {
    const system = this.#accounts.get(this.#surroundings.systemAccount ?? "");
    if (system !== undefined) linkSystemServices(account, system, account.source.usesJetStream === true);
  }

  #tokenCheck(importer: LinkedAccount, exporter: LinkedAccount, rule: ImportRule): CheckToken {
    return ({ revocations }) => {
      const { verifyActivation, nowSeconds } = this.#surroundings;
      const claims = rule.token === "" ? null : verifyActivation(rule.token);
      const { name, source } = exporter;
      const issuer = { name, signingKeys: source.signingKeys, revocations };
      const problem = activationProblem(claims, rule, importer.name, issuer, nowSeconds());
      if (problem === undefined && claims !== null && claims.expiresAtSeconds !== 0) {
        const known = this.#expiries.get(importer.name) ?? Number.POSITIVE_INFINITY;
        this.#expiries.set(importer.name, Math.min(known, claims.expiresAtSeconds));
      }
      return problem;
    };
  }
}

/** Identifies an import among those of its account. */
function importKey(each: StreamImport | ServiceImport): string {
  return "from" in each
    ? JSON.stringify(["stream", each.exporter, each.from])
    : JSON.stringify(["service", each.exporter, each.local]);
}
