import { ServerProcess } from "./server_process.ts";

/** Starts a server that must refuse to, with exit status 1; returns what it wrote on standard error. */
export async function startFailure(
  config: string,
  files: Readonly<Record<string, string>> = {},
): Promise<string> {
  const server = ServerProcess.spawn({ config, files });
  try {
    const exit = await server.waitForExit(20_000);
    if (exit.code !== 1) throw new Error(`exit status ${exit.code} instead of 1:\n${exit.stderr}`);
    return exit.stderr;
  } finally {
    await server.stop();
  }
}
