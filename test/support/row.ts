import { afterAll, beforeAll, test } from "bun:test";
import { type ServerOptions, ServerProcess } from "./server_process.ts";

/** Upper bound for one row on a loaded machine; the deadlines inside give the message that helps. */
const ROW_LIMIT_MS = 60_000;

/** One row of the specification: a test whose name starts with its section. */
export function row(name: string, body: () => Promise<void> | void): void {
  test(name, body, ROW_LIMIT_MS);
}

/**
 * Rows that mostly wait, for timers or for processes: they start together, at most `atOnce` running, and each reports
 * under its own name.
 */
export function rowsInParallel(rows: Record<string, () => Promise<void>>, atOnce = 64): void {
  const outcomes = new Map<string, Promise<unknown>>();
  const startAll = () => {
    const running: Promise<unknown>[] = [];
    for (const [name, body] of Object.entries(rows)) {
      // The row that must end before this one starts.
      const before = running.at(-atOnce) ?? Promise.resolve();
      const outcome = before.then(body).then(
        () => undefined,
        (error: unknown) => error ?? new Error("the row failed"),
      );
      running.push(outcome);
      outcomes.set(name, outcome);
    }
  };
  for (const name of Object.keys(rows)) {
    test(
      name,
      async () => {
        if (outcomes.size === 0) startAll();
        const failure = await outcomes.get(name);
        if (failure !== undefined) throw failure;
      },
      ROW_LIMIT_MS,
    );
  }
}

/** Starts one server for all tests of the surrounding file or `describe`; call the result for the server. */
export function sharedServer(options: ServerOptions = {}): () => ServerProcess {
  let server: ServerProcess | undefined;
  beforeAll(async () => {
    server = await ServerProcess.start(options);
  }, ROW_LIMIT_MS);
  afterAll(async () => {
    await server?.stop();
  }, ROW_LIMIT_MS);
  return () => {
    if (server === undefined) throw new Error("the shared server has not started");
    return server;
  };
}
