import { expect, test } from "bun:test";
import { NODE_FAR } from "../memory/map.ts";
import { EntryView } from "./entry_view.ts";
import type { InterestIndex } from "./interest_index.ts";
import type { InterestJournal } from "./journal.ts";
import { createInspectedIndex } from "./testing/inspected_index.ts";
import { NaiveInterest } from "./testing/naive_interest.ts";
import type { StressReport, StressTask } from "./testing/stress_worker.ts";

const ACCOUNT_ID = 5;
/** The nodes of the threads. The last two hold the interest of other servers. */
const NODES = [1, 2, 3, NODE_FAR];
const LINKS = 3;
const THREAD_COUNT = NODES.length;
const WASM_PAGE_BYTES = 65536;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

test("threads that add, remove and match at once see every match whole, and leave what the model says", async () => {
  const memory = new WebAssembly.Memory({ initial: 1024, maximum: 1024, shared: true });
  const region = {
    buffer: memory.buffer as unknown as SharedArrayBuffer,
    byteOffset: WASM_PAGE_BYTES,
    byteLength: 512 * WASM_PAGE_BYTES,
    journal: { byteOffset: 513 * WASM_PAGE_BYTES, byteLength: 128 * WASM_PAGE_BYTES },
  };
  const index = createInspectedIndex(region, { hashSeed: [11, 12, 13, 14] });
  const permanent = encoder.encode("s.>");
  const permanentEntryId = index.addPlain(0, ACCOUNT_ID, permanent, 0, permanent.length);
  const follower = new Follower(index, LINKS);
  const model = new NaiveInterest();
  model.addPlain(0, ACCOUNT_ID, "s.>", permanentEntryId);

  const published = ["s.a", "s.b", "s.a.b", "s.a.c", "s.b.b", "s.long-token-of-the-trie.b"];
  const subjects = [
    ...published,
    "s.*",
    "s.*.b",
    "s.a.*",
    "*.a",
    "s.a.>",
    "s.*.>",
    "*.long-token-of-the-trie.*",
  ];
  const running = Promise.all(
    Array.from({ length: THREAD_COUNT }, (_, thread) =>
      runThread({
        region,
        node: NODES[thread]!,
        accountId: ACCOUNT_ID,
        roundCount: 8000,
        subjects,
        published,
        permanentEntryId,
        neverMatched: "t.never",
        growthCount: 20_000,
      }),
    ),
  );
  let isRunning = true;
  const ended = running.finally(() => {
    isRunning = false;
  });
  for (; isRunning; await new Promise((resolve) => setTimeout(resolve, 0))) follower.follow();
  const reports = await ended;
  follower.follow();
  expect(follower.followed).toBeGreaterThan(2 * 20_000);
  expect(follower.picture).toEqual(follower.truth());
  expect(reports.map((report) => report.error)).toEqual(Array(THREAD_COUNT).fill(""));

  index.invariants();
  expect(index.lockOwner()).toBe(-1);
  expect(index.statistics().entries).toBeGreaterThan(THREAD_COUNT * 20_000);
  for (const [thread, { plain, members }] of reports.entries()) {
    for (const subject of plain) model.addPlain(NODES[thread]!, ACCOUNT_ID, subject, 0);
    for (const member of members) model.addMember(member);
  }
  expect(dumpIndex()).toEqual(dumpModel());

  for (const node of NODES) {
    index.removeNode(node);
    model.removeNode(node);
  }
  follower.follow();
  expect(follower.picture).toEqual(new Map([[permanentEntryId, `${ACCOUNT_ID} s.> 1`]]));
  index.invariants();
  expect(index.statistics().entries).toBe(1);
  expect(dumpIndex()).toEqual(dumpModel());

  function dumpIndex(): string[] {
    const lines: string[] = [];
    index.forEachEntry(({ accountId, subject, plainNodes, members }) => {
      if (accountId !== ACCOUNT_ID) return;
      const counts = members.map(
        ({ queue, filter, node, members }) =>
          `${decoder.decode(queue)}|${decoder.decode(filter)}|${node}=${members}`,
      );
      lines.push(`${decoder.decode(subject)} ${plainNodes} ${counts.sort().join()}`);
    });
    return lines.sort();
  }

  function dumpModel(): string[] {
    return [...model.entries.values()]
      .map(({ subject, nodes, members }) => {
        const plainNodes = [...nodes].reduce((bits, node) => bits | (1 << node), 0);
        const counts = [...members].map(([key, count]) => `${key}=${count}`);
        return `${subject} ${plainNodes} ${counts.sort().join()}`;
      })
      .sort();
  }
}, 60_000);

/** Keeps a picture of the interest of all nodes but that of links, from the journal alone. */
class Follower {
  /** By entry id: account, subject, plain nodes, members of queues. */
  readonly picture = new Map<number, string>();
  followed = 0;
  readonly #index: InterestIndex;
  readonly #journal: InterestJournal;
  readonly #ignored: number;
  readonly #view = new EntryView();

  constructor(index: InterestIndex, links: number) {
    this.#index = index;
    this.#journal = index.journal!;
    this.#ignored = (1 << links) | (1 << NODE_FAR);
    this.#journal.enable(links);
    this.#readAll(this.picture);
  }

  follow(): void {
    this.followed += this.#journal.take((entryId) => this.#read(entryId, this.picture));
  }

  truth(): Map<number, string> {
    const picture = new Map<number, string>();
    this.#readAll(picture);
    return picture;
  }

  #readAll(picture: Map<number, string>): void {
    for (let id = 0; id < this.#index.entryIdEnd; id++) this.#read(id, picture);
  }

  #read(entryId: number, picture: Map<number, string>): void {
    const view = this.#view;
    picture.delete(entryId);
    if (!this.#index.read(entryId, view)) return;
    const plainNodes = view.plainNodes & ~this.#ignored;
    const members: string[] = [];
    for (let at = 0; at < view.memberCount; at++) {
      if ((this.#ignored & (1 << view.nodes[at]!)) !== 0) continue;
      members.push(`${view.queues[at]} ${view.nodes[at]}=${view.members[at]}`);
    }
    if (plainNodes === 0 && members.length === 0) return;
    picture.set(entryId, [view.accountId, view.subject, plainNodes, ...members.sort()].join(" "));
  }
}

function runThread(task: StressTask): Promise<StressReport> {
  const worker = new Worker(new URL("./testing/stress_worker.ts", import.meta.url), { type: "module" });
  return new Promise((resolve, reject) => {
    worker.addEventListener("message", (event: MessageEvent<StressReport>) => {
      worker.terminate();
      resolve(event.data);
    });
    worker.addEventListener("error", (event) => reject(new Error(event.message)));
    worker.postMessage(task);
  });
}
