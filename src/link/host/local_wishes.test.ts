import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { StreamImport } from "../../account/definition.ts";
import { EntryView } from "../../interest/entry_view.ts";
import { createInterestIndex } from "../../interest/interest_index.ts";
import { journaledRegion } from "../../interest/testing/journaled_region.ts";
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
  const index = createInterestIndex(journaledRegion(INDEX_BYTES), { hashSeed: [1, 2, 3, 4] });
  const accounts = new ShardAccounts([], undefined);
  /** Defines both accounts, one of which imports with these prefixes. */
  const define = (name: string, prefixes: readonly string[]) => {
    const importer = { ...accountDefinition(IMPORTER, name), streamImports: prefixes.map(streamImport) };
    accounts.configure([importer, accountDefinition(EXPORTER, "OUT")], undefined);
  };
  define("IN", []);
  const told: string[] = [];
  /** The state of the ledger, which does not tell anything twice. */
  const wanted = new Map<string, number>();
  let isAlready = false;
  /** What was told as interest from before there were links. */
  const already: string[] = [];
  const wishes = new LocalWishes(index, LINKS, accounts, {
    wantedAlready: (tell) => {
      isAlready = true;
      tell();
      isAlready = false;
    },
    wantsHere: (tag, { account, subject, queue }, weight) => {
      const name = `${tag} ${account} ${subject}${queue && ` ${queue}`}`;
      if (wanted.get(name) !== weight) told.push(`${name} ${weight}`);
      wanted.set(name, weight);
      if (isAlready) already.push(name);
    },
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
  /** The current interest, after all news. */
  const state = () =>
    [...wanted].flatMap(([name, weight]) => (weight === 0 ? [] : [`${name} ${weight}`])).sort();
  return { index, wishes, define, plain, member, news, state, already };
}

const SUBJECTS = ["a", "b", "in.orders.x"];
const OTHER_SHARD = 5;

/** The number of plain and queue subscriptions, by node and subject. */
class Truth {
  readonly #counts = new Map<string, number>();
  readonly #isImporting: boolean;

  constructor(isImporting: boolean) {
    this.#isImporting = isImporting;
  }

  at(node: number, subject: string, queue: string): number {
    return this.#counts.get(`${node} ${subject} ${queue}`) ?? 0;
  }

  set(node: number, subject: string, queue: string, count: number): void {
    this.#counts.set(`${node} ${subject} ${queue}`, count);
  }

  /** What has to be told: the sum of all nodes, in the account and in the one whose stream it may import. */
  told(): string[] {
    const told: string[] = [];
    for (const subject of SUBJECTS) {
      for (const queue of ["", "q"]) {
        const members = this.at(SHARD, subject, queue) + this.at(OTHER_SHARD, subject, queue);
        if (members === 0) continue;
        const weight = queue === "" ? 1 : members;
        const name = queue === "" ? "" : ` ${queue}`;
        told.push(`own IN ${subject}${name} ${weight}`);
        if (this.#isImporting && subject.startsWith("in."))
          told.push(`imports OUT ${subject.slice(3)}${name} ${weight}`);
      }
    }
    return told.sort();
  }
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

  test("tells what is there at the start as wanted already, and what comes later as new", () => {
    const { wishes, define, plain, member, news, already } = setUp();
    define("IN", ["in"]);
    plain("_INBOX.a.*");
    member("in.orders.x", "workers");
    wishes.start();
    plain("_INBOX.b.*");
    expect([already.sort(), news()].map((names) => names.length)).toEqual([3, 4]);
    expect(already).toEqual([
      "imports OUT orders.x workers",
      "own IN _INBOX.a.*",
      "own IN in.orders.x workers",
    ]);
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

  test("what has moved to an entry that the journal has before its old one stays told", () => {
    const { index, wishes, plain, member, news } = setUp();
    wishes.start();
    const [first, second] = [plain("foo"), plain("bar")];
    member("bar", "workers");
    news();
    index.removePlain(SHARD, first);
    index.removePlain(SHARD, second);
    index.removeQueue(SHARD, second, index.lastQueueId, 1);
    expect(plain("baz")).toBe(second);
    expect(plain("bar")).toBe(first);
    expect(news()).toEqual(["own IN bar workers 0", "own IN baz 1", "own IN foo 0"]);
    index.removePlain(SHARD, first);
    expect(news()).toEqual(["own IN bar 0"]);
  });

  test("has told what there is, whatever has come, gone and moved to other entries between two looks", () => {
    const change = fc.record({
      subject: fc.constantFrom(...SUBJECTS),
      node: fc.constantFrom(SHARD, SHARD, OTHER_SHARD),
      queue: fc.constantFrom("", "", "q"),
      isMore: fc.boolean(),
    });
    const looks = fc.array(fc.array(change, { maxLength: 16 }), { maxLength: 8 });
    const property = fc.property(fc.boolean(), looks, (isImporting, changesOfLooks) => {
      const { index, wishes, define, plain, member, news, state } = setUp();
      if (isImporting) define("IN", ["in"]);
      const truth = new Truth(isImporting);
      const view = new EntryView();
      wishes.start();
      for (const changes of changesOfLooks) {
        for (const { subject, node, queue, isMore } of changes) {
          const count = truth.at(node, subject, queue);
          if (count > 0 && !(isMore && queue !== "")) {
            const bytes = bytesOf(subject);
            const entry = index.find(IMPORTER, bytes, 0, bytes.length);
            index.read(entry, view);
            if (queue === "") index.removePlain(node, entry);
            else index.removeQueue(node, entry, view.queueIds[0]!, count);
            truth.set(node, subject, queue, 0);
          } else {
            if (queue === "") plain(subject, node);
            else member(subject, queue, 1, node);
            truth.set(node, subject, queue, count + 1);
          }
        }
        news();
        expect(state()).toEqual(truth.told());
      }
    });
    fc.assert(property, { numRuns: 300 });
  });

  test("tells the exporter's account of what is imported, once for all that amounts to it", () => {
    const { index, wishes, define, plain, news } = setUp();
    define("IN", ["a", "b"]);
    wishes.start();
    const first = plain("a.orders.new");
    expect(news()).toEqual(["imports OUT orders.new 1", "own IN a.orders.new 1"]);
    plain("b.orders.new");
    expect(news()).toEqual(["own IN b.orders.new 1"]);
    index.removePlain(SHARD, first);
    expect(news()).toEqual(["own IN a.orders.new 0"]);
  });

  test("when imports change, an account's own interest goes on", () => {
    const { wishes, define, plain, news } = setUp();
    wishes.start();
    plain("a.orders.new");
    news();
    define("IN", ["a"]);
    wishes.accountsChanged(new Set([IMPORTER]));
    expect(news()).toEqual(["imports OUT orders.new 1"]);
    define("IN", []);
    wishes.accountsChanged(new Set([IMPORTER]));
    expect(news()).toEqual(["imports OUT orders.new 0"]);
  });

  test("what was told under an account's old name is told under its new one", () => {
    const { wishes, define, plain, news } = setUp();
    wishes.start();
    plain("foo");
    news();
    define("RENAMED", []);
    wishes.accountsChanged(new Set([IMPORTER]));
    expect(news()).toEqual(["own IN foo 0", "own RENAMED foo 1"]);
  });
});
