import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { backTo, type ServerState, serverState } from "../robustness/server_state.ts";
import { ServerProcess } from "../support/server_process.ts";
import { runFuzz } from "./fuzz_run.ts";
import { makeSession } from "./session.ts";

const LIMITS = { maxPayloadBytes: 256 * 1024, maxControlLineBytes: 4096 };
const SESSIONS = 3000;
const SEED = 1;
const LIMIT_MS = 120_000;

describe("makeSession()", () => {
  test("gives the same session for the same seed and number, and another for another", () => {
    for (let index = 0; index < 200; index++) {
      expect(makeSession(SEED, index, LIMITS)).toEqual(makeSession(SEED, index, LIMITS));
    }
    const texts = new Set<string>();
    for (let index = 0; index < 200; index++) texts.add(makeSession(SEED, index, LIMITS).pieces.join(""));
    for (let index = 0; index < 200; index++) texts.add(makeSession(SEED + 1, index, LIMITS).pieces.join(""));
    expect(texts.size).toBeGreaterThan(390);
  });

  test("makes valid, mutated, cut, split and large sessions", () => {
    const sessions = Array.from({ length: 2000 }, (_, index) => makeSession(SEED, index, LIMITS));
    expect(sessions.filter(({ isValid }) => isValid).length).toBeGreaterThan(50);
    expect(sessions.filter(({ ending }) => ending !== 0).length).toBeGreaterThan(50);
    expect(sessions.filter(({ pieces }) => pieces.length > 1).length).toBeGreaterThan(200);
    expect(sessions.filter(({ pieces }) => pieces.join("").length > 200_000).length).toBeGreaterThan(2);
  });
});

describe("a server under mutated sessions", () => {
  let server: ServerProcess;
  let before: ServerState;

  beforeAll(async () => {
    server = await ServerProcess.start({ config: "max_payload: 256KB", monitoring: true });
    before = await serverState(server);
  }, LIMIT_MS);
  afterAll(async () => {
    await server.stop();
  }, LIMIT_MS);

  test(
    "keeps serving everybody else and holds nothing afterwards",
    async () => {
      const report = await runFuzz({
        port: server.clientPort,
        seed: SEED,
        from: 0,
        sessions: SESSIONS,
        lanes: 24,
        witnesses: 3,
        boundMs: 20_000,
        limits: LIMITS,
      });
      expect(report.played).toBe(SESSIONS);
      expect(report.survived + report.refused + report.unfinished + report.cut).toBe(SESSIONS);
      // A generator gone wrong would have nearly all of them end alike.
      for (const count of [report.survived, report.refused, report.unfinished, report.cut]) {
        expect(count).toBeGreaterThan(SESSIONS / 100);
      }
      expect(report.witnessed).toBeGreaterThan(10);
      await backTo(before, server);
      expect(server.hasExited).toBe(false);
    },
    LIMIT_MS,
  );
});
