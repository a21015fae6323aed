import { writeFileSync } from "node:fs";
import { fileErrorText } from "../../base/error_text.ts";

const FILE_MODE = 0o600;

/**
 * Writes the process id, without a line end, over what the file held; it stays behind when the server
 * stops. Throws an error whose message is the text of the fatal log line when that fails.
 * Source: nats-server server/server.go, `logPid`.
 */
export function writePidFile(path: string, processId: number): void {
  try {
    writeFileSync(path, String(processId), { mode: FILE_MODE });
  } catch (error) {
    throw new Error(`Could not write pidfile: ${fileErrorText(error)}`);
  }
}
