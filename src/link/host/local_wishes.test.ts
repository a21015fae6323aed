import { describe, expect, test } from "bun:test";
import type { StreamImport } from "../../account/definition.ts";
import { createInterestIndex } from "../../interest/interest_index.ts";
import { journalBytes } from "../../interest/journal.ts";
import { ShardAccounts } from "../../shard/accounts.ts";
import { accountDefinition } from "../../shard/testing/shard_harness.ts";
import { bytesOf } from "../../subject/byte_string.ts";
import { LocalWishes } from "./local_wishes.ts";

const INDEX_BYTES = 4 << 20;
const LINKS = 4;
const SHARD = 3;
const [IMPORTER, EXPORTER] = [7, 8];

function streamImport(prefix: string): StreamImport {
  const [from, to] = ["orders.>", `${prefix}.orders.>`];
  return { exporter: EXPORTER, exporterName: "OUT", from, to, local: to, allowTrace: false };
}

function setUp() {
  const journal = { byteOffset: INDEX_BYTES, byteLength: (journalBytes(INDEX_BYTES) + 4095) & ~4095 };
  const buffer = new SharedArrayBuffer(INDEX_BYTES + journal.byteLength);
  const region = { buffer, byteOffset: 0, byteLength: INDEX_BYTES, journal };
  const index = createInterestIndex(region, { hashSeed: [1, 2, 3, 4] });
  const accounts = new ShardAccounts([], undefined);
  /** Defines both accounts, where one imports under these prefixes. */
  const define = (name: string, prefixes: readonly string[]) => {
    const importer = { ...accountDefinition(IMPORTER, name), streamImports: prefixes.map(streamImport) };
    accounts.configure([importer, accountDefinition(EXPORTER, "OUT")], undefined);
  };
  define("IN", []);
  const told: string[] = [];
  const wishes = new LocalWishes(index, LINKS, accounts, {
    wantsHere: (tag, { account, subject, queue }, weight) =>
      told.push(`${tag} ${account} ${subject}${queue && ` ${queue}`} ${weight}`),
  });
  const plain = (subject: string, node = SHARD) => {
    const bytes = bytesOf(subject);
    return index.addPlain(node, IMPORTER, bytes, 0, bytes.length);
  };
  const member = (subject: string, queue: string, members = 1, node = SHARD) => {
    const [bytes, name] = [bytesOf(subject), bytesOf(queue)];
    return index.addQueue(node, IMPORTER, bytes, 0, bytes.length, name, 0, name.length, members);
  };
  const news = () => {
    wishes.read();
    return told.splice(0).sort();
  };
  return { index, wishes, define, plain, member, news };
}

describe("LocalWishes", () => {
  test("tells of what there was before, and then of what changes", () => {
    const { index, wishes, plain, member, news } = setUp();
    plain("before");
    wishes.start();
    expect(news()).toEqual(["own IN before 1"]);
    const entry = plain("foo");
    member("foo", "workers", 2);
    expect(news()).toEqual(["own IN foo 1", "own IN foo workers 2"]);
    member("foo", "workers");
    expect(news()).toEqual(["own IN foo workers 3"]);
    index.removePlain(SHARD, entry);
    expect(news()).toEqual(["own IN foo 0"]);
    index.removeQueue(SHARD, entry, index.lastQueueId, 3);
    expect(news()).toEqual(["own IN foo workers 0"]);
  });

  test("says nothing of what the links themselves want", () => {
    const { wishes, plain, member, news } = setUp();
    wishes.start();
    plain("foo", LINKS);
    member("foo", "workers", 1, LINKS);
    expect(news()).toEqual([]);
  });

  test("says nothing of a subject that came and went meanwhile", () => {
    const { index, wishes, plain, news } = setUp();
    wishes.start();
    index.removePlain(SHARD, plain("foo"));
    expect(news()).toEqual([]);
  });

  test("tells the exporter's account of what is imported, once for all that amounts to it", () => {
    const { index, wishes, define, plain, news } = setUp();
    define("IN", ["a", "b"]);
    wishes.start();
    const first = plain("a.orders.new");
    expect(news()).toEqual(["imports OUT orders.new 1", "own IN a.orders.new 1"]);
    plain("b.orders.new");
    expect(news()).toEqual(["imports OUT orders.new 1", "own IN b.orders.new 1"]);
    index.removePlain(SHARD, first);
    expect(news()).toEqual(["imports OUT orders.new 1", "own IN a.orders.new 0"]);
  });

  test("when imports change, an account's own interest goes on", () => {
    const { wishes, define, plain, news } = setUp();
    wishes.start();
    plain("a.orders.new");
    news();
    define("IN", ["a"]);
    wishes.accountsChanged();
    expect(news()).toEqual(["imports OUT orders.new 1"]);
    define("IN", []);
    wishes.accountsChanged();
    expect(news()).toEqual(["imports OUT orders.new 0"]);
  });

  test("what was told under an account's old name is told under its new one", () => {
    const { wishes, define, plain, news } = setUp();
    wishes.start();
    plain("foo");
    news();
    define("RENAMED", []);
    wishes.accountsChanged();
    expect(news()).toEqual(["own IN foo 0", "own RENAMED foo 1"]);
  });
});
