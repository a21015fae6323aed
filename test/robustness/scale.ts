import process from "node:process";

/** `ROBUSTNESS=full` runs the sizes that a release is judged by; otherwise those that every change can afford. */
const isFull = process.env.ROBUSTNESS === "full";

/** Upper bound for one test on a loaded machine; what waits inside has deadlines with messages that help. */
export const LIMIT_MS = isFull ? 600_000 : 120_000;

export function scaled(everyChange: number, full: number): number {
  return isFull ? full : everyChange;
}

/** Runs `body` for each index, at most `atOnce` of them at a time. */
export async function inParallel(
  count: number,
  atOnce: number,
  body: (index: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  const work = async () => {
    while (next < count) await body(next++);
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, count) }, work));
}

/** Tells a figure of a test that passed; the assertions only bound it. */
export function tell(text: string): void {
  console.log(`    ${text}`);
}
