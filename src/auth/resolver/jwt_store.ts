import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, resolve } from "node:path";
import { sha256 } from "@noble/hashes/sha2.js";
import { errorText } from "../../base/error_text.ts";
import { isPublicKey } from "../../config/nkey_text.ts";
import { goQuoteText } from "../../protocol/go_quote.ts";
import { errnoTextOf } from "../../runtime/posix/errno.ts";
import { decodeBase64Url } from "../base64.ts";
import { decodeGeneric } from "../jwt/decode.ts";

/**
 * Account JWTs in a folder, one file each: `<dir>/<account key>.jwt` holds the token and nothing else, as
 * nats-server writes it, so that either server can take over the other's folder. Calls are synchronous: files are a
 * few kilobytes and changed by hand or by an operator's tool. Source: nats-server dirstore.go.
 */

export interface JwtStoreOptions {
  /** Made if it is not there. */
  readonly dir: string;
  /** Files kept; 0 for any number. */
  readonly limit: number;
  /** At the limit: whether the file not used for longest makes room, or the new one is refused. */
  readonly evicts: boolean;
  /** How long a file is kept since its last use; 0 for as long as its JWT says. */
  readonly ttlMs: number;
  readonly deletes: "no" | "rename" | "remove";
  /** Unix milliseconds. */
  readonly nowMs: () => number;
}

export interface JwtStoreEvents {
  /** A file is new or says something else: this token. */
  onChanged(accountKey: string, jwt: string): void;
  /** A file was deleted on request: not when it expired or made room. */
  onDeleted(accountKey: string): void;
}

interface Entry {
  readonly hash: Uint8Array;
  /** Unix milliseconds; Infinity for never. */
  readonly expiresAtMs: number;
}

export type Loaded =
  | { readonly ok: true; readonly jwt: string }
  | { readonly ok: false; readonly isMissing: boolean; readonly problem: string };

/** Why a store could not be kept in this folder, undefined where it could. Makes nothing. */
export function findFolderProblem(dir: string): string | undefined {
  let nearest = resolve(dir);
  while (!existsSync(nearest)) nearest = dirname(nearest);
  if (!statSync(nearest).isDirectory()) return `${nearest}: not a directory`;
  try {
    accessSync(nearest, constants.R_OK | constants.W_OK | constants.X_OK);
    return undefined;
  } catch (error) {
    return `${nearest}: ${errnoTextOf(error as Error)}`;
  }
}

const EXTENSION = ".jwt";
const DIR_MODE = 0o750;
const FILE_MODE = 0o640;
const HASH_BYTES = 32;
const CHECK_INTERVAL_MS_MAX = 60_000;

export class JwtStore {
  /** How often `removeExpired` is to be called. */
  readonly checkIntervalMs: number;
  readonly #options: JwtStoreOptions;
  #events: JwtStoreEvents | undefined;
  /** By account key, the one not used for longest first. */
  readonly #entries = new Map<string, Entry>();
  /** The hashes of all entries, XORed. */
  readonly #hash = new Uint8Array(HASH_BYTES);

  /** Makes the folder, reads what is in it and removes what has expired. Throws where the file system refuses. */
  constructor(options: JwtStoreOptions) {
    this.#options = options;
    const halfMs = options.ttlMs / 2;
    this.checkIntervalMs = halfMs > 0 ? Math.min(halfMs, CHECK_INTERVAL_MS_MAX) : CHECK_INTERVAL_MS_MAX;
    mkdirSync(options.dir, { recursive: true, mode: DIR_MODE });
    for (const { accountKey, jwt } of this.#files()) this.#track(accountKey, jwt);
    this.removeExpired();
  }

  /** Tells of changes from now on. */
  watch(events: JwtStoreEvents): void {
    this.#events = events;
  }

  get size(): number {
    return this.#entries.size;
  }

  has(accountKey: string): boolean {
    return this.#entries.has(accountKey);
  }

  /** Tells whether two stores hold the same tokens: the SHA-256 hashes of all of them, XORed. A copy. */
  hash(): Uint8Array {
    return this.#hash.slice();
  }

  load(accountKey: string): Loaded {
    if (!isKey(accountKey)) return { ok: false, isMissing: false, problem: "invalid public key" };
    try {
      const jwt = readFileSync(this.#pathOf(accountKey), "utf8");
      this.#touch(accountKey);
      return { ok: true, jwt };
    } catch (error) {
      return { ok: false, isMissing: isMissing(error), problem: errorText(error) };
    }
  }

  /** Stores a token, whatever is there. Returns why not; undefined if it is there now. */
  save(accountKey: string, jwt: string): string | undefined {
    if (!isKey(accountKey)) return "invalid public key";
    return this.#write(accountKey, jwt);
  }

  /** Stores a token unless the one that is there is the same or was issued later. Returns what is wrong. */
  saveIfNewer(accountKey: string, jwt: string): string | undefined {
    if (!isKey(accountKey)) return "invalid public key";
    if (existsSync(this.#pathOf(accountKey))) {
      const decoded = decodeGeneric(jwt);
      if (!decoded.ok) return decoded.text;
      const existing = this.load(accountKey);
      if (!existing.ok) return existing.problem;
      const old = decodeGeneric(existing.jwt);
      if (old.ok) {
        const [now, before] = [decoded.claims, old.claims];
        if (before.id === now.id || before.issuedAtSeconds > now.issuedAtSeconds) return undefined;
        if (now.subject !== accountKey) return "jwt subject nkey and provided nkey do not match";
        if (before.subject !== now.subject) return "subject of existing and new jwt do not match";
      }
    }
    return this.#write(accountKey, jwt);
  }

  /** Takes over lines `<account key>|<jwt>` of another store, where they are newer. Returns what is wrong. */
  merge(pack: string): string | undefined {
    for (const line of pack.split("\n")) {
      if (line === "") continue;
      const [accountKey = "", jwt, ...more] = line.split("|");
      if (jwt === undefined || more.length > 0) {
        return `line in package didn't contain 2 entries: ${goQuoteText(line)}`;
      }
      if (!isPublicKey(accountKey, "account")) return "key to merge is not a valid public account key";
      const problem = this.saveIfNewer(accountKey, jwt);
      if (problem !== undefined) return problem;
    }
    return undefined;
  }

  /** What merge() takes, a line for each token that has not expired, in the order of the files. */
  *pack(): Generator<{ readonly accountKey: string; readonly line: string }> {
    const nowS = Math.floor(this.#options.nowMs() / 1000);
    for (const { accountKey, jwt } of this.#files()) {
      if (!this.#entries.has(accountKey) || jwt === "") continue;
      const expiresAtS = peekExpiry(jwt);
      if (expiresAtS > 0 && expiresAtS < nowS) continue;
      yield { accountKey, line: `${accountKey}|${jwt}` };
    }
  }

  /** Removes a token by request. Returns why not; that there is none is no reason. */
  delete(accountKey: string): string | undefined {
    const { deletes } = this.#options;
    if (deletes === "no") return "store is not set up to for delete";
    if (!isKey(accountKey)) return "invalid public key";
    const path = this.#pathOf(accountKey);
    try {
      if (deletes === "rename") renameSync(path, `${path}.deleted`);
      else rmSync(path);
    } catch (error) {
      return isMissing(error) ? undefined : errorText(error);
    }
    this.#untrack(accountKey);
    this.#events?.onDeleted(accountKey);
    return undefined;
  }

  /** Removes the files whose time is over: that of their JWT, or a while since they were last used. */
  removeExpired(): void {
    const nowMs = this.#options.nowMs();
    for (const [accountKey, { expiresAtMs }] of this.#entries) {
      if (expiresAtMs > nowMs) continue;
      rmSync(this.#pathOf(accountKey), { force: true });
      this.#untrack(accountKey);
    }
  }

  /** Reads the folder again and tells of every file that says something else than before. */
  reload(): void {
    const before = new Map(this.#entries);
    this.#entries.clear();
    this.#hash.fill(0);
    const changed: { readonly accountKey: string; readonly jwt: string }[] = [];
    for (const { accountKey, jwt } of this.#files()) {
      this.#track(accountKey, jwt);
      const [old, now] = [before.get(accountKey)?.hash, this.#entries.get(accountKey)?.hash];
      if (old === undefined || now === undefined || !isSameHash(old, now)) changed.push({ accountKey, jwt });
    }
    for (const { accountKey, jwt } of changed) this.#events?.onChanged(accountKey, jwt);
  }

  #write(accountKey: string, jwt: string): string | undefined {
    if (jwt === "") return "invalid JWT";
    const entry = this.#entries.get(accountKey);
    if (entry !== undefined) {
      this.#touch(accountKey);
      if (isSameHash(entry.hash, hashOf(jwt))) return undefined;
    }
    try {
      if (entry === undefined && this.#isFull() && !this.#makeRoom()) return "jwt store is full";
      writeWhole(this.#pathOf(accountKey), jwt);
    } catch (error) {
      return errorText(error);
    }
    this.#track(accountKey, jwt);
    this.#events?.onChanged(accountKey, jwt);
    return undefined;
  }

  #isFull(): boolean {
    const { limit } = this.#options;
    return limit > 0 && this.#entries.size >= limit;
  }

  #makeRoom(): boolean {
    if (!this.#options.evicts) return false;
    for (const accountKey of this.#entries.keys()) {
      rmSync(this.#pathOf(accountKey), { force: true });
      this.#untrack(accountKey);
      break;
    }
    return true;
  }

  #track(accountKey: string, jwt: string): void {
    this.#untrack(accountKey);
    const hash = hashOf(jwt);
    this.#entries.set(accountKey, { hash, expiresAtMs: this.#expiryOf(jwt) });
    this.#addToHash(hash);
  }

  #untrack(accountKey: string): void {
    const entry = this.#entries.get(accountKey);
    if (entry === undefined) return;
    this.#entries.delete(accountKey);
    this.#addToHash(entry.hash); // added twice is not there
  }

  /** Puts the entry behind all others, and begins its time anew. */
  #touch(accountKey: string): void {
    const entry = this.#entries.get(accountKey);
    if (entry === undefined) return;
    const { ttlMs, nowMs } = this.#options;
    this.#entries.delete(accountKey);
    this.#entries.set(accountKey, ttlMs === 0 ? entry : { ...entry, expiresAtMs: nowMs() + ttlMs });
  }

  #expiryOf(jwt: string): number {
    const { ttlMs, nowMs } = this.#options;
    if (ttlMs > 0) return nowMs() + ttlMs;
    const expiresAtS = peekExpiry(jwt);
    return expiresAtS > 0 ? expiresAtS * 1000 : Number.POSITIVE_INFINITY;
  }

  #addToHash(hash: Uint8Array): void {
    for (const [index, byte] of hash.entries()) this.#hash[index]! ^= byte;
  }

  /** Every token in the folder. Files that cannot be read, or are named after no key, are left alone. */
  *#files(): Generator<{ readonly accountKey: string; readonly jwt: string }> {
    const { dir } = this.#options;
    for (const name of readdirSync(dir).sort()) {
      const accountKey = name.slice(0, -EXTENSION.length);
      if (!name.endsWith(EXTENSION) || !isKey(accountKey)) continue;
      const jwt = readIfThere(join(dir, name));
      if (jwt !== undefined) yield { accountKey, jwt };
    }
  }

  #pathOf(accountKey: string): string {
    return join(this.#options.dir, accountKey + EXTENSION);
  }
}

/** A key names a file, so it must be nothing but a key. */
function isKey(text: string): boolean {
  return isPublicKey(text, "any");
}

/** A crash leaves the old file or the new one, not half of it. */
function writeWhole(path: string, text: string): void {
  const draft = `${path}.draft`;
  writeFileSync(draft, text, { mode: FILE_MODE });
  renameSync(draft, path);
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

function hashOf(jwt: string): Uint8Array {
  return sha256(new TextEncoder().encode(jwt));
}

function isSameHash(a: Uint8Array, b: Uint8Array): boolean {
  return a.every((byte, index) => byte === b[index]);
}

/** `exp` of a token, Unix seconds; 0 for none. Nothing is verified: a whole folder is read at start. */
function peekExpiry(jwt: string): number {
  const decoded = decodeBase64Url(jwt.split(".")[1] ?? "");
  if (!decoded.ok) return 0;
  try {
    const { exp } = JSON.parse(new TextDecoder().decode(decoded.bytes)) as { exp?: unknown };
    return typeof exp === "number" ? exp : 0;
  } catch {
    return 0;
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && (error as NodeJS.ErrnoException).code === "ENOENT";
}
