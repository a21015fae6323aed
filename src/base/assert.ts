/** Thrown when the server finds its own state broken. A peer can never cause it. */
export class AssertionError extends Error {
  override name = "AssertionError";
}

/**
 * Stays on in production, because a server whose memory cannot be trusted must stop.
 * `message` is a constant, because a template literal costs even when the check passes.
 */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new AssertionError(message);
}
