import { expect, test } from "bun:test";
import { createInterestIndex } from "./interest_index.ts";
import { NaiveInterest } from "./naive_interest.ts";
import type { StressReport, StressTask } from "./stress_worker.ts";

const ACCOUNT_ID = 5;
const THREAD_COUNT = 4;
const WASM_PAGE_BYTES = 65536;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

test("threads that add, remove and match at once see every match whole, and leave what the model says", async () => {
  const memory = new WebAssembly.Memory({ initial: 1024, maximum: 1024, shared: true });
  const region = {
    buffer: memory.buffer as unknown as SharedArrayBuffer,
    byteOffset: WASM_PAGE_BYTES,
    byteLength: 512 * WASM_PAGE_BYTES,
  };
  const index = createInterestIndex(region, { hashSeed: [11, 12, 13, 14] });
  const permanent = encoder.encode("s.>");
  const permanentEntryId = index.addPlain(0, ACCOUNT_ID, permanent, 0, permanent.length);
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
  const reports = await Promise.all(
    Array.from({ length: THREAD_COUNT }, (_, thread) =>
      runThread({
        region,
        node: thread + 1,
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
  expect(reports.map((report) => report.error)).toEqual(Array(THREAD_COUNT).fill(""));

  index.invariants();
  expect(index.lockOwner()).toBe(-1);
  expect(index.statistics().entries).toBeGreaterThan(THREAD_COUNT * 20_000);
  for (const [thread, { plain, members }] of reports.entries()) {
    for (const subject of plain) model.addPlain(thread + 1, ACCOUNT_ID, subject, 0);
    for (const member of members) model.addMember(member);
  }
  expect(dumpIndex()).toEqual(dumpModel());

  for (let thread = 0; thread < THREAD_COUNT; thread++) {
    index.removeNode(thread + 1);
    model.removeNode(thread + 1);
  }
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

function runThread(task: StressTask): Promise<StressReport> {
  const worker = new Worker(new URL("./stress_worker.ts", import.meta.url), { type: "module" });
  return new Promise((resolve, reject) => {
    worker.addEventListener("message", (event: MessageEvent<StressReport>) => {
      worker.terminate();
      resolve(event.data);
    });
    worker.addEventListener("error", (event) => reject(new Error(event.message)));
    worker.postMessage(task);
  });
}
