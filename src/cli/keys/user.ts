/** `midge user …`. */
import type { AccountClaims, UserClaims } from "../../auth/jwt/claims.ts";
import { formatCreds } from "../../auth/jwt/decorated.ts";
import { newScopedUser, newUser } from "../../auth/jwt/new_claims.ts";
import { roleOf } from "../../auth/nkey.ts";
import { pushHint } from "./account.ts";
import { type Arguments, type Command, CommandError, type Option, type Session } from "./command.ts";
import {
  ACCOUNT_OPTION,
  CLAIM_OPTIONS,
  chooseAccount,
  editClaims,
  JSON_OPTION,
  openStore,
  STORE_OPTIONS,
} from "./common_options.ts";
import { showClaims } from "./describe.ts";
import { editRights, hasRights, RIGHTS_OPTIONS } from "./permission_options.ts";
import { findUserSigner, saveAccount, saveUser } from "./signing.ts";
import { type Store, writeSecret } from "./store.ts";
import { readTime, showTime } from "./values.ts";

const WHERE: readonly Option[] = [...STORE_OPTIONS, ACCOUNT_OPTION];

const ROLE_OPTION: Option = {
  name: "role",
  value: "ROLE",
  doc: "take all rights from a role of the account",
};

export const USER_COMMANDS: readonly Command[] = [
  {
    name: "user add",
    operands: ["NAME"],
    options: [
      ...WHERE,
      ROLE_OPTION,
      {
        name: "public-key",
        value: "KEY",
        doc: "a user's key, U…, whose seed is elsewhere; else one is made",
      },
      ...CLAIM_OPTIONS,
      ...RIGHTS_OPTIONS,
    ],
    doc: "Makes a user and its creds file. It may do anything in its account unless rights are given.",
    run: addUser,
  },
  {
    name: "user edit",
    operands: ["NAME"],
    options: [...WHERE, ROLE_OPTION, ...CLAIM_OPTIONS, ...RIGHTS_OPTIONS],
    doc: "Changes what is given, and writes the creds file again. Clients that are connected keep what they had.",
    run: (args, session) => {
      const { store, account } = openAccount(args);
      const { claims } = store.user(account.name, args.operand(0));
      saveEdited(store, account, claims, args, session);
    },
  },
  {
    name: "user sign",
    operands: ["NAME"],
    options: [...WHERE, ROLE_OPTION, ...CLAIM_OPTIONS],
    doc: "Signs a user again, as it is: to renew it with --expiry, or after a revocation.",
    run: (args, session) => {
      const { store, account } = openAccount(args);
      const { claims } = store.user(account.name, args.operand(0));
      saveEdited(store, account, claims, args, session);
    },
  },
  {
    name: "user revoke",
    operands: ["NAME|KEY|*"],
    options: [
      ...WHERE,
      { name: "at", value: "TIME", doc: "revoke what was issued until then (default: now)" },
      { name: "undo", doc: "remove the revocation" },
    ],
    doc: `Revokes what was issued to a user, to a public key, or to all (*), in the account: push it then.
"midge user sign" issues anew.`,
    run: revokeUser,
  },
  {
    name: "user creds",
    operands: ["NAME", "[FILE]"],
    options: [...WHERE, { name: "print", doc: "print it, seed and all, instead of writing a file" }],
    doc: "Writes the user's creds file again, to FILE or to its place in the folder.",
    run: writeCreds,
  },
  {
    name: "user describe",
    operands: ["NAME"],
    options: [...WHERE, JSON_OPTION, { name: "raw", doc: "print the token" }],
    doc: "Shows what the user's token says.",
    run: (args, session) => {
      const { store, account } = openAccount(args);
      const { claims, token } = store.user(account.name, args.operand(0));
      session.print(args.has("raw") ? token : showClaims(claims, { asJson: args.has("json") }));
    },
  },
  {
    name: "user list",
    operands: [],
    options: [...WHERE],
    doc: "Lists the users of an account.",
    run: (args, session) => {
      const { store, account } = openAccount(args);
      const names = store.userNames(account.name);
      const nameWidth = Math.max(...names.map((name) => name.length));
      for (const name of names) {
        const { claims } = store.user(account.name, name);
        const revokedAt =
          account.nats.revocations.get(claims.subject) ?? account.nats.revocations.get("*") ?? -1;
        const mark = revokedAt >= claims.issuedAtSeconds ? "  revoked" : "";
        session.print(`${name.padEnd(nameWidth)}  ${claims.subject}${mark}`);
      }
    },
  },
  {
    name: "user delete",
    operands: ["NAME"],
    options: [...WHERE, { name: "revoke", doc: "revoke it as well" }],
    doc: `Deletes a user, its seed and its creds file from the folder. Whoever has a copy logs in as before, unless it
is revoked.`,
    run: deleteUser,
  },
];

function openAccount(args: Arguments): { readonly store: Store; readonly account: AccountClaims } {
  const store = openStore(args);
  return { store, account: store.account(chooseAccount(args, store)).claims };
}

function addUser(args: Arguments, session: Session): void {
  const { store, account } = openAccount(args);
  const name = args.operand(0);
  if (store.hasUser(account.name, name)) {
    throw new CommandError(`user ${name} is in account ${account.name} already: midge user edit ${name}`);
  }
  const given = args.text("public-key");
  if (given !== undefined && roleOf(given) !== "user") {
    throw new CommandError(`--public-key ${JSON.stringify(given)}: use a user's public key, U…`);
  }
  const key = given ?? store.createKey("user").publicKey;
  saveEdited(store, account, args.has("role") ? newScopedUser(key, name) : newUser(key, name), args, session);
}

/** A user keeps its role, unless another one is given. */
function saveEdited(
  store: Store,
  account: AccountClaims,
  before: UserClaims,
  args: Arguments,
  session: Session,
): void {
  const role = args.text("role") ?? account.nats.signingKeys.get(before.issuer)?.role;
  const signer = findUserSigner(store, account, role);
  const { name } = before;
  if (signer.isScoped && hasRights(args)) {
    throw new CommandError(
      `user ${name} has role ${role}, which gives all its rights: midge account role ${account.name} ${role} [options]`,
    );
  }
  const edited = editClaims(before, args, session);
  const { tags } = edited.nats;
  const nats = signer.isScoped
    ? { ...newScopedUser(before.subject, name).nats, tags }
    : editRights(edited.nats, args);
  const { credsPath, revokedUntilSeconds } = saveUser(
    store,
    account,
    { ...edited, nats },
    signer,
    session.nowSeconds(),
  );
  session.print(`user ${name} of account ${account.name} ${edited.subject}`);
  session.print(
    credsPath === undefined
      ? `its seed is not here; its token: midge user describe ${name} -a ${account.name} --raw`
      : `creds file ${credsPath}`,
  );
  if (revokedUntilSeconds !== undefined) {
    session.print(`it is revoked in account ${account.name} until ${showTime(revokedUntilSeconds)}`);
  }
}

function revokeUser(args: Arguments, session: Session): void {
  const { store, account } = openAccount(args);
  const key = readUserKey(store, account, args.operand(0));
  const now = session.nowSeconds();
  const until = readTime("at", args.text("at") ?? "0s", now);
  if (until === 0) throw new CommandError("--at never: to remove a revocation use --undo");
  saveRevocation(store, account, key, args.has("undo") ? undefined : until, now);
  session.print(
    `${args.operand(0)} is ${args.has("undo") ? "no longer revoked" : "revoked"} in account ${account.name}\n${pushHint(account.name)}`,
  );
}

/** Revokes what was issued to `key` up to this second, or nothing any more. */
function saveRevocation(
  store: Store,
  account: AccountClaims,
  key: string,
  untilSeconds: number | undefined,
  nowSeconds: number,
): void {
  const revocations = new Map(account.nats.revocations);
  if (untilSeconds === undefined) revocations.delete(key);
  else revocations.set(key, untilSeconds);
  saveAccount(store, { ...account, nats: { ...account.nats, revocations } }, nowSeconds);
}

function readUserKey(store: Store, account: AccountClaims, nameOrKey: string): string {
  if (nameOrKey === "*" || roleOf(nameOrKey) === "user") return nameOrKey;
  return store.user(account.name, nameOrKey).claims.subject;
}

function writeCreds(args: Arguments, session: Session): void {
  const { store, account } = openAccount(args);
  const user = store.user(account.name, args.operand(0));
  const key = store.key(user.claims.subject);
  if (key === undefined) {
    throw new CommandError(
      `no seed of user ${user.claims.name} in the store: it was made elsewhere, or deleted`,
    );
  }
  const creds = formatCreds(user.token, key);
  if (args.has("print")) {
    session.print(creds.trimEnd());
    return;
  }
  const path = args.operandsFrom(1)[0] ?? store.credsPath(account.name, user.claims.name);
  writeSecret(path, creds);
  session.print(`creds file ${path}`);
}

function deleteUser(args: Arguments, session: Session): void {
  const { store, account } = openAccount(args);
  const { claims } = store.user(account.name, args.operand(0));
  const now = session.nowSeconds();
  if (args.has("revoke")) saveRevocation(store, account, claims.subject, Math.floor(now), now);
  store.deleteUser(account.name, claims.name);
  store.deleteKey(claims.subject);
  session.print(`user ${claims.name} ${claims.subject} is deleted here`);
  if (args.has("revoke")) session.print(`and revoked in account ${account.name}\n${pushHint(account.name)}`);
}
