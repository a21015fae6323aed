/** What memory the process takes, in bytes. */
export interface ProcessMemory {
  readonly residentBytes: number;
  readonly heapUsedBytes: number;
  readonly heapReservedBytes: number;
}

const UNKNOWN: ProcessMemory = { residentBytes: 0, heapUsedBytes: 0, heapReservedBytes: 0 };

/**
 * 0 where it cannot be told: both runtimes read it from a file of /proc, and none can be opened while the process has as
 * many as it may. Deno says 0 then, Bun throws.
 */
export function processMemory(): ProcessMemory {
  try {
    const { rss, heapUsed, heapTotal } = process.memoryUsage();
    // Bun 1.4 counts the addresses that the shared memory reserves as used.
    return { residentBytes: rss, heapUsedBytes: Math.min(heapUsed, heapTotal), heapReservedBytes: heapTotal };
  } catch {
    return UNKNOWN;
  }
}

/** As `residentBytes` of `processMemory()`, without looking at the heap. */
export function residentBytes(): number {
  try {
    return process.memoryUsage.rss();
  } catch {
    return 0;
  }
}
