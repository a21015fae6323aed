import type { UserOptions } from "./authorization.ts";
import { type ConfigEntry, type ConfigMap, type ConfigProblem, GIVEN, type Position } from "./config_tree.ts";
import { type NamedFile, readBlock, Site } from "./option.ts";
import { defaultOptions, type GivenOptions, OPTIONS_BLOCK, type Options } from "./option_table.ts";
import { spellBlock } from "./spelling.ts";

/** The result of reading a configuration: the options can be used if there is no error among the problems. */
export interface ReadResult {
  readonly options: Options;
  /** Warnings first. */
  readonly problems: readonly ConfigProblem[];
  /** Where `tls` blocks and operators stand, and the accounts with their exports and imports. */
  readonly places: ReadonlyMap<object, Position>;
  /** Files the configuration names that must be there. */
  readonly files: readonly NamedFile[];
}

/**
 * Turns the tree of a configuration file into options; those that a program gives win. Every problem is collected, none
 * thrown; with an error among them the options are not to be used.
 */
export function readOptions(fileTree: ConfigMap, given: GivenOptions = {}): ReadResult {
  const problems: ConfigProblem[] = [];
  const files: NamedFile[] = [];
  const places = new Map<object, Position>();
  const findings = { problems, places, files };
  if (fileTree.entries.size === 0 && Object.keys(given).length === 0) {
    problems.push({ severity: "warning", text: `${fileTree.at.file}: config has no values or is empty` });
  }
  const site = new Site("", fileTree.at, findings);
  const ofFile = readBlock(OPTIONS_BLOCK, fileTree, site);
  const spelled = spellBlock(OPTIONS_BLOCK, given, new Site("", GIVEN, findings));
  const read = { ...readBlock(OPTIONS_BLOCK, spelled, site, ofFile), ...givenDefaults(given) };
  const tree = { ...fileTree, entries: new Map([...fileTree.entries, ...spelled.entries]) };
  refuseMixedCredentials(tree, read, site);
  refuseDuplicateUsers(tree, read, site);
  refuseUnknownCalloutAccounts(tree, read, site);
  const bySeverity = [...problems.filter(isWarning), ...problems.filter((problem) => !isWarning(problem))];
  const trace = read.trace || read.traceVerbose || read.traceHeaders;
  return { options: { ...read, trace }, problems: bySeverity, places, files };
}

/** The given fields that have their default values. They were not spelled, and must win over the file as well. */
function givenDefaults(given: GivenOptions): Partial<Options> {
  const defaults = defaultOptions();
  return Object.fromEntries(
    Object.entries(defaults).filter(
      ([field, value]) => value !== undefined && given[field as keyof Options] === value,
    ),
  );
}

function isWarning({ severity }: ConfigProblem): boolean {
  return severity === "warning";
}

/** Users of accounts cannot stand beside a single user or token. */
function refuseMixedCredentials(tree: ConfigMap, { authorization, accounts }: Options, site: Site): void {
  if (!accounts.some(({ users }) => users.length > 0)) return;
  const at = siteOf(tree, ["accounts"], site);
  if (authorization?.user) at.error("Can not have a single user/pass and accounts");
  else if (authorization?.token) at.error("Can not have a token and accounts");
}

/** Names of users and nkeys are unique over `authorization` and all accounts. */
function refuseDuplicateUsers(tree: ConfigMap, { authorization, accounts }: Options, site: Site): void {
  const lists: { readonly users: readonly UserOptions[]; readonly at: Site }[] = [
    { users: authorization?.users ?? [], at: siteOf(tree, ["authorization", "users"], site) },
    ...accounts.map(({ name, users }) => ({ users, at: siteOf(tree, ["accounts", name, "users"], site) })),
  ];
  const seen = new Set<string>();
  for (const { users, at } of lists) {
    for (const { user, nkey } of users) {
      const id = nkey ?? user ?? "";
      if (seen.has(id))
        at.error(`Duplicate ${nkey === undefined ? "user" : "nkey"} ${JSON.stringify(id)} detected`);
      seen.add(id);
    }
  }
}

/** Auth callout names only accounts that exist. */
function refuseUnknownCalloutAccounts(
  tree: ConfigMap,
  { authorization, accounts }: Options,
  site: Site,
): void {
  const names = new Set(accounts.map(({ name }) => name));
  for (const name of authorization?.authCallout?.allowedAccounts ?? []) {
    if (names.has(name)) continue;
    const text = `auth_callout allowed account ${JSON.stringify(name)} not found in configured accounts`;
    siteOf(tree, ["authorization", "auth_callout"], site).error(text);
  }
}

/** The site of the entry at a path of keys, or at as much of the path as there is. */
function siteOf(tree: ConfigMap, path: readonly string[], site: Site): Site {
  let map: ConfigMap | undefined = tree;
  let found = site;
  for (const key of path) {
    const entry: ConfigEntry | undefined = map?.entries.get(key) ?? findInAnyCase(map, key);
    if (entry === undefined) break;
    found = site.entry(entry);
    map = entry.value.kind === "map" ? entry.value : undefined;
  }
  return found;
}

function findInAnyCase(map: ConfigMap | undefined, key: string): ConfigEntry | undefined {
  return [...(map?.entries.values() ?? [])].find((entry) => entry.key.toLowerCase() === key);
}
