import { afterEach, describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { KeyPair } from "../nkey.ts";
import { accountClaims, NOW_MS, NOW_S, sign } from "../testing/chain.ts";
import { JwtStore, type JwtStoreOptions } from "./jwt_store.ts";

const OPERATOR = KeyPair.create("operator");
const KEYS = Array.from({ length: 3 }, () => KeyPair.create("account")).sort((a, b) =>
  a.publicKey < b.publicKey ? -1 : 1,
);
const [A, B, C] = KEYS.map(({ publicKey }) => publicKey) as [string, string, string];

function tokenOf(index: number, parts: Parameters<typeof accountClaims>[1] = {}, ageS = 0): string {
  return sign(accountClaims(KEYS[index]!, parts), OPERATOR, ageS);
}

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

function makeFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "jwt-store-"));
  folders.push(folder);
  return folder;
}

/** A store with a clock that can be moved, and what it told. */
function openStore(parts: Partial<JwtStoreOptions> = {}) {
  const dir = parts.dir ?? join(makeFolder(), "jwt");
  const clock = { nowMs: NOW_MS };
  const told: string[] = [];
  const store = new JwtStore({
    dir,
    limit: 0,
    evicts: false,
    ttlMs: 0,
    deletes: "no",
    nowMs: () => clock.nowMs,
    ...parts,
  });
  store.watch({
    onChanged: (key) => told.push(`changed ${key}`),
    onDeleted: (key) => told.push(`deleted ${key}`),
  });
  return { store, dir, clock, told };
}

function xorOfHashes(...tokens: string[]): string {
  const xor = new Uint8Array(32);
  for (const token of tokens) {
    for (const [index, byte] of createHash("sha256").update(token).digest().entries()) xor[index]! ^= byte;
  }
  return hex(xor);
}

const hex = (bytes: Uint8Array) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

describe("JwtStore", () => {
  test("keeps a token in a file of its own, and nothing else in it", () => {
    const { store, dir, told } = openStore();
    expect(store.save(A, tokenOf(0))).toBeUndefined();
    expect(readdirSync(dir)).toEqual([`${A}.jwt`]);
    expect(readFileSync(join(dir, `${A}.jwt`), "utf8")).toBe(tokenOf(0));
    expect(store.load(A)).toEqual({ ok: true, jwt: tokenOf(0) });
    expect(told).toEqual([`changed ${A}`]);
  });

  test("says what is missing and what is no key", () => {
    const { store } = openStore();
    expect(store.load(A)).toMatchObject({ ok: false, isMissing: true });
    for (const key of ["", "../../etc/passwd", `${A}/../x`, A.toLowerCase()]) {
      expect(store.load(key)).toEqual({ ok: false, isMissing: false, problem: "invalid public key" });
      expect(store.save(key, tokenOf(0))).toBe("invalid public key");
      expect(store.saveIfNewer(key, tokenOf(0))).toBe("invalid public key");
    }
    expect(store.save(A, "")).toBe("invalid JWT");
  });

  test("hashes the tokens it holds, whatever happened before", () => {
    const { store } = openStore({ deletes: "remove" });
    expect(hex(store.hash())).toBe("00".repeat(32));
    store.save(A, tokenOf(0));
    store.save(B, tokenOf(1));
    expect(hex(store.hash())).toBe(xorOfHashes(tokenOf(0), tokenOf(1)));
    store.save(A, tokenOf(0, { name: "other" }));
    expect(hex(store.hash())).toBe(xorOfHashes(tokenOf(0, { name: "other" }), tokenOf(1)));
    store.delete(B);
    expect(hex(store.hash())).toBe(xorOfHashes(tokenOf(0, { name: "other" })));
  });

  test("finds again what it stored, and no drafts or deleted files", () => {
    const { store, dir } = openStore({ deletes: "rename" });
    store.save(A, tokenOf(0));
    store.save(B, tokenOf(1));
    store.delete(B);
    writeFileSync(join(dir, "notes.jwt"), "x");
    const { store: again } = openStore({ dir });
    expect(again.size).toBe(1);
    expect(hex(again.hash())).toBe(hex(store.hash()));
  });

  test("tells of a token only if it says something else", () => {
    const { store, told } = openStore();
    store.save(A, tokenOf(0));
    store.save(A, tokenOf(0));
    expect(told).toEqual([`changed ${A}`]);
  });

  test("merges what is newer and not what is older or the same", () => {
    const { store, told } = openStore();
    store.save(A, tokenOf(0, {}, 10));
    expect(store.merge(`${A}|${tokenOf(0, { name: "older" }, 20)}\n\n${B}|${tokenOf(1)}`)).toBeUndefined();
    expect(store.load(A)).toMatchObject({ jwt: tokenOf(0, {}, 10) });
    expect(store.merge(`${A}|${tokenOf(0, { name: "newer" })}`)).toBeUndefined();
    expect(store.load(A)).toMatchObject({ jwt: tokenOf(0, { name: "newer" }) });
    expect(told).toEqual([`changed ${A}`, `changed ${B}`, `changed ${A}`]);
  });

  test("refuses packs that are none", () => {
    const { store } = openStore();
    expect(store.merge("no bar")).toBe(`line in package didn't contain 2 entries: "no bar"`);
    expect(store.merge("a|b|c")).toBe(`line in package didn't contain 2 entries: "a|b|c"`);
    expect(store.merge(`${KeyPair.create("user").publicKey}|x`)).toBe(
      "key to merge is not a valid public account key",
    );
    store.save(A, tokenOf(0, {}, 10));
    expect(store.merge(`${A}|${tokenOf(1)}`)).toBe("jwt subject nkey and provided nkey do not match");
    expect(store.merge(`${A}|rubbish`)).toBe("expected 3 chunks");
  });

  test("packs what has not expired, in the order of the files", () => {
    const { store, clock } = openStore();
    store.save(B, tokenOf(1));
    store.save(A, tokenOf(0, { expiresAtSeconds: NOW_S + 5 }));
    expect(Array.from(store.pack(), ({ line }) => line)).toEqual([
      `${A}|${tokenOf(0, { expiresAtSeconds: NOW_S + 5 })}`,
      `${B}|${tokenOf(1)}`,
    ]);
    clock.nowMs += 6000;
    expect(Array.from(store.pack(), ({ accountKey }) => accountKey)).toEqual([B]);
  });

  test("refuses one more than its limit, but not another version", () => {
    const { store } = openStore({ limit: 2 });
    store.save(A, tokenOf(0));
    store.save(B, tokenOf(1));
    expect(store.save(C, tokenOf(2))).toBe("jwt store is full");
    expect(store.save(A, tokenOf(0, { name: "other" }))).toBeUndefined();
  });

  test("makes room by what was not used for longest, as a cache", () => {
    const { store, dir, told } = openStore({ limit: 2, evicts: true });
    store.save(A, tokenOf(0));
    store.save(B, tokenOf(1));
    store.load(A);
    expect(store.save(C, tokenOf(2))).toBeUndefined();
    expect(readdirSync(dir).sort()).toEqual([`${A}.jwt`, `${C}.jwt`].sort());
    expect(told.some((line) => line.startsWith("deleted"))).toBe(false);
  });

  test("deletes as it is told: not, by another name, or for good", () => {
    const refusing = openStore();
    expect(refusing.store.delete(A)).toBe("store is not set up to for delete");
    const renaming = openStore({ deletes: "rename" });
    renaming.store.save(A, tokenOf(0));
    expect(renaming.store.delete(A)).toBeUndefined();
    expect(renaming.store.delete(A)).toBeUndefined();
    expect(renaming.told).toEqual([`changed ${A}`, `deleted ${A}`]);
    expect(readdirSync(renaming.dir)).toEqual([`${A}.jwt.deleted`]);
    const removing = openStore({ deletes: "remove" });
    removing.store.save(A, tokenOf(0));
    removing.store.delete(A);
    expect(readdirSync(removing.dir)).toEqual([]);
    expect(removing.store.has(A)).toBe(false);
  });

  test("forgets tokens whose time is over", () => {
    const { store, dir, clock } = openStore();
    store.save(A, tokenOf(0, { expiresAtSeconds: NOW_S + 5 }));
    store.save(B, tokenOf(1));
    clock.nowMs += 4000;
    store.removeExpired();
    expect(store.size).toBe(2);
    clock.nowMs += 1000;
    store.removeExpired();
    expect(readdirSync(dir)).toEqual([`${B}.jwt`]);
    expect(hex(store.hash())).toBe(xorOfHashes(tokenOf(1)));
    expect(store.checkIntervalMs).toBe(60_000);
  });

  test("forgets what was not used for its time to live, whatever the token says", () => {
    const { store, dir, clock } = openStore({ ttlMs: 10_000 });
    expect(store.checkIntervalMs).toBe(5000);
    store.save(A, tokenOf(0, { expiresAtSeconds: NOW_S + 1 }));
    store.save(B, tokenOf(1));
    clock.nowMs += 9000;
    store.load(A);
    clock.nowMs += 1000;
    store.removeExpired();
    expect(readdirSync(dir)).toEqual([`${A}.jwt`]);
  });

  test("reads the folder again and tells what changed", () => {
    const { store, dir, told } = openStore();
    store.save(A, tokenOf(0));
    store.save(B, tokenOf(1));
    told.length = 0;
    writeFileSync(join(dir, `${A}.jwt`), tokenOf(0, { name: "other" }));
    writeFileSync(join(dir, `${C}.jwt`), tokenOf(2));
    store.reload();
    expect(told).toEqual([`changed ${A}`, `changed ${C}`]);
    expect(hex(store.hash())).toBe(xorOfHashes(tokenOf(0, { name: "other" }), tokenOf(1), tokenOf(2)));
  });

  test("refuses a file where the folder should be", () => {
    const file = join(makeFolder(), "file");
    writeFileSync(file, "");
    expect(() => openStore({ dir: file })).toThrow();
    expect(existsSync(file)).toBe(true);
  });
});
