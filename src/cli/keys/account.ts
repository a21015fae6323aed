/** `midge account …`, except exports and imports, which are in shares.ts. */
import type { AccountClaims } from "../../auth/jwt/claims.ts";
import { newAccount, newUser } from "../../auth/jwt/new_claims.ts";
import { roleOf } from "../../auth/nkey.ts";
import { type Arguments, type Command, CommandError, type Option, type Session } from "./command.ts";
import { CLAIM_OPTIONS, editClaims, JSON_OPTION, openStore, STORE_OPTIONS } from "./common_options.ts";
import { showClaims } from "./describe.ts";
import {
  editLimits,
  editPermissions,
  editRights,
  LIMIT_OPTIONS,
  limitOf,
  PERMISSION_OPTIONS,
  RIGHTS_OPTIONS,
  yesNoOf,
} from "./permission_options.ts";
import { saveAccount } from "./signing.ts";
import type { Store } from "./store.ts";

const ACCOUNT_OPTIONS: readonly Option[] = [
  { name: "conns", value: "COUNT", doc: "connections on all servers, or unlimited" },
  { name: "leaf-conns", value: "COUNT", doc: "leaf nodes on all servers, or unlimited" },
  ...LIMIT_OPTIONS,
  { name: "imports", value: "COUNT", doc: "imports, or unlimited" },
  { name: "exports", value: "COUNT", doc: "exports, or unlimited" },
  { name: "wildcard-exports", value: "YES|NO", doc: "whether exports may have wildcards" },
  { name: "disallow-bearer", value: "YES|NO", doc: "whether to refuse users with bearer tokens" },
  { name: "sk", value: "KEY", isRepeated: true, doc: 'add a signing key, or make one with "generate"' },
  { name: "rm-sk", value: "KEY", isRepeated: true, doc: "remove a signing key, of a role or not" },
  { name: "description", value: "TEXT", doc: "what it is for" },
  { name: "info-url", value: "URL", doc: "where more is said" },
  ...CLAIM_OPTIONS,
  // What users may do who have no permissions of their own.
  ...PERMISSION_OPTIONS,
];

export const ACCOUNT_COMMANDS: readonly Command[] = [
  {
    name: "account add",
    operands: ["NAME"],
    options: [...STORE_OPTIONS, ...ACCOUNT_OPTIONS],
    doc: `Makes an account, without limits unless some are given. Permissions are the default of its users.`,
    run: (args, session) => {
      const store = openStore(args);
      const name = args.operand(0);
      if (store.hasAccount(name))
        throw new CommandError(`account ${name} is there already: midge account edit ${name}`);
      const claims = newAccount(store.createKey("account").publicKey, name);
      saveEdited(store, claims, args, session);
      session.print(`account ${name} ${claims.subject}\n${pushHint(name)}`);
    },
  },
  {
    name: "account edit",
    operands: ["NAME"],
    options: [...STORE_OPTIONS, ...ACCOUNT_OPTIONS],
    doc: "Changes what is given. Permissions are the default of its users.",
    run: (args, session) => {
      const store = openStore(args);
      const { claims } = store.account(args.operand(0));
      saveEdited(store, claims, args, session);
      session.print(`account ${claims.name} is signed again\n${pushHint(claims.name)}`);
    },
  },
  {
    name: "account role",
    operands: ["NAME", "ROLE"],
    options: [...STORE_OPTIONS, ...RIGHTS_OPTIONS, { name: "delete", doc: "delete the role and its key" }],
    doc: `Makes or edits a role: a signing key that gives its users all their rights. Subjects may hold
{{name()}}, {{subject()}}, {{account-name()}}, {{tag(x)}}, … of the user. Users: midge user add --role ROLE.`,
    run: editRole,
  },
  {
    name: "account sign",
    operands: ["[NAME...]"],
    options: [...STORE_OPTIONS],
    doc: "Signs accounts again, or all of them, with the operator's first signing key.",
    run: (args, session) => {
      const store = openStore(args);
      const named = args.operandsFrom(0);
      for (const name of named.length === 0 ? store.accountNames() : named) {
        const { claims } = store.account(name);
        const signed = saveAccount(store, claims, session.nowSeconds());
        session.print(`account ${claims.name} is signed by ${signed.claims.issuer}`);
      }
    },
  },
  {
    name: "account describe",
    operands: ["NAME"],
    options: [...STORE_OPTIONS, JSON_OPTION, { name: "raw", doc: "print the token" }],
    doc: "Shows what the account's token says.",
    run: (args, session) => {
      const { claims, token } = openStore(args).account(args.operand(0));
      session.print(args.has("raw") ? token : showClaims(claims, { asJson: args.has("json") }));
    },
  },
  {
    name: "account list",
    operands: [],
    options: [...STORE_OPTIONS],
    doc: "Lists the operator's accounts.",
    run: (args, session) => {
      const store = openStore(args);
      const { systemAccount } = store.operator().claims.nats;
      const accounts = store.accounts();
      const nameWidth = Math.max(...accounts.map(({ claims }) => claims.name.length));
      for (const { claims } of accounts) {
        const users = store.userNames(claims.name).length;
        const mark = claims.subject === systemAccount ? ", system account" : "";
        const name = claims.name.padEnd(nameWidth);
        session.print(`${name}  ${claims.subject}  ${users} ${users === 1 ? "user" : "users"}${mark}`);
      }
    },
  },
  {
    name: "account delete",
    operands: ["NAME"],
    options: [...STORE_OPTIONS],
    doc: `Deletes an account with its users and creds files from the folder; its seeds stay. Servers keep serving it
until they are told: midge push --delete KEY.`,
    run: (args, session) => {
      const store = openStore(args);
      const { claims } = store.account(args.operand(0));
      if (claims.subject === store.operator().claims.nats.systemAccount) {
        throw new CommandError(`account ${claims.name} is the system account and cannot be deleted`);
      }
      store.deleteAccount(claims.name);
      session.print(`account ${claims.name} ${claims.subject} is deleted here`);
      session.print(`tell running servers: midge push --delete ${claims.subject}`);
    },
  },
];

/** What to do next, after an account was changed. */
export function pushHint(name: string): string {
  const operand = /^[\w.-]+$/.test(name) ? name : `'${name.replaceAll("'", "'\\''")}'`;
  return `tell running servers: midge push ${operand}`;
}

function saveEdited(store: Store, claims: AccountClaims, args: Arguments, session: Session): void {
  const edited = editClaims(claims, args, session);
  const { nats } = edited;
  const signingKeys = new Map(nats.signingKeys);
  for (const key of args.texts("rm-sk")) signingKeys.delete(key);
  for (const text of args.texts("sk")) signingKeys.set(readSigningKey(store, text), undefined);
  const limits = {
    ...editLimits(nats.limits, args),
    maxConnections: limitOf(args, "conns", nats.limits.maxConnections),
    maxLeafnodes: limitOf(args, "leaf-conns", nats.limits.maxLeafnodes),
    maxImports: limitOf(args, "imports", nats.limits.maxImports),
    maxExports: limitOf(args, "exports", nats.limits.maxExports),
    wildcardExports: yesNoOf(args, "wildcard-exports", nats.limits.wildcardExports),
    disallowBearer: yesNoOf(args, "disallow-bearer", nats.limits.disallowBearer),
  };
  const account = {
    ...nats,
    limits,
    signingKeys,
    defaultPermissions: editPermissions(nats.defaultPermissions, args),
    description: args.text("description") ?? nats.description,
    infoUrl: args.text("info-url") ?? nats.infoUrl,
  };
  saveAccount(store, { ...edited, nats: account }, session.nowSeconds());
}

function readSigningKey(store: Store, text: string): string {
  if (text === "generate") return store.createKey("account").publicKey;
  if (roleOf(text) === "account") return text;
  throw new CommandError(`--sk ${JSON.stringify(text)}: use an account's public key, A…, or generate`);
}

function editRole(args: Arguments, session: Session): void {
  const store = openStore(args);
  const { claims } = store.account(args.operand(0));
  const role = args.operand(1);
  const signingKeys = new Map(claims.nats.signingKeys);
  const known = [...signingKeys.values()].find((scope) => scope?.role === role);
  if (args.has("delete")) {
    if (known === undefined)
      throw new CommandError(`no role ${JSON.stringify(role)} in account ${claims.name}`);
    signingKeys.delete(known.key);
  } else {
    const scope = known ?? {
      key: store.createKey("account").publicKey,
      role,
      description: "",
      template: newUser("", "").nats,
    };
    signingKeys.set(scope.key, { ...scope, template: editRights(scope.template, args) });
  }
  saveAccount(store, { ...claims, nats: { ...claims.nats, signingKeys } }, session.nowSeconds());
  session.print(
    `role ${role} of account ${claims.name} is ${args.has("delete") ? "deleted" : "saved"}\n${pushHint(claims.name)}`,
  );
}
