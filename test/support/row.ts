import { afterAll, beforeAll, test } from "bun:test";
import { type ServerOptions, ServerProcess } from "./server_process.ts";

/** Upper bound for one row on a loaded machine; the deadlines inside give the message that helps. */
const ROW_LIMIT_MS = 60_000;

/** What replaces the shared servers of the file that runs now, after a row failed. */
const renewals = new Set<() => Promise<void>>();

/**
 * One row of the specification: a test whose name starts with its section. After a failure the file's shared server is
 * replaced, so that a server that hangs or dies fails this row and not all that follow.
 */
export function row(name: string, body: () => Promise<void> | void): void {
  test(
    name,
    async () => {
      try {
        await body();
      } catch (error) {
        for (const renew of renewals) await renew();
        throw error;
      }
    },
    ROW_LIMIT_MS,
  );
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
  const renew = async () => {
    // What a stuck server has to say about stopping is not this row's failure.
    await server?.stop().catch(() => undefined);
    server = await ServerProcess.start(options);
  };
  beforeAll(async () => {
    server = await ServerProcess.start(options);
    renewals.add(renew);
  }, ROW_LIMIT_MS);
  afterAll(async () => {
    renewals.delete(renew);
    await server?.stop();
  }, ROW_LIMIT_MS);
  return () => {
    if (server === undefined) throw new Error("the shared server has not started");
    return server;
  };
}
