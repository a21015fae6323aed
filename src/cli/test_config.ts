import { readFileSync } from "node:fs";
import { formatProblem } from "../config/config_tree.ts";
import { type LoadResult, loadConfigFile } from "../config/load.ts";
import { checkLoaded } from "../server/settings/check_loaded.ts";

/** `-t`: says whether a configuration file could be used, warnings included; returns the exit code. */
export async function testConfig(file: string): Promise<number> {
  const loaded = await checkTokens(checkLoaded(loadConfigFile(file)));
  const lines = loaded.ok ? loaded.warnings : loaded.lines;
  if (!loaded.ok || lines.length > 0) {
    console.error(`nats-server: ${lines.join("\n")}`);
    return 1;
  }
  console.error(`nats-server: configuration file ${file} is valid (${loaded.digest})`);
  return 0;
}

/** Checks what a server finds out when it verifies its operators and the accounts it preloads. */
async function checkTokens(loaded: LoadResult): Promise<LoadResult> {
  if (!loaded.ok) return loaded;
  const { operators, resolverPreload } = loaded.options;
  if (operators.length === 0 && resolverPreload.size === 0) return loaded;
  const { readOperators } = await import("../auth/operator_files.ts");
  const { findTokenProblem } = await import("../auth/resolver/open_resolver.ts");
  const read = readOperators(operators, (path) => readFileSync(path, "utf8"));
  const text = read.ok ? findTokenProblem(resolverPreload) : read.problem;
  if (text === undefined) return loaded;
  const line = formatProblem({ text, at: loaded.places.get(read.ok ? resolverPreload : operators) });
  return { ok: false, lines: [...loaded.warnings, line] };
}
