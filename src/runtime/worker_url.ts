/** The address that the executable of `bun build --compile` gives every module bundled into its entry point. */
const INSIDE_BUN_EXECUTABLE = "file:///$bunfs/root/";

/**
 * Where the code of a kind of thread is: in `workers/` of the repository. An executable (`scripts/executable.ts`) holds
 * these files under their paths in the repository. In an executable of Deno, modules keep their own paths as well.
 */
export function workerUrl(file: "acceptor.ts" | "logins.ts" | "shard.ts"): URL {
  const root = import.meta.url.startsWith(INSIDE_BUN_EXECUTABLE) ? "." : "../..";
  return new URL(`${root}/workers/${file}`, import.meta.url);
}
