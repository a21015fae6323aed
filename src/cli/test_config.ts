import { readFileSync } from "node:fs";
import { formatProblem } from "../config/config_tree.ts";
import { type LoadResult, loadConfigFile } from "../config/load.ts";
import { checkLoaded } from "../server/settings/check_loaded.ts";

/** `-t`: says whether a configuration file could be used, warnings included; returns the exit code. */
export async function testConfig(file: string): Promise<number> {
  const loaded = await checkOperators(checkLoaded(loadConfigFile(file)));
  const lines = loaded.ok ? loaded.warnings : loaded.lines;
  if (!loaded.ok || lines.length > 0) {
    console.error(`nats-server: ${lines.join("\n")}`);
    return 1;
  }
  console.error(`nats-server: configuration file ${file} is valid (${loaded.digest})`);
  return 0;
}

/** Checks what a server finds out when it verifies its operators. */
async function checkOperators(loaded: LoadResult): Promise<LoadResult> {
  if (!loaded.ok || loaded.options.operators.length === 0) return loaded;
  const { readOperators } = await import("../auth/operator_files.ts");
  const { operators } = loaded.options;
  const read = readOperators(operators, (path) => readFileSync(path, "utf8"));
  if (read.ok) return loaded;
  const line = formatProblem({ text: read.problem, at: loaded.places.get(operators) });
  return { ok: false, lines: [...loaded.warnings, line] };
}
