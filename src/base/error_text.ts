/** The text of whatever was thrown. */
export function errorText(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The same for a file that cannot be opened, in Go's form: `open x.log: no such file or directory`. */
export function fileErrorText(error: unknown): string {
  const text = errorText(error);
  const [, reason, path] = /^[A-Z]+: (.*), open '(.*)'$/s.exec(text) ?? [];
  if (reason === undefined) return text;
  return `open ${path}: ${reason === "illegal operation on a directory" ? "is a directory" : reason}`;
}
