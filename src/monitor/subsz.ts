import { subjectMatchesText } from "../subject/text.ts";
import { formatTime, type Integer, omitEmpty } from "./go_json.ts";
import { failed, type Outcome, succeeded } from "./outcome.ts";
import { pageBounds, pageOf } from "./page.ts";
import type {
  InterestStatistics,
  SubscriptionQuery,
  SubscriptionSelection,
  SubscriptionSnapshot,
} from "./snapshots/subscriptions.ts";
import type { MonitorSource } from "./source.ts";
import { subscriptionReport } from "./subscription_report.ts";

export interface SubszOptions {
  readonly isListed: boolean;
  readonly offset: Integer;
  readonly limit: Integer;
  /** Empty: all. */
  readonly account: string;
  /** A subject to publish to; empty: no filter. */
  readonly testSubject: string;
}

const SUBSZ_DEFAULTS: SubszOptions = {
  isListed: false,
  offset: 0,
  limit: 0,
  account: "",
  testSubject: "",
};

export type Subsz = Awaited<ReturnType<typeof report>>;

/** Subscriptions of clients and of the server itself. Source: nats-server `Subsz`. */
export async function subsz(
  source: MonitorSource,
  options: Partial<SubszOptions> = {},
): Promise<Outcome<Subsz>> {
  const all = { ...SUBSZ_DEFAULTS, ...options };
  if (all.testSubject !== "" && !isLiteralSubject(all.testSubject)) {
    return failed(`invalid test subject, must be valid publish subject: ${all.testSubject}`);
  }
  return succeeded(await report(source, all));
}

async function report(source: MonitorSource, options: SubszOptions) {
  const { identity, nowMs } = await source.server();
  const page = pageOf(options.offset, options.limit);
  const { account, isListed, testSubject } = options;
  const bounds = pageBounds(page, Number.MAX_SAFE_INTEGER);
  const selection = await source.subscriptions({ account, isListed, testSubject, ...bounds });
  return {
    server_id: identity.id,
    now: formatTime(nowMs),
    ...interestStatistics(selection.statistics),
    total: isListed ? selection.matchCount : 0,
    offset: page.offset,
    limit: page.limit,
    subscriptions_list: isListed
      ? omitEmpty(selection.page.map((subscription) => subscriptionReport(subscription, true)))
      : undefined,
  };
}

/** The eight figures about the subject index. Source: nats-server `SublistStats`. */
export function interestStatistics(statistics: InterestStatistics) {
  return {
    num_subscriptions: statistics.subscriptions,
    num_cache: statistics.cacheEntries,
    num_inserts: statistics.inserts,
    num_removes: statistics.removes,
    num_matches: statistics.matches,
    cache_hit_rate: ratio(statistics.cacheHits, statistics.matches),
    max_fanout: statistics.fanoutMax,
    avg_fanout: ratio(statistics.fanoutTotal, statistics.cacheEntries),
  };
}

function ratio(part: number, whole: number): number {
  return whole === 0 ? 0 : part / whole;
}

/** Filters and pages subscriptions that are at hand, without holding more than the page. */
export function selectSubscriptions(
  subscriptions: Iterable<SubscriptionSnapshot>,
  query: SubscriptionQuery,
): Omit<SubscriptionSelection, "statistics"> {
  const page: SubscriptionSnapshot[] = [];
  let matchCount = 0;
  if (!query.isListed) return { matchCount, page };
  for (const subscription of subscriptions) {
    if (query.account !== "" && subscription.account !== query.account) continue;
    if (query.testSubject !== "" && !subjectMatchesText(subscription.subject, query.testSubject)) continue;
    if (matchCount >= query.start && matchCount < query.end) page.push(subscription);
    matchCount += 1;
  }
  return { matchCount, page };
}

function isLiteralSubject(subject: string): boolean {
  return subject.split(".").every((token) => token !== "" && token !== "*" && token !== ">");
}
