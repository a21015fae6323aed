import { writeFileSync } from "node:fs";
import { fileErrorText } from "../../base/error_text.ts";

const FILE_MODE = 0o600;

/**
 * Writes the process id, without a line end, over what the file held; it stays behind when the server stops. Returns what
 * failed, undefined for nothing. Source: nats-server server/server.go, `logPid`.
 */
export function writePidFile(path: string, processId: number): string | undefined {
  try {
    writeFileSync(path, String(processId), { mode: FILE_MODE });
    return undefined;
  } catch (error) {
    return fileErrorText(error);
  }
}
