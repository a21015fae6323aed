import { afterAll, beforeAll, test } from "bun:test";
import { type ServerOptions, ServerProcess } from "./server_process.ts";

/** Upper bound for one row on a loaded machine; the deadlines inside give the message that helps. */
const ROW_LIMIT_MS = 60_000;

/** One row of the specification: a test whose name starts with its section. */
export function row(name: string, body: () => Promise<void> | void): void {
  test(name, body, ROW_LIMIT_MS);
}

/** Rows that mostly wait for timers: all start together, each reports under its own name. */
export function rowsInParallel(rows: Record<string, () => Promise<void>>): void {
  let outcomes: Map<string, Promise<unknown>> | undefined;
  for (const name of Object.keys(rows)) {
    test(
      name,
      async () => {
        outcomes ??= new Map(
          Object.entries(rows).map(([each, body]) => [
            each,
            body().then(
              () => undefined,
              (error: unknown) => error,
            ),
          ]),
        );
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
