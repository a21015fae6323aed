import { isSubset } from "../subject/subset.ts";
import { isLiteralText, isValidSubscriptionText } from "../subject/text.ts";
import type { ExportRule, ShareKind } from "./account_source.ts";
import type { ResponseType, ServiceLatency } from "./definition.ts";

/** How long a service may take to answer, unless its export says. */
export const RESPONSE_THRESHOLD_MS_DEFAULT = 120_000;

/**
 * What an account offers under one subject, put together from everything that was said of that subject. Fit for a
 * structured clone.
 */
export interface Export {
  readonly kind: ShareKind;
  readonly subject: string;
  /** Accounts that may import it. If empty, everyone may, unless a token or a position in the subject decides. */
  readonly importers: ReadonlySet<string>;
  readonly needsToken: boolean;
  readonly revocations: ReadonlyMap<string, number>;
  readonly accountTokenPosition: number;
  readonly responseType: ResponseType;
  readonly responseThresholdMs: number;
  readonly latency: ServiceLatency | undefined;
  readonly allowTrace: boolean;
}

/** The exports of one account. Source: nats-server accounts.go. */
export class ExportTable {
  readonly #exports: Readonly<Record<ShareKind, Map<string, Export>>> = {
    stream: new Map(),
    service: new Map(),
  };

  /**
   * Adds an export, or adds to the one for the same subject: importers add up, a token that was demanded once stays
   * demanded, and for the rest the last export counts. Returns what is wrong with it; then nothing is added.
   */
  add(rule: ExportRule): string | undefined {
    const { kind, subject, accountTokenPosition, importers } = rule;
    if (accountTokenPosition > 0 && subject.split(".")[accountTokenPosition - 1] !== "*")
      return "sublist: invalid subject";
    const before = this.#exports[kind].get(subject);
    const restricts = importers.length > 0 || rule.needsToken || accountTokenPosition > 0;
    this.#exports[kind].set(subject, {
      kind,
      subject,
      importers: new Set([...(before?.importers ?? []), ...importers]),
      needsToken: rule.needsToken || before?.needsToken === true,
      revocations: rule.revocations,
      accountTokenPosition: restricts ? accountTokenPosition : (before?.accountTokenPosition ?? 0),
      responseType:
        rule.responseType === "singleton" ? (before?.responseType ?? "singleton") : rule.responseType,
      responseThresholdMs: rule.responseThresholdMs || RESPONSE_THRESHOLD_MS_DEFAULT,
      latency: before?.latency,
      allowTrace: rule.allowTrace || before?.allowTrace === true,
    });
    return undefined;
  }

  /**
   * Measures the service exported under `subject`, or says why not. The caller checks that there is a system account,
   * which publishes latencies.
   */
  track(subject: string, latency: ServiceLatency): string | undefined {
    const { sampling, subject: results } = latency;
    if (sampling !== "headers" && (sampling < 1 || sampling > 100))
      return "bad sampling percentage, should be 1-100";
    const isPublishable = isValidSubscriptionText(results) && isLiteralText(results);
    if (!isPublishable || this.find("service", results) !== undefined) return "invalid publish subject";
    const service = this.#exports.service.get(subject);
    if (service === undefined) return "service missing";
    if (service.responseType !== "singleton") return "bad service response type";
    this.#exports.service.set(subject, { ...service, latency });
    return undefined;
  }

  /** All of them, services first. */
  list(): readonly Export[] {
    return [...this.#exports.service.values(), ...this.#exports.stream.values()];
  }

  /** The export of exactly this subject, else the first that covers it. */
  find(kind: ShareKind, subject: string): Export | undefined {
    return this.#exports[kind].get(subject) ?? this.findCovering(kind, subject);
  }

  /** The first export that covers a subject. */
  findCovering(kind: ShareKind, subject: string): Export | undefined {
    for (const each of this.#exports[kind].values()) if (isSubset(subject, each.subject)) return each;
    return undefined;
  }
}

/**
 * Whether an account may import from an export: `open` if it may, `closed` if not, or `token` if it needs an activation
 * token. If the export has a position of the account in its subject, that alone decides; otherwise the demand for a
 * token, then the list of importers.
 */
export function admissionOf(
  exported: Export,
  subject: string,
  importer: string,
): "open" | "closed" | "token" {
  const { accountTokenPosition, needsToken, importers } = exported;
  if (accountTokenPosition > 0) {
    // Importing the wildcard itself would import what belongs to every account.
    const isOwnPart =
      subject !== exported.subject && subject.split(".")[accountTokenPosition - 1] === importer;
    return isOwnPart ? "open" : "closed";
  }
  if (needsToken) return "token";
  return importers.size === 0 || importers.has(importer) ? "open" : "closed";
}
