/** `accounts { … }`: isolated subject spaces, and what they share with one another. */
import { jetStreamOfOthers } from "./absent_features.ts";
import { GLOBAL_ACCOUNT } from "./account_names.ts";
import { publicKey, type UserOptions, users, withDefaultPermissions } from "./authorization.ts";
import type { ConfigEntry, ConfigValue } from "./config_tree.ts";
import { type ExportOptions, exportItem } from "./exports.ts";
import { type ImportOptions, imports } from "./imports.ts";
import { type MappingOptions, mappings } from "./mappings.ts";
import { type MessageTraceOptions, readMessageTrace, TRACE_BLOCK } from "./message_trace.ts";
import { block, type OptionsOf, option, type Reader, readBlock, type Site, wrongType } from "./option.ts";
import { type Permissions, permissions } from "./permissions.ts";
import { arrayOf, integer, string } from "./readers.ts";
import { isFields, refuseGiven, spellBlock, spellPlain } from "./spelling.ts";

const LIMITS_BLOCK = block(
  "account limits",
  {
    maxConnections: option({
      key: "max_connections",
      aliases: ["max_conn"],
      reader: integer(),
      default: -1,
      doc: "Clients and leafs on all servers; -1 for any number.",
    }),
    maxSubscriptions: option({
      key: "max_subscriptions",
      aliases: ["max_subs"],
      reader: integer(),
      default: -1,
      doc: "Subscriptions of each connection; -1 for any number.",
    }),
    maxPayloadBytes: option({
      key: "max_payload",
      aliases: ["max_pay"],
      reader: integer(),
      default: -1,
      doc: "Bytes of one message; -1 for the server's limit.",
    }),
    maxLeafnodes: option({
      key: "max_leafnodes",
      aliases: ["max_leafs"],
      reader: integer(),
      default: -1,
      doc: "Leafs on all servers; -1 for any number.",
    }),
  },
  { unknownKey: (key) => `Unknown field "${key}" parsing account limits` },
);

export type AccountLimits = OptionsOf<typeof LIMITS_BLOCK.table>;

const NO_LIMITS: AccountLimits = {
  maxConnections: -1,
  maxSubscriptions: -1,
  maxPayloadBytes: -1,
  maxLeafnodes: -1,
};

export interface AccountOptions {
  readonly name: string;
  readonly nkey: string | undefined;
  /** The account's users; those without permissions of their own have its default ones. */
  readonly users: readonly UserOptions[];
  readonly defaultPermissions: Permissions | undefined;
  readonly imports: readonly ImportOptions[];
  readonly exports: readonly ExportOptions[];
  readonly mappings: readonly MappingOptions[];
  readonly limits: AccountLimits;
  readonly messageTrace: MessageTraceOptions | undefined;
  /** Whether it may use JetStream of other members of the cluster. */
  readonly usesJetStream: boolean;
}

const ACCOUNT_BLOCK = block("account", {
  nkey: option<string | undefined>({
    key: "nkey",
    reader: publicKey("account", (text) => `Not a valid public nkey for an account: ${JSON.stringify(text)}`),
    default: undefined,
    doc: "The account's public key.",
  }),
  users: option<readonly UserOptions[]>({
    key: "users",
    reader: users,
    default: [],
    doc: "Who may log in to the account.",
  }),
  defaultPermissions: option<Permissions | undefined>({
    key: "default_permissions",
    reader: permissions,
    default: undefined,
    doc: "For users without permissions of their own.",
  }),
  imports: option<readonly ImportOptions[]>({
    key: "imports",
    reader: imports,
    default: [],
    doc: "What it takes from other accounts.",
  }),
  exports: option<readonly ExportOptions[]>({
    key: "exports",
    reader: arrayOf(exportItem),
    default: [],
    doc: "What it offers to other accounts.",
  }),
  mappings: option<readonly MappingOptions[]>({
    key: "mappings",
    aliases: ["maps"],
    reader: mappings,
    default: [],
    doc: "What published subjects are turned into.",
  }),
  limits: option<AccountLimits>({
    key: "limits",
    reader: {
      type: "limits block",
      blocks: [LIMITS_BLOCK],
      read: (value, site) =>
        value.kind === "map"
          ? readBlock(LIMITS_BLOCK, value, site)
          : wrongType(value, site, "account limits to be a map"),
    },
    default: NO_LIMITS,
    doc: "What the account may use.",
  }),
  messageTrace: option<MessageTraceOptions | undefined>({
    key: "msg_trace",
    aliases: ["trace_dest"],
    reader: { type: "subject or trace block", blocks: [TRACE_BLOCK], read: readMessageTrace },
    default: undefined,
    doc: "Where traces of its messages go.",
  }),
  usesJetStream: option<boolean>({
    key: "jetstream",
    reader: jetStreamOfOthers,
    default: false,
    doc: "Whether it may use JetStream of other members of the cluster; limits count there.",
  }),
});

export const accounts: Reader<readonly AccountOptions[]> = {
  type: "accounts",
  blocks: [ACCOUNT_BLOCK],
  read: (value, site) => {
    if (value.kind === "array") return readNames(value.items, site);
    if (value.kind !== "map") return wrongType(value, site, "accounts to be a map or an array of names");
    const errorsBefore = site.errorCount;
    const read = [...value.entries.values()].flatMap((entry) => {
      const at = site.entry(entry);
      if (entry.isUsedAsVariable) return [];
      if (entry.value.kind !== "map") return at.error("Expected map entries for accounts") ?? [];
      if (entry.key === GLOBAL_ACCOUNT) return at.error(`"${GLOBAL_ACCOUNT}" is a Reserved Account`) ?? [];
      const { users: own, ...account } = readBlock(ACCOUNT_BLOCK, entry.value, at);
      return [
        { name: entry.key, ...account, users: withDefaultPermissions(own, account.defaultPermissions) },
      ];
    });
    if (site.errorCount === errorsBefore) refuseUnknownAccounts(read, site);
    return site.place(read);
  },
  spell: spellAccounts,
};

/** A program lists accounts; the file has a map of them by their names, or a list of names alone. */
function spellAccounts(value: unknown, site: Site): ConfigValue | undefined {
  if (!Array.isArray(value)) return refuseGiven(value, site, "an array of accounts");
  if (value.every((item) => typeof item === "string")) return spellPlain(value, site, "an array of accounts");
  const entries = new Map<string, ConfigEntry>();
  for (const [index, item] of value.entries()) {
    const at = site.element(index);
    if (!isFields(item) || typeof item.name !== "string" || item.name === "") {
      refuseGiven(item, at, "an object with a name");
      continue;
    }
    const { name, ...fields } = item;
    if (entries.has(item.name)) at.error(`Duplicate Account Entry: ${item.name}`);
    const account = spellBlock(ACCOUNT_BLOCK, fields, at);
    entries.set(item.name, { key: item.name, at: at.at, value: account, isUsedAsVariable: false });
  }
  return { kind: "map", entries, at: site.at };
}

function readNames(items: readonly ConfigValue[], site: Site): readonly AccountOptions[] {
  const names = new Set<string>();
  for (const item of items) {
    const at = site.item(item);
    const name = string.read(item, at);
    if (name === undefined) continue;
    if (name === GLOBAL_ACCOUNT) at.error(`"${GLOBAL_ACCOUNT}" is a Reserved Account`);
    else if (names.has(name)) at.error(`Duplicate Account Entry: ${name}`);
    else names.add(name);
  }
  return [...names].map((name) => ({ ...emptyAccount, name }));
}

const emptyAccount = {
  nkey: undefined,
  users: [],
  defaultPermissions: undefined,
  imports: [],
  exports: [],
  mappings: [],
  limits: NO_LIMITS,
  messageTrace: undefined,
  usesJetStream: false,
};

/** Exports and imports name accounts of the same file; whether an import is allowed is for the account room. */
function refuseUnknownAccounts(read: readonly AccountOptions[], site: Site): void {
  const names = new Set(read.map(({ name }) => name));
  for (const account of read) {
    for (const { kind, accounts: importers } of account.exports) {
      for (const name of importers)
        if (!names.has(name)) site.error(`"${name}" account not defined for ${kind} export`);
    }
    for (const { kind, account: name } of account.imports) {
      if (!names.has(name)) site.error(`"${name}" account not defined for ${kind} import`);
    }
  }
}
