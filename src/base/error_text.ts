/** What was thrown says of itself. */
export function errorText(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The same of a file that cannot be opened, as Go has it: `open x.log: no such file or directory`. */
export function fileErrorText(error: unknown): string {
  const text = errorText(error);
  const [, reason, path] = /^[A-Z]+: (.*), open '(.*)'$/s.exec(text) ?? [];
  if (reason === undefined) return text;
  return `open ${path}: ${reason === "illegal operation on a directory" ? "is a directory" : reason}`;
}
