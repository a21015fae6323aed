import process from "node:process";

/** How long this process computes at `work`, in milliseconds: whatever else the machine does meanwhile. */
export function cpuMsOf(work: () => void): number {
  const before = process.cpuUsage();
  work();
  return process.cpuUsage(before).user / 1000;
}
