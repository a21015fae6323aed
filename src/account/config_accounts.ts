import { DEFAULT_SYSTEM_ACCOUNT, GLOBAL_ACCOUNT } from "../config/account_names.ts";
import type { AccountOptions } from "../config/accounts.ts";
import { isStandalone } from "../config/cluster.ts";
import type { ExportOptions } from "../config/exports.ts";
import type { ImportOptions } from "../config/imports.ts";
import type { MappingOptions } from "../config/mappings.ts";
import { acceptService, acceptStream, type CheckToken, LinkedAccount } from "./account_graph.ts";
import type { AccountIds } from "./account_ids.ts";
import { type ExportRule, type ImportRule, plainSource, type ShareKind } from "./account_source.ts";
import { sourceOfOptions } from "./config_source.ts";
import type { AccountDefinition } from "./definition.ts";
import type { Export } from "./exports.ts";
import { addJetStreamExport, addSystemExports, linkSystemServices } from "./system_services.ts";

/** The options that say which accounts there are. */
export interface AccountsOptions {
  readonly accounts: readonly AccountOptions[];
  /** Of `$G`. */
  readonly mappings: readonly MappingOptions[];
  readonly systemAccount: string | undefined;
  readonly noSystemAccount: boolean;
  /** Other members of a cluster or supercluster may have JetStream. */
  readonly cluster: { readonly port: number };
  readonly gateway: { readonly port: number };
}

export interface ConfiguredAccounts {
  /** `$G` first, then those of the configuration in its order, then a system account that it does not list. */
  readonly definitions: readonly AccountDefinition[];
  /** What each of them offers the others, by its name. */
  readonly exports: ReadonlyMap<string, readonly Export[]>;
  /** Empty if all is well. */
  readonly problems: readonly AccountProblem[];
}

export interface AccountProblem {
  /** In nats-server's words. */
  readonly text: string;
  /** The part of the options that is wrong. */
  readonly part: ExportOptions | ImportOptions;
}

/** The name of the system account a configuration asks for, undefined for none. */
export function systemAccountOf({ systemAccount, noSystemAccount }: AccountsOptions): string | undefined {
  return systemAccount || (noSystemAccount ? undefined : DEFAULT_SYSTEM_ACCOUNT);
}

/** The accounts of a configuration without an operator. */
export function configureAccounts(options: AccountsOptions, ids: AccountIds): ConfiguredAccounts {
  const systemName = systemAccountOf(options);
  const sources = [plainSource(GLOBAL_ACCOUNT, options.mappings), ...options.accounts.map(sourceOfOptions)];
  if (systemName !== undefined && !sources.some(({ name }) => name === systemName))
    sources.push(plainSource(systemName));
  const accounts = new Map(
    sources.map((source) => [
      source.name,
      new LinkedAccount(ids.of(source.name), source.name === systemName, source),
    ]),
  );
  const system = systemName === undefined ? undefined : accounts.get(systemName);
  const problems = [
    ...options.accounts.flatMap((account) =>
      addExports(account, accounts.get(account.name)!, system !== undefined),
    ),
    ...addImports(options.accounts, accounts, "stream"),
    ...addImports(options.accounts, accounts, "service"),
  ];
  if (system !== undefined) addSystemServices(accounts, system, !isStandalone(options));
  return {
    definitions: [...accounts.values()].map((account) => account.definition()),
    exports: new Map([...accounts].map(([name, account]) => [name, account.exports.list()])),
    problems,
  };
}

function addExports(
  options: AccountOptions,
  account: LinkedAccount,
  hasSystemAccount: boolean,
): AccountProblem[] {
  return account.source.exports.flatMap((rule, index) => {
    const problem = addExport(account, rule, hasSystemAccount);
    return problem === undefined ? [] : [{ text: problem, part: options.exports[index]! }];
  });
}

function addExport(account: LinkedAccount, rule: ExportRule, hasSystemAccount: boolean): string | undefined {
  const { kind, subject, latency } = rule;
  const what = JSON.stringify(subject);
  const problem = account.exports.add(rule);
  if (problem !== undefined) return `Error adding ${kind} export ${what}: ${problem}`;
  if (latency === undefined) return undefined;
  if (!hasSystemAccount) return `Error adding service latency sampling for ${what}: system account not setup`;
  const latencyProblem = account.exports.track(subject, latency);
  if (latencyProblem === undefined) return undefined;
  const where = JSON.stringify(latency.subject);
  return `Error adding service latency sampling for ${what} on subject ${where}: ${latencyProblem}`;
}

function addImports(
  options: readonly AccountOptions[],
  accounts: ReadonlyMap<string, LinkedAccount>,
  kind: ShareKind,
): AccountProblem[] {
  return options.flatMap(({ name, imports }) => {
    const importer = accounts.get(name)!;
    return importer.source.imports.flatMap((rule, index) => {
      const problem = rule.kind === kind ? addImport(accounts, importer, rule) : undefined;
      return problem === undefined ? [] : [{ text: problem, part: imports[index]! }];
    });
  });
}

function addImport(
  accounts: ReadonlyMap<string, LinkedAccount>,
  importer: LinkedAccount,
  rule: ImportRule,
): string | undefined {
  const { kind } = rule;
  const exporter = accounts.get(rule.exporter);
  if (exporter === undefined)
    return `${JSON.stringify(rule.exporter)} account not defined for ${kind} import`;
  const accept = kind === "stream" ? acceptStream : acceptService;
  const problem = accept(importer, exporter, rule, noTokens);
  return problem && `Error adding ${kind} import ${JSON.stringify(rule.remote)}: ${problem}`;
}

/** Only JWTs ask for activation tokens. */
const noTokens: CheckToken = () => "no activation token";

/**
 * Adds the imports of the system account's services, except on subjects that the account imports already. JetStream of
 * other servers is for accounts that say so, and for the global account if there is no other. Source: nats-server Start.
 */
function addSystemServices(
  accounts: ReadonlyMap<string, LinkedAccount>,
  system: LinkedAccount,
  isLinked: boolean,
): void {
  addSystemExports(system.exports);
  if (isLinked) addJetStreamExport(system.exports);
  // Beside the system account there is always the global one.
  const isGlobalAlone = isLinked && accounts.size === 2;
  for (const account of accounts.values()) {
    linkSystemServices(account, system, isGlobalAlone || account.source.usesJetStream === true);
  }
}
