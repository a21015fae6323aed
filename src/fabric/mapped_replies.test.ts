import { describe, expect, test } from "bun:test";
import { createEngine, type Engine } from "../engine/engine.ts";
import { NO_HOST } from "../engine/no_host.ts";
import {
  AREA_NOW_MS,
  MAPPED_REPLY_MS,
  MAPPED_REPLY_SPARE_MS,
  REPLIES_LOG_BYTES,
  REPLY_LENGTH,
  REPLY_TEXT,
} from "../memory/layout.ts";
import { NODE_SHARD_FIRST, SCRATCH_BYTES } from "../memory/map.ts";
import { createSharedMemory } from "../memory/shared_memory.ts";
import { byteStringOf, bytesOf } from "../subject/byte_string.ts";
import { MappedReplies } from "./mapped_replies.ts";

const PREFIX = "_GR_.u4xB6R.U18XED.";
const ACCOUNT = 7;
const LIFE_MS = MAPPED_REPLY_MS + MAPPED_REPLY_SPARE_MS;

/** A links' thread, which remembers replies, and a shard, which asks for them. */
function setUp() {
  const shared = createSharedMemory(1, new Uint32Array([1, 2, 3, 4]), true);
  const { bytes, words, map } = shared;
  const engineOf = (node: number) => createEngine(shared.memory, map.area(node).area, NO_HOST);
  const links = engineOf(map.linksNode);
  const shard = engineOf(NODE_SHARD_FIRST);
  const replies = new MappedReplies(shared, shard, NODE_SHARD_FIRST);
  const linksArea = map.area(map.linksNode);
  const at = linksArea.scratch + SCRATCH_BYTES - 65536;
  const put = (text: string) => {
    bytes.set(bytesOf(text), at);
    return [at, text.length] as const;
  };
  const setTime = (ms: number) => {
    words[(linksArea.area + AREA_NOW_MS) >> 2] = ms;
  };
  setTime(1);
  return {
    links,
    setTime,
    put,
    replies,
    remember: (mapped: string, account = ACCOUNT) => links.remember(account, ...put(mapped)),
    has: (subject: string, account = ACCOUNT) => replies.has(account, bytesOf(subject), 0, subject.length),
    /** The mapped reply that an engine finds for a subject. */
    recall: (subject: string, engine: Engine = links) => {
      const entry = engine.recall(ACCOUNT, ...put(subject));
      if (entry === 0) return null;
      const text = entry + REPLY_TEXT;
      return byteStringOf(bytes, text, text + words[(entry + REPLY_LENGTH) >> 2]!);
    },
    isStale: () => Atomics.load(words, replies.generationAddress >> 2) !== replies.generation,
  };
}

describe("mapped replies", () => {
  test("are known to all threads by account and reply", () => {
    const { remember, has, recall } = setUp();
    expect(has("inbox.1")).toBe(false);
    remember(`${PREFIX}inbox.1`);
    expect(has("inbox.1")).toBe(true);
    expect(has("inbox.1", 8)).toBe(false);
    for (const other of ["inbox.2", "inbox.", "inbox.11", "nbox.1"]) expect(has(other)).toBe(false);
    expect(recall("inbox.1")).toBe(`${PREFIX}inbox.1`);
  });

  test("the newest mapping of a reply counts", () => {
    const { links, remember, recall, setTime } = setUp();
    remember(`${PREFIX}inbox.1`);
    setTime(10);
    remember("_GR_.F2cAWZ.U18XED.inbox.1");
    expect(recall("inbox.1")).toBe("_GR_.F2cAWZ.U18XED.inbox.1");
    setTime(1 + LIFE_MS);
    links.forgetOver();
    expect(recall("inbox.1")).toBe("_GR_.F2cAWZ.U18XED.inbox.1");
    setTime(10 + LIFE_MS);
    links.forgetOver();
    expect(recall("inbox.1")).toBe(null);
  });

  test("one that comes again and again is entered as often as it takes to know it for two seconds", () => {
    const { links, remember, recall, has, isStale, setTime } = setUp();
    for (let ms = 1; ms <= 10_000; ms++) {
      setTime(ms);
      remember(`${PREFIX}inbox.1`);
    }
    expect(has("inbox.1")).toBe(true);
    remember(`${PREFIX}inbox.1`);
    expect(isStale()).toBe(false);
    setTime(10_000 + MAPPED_REPLY_MS - 1);
    links.forgetOver();
    expect(recall("inbox.1")).toBe(`${PREFIX}inbox.1`);
    setTime(10_000 + LIFE_MS);
    links.forgetOver();
    expect(recall("inbox.1")).toBe(null);
  });

  test("are over after two seconds and a little, and then forgotten everywhere at once", () => {
    const { links, remember, has, recall, setTime } = setUp();
    remember(`${PREFIX}inbox.1`);
    setTime(500);
    remember(`${PREFIX}inbox.2`);
    setTime(1 + LIFE_MS);
    // A shard that finds it relies on the links' thread to find it too.
    expect([has("inbox.1"), recall("inbox.1")]).toEqual([true, `${PREFIX}inbox.1`]);
    expect(links.forgetOver()).toBe(1);
    expect([has("inbox.1"), recall("inbox.1")]).toEqual([false, null]);
    expect(has("inbox.2")).toBe(true);
    setTime(500 + LIFE_MS);
    expect(links.forgetOver()).toBe(0);
    expect(has("inbox.2")).toBe(false);
  });

  test("make what rests on them stale as they come and go", () => {
    const { links, remember, has, isStale, setTime } = setUp();
    expect(has("inbox.1")).toBe(false);
    expect(isStale()).toBe(false);
    remember(`${PREFIX}inbox.1`);
    expect(isStale()).toBe(true);
    expect(has("inbox.1")).toBe(true);
    expect(isStale()).toBe(false);
    setTime(1 + LIFE_MS);
    links.forgetOver();
    expect(isStale()).toBe(true);
  });

  test("the oldest make room where there is none, round and round", () => {
    const { remember, recall, setTime } = setUp();
    const length = 4000;
    const name = (i: number) => `inbox.${i}.`.padEnd(length, "x");
    const fit = Math.floor(REPLIES_LOG_BYTES / (length + 64));
    setTime(1);
    for (let i = 0; i < fit * 3; i++) {
      remember(PREFIX + name(i));
      expect(recall(name(i))).toBe(PREFIX + name(i));
      if (i >= fit / 2) expect(recall(name(i - Math.floor(fit / 2)))).not.toBe(null);
    }
    expect(recall(name(fit * 3 - fit - 100))).toBe(null);
  });

  test("subjects are young for two seconds after they were noted", () => {
    const { links, put, setTime } = setUp();
    const isYoung = (subject: string) => links.isYoung(...put(subject)) !== 0;
    expect(isYoung("inbox.1")).toBe(false);
    links.noteYoung(...put("inbox.1"));
    expect(isYoung("inbox.1")).toBe(true);
    expect(isYoung("inbox.2")).toBe(false);
    setTime(1 + MAPPED_REPLY_MS);
    expect(isYoung("inbox.1")).toBe(true);
    setTime(2 + MAPPED_REPLY_MS);
    expect(isYoung("inbox.1")).toBe(false);
  });
});
