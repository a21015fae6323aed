import { isLiteralText, isValidSubscriptionText } from "../subject/text.ts";
import type { AccountSource, ImportRule } from "./account_source.ts";
import type { AccountDefinition, ServiceImport, StreamImport } from "./definition.ts";
import { admissionOf, type Export, ExportTable, RESPONSE_THRESHOLD_MS_DEFAULT } from "./exports.ts";
import { type ImportingAccount, serviceCycle, streamCycle } from "./import_cycles.ts";
import { patternOf, serviceSubjects, streamSubjects } from "./import_subjects.ts";

/** An account among others, with the imports that have been accepted so far. */
export class LinkedAccount implements ImportingAccount {
  readonly id: number;
  readonly isSystem: boolean;
  source: AccountSource;
  exports = new ExportTable();
  readonly streamImports: AcceptedStream[] = [];
  readonly serviceImports: AcceptedService[] = [];
  /** See `AccountDescription`. */
  lapsedImports: readonly (StreamImport | ServiceImport)[] = [];
  isComplete = true;

  constructor(id: number, isSystem: boolean, source: AccountSource) {
    this.id = id;
    this.isSystem = isSystem;
    this.source = source;
  }

  get name(): string {
    return this.source.name;
  }

  /** The imports that have been accepted. */
  get imports(): readonly (StreamImport | ServiceImport)[] {
    return [...this.streamImports, ...this.serviceImports].map(({ definition }) => definition);
  }

  forgetImports(): void {
    this.streamImports.length = 0;
    this.serviceImports.length = 0;
  }

  definition(): AccountDefinition {
    const { name, nkey, nameTag, limits, mappings, defaultPermissions, messageTrace } = this.source;
    return {
      id: this.id,
      name,
      isSystem: this.isSystem,
      limits,
      mappings,
      streamImports: this.streamImports.map(({ definition }) => definition),
      serviceImports: this.serviceImports.map(({ definition }) => definition),
      ...(nkey === undefined ? {} : { nkey }),
      ...(nameTag === undefined ? {} : { nameTag }),
      ...(defaultPermissions === undefined ? {} : { defaultPermissions }),
      ...(messageTrace === undefined ? {} : { messageTrace }),
    };
  }
}

interface AcceptedStream {
  readonly exporter: LinkedAccount;
  readonly local: string;
  readonly definition: StreamImport;
}

interface AcceptedService {
  readonly exporter: LinkedAccount;
  readonly local: string;
  readonly remotePattern: string;
  readonly definition: ServiceImport;
}

/** Why the exporter refuses what needs an activation token; undefined if it does not. */
export type CheckToken = (exported: Export) => string | undefined;

/**
 * Adds a stream import to its account, or says in nats-server's words why not.
 * Source: nats-server addStreamImportWithClaim.
 */
export function acceptStream(
  importer: LinkedAccount,
  exporter: LinkedAccount,
  rule: ImportRule,
  checkToken: CheckToken,
): string | undefined {
  const { remote: from, prefix, allowTrace } = rule;
  const refusal = refusalOf(importer, exporter, rule, checkToken);
  if (refusal !== undefined) return refusal;
  if (!isLiteralText(prefix)) return "stream import prefix can not contain wildcard tokens";
  const to = prefix === "" ? rule.local || from : `${prefix.replace(/\.$/, "")}.${from}`;

  const cycle = streamCycle(importer.name, exporter, to) ?? streamCycle(importer.name, exporter, from);
  if (cycle !== undefined) return cycle;
  const subjects = streamSubjects(from, to);
  if ("problem" in subjects) return subjects.problem;
  const isThere = importer.streamImports.some(
    (other) => other.exporter === exporter && other.definition.from === from,
  );
  if (isThere) return "stream import already exists";

  importer.streamImports.push({
    exporter,
    local: subjects.local,
    definition: { exporter: exporter.id, exporterName: exporter.name, ...subjects, allowTrace },
  });
  return undefined;
}

/**
 * Adds a service import to its account, or says in nats-server's words why not.
 * Source: nats-server addServiceImportWithClaim.
 */
export function acceptService(
  importer: LinkedAccount,
  exporter: LinkedAccount,
  rule: ImportRule,
  checkToken: CheckToken,
): string | undefined {
  const { remote } = rule;
  const local = rule.local || remote;
  if (!isValidSubscriptionText(local) || !isValidSubscriptionText(remote)) return "sublist: invalid subject";
  return refusalOf(importer, exporter, rule, checkToken) ?? linkService(importer, exporter, rule);
}

/** `acceptService` without asking whether the exporter agrees. */
export function linkService(
  importer: LinkedAccount,
  exporter: LinkedAccount,
  { remote, local: localOrSame, share }: ImportRule,
): string | undefined {
  const local = localOrSame || remote;
  const here = isLiteralText(remote) ? local : patternOf(local);
  const cycle = serviceCycle(importer.name, exporter, here);
  if (cycle !== undefined) return cycle;
  const twin = importer.serviceImports.find((other) => other.exporter === exporter && other.local === local);
  if (twin !== undefined) {
    const [from, account, to] = [local, exporter.name, twin.remotePattern].map((text) =>
      JSON.stringify(text),
    );
    return `duplicate service import subject ${from}, previously used in import for account ${account}, subject ${to}`;
  }
  const subjects = serviceSubjects(local, remote);
  if ("problem" in subjects) return subjects.problem;

  const exported = exporter.exports.find("service", remote);
  importer.serviceImports.push({
    exporter,
    local: subjects.local,
    remotePattern: subjects.remotePattern,
    definition: {
      exporter: exporter.id,
      exporterName: exporter.name,
      local: subjects.local,
      remote: subjects.remote,
      exported: exported?.subject ?? "",
      share,
      responseType: exported?.responseType ?? "singleton",
      responseThresholdMs: exported?.responseThresholdMs ?? RESPONSE_THRESHOLD_MS_DEFAULT,
      allowTrace: exported?.allowTrace ?? false,
      isSystemExport: exporter.isSystem,
      ...(exported?.latency === undefined ? {} : { latency: exported.latency }),
    },
  });
  return undefined;
}

/** Why the exporter refuses what an import asks for. */
function refusalOf(
  importer: LinkedAccount,
  exporter: LinkedAccount,
  { kind, remote }: ImportRule,
  checkToken: CheckToken,
): string | undefined {
  const exported = isValidSubscriptionText(remote) ? exporter.exports.find(kind, remote) : undefined;
  const admission = exported === undefined ? "closed" : admissionOf(exported, remote, importer.name);
  const problem = exported !== undefined && admission === "token" ? checkToken(exported) : undefined;
  if (admission !== "closed" && problem === undefined) return undefined;
  return `${kind} import not authorized${problem === undefined ? "" : `: ${problem}`}`;
}
