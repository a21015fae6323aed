import { isSubset } from "../subject/subset.ts";
import { subjectsCollideText } from "../subject/text.ts";
import type { ExportTable } from "./exports.ts";

/**
 * Whether an import would send messages round in a circle. The search follows the imports of the exporter that match
 * the new import, then those of their exporters, and so on; it has found a cycle when it meets an account again, such
 * as the importer.
 *
 * Source: nats-server checkServiceImportsForCycles, checkStreamImportsForCycles.
 */

/** What the search for cycles needs to know of an account. */
export interface ImportingAccount {
  readonly name: string;
  readonly exports: ExportTable;
  readonly serviceImports: readonly LinkedService[];
  readonly streamImports: readonly LinkedStream[];
}

interface LinkedService {
  readonly exporter: ImportingAccount;
  readonly local: string;
  readonly remotePattern: string;
}

interface LinkedStream {
  readonly exporter: ImportingAccount;
  readonly local: string;
}

const DEPTH_MAX = 1024;

const CYCLE = "import forms a cycle";
const TOO_DEEP = "search cycle depth exhausted";

/** Whether an import was refused because it would form a cycle, not by its exporter. */
export function isCycle(problem: string): boolean {
  return problem === CYCLE || problem === TOO_DEEP;
}

/** What is wrong if `importer` imports a service it calls `subject` from `exporter`; undefined for nothing. */
export function serviceCycle(
  importer: string,
  exporter: ImportingAccount,
  subject: string,
): string | undefined {
  return followServices(exporter, subject, new Set([importer]));
}

function followServices(account: ImportingAccount, subject: string, met: Set<string>): string | undefined {
  if (met.size >= DEPTH_MAX) return TOO_DEEP;
  for (const { exporter, local, remotePattern } of account.serviceImports) {
    if (!subjectsCollideText(subject, remotePattern)) continue;
    if (met.has(exporter.name)) return CYCLE;
    met.add(account.name);
    const problem = followServices(exporter, isSubset(local, subject) ? local : subject, met);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

/** What is wrong if `importer` imports a stream from `exporter` that either of them calls `subject`. */
export function streamCycle(
  importer: string,
  exporter: ImportingAccount,
  subject: string,
): string | undefined {
  return followStreams(exporter, subject, new Set([importer]));
}

function followStreams(account: ImportingAccount, subject: string, met: Set<string>): string | undefined {
  if (met.size >= DEPTH_MAX) return TOO_DEEP;
  if (account.exports.findCovering("stream", subject) === undefined) return undefined;
  for (const { exporter, local } of account.streamImports) {
    if (!subjectsCollideText(subject, local)) continue;
    if (met.has(exporter.name)) return CYCLE;
    met.add(account.name);
    const problem = followStreams(exporter, isSubset(local, subject) ? local : subject, met);
    if (problem !== undefined) return problem;
  }
  return undefined;
}
