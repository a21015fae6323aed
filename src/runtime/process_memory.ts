/** How much memory the process takes, in bytes. */
export interface ProcessMemory {
  readonly residentBytes: number;
  readonly heapUsedBytes: number;
  readonly heapReservedBytes: number;
}

const UNKNOWN: ProcessMemory = { residentBytes: 0, heapUsedBytes: 0, heapReservedBytes: 0 };

/**
 * All 0 if it cannot be found out: both runtimes read it from a file of /proc, which cannot be opened while the process
 * has as many files open as it may. Deno says 0 then, Bun throws.
 */
export function processMemory(): ProcessMemory {
  try {
    const { rss, heapUsed, heapTotal } = process.memoryUsage();
    // Bun 1.4 counts all addresses that the shared memory reserves as used.
    return { residentBytes: rss, heapUsedBytes: Math.min(heapUsed, heapTotal), heapReservedBytes: heapTotal };
  } catch {
    return UNKNOWN;
  }
}

/** The same as `residentBytes` of `processMemory()`, without looking at the heap. */
export function residentBytes(): number {
  try {
    return process.memoryUsage.rss();
  } catch {
    return 0;
  }
}
