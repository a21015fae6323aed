import { isSubset } from "../subject/subset.ts";
import { type LinkedAccount, linkService } from "./account_graph.ts";
import type { AccountSource, ExportRule, ImportRule } from "./account_source.ts";
import type { ResponseType } from "./definition.ts";
import type { ExportTable } from "./exports.ts";

/**
 * The services of the system account that every account imports without saying so.
 * Source: nats-server addSystemAccountExports, registerSystemImports.
 */

/** Adds what the system account always exports, except what its own exports cover. */
export function addSystemExports(exports: ExportTable): void {
  for (const rule of SYSTEM_EXPORTS) {
    if (exports.findCovering("service", rule.subject) === undefined) exports.add(rule);
  }
}

const USER_INFO = systemExport("$SYS.REQ.USER.*.INFO", "singleton", 0);

const SYSTEM_EXPORTS: readonly ExportRule[] = [
  // The token that names the account must be the importer's: each account is told only of itself.
  systemExport("$SYS.REQ.ACCOUNT.*.CONNZ", "stream", 4),
  systemExport("$SYS.REQ.ACCOUNT.*.STATZ", "stream", 4),
  systemExport("$SYS.DEBUG.SUBSCRIBERS", "singleton", 0),
  USER_INFO,
];

/** Requests that a server answers for its own clients alone: other servers are not told of this interest. */
export const PRIVATE_SUBJECTS: ReadonlySet<string> = new Set(["$SYS.DEBUG.SUBSCRIBERS", USER_INFO.subject]);

function systemExport(subject: string, responseType: ResponseType, accountTokenPosition: number): ExportRule {
  return {
    kind: "service",
    subject,
    importers: [],
    needsToken: false,
    revocations: new Map(),
    accountTokenPosition,
    responseType,
    responseThresholdMs: undefined,
    latency: undefined,
    allowTrace: false,
  };
}

/**
 * The requests to JetStream, which other servers of a cluster or supercluster may have. They serve an account by what the
 * request tells of its client. Source: nats-server setupJetStreamExports, enableAllJetStreamServiceImportsAndMappings.
 */
const JETSTREAM_API = "$JS.API.>";

/** Has the system account export the requests to JetStream, unless its own exports cover them. */
export function addJetStreamExport(exports: ExportTable): void {
  if (exports.findCovering("service", JETSTREAM_API) !== undefined) return;
  exports.add(systemExport(JETSTREAM_API, "singleton", 0));
}

/**
 * Adds what an account imports of the system account without saying so, except on subjects that it imports already.
 * `usesJetStream`: the requests to JetStream, too, which the system account does not import.
 */
export function linkSystemServices(
  account: LinkedAccount,
  system: LinkedAccount,
  usesJetStream: boolean,
): void {
  const isItself = account === system;
  const rules = isItself ? systemImportsOfItself(system.source) : systemImports(account.name, system.name);
  for (const rule of rules) linkService(account, system, rule);
  if (!usesJetStream || isItself) return;
  addJetStreamExport(system.exports);
  const rule = systemImport(system.name, JETSTREAM_API, JETSTREAM_API);
  linkService(account, system, { ...rule, share: true });
}

/** What an account that is not the system account imports of it. */
function systemImports(account: string, systemAccount: string): readonly ImportRule[] {
  const own = `$SYS.REQ.ACCOUNT.${account}`;
  return [
    systemImport(systemAccount, "$SYS.REQ.ACCOUNT.PING.CONNZ", `${own}.CONNZ`),
    systemImport(systemAccount, "$SYS.REQ.SERVER.PING.CONNZ", `${own}.CONNZ`),
    systemImport(systemAccount, "$SYS.REQ.ACCOUNT.PING.STATZ", `${own}.STATZ`),
    userInfoImport(account, systemAccount),
  ];
}

/**
 * What the system account imports from itself, so that its own users may ask about themselves; not what its exports
 * cover.
 */
function systemImportsOfItself({ name, exports }: AccountSource): readonly ImportRule[] {
  const isCovered = exports.some(
    ({ kind, subject }) => kind === "service" && isSubset(USER_INFO.subject, subject),
  );
  return isCovered ? [] : [userInfoImport(name, name)];
}

/** The request by which a user asks about itself. It is the only one of these imports that tells who asks. */
function userInfoImport(account: string, systemAccount: string): ImportRule {
  const rule = systemImport(systemAccount, "$SYS.REQ.USER.INFO", `$SYS.REQ.USER.${account}.INFO`);
  return { ...rule, share: true };
}

function systemImport(exporter: string, local: string, remote: string): ImportRule {
  return {
    kind: "service",
    exporter,
    remote,
    local,
    prefix: "",
    share: false,
    allowTrace: false,
    token: "",
  };
}
