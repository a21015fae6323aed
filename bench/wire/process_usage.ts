/** What /proc says about a process: CPU time and memory. Linux only. */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";

const TICKS_PER_SECOND = 100; // USER_HZ: the unit of /proc/<pid>/stat on every Linux architecture we meet

export interface Usage {
  readonly userTicks: number;
  readonly systemTicks: number;
  /** The exact CPU time by thread id, in ns; empty if the kernel has no schedstat. */
  readonly threadNs: ReadonlyMap<string, number>;
  readonly residentBytes: number;
  readonly peakBytes: number;
}

/** Reads the usage of a running process with all its threads. Throws if there is no such process. */
export function readUsage(pid: number): Usage {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" "); // the name before it may hold spaces
  const threadNs = new Map<string, number>();
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    const ns = readOrEmpty(`/proc/${pid}/task/${thread}/schedstat`).split(" ")[0];
    if (ns) threadNs.set(thread, Number(ns));
  }
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return {
    userTicks: Number(fields[11]),
    systemTicks: Number(fields[12]),
    threadNs,
    residentBytes: kilobytes(status, "VmRSS"),
    peakBytes: kilobytes(status, "VmHWM"),
  };
}

/** The usage of two processes as if they were one. */
export function addUsages(one: Usage, other: Usage): Usage {
  return {
    userTicks: one.userTicks + other.userTicks,
    systemTicks: one.systemTicks + other.systemTicks,
    threadNs: new Map([...one.threadNs, ...other.threadNs]),
    residentBytes: one.residentBytes + other.residentBytes,
    peakBytes: one.peakBytes + other.peakBytes,
  };
}

export interface CpuTime {
  readonly userNs: number;
  readonly systemNs: number;
}

/**
 * CPU time between two readings. The sum comes from the threads' exact clocks, or, if a thread ended in between, from
 * the 10 ms ticks. Only the ticks say how it is divided into user and system time.
 */
export function cpuBetween(before: Usage, after: Usage): CpuTime {
  const tickNs = 1e9 / TICKS_PER_SECOND;
  const userNs = (after.userTicks - before.userTicks) * tickNs;
  const systemNs = (after.systemTicks - before.systemTicks) * tickNs;
  const isExact =
    after.threadNs.size > 0 && [...before.threadNs.keys()].every((id) => after.threadNs.has(id));
  if (!isExact) return { userNs, systemNs };
  let totalNs = 0;
  for (const [id, ns] of after.threadNs) totalNs += ns - (before.threadNs.get(id) ?? 0);
  const userShare = userNs + systemNs === 0 ? 0.5 : userNs / (userNs + systemNs);
  return { userNs: totalNs * userShare, systemNs: totalNs * (1 - userShare) };
}

/**
 * CPU time that the whole machine has spent since it started, in ns. On a virtual machine it includes what the host
 * took.
 */
export function machineCpuNs(): number {
  const [user, nice, system, , , interrupt, softInterrupt, stolen] = readFileSync("/proc/stat", "utf8")
    .split("\n")[0]!
    .split(/\s+/)
    .slice(1)
    .map(Number);
  const ticks = user! + nice! + system! + interrupt! + softInterrupt! + (stolen ?? 0);
  return (ticks * 1e9) / TICKS_PER_SECOND;
}

/** The process among `pid` and its descendants that listens on a TCP port, or null. The first may be a launcher. */
export function findListener(pid: number, port: number): number | null {
  const hexPort = port.toString(16).toUpperCase().padStart(4, "0");
  const sockets = new Set<string>();
  for (const line of [...readLines("/proc/net/tcp"), ...readLines("/proc/net/tcp6")]) {
    const fields = line.trim().split(/\s+/);
    const isListening = fields[3] === "0A";
    if (isListening && fields[1]?.endsWith(`:${hexPort}`)) sockets.add(`socket:[${fields[9]}]`);
  }
  return familyOf(pid).find((member) => openFiles(member).some((file) => sockets.has(file))) ?? null;
}

function familyOf(pid: number): number[] {
  const children = listOrEmpty(`/proc/${pid}/task`).flatMap((thread) =>
    readOrEmpty(`/proc/${pid}/task/${thread}/children`).split(" ").filter(Boolean).map(Number),
  );
  return [pid, ...children.flatMap(familyOf)];
}

function openFiles(pid: number): string[] {
  return listOrEmpty(`/proc/${pid}/fd`).map((fd) => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${fd}`);
    } catch {
      return ""; // closed meanwhile
    }
  });
}

function kilobytes(status: string, name: string): number {
  const match = status.match(new RegExp(`^${name}:\\s+(\\d+) kB`, "m"));
  return match ? Number(match[1]) * 1024 : 0;
}

function readLines(path: string): string[] {
  return readOrEmpty(path).split("\n");
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

function listOrEmpty(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}
