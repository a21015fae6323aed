/**
 * Operators, accounts, users and their keys in a folder, laid out as nsc lays them out, so that either tool can go on
 * where the other stopped:
 *
 *     stores/<operator>/.nsc                                  what the folder is
 *     stores/<operator>/<operator>.jwt
 *     stores/<operator>/accounts/<account>/<account>.jwt
 *     stores/<operator>/accounts/<account>/users/<user>.jwt
 *     keys/keys/<role>/<two letters>/<public key>.nk          seeds, mode 0600
 *     keys/creds/<operator>/<account>/<user>.creds            the same
 *
 * Source: nats-io/nsc, cmd/store.
 */
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import type { AccountClaims, OperatorClaims, UserClaims } from "../../auth/jwt/claims.ts";
import { decodeAs } from "../../auth/jwt/decode.ts";
import { formatCreds, readKey, readToken } from "../../auth/jwt/decorated.ts";
import { KeyPair } from "../../auth/nkey.ts";
import { CommandError } from "./command.ts";

const SECRET_MODE = 0o600;
const FOLDER_MODE = 0o700;

/** A claim and the token it was read from. */
export interface Stored<Claims> {
  readonly claims: Claims;
  readonly token: string;
}

/** One operator and what belongs to it. */
export class Store {
  readonly #folder: string;
  readonly operatorName: string;

  private constructor(folder: string, operatorName: string) {
    this.#folder = folder;
    this.operatorName = operatorName;
  }

  /** The operators in a folder, by name. */
  static operatorsIn(folder: string): readonly string[] {
    return foldersIn(join(folder, "stores")).filter((name) =>
      existsSync(join(folder, "stores", name, ".nsc")),
    );
  }

  /** Opens the operator of this name, or the only one if no name is given. */
  static open(folder: string, operatorName: string | undefined): Store {
    const names = Store.operatorsIn(folder);
    if (operatorName !== undefined) {
      if (names.includes(operatorName)) return new Store(folder, operatorName);
      const known = names.length === 0 ? "there is none" : `there is ${names.join(", ")}`;
      throw new CommandError(
        `no operator ${JSON.stringify(operatorName)} in ${join(folder, "stores")}: ${known}`,
      );
    }
    const [first, ...others] = names;
    if (first === undefined) {
      throw new CommandError(
        `no operator in ${join(folder, "stores")}: go to the folder that "midge init" made, or name it with --dir`,
      );
    }
    if (others.length > 0) {
      throw new CommandError(
        `several operators in ${join(folder, "stores")}: choose with --operator ${names.join(" or ")}`,
      );
    }
    return new Store(folder, first);
  }

  /** Makes an empty place for an operator. */
  static create(folder: string, operatorName: string): Store {
    checkName("operator", operatorName);
    const store = new Store(folder, operatorName);
    if (existsSync(store.#path())) {
      throw new CommandError(`${store.#path()} is there already: choose another operator or folder`);
    }
    const about = { managed: false, name: operatorName, kind: "operator", version: "1" };
    writeSecret(store.#path(".nsc"), JSON.stringify(about));
    mkdirSync(store.#path("accounts"), { recursive: true, mode: FOLDER_MODE });
    const ignored = "# Seeds and creds files are secrets.\n**/*.nk\n**/*.creds\n";
    if (!existsSync(join(folder, "keys/.gitignore"))) writeSecret(join(folder, "keys/.gitignore"), ignored);
    return store;
  }

  #path(...names: string[]): string {
    return join(this.#folder, "stores", this.operatorName, ...names);
  }

  #accountPath(name: string): string {
    return this.#path("accounts", name, `${name}.jwt`);
  }

  #userPath(account: string, name: string): string {
    return this.#path("accounts", account, "users", `${name}.jwt`);
  }

  credsPath(account: string, user: string): string {
    return join(this.#folder, "keys/creds", this.operatorName, account, `${user}.creds`);
  }

  #keyPath(publicKey: string): string {
    return join(this.#folder, "keys/keys", publicKey.slice(0, 1), publicKey.slice(1, 3), `${publicKey}.nk`);
  }

  operator(): Stored<OperatorClaims> {
    return readClaims("operator", this.#path(`${this.operatorName}.jwt`));
  }

  /** By name, or by public key. */
  account(nameOrKey: string): Stored<AccountClaims> {
    const name = this.accountNames().find((known) => known === nameOrKey);
    if (name !== undefined) return readClaims("account", this.#accountPath(name));
    const byKey = this.accounts().find(({ claims }) => claims.subject === nameOrKey);
    if (byKey !== undefined) return byKey;
    const known = this.accountNames().join(", ");
    throw new CommandError(
      `no account ${JSON.stringify(nameOrKey)} of ${this.operatorName}: there is ${known || "none"}`,
    );
  }

  accountNames(): readonly string[] {
    return foldersIn(this.#path("accounts")).filter((name) => existsSync(this.#accountPath(name)));
  }

  accounts(): readonly Stored<AccountClaims>[] {
    return this.accountNames().map((name) => readClaims("account", this.#accountPath(name)));
  }

  hasAccount(name: string): boolean {
    return this.accountNames().includes(name);
  }

  user(account: string, name: string): Stored<UserClaims> {
    if (this.hasUser(account, name)) return readClaims("user", this.#userPath(account, name));
    const known = this.userNames(account).join(", ");
    throw new CommandError(
      `no user ${JSON.stringify(name)} in account ${account}: there is ${known || "none"}`,
    );
  }

  hasUser(account: string, name: string): boolean {
    return this.userNames(account).includes(name);
  }

  userNames(account: string): readonly string[] {
    return filesIn(this.#path("accounts", account, "users"))
      .filter((file) => file.endsWith(".jwt"))
      .map((file) => file.slice(0, -".jwt".length));
  }

  writeOperator(token: string): void {
    writeSecret(this.#path(`${this.operatorName}.jwt`), token);
  }

  writeAccount(name: string, token: string): void {
    checkName("account", name);
    writeSecret(this.#accountPath(name), token);
  }

  writeUser(account: string, name: string, token: string): void {
    checkName("user", name);
    writeSecret(this.#userPath(account, name), token);
  }

  /** Writes the user's creds file and returns its path; undefined if the user's seed is not here. */
  writeCreds(account: string, user: Stored<UserClaims>): string | undefined {
    const key = this.key(user.claims.subject);
    if (key === undefined) return undefined;
    const path = this.credsPath(account, user.claims.name);
    writeSecret(path, formatCreds(user.token, key));
    return path;
  }

  deleteUser(account: string, name: string): void {
    rmSync(this.#userPath(account, name), { force: true });
    rmSync(this.credsPath(account, name), { force: true });
  }

  deleteAccount(name: string): void {
    rmSync(this.#path("accounts", name), { recursive: true, force: true });
    rmSync(join(this.#folder, "keys/creds", this.operatorName, name), { recursive: true, force: true });
  }

  /** The pair of a public key; undefined if its seed is not here. */
  key(publicKey: string): KeyPair | undefined {
    const path = this.#keyPath(publicKey);
    if (!existsSync(path)) return undefined;
    const key = readKey(readFileSync(path, "utf8"));
    if (key?.publicKey === publicKey) return key;
    throw new CommandError(`${path} does not hold the seed of its key: restore it from a backup`);
  }

  /** Makes a pair whose seed is kept here. */
  createKey(role: "operator" | "account" | "user"): KeyPair {
    const key = KeyPair.create(role);
    writeSecret(this.#keyPath(key.publicKey), key.encodeSeed());
    return key;
  }

  deleteKey(publicKey: string): void {
    rmSync(this.#keyPath(publicKey), { force: true });
  }
}

function readClaims<Type extends "operator" | "account" | "user">(type: Type, path: string) {
  let file: string;
  try {
    file = readFileSync(path, "utf8");
  } catch (error) {
    throw new CommandError(`cannot read ${path}: ${(error as NodeJS.ErrnoException).code}`);
  }
  const token = readToken(file);
  const decoded = decodeAs(type, token);
  if (!decoded.ok) throw new CommandError(`${path} holds no valid JWT of the ${type}: ${decoded.text}`);
  return { claims: decoded.claims, token };
}

/** Refuses a name that cannot be the name of a file. */
function checkName(what: string, name: string): void {
  if (/^[^./\\\0][^/\\\0]*$/.test(name) && name.trim() === name) return;
  throw new CommandError(
    `${what} ${JSON.stringify(name)}: a name may not be empty, start with a dot or hold a slash`,
  );
}

/** Writes a file in one step, readable only by its owner. */
export function writeSecret(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true, mode: FOLDER_MODE });
  const temporary = `${path}.${process.pid}.new`;
  writeFileSync(temporary, text, { mode: SECRET_MODE });
  chmodSync(temporary, SECRET_MODE);
  renameSync(temporary, path);
}

function foldersIn(path: string): readonly string[] {
  return existsSync(path) ? namesIn(path, true) : [];
}

function filesIn(path: string): readonly string[] {
  return existsSync(path) ? namesIn(path, false) : [];
}

function namesIn(path: string, areFolders: boolean): readonly string[] {
  const entries = readdirSync(path, { withFileTypes: true });
  return entries
    .filter((entry) => entry.isDirectory() === areFolders)
    .map(({ name }) => name)
    .sort();
}
