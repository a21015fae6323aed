import { goQuoteText as quoted } from "../../protocol/go_quote.ts";
import { roleOf } from "../nkey.ts";
import { checkActivation } from "./activation_rules.ts";
import {
  type Account,
  type AccountClaims,
  type AccountLimits,
  type ActivationClaims,
  type Export,
  type ExternalAuthorization,
  type Import,
  type MessageTrace,
  type ServiceLatency,
  weightPercent,
} from "./claims.ts";
import { decodeAs } from "./decode.ts";
import { Issues } from "./issues.ts";
import {
  checkPermissions,
  checkRenaming,
  checkSubject,
  hasWildcards,
  isContainedIn,
  withoutReferences,
} from "./subject_rules.ts";
import { checkInfo } from "./url_rules.ts";

/**
 * The rules of validation for an account.
 * Source: nats-io/jwt, account_claims.go, exports.go, imports.go, signingkeys.go.
 */

export function checkAccount(claims: AccountClaims, issues: Issues): void {
  const { nats } = claims;
  checkImports(nats.imports, claims.subject, issues);
  checkExports(nats.exports, issues);
  checkJetStreamLimits(nats.limits, issues);
  checkPermissions(nats.defaultPermissions, issues);
  checkMappings(nats.mappings, issues);
  checkExternalAuthorization(nats.authorization, issues);
  if (nats.messageTrace !== undefined) checkMessageTrace(nats.messageTrace, issues);
  checkCounts(nats, issues);
  checkSigningKeys(nats.signingKeys, issues);
  checkInfo(nats.description, nats.infoUrl, issues);
  if (!["", "system", "owner"].includes(nats.clusterTraffic)) {
    issues.block(`unknown cluster traffic option: ${quoted(nats.clusterTraffic)}`);
  }
  if (roleOf(claims.issuer) === "account" && !isWithoutLimits(nats.limits)) {
    issues.warn("self-signed account JWTs shouldn't contain operator limits");
  }
}

/** Whether all limits are 0, which means that an operator has not signed the token yet. */
function isWithoutLimits({ tieredLimits, ...flat }: AccountLimits): boolean {
  return tieredLimits.size === 0 && isEmpty(flat);
}

function isEmpty(limits: { readonly [limit: string]: number | boolean }): boolean {
  return Object.values(limits).every((limit) => limit === 0 || limit === false);
}

/** The flat limits of JetStream. */
function pickJetStream(limits: AccountLimits) {
  const { memoryStorageBytes, diskStorageBytes, maxStreams, maxConsumers, maxAckPending } = limits;
  const { memoryMaxStreamBytes, diskMaxStreamBytes, maxBytesRequired } = limits;
  return {
    ...{ memoryStorageBytes, diskStorageBytes, maxStreams, maxConsumers, maxAckPending },
    ...{ memoryMaxStreamBytes, diskMaxStreamBytes, maxBytesRequired },
  };
}

function checkCounts({ imports, exports, limits }: Account, issues: Issues): void {
  const tooManyImports = "the account contains more imports than allowed by the operator";
  if (limits.maxImports >= 0 && !isWithoutLimits(limits) && imports.length > limits.maxImports) {
    issues.block(tooManyImports);
  }
  if (limits.maxImports !== -1 && imports.length > limits.maxImports) issues.block(tooManyImports);
  if (limits.maxExports === -1) return;
  if (exports.length > limits.maxExports) {
    issues.block("the account contains more exports than allowed by the operator");
  }
  if (limits.wildcardExports) return;
  for (const { subject } of exports) {
    if (hasWildcards(subject)) {
      issues.block("the account contains wildcard exports that are not allowed by the operator");
    }
  }
}

function checkJetStreamLimits(limits: AccountLimits, issues: Issues): void {
  const { tieredLimits } = limits;
  if (tieredLimits.size > 0 && !isEmpty(pickJetStream(limits))) {
    issues.block("JetStream Limits and tiered JetStream Limits are mutually exclusive");
  }
  if (tieredLimits.has("")) {
    issues.block('Tiered JetStream Limits can not contain a blank "" tier name');
  }
}

function checkImports(imports: readonly Import[], account: string, issues: Issues): void {
  const servicesOf = new Map<string, Set<string>>();
  for (const imported of imports) {
    if (imported.kind === "service") {
      const services = servicesOf.get(imported.account) ?? new Set();
      checkOverlap(exportedSubject(imported), services, imported.account, issues);
      servicesOf.set(imported.account, services.add(exportedSubject(imported)));
    }
    checkImport(imported, account, issues);
  }
}

/** The subject that identifies a service import among others. */
function exportedSubject({ to, localSubject, subject }: Import): string {
  return to || withoutReferences(localSubject) || subject;
}

/** `earlier` are the services of the same account before this one. */
function checkOverlap(subject: string, earlier: ReadonlySet<string>, account: string, issues: Issues): void {
  for (const other of earlier) {
    if (isContainedIn(subject, other) || isContainedIn(other, subject)) {
      issues.block(
        `overlapping subject namespace for ${quoted(subject)} and ${quoted(other)} in same account ${quoted(account)}`,
      );
    }
  }
  if (earlier.has(subject)) {
    issues.block(`overlapping subject namespace for ${quoted(subject)} in account ${quoted(account)}`);
  }
}

function checkImport(imported: Import, account: string, issues: Issues): void {
  const { kind, subject, to, localSubject } = imported;
  if (kind === "unknown") issues.block('invalid import type: "unknown"');
  if (kind === "service" && imported.allowTrace) issues.block("AllowTrace only valid for stream import");
  if (imported.account === "") issues.block("account to import from is not specified");
  if (to !== "") issues.warn("the field to has been deprecated (use LocalSubject instead)");
  checkSubject(subject, issues);
  if (localSubject !== "") {
    checkRenaming(localSubject, subject, issues);
    if (to !== "") issues.block("Local Subject replaces To");
  }
  if (imported.share && kind !== "service") {
    issues.block(`sharing information (for latency tracking) is only valid for services: ${quoted(subject)}`);
  }
  if (imported.token === "") return;
  const decoded = decodeAs("activation", imported.token);
  if (!decoded.ok) issues.block(`import ${quoted(subject)} contains an invalid activation token`);
  else checkToken(decoded.claims, imported, account, issues);
}

/** Whether the token activates this import of this account. */
function checkToken(token: ActivationClaims, imported: Import, account: string, issues: Issues): void {
  const { kind, subject, to } = imported;
  if (token.issuer !== imported.account && token.nats.issuerAccount !== imported.account) {
    issues.block(`activation token doesn't match account for import ${quoted(subject)}`);
  }
  if (token.subject !== account) {
    issues.block(`activation token doesn't match account it is being included in, ${quoted(subject)}`);
  }
  if (token.nats.kind !== kind) {
    issues.block(`mismatch between token import type ${token.nats.kind} and type of import ${kind}`);
  }
  // Whether it has expired is checked when it is used.
  checkActivation(token.nats, issues);
  const remote = kind === "service" && to !== "" ? to : subject;
  if (!isContainedIn(remote, token.nats.subject)) {
    issues.block(
      `activation token import subject ${quoted(token.nats.subject)} doesn't match import ${quoted(subject)}`,
    );
  }
}

function checkExports(exports: readonly Export[], issues: Issues): void {
  for (const exported of exports) checkExport(exported, issues);
  const subjectsOf = (isService: boolean) =>
    exports.filter(({ kind }) => (kind === "service") === isService).map(({ subject }) => subject);
  checkContainment("service", subjectsOf(true), issues);
  checkContainment("stream", subjectsOf(false), issues);
}

/** Checks that no export contains another of its kind. There is one issue for each subject that does. */
function checkContainment(kind: string, subjects: readonly string[], issues: Issues): void {
  const counts = new Map<string, number>();
  for (const subject of subjects) counts.set(subject, (counts.get(subject) ?? 0) + 1);
  // A subject without wildcards contains only equal ones, so only patterns have to be compared with all others.
  const patterns = [...counts.keys()].filter(hasWildcards);
  const held = new Map<string, string>();
  for (const inner of subjects) {
    const isRepeated = counts.get(inner) !== 1;
    if (isRepeated && !held.has(inner)) held.set(inner, inner);
    for (const outer of patterns) {
      if (outer !== inner && !held.has(outer) && isContainedIn(inner, outer)) held.set(outer, inner);
    }
  }
  for (const [outer, inner] of held) {
    issues.block(`${kind} export subject ${quoted(outer)} already exports ${quoted(inner)}`);
  }
}

function checkExport(exported: Export, issues: Issues): void {
  const { kind, subject, responseType, responseThresholdNs } = exported;
  if (kind === "unknown") issues.block('invalid export type: "unknown"');
  if (kind === "service" && !["", "Singleton", "Stream", "Chunked"].includes(responseType)) {
    issues.block(`invalid response type for service: ${quoted(responseType)}`);
  }
  if (kind === "stream") {
    if (responseType !== "") issues.block(`invalid response type for stream: ${quoted(responseType)}`);
    if (exported.allowTrace) issues.block("AllowTrace only valid for service export");
  }
  if (exported.latency !== undefined) {
    if (kind !== "service") issues.block("latency tracking only permitted for services");
    checkLatency(exported.latency, issues);
  }
  if (responseThresholdNs < 0) issues.block("negative response threshold is invalid");
  if (responseThresholdNs > 0 && kind !== "service")
    issues.block("response threshold only valid for services");
  checkSubject(subject, issues);
  if (exported.accountTokenPosition > 0) checkTokenPosition(exported, issues);
  checkInfo(exported.description, exported.infoUrl, issues);
}

function checkLatency({ sampling, results }: ServiceLatency, issues: Issues): void {
  if (sampling !== "headers" && (sampling < 1 || sampling > 100)) {
    issues.block("sampling percentage needs to be between 1-100");
  }
  checkSubject(results, issues);
  if (hasWildcards(results)) issues.block("results subject can not contain wildcards");
}

function checkTokenPosition({ subject, accountTokenPosition }: Export, issues: Issues): void {
  if (!hasWildcards(subject)) {
    issues.block(`Account Token Position can only be used with wildcard subjects: ${subject}`);
    return;
  }
  const token = subject.split(".")[accountTokenPosition - 1];
  if (token === undefined) {
    issues.block(`Account Token Position ${accountTokenPosition} exceeds length of subject '${subject}'`);
  } else if (token !== "*") {
    issues.block(
      `Account Token Position ${accountTokenPosition} matches '${token}' but must match a * in: ${subject}`,
    );
  }
}

function checkMappings(mappings: Account["mappings"], issues: Issues): void {
  for (const [source, destinations] of mappings) {
    checkSubject(source, issues);
    const totals = new Map<string, number>();
    for (const destination of destinations) {
      const { subject, cluster } = destination;
      const weight = weightPercent(destination);
      checkSubject(subject, issues);
      if (weight > 100) {
        issues.block(`Mapping ${quoted(source)} has a weight ${weight} that exceeds 100`);
      }
      const total = (totals.get(cluster) ?? 0) + weight;
      totals.set(cluster, total);
      if (cluster !== "" && total > 100) {
        issues.block(
          `Mapping ${quoted(source)} in cluster ${quoted(cluster)} exceeds 100% among all of it's weighted to mappings`,
        );
      }
    }
    if ((totals.get("") ?? 0) > 100) {
      issues.block(`Mapping ${quoted(source)} exceeds 100% among all of it's weighted to mappings`);
    }
  }
}

function checkExternalAuthorization(
  { authUsers, allowedAccounts, xkey }: ExternalAuthorization,
  issues: Issues,
): void {
  if (allowedAccounts.length > 0 && authUsers.length === 0) {
    issues.block("External authorization cannot have accounts without users specified");
  }
  for (const user of authUsers) {
    if (roleOf(user) !== "user") issues.block(`AuthUser ${quoted(user)} is not a valid user public key`);
  }
  for (const account of allowedAccounts) {
    if (account === "*") {
      if (allowedAccounts.length > 1) issues.block('AllowedAccounts can only be a list of accounts or "*"');
    } else if (roleOf(account) !== "account") {
      issues.block(`Account ${quoted(account)} is not a valid account public key`);
    }
  }
  if (xkey !== "" && roleOf(xkey) !== "curve")
    issues.block(`XKey ${quoted(xkey)} is not a valid public xkey`);
}

function checkMessageTrace({ destination, sampling }: MessageTrace, issues: Issues): void {
  const ofDestination = new Issues();
  checkSubject(destination, ofDestination);
  const [first] = ofDestination.found;
  if (first !== undefined) issues.block(`the account Trace.Destination ${first.text}`);
  if (hasWildcards(destination)) {
    issues.block(
      `the account Trace.Destination subject ${quoted(destination)} is not a valid publish subject`,
    );
  }
  if (sampling < 0 || sampling > 100) {
    issues.block(
      `the account Trace.Sampling value '${sampling}' is not valid, should be in the range [1..100]`,
    );
  }
}

function checkSigningKeys(keys: Account["signingKeys"], issues: Issues): void {
  for (const [key, scope] of keys) {
    if (roleOf(key) === "account") continue;
    issues.block(
      scope === undefined
        ? `${quoted(key)} is not a valid account signing key`
        : `${key} is not an account public key`,
    );
  }
}
