/** The lines of a header block between its version and its end. */
export function headerLines(block: string): string[] {
  return block
    .split("\r\n")
    .slice(1)
    .filter((line) => line !== "");
}
