import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Exit, runToExit } from "./server_process.ts";

/** What `-t` said about a configuration. */
export interface ConfigCheck extends Exit {
  /** Path of the main file, as the server was given it. */
  readonly path: string;
  /** The 64 hexadecimal digits that the server prints for a valid file. */
  readonly digest: string | undefined;
}

/** Writes the main file, and others by name beside it, runs `-t` on it and removes them. */
export async function checkConfig(
  text: string,
  others: Record<string, string> = {},
  environment: Record<string, string> = {},
): Promise<ConfigCheck> {
  const directory = mkdtempSync(join(tmpdir(), "midge-config-"));
  const path = join(directory, "main.conf");
  for (const [name, content] of Object.entries({ ...others, "main.conf": text })) {
    writeFileSync(join(directory, name), content.replaceAll("DIRECTORY", directory));
  }
  try {
    const exit = await runToExit({ flags: ["-t", "-c", path], environment });
    return { ...exit, path, digest: /\(sha256:([0-9a-f]{64})\)/.exec(exit.stderr)?.[1] };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/**
 * The digest nats-server prints for a configuration whose parsed form is `json`: SHA-256 over its JSON with sorted
 * keys, `<`, `>` and `&` escaped, and a newline. `json` is text, so that numbers beyond 2^53 can be written.
 */
export function configDigest(json: string): string {
  return createHash("sha256")
    .update(`${json.replaceAll("<", "\\u003c").replaceAll(">", "\\u003e").replaceAll("&", "\\u0026")}\n`)
    .digest("hex");
}
