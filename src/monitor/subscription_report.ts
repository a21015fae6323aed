import { omitEmpty } from "./go_json.ts";
import type { SubscriptionSnapshot } from "./snapshots/subscriptions.ts";

/** One subscription; inside an open connection or a link without its account. */
export function subscriptionReport(subscription: SubscriptionSnapshot, namesAccount: boolean) {
  return {
    account: namesAccount ? omitEmpty(subscription.account) : undefined,
    account_tag: namesAccount ? omitEmpty(subscription.accountNameTag) : undefined,
    subject: subscription.subject,
    qgroup: omitEmpty(subscription.queue),
    sid: subscription.sid,
    msgs: subscription.deliveredMessages,
    max: omitEmpty(subscription.deliveriesMax),
    cid: subscription.connectionId,
  };
}
