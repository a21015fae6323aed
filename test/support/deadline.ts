/** How long a test waits for something that must happen, unless it says otherwise. Generous: only failures wait it out. */
export const DEADLINE_MS = 5_000;

/** How often a condition that nothing announces is looked at. */
const POLL_MS = 3;

/** Waits until `condition` holds; past the deadline throws what `describe` says. Conditions may be asynchronous. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  describe: () => string,
  deadlineMs = DEADLINE_MS,
): Promise<void> {
  const start = performance.now();
  while (!(await condition())) {
    if (performance.now() - start > deadlineMs) throw new Error(`after ${deadlineMs} ms ${describe()}`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}
