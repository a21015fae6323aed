import { loadConfigFile } from "../config/load.ts";
import { findTlsFileProblem } from "../runtime/tls_files.ts";
import { checkAccounts } from "../server/settings/load_accounts.ts";

/** `-t`: says whether a configuration file could be used, warnings included; returns the exit code. */
export function testConfig(file: string): number {
  const loaded = checkAccounts(loadConfigFile(file));
  const fileProblem = loaded.ok && loaded.options.tls ? findTlsFileProblem(loaded.options.tls) : undefined;
  if (fileProblem !== undefined) {
    console.error(`nats-server: ${fileProblem}`);
    return 1;
  }
  const lines = loaded.ok ? loaded.warnings : loaded.lines;
  if (!loaded.ok || lines.length > 0) {
    console.error(`nats-server: ${lines.join("\n")}`);
    return 1;
  }
  console.error(`nats-server: configuration file ${file} is valid (${loaded.digest})`);
  return 0;
}
