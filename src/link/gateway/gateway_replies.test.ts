import { describe, expect, test } from "bun:test";
import { testLink } from "../core/testing/test_link.ts";
import { GatewayReplies } from "./gateway_replies.ts";
import { ReplyAddress } from "./reply_mapping.ts";

const MAPPED = "_GR_.u4xB6R.U18XED.inbox.1";

function repliesOf(address: ReplyAddress | null) {
  const remembered: string[] = [];
  const toB = testLink({ kind: "gateway", role: "outbound" });
  const replies = new GatewayReplies(address, {
    wasSubscribedLately: (account, reply) => account === "$G" && reply.startsWith("inbox."),
    routeTo: () => undefined,
    gatewayTo: (hash) => (hash === "u4xB6R" ? toB : undefined),
    memory: {
      remember: (account, mapped) => remembered.push(`${account} ${mapped}`),
      recall: (account, subject) => (account === "$G" && subject === "inbox.1" ? MAPPED : undefined),
    },
  });
  return { remembered, replies, toB };
}

describe("GatewayReplies", () => {
  test("maps replies to young subscriptions of the account; none without gateways", () => {
    const { replies } = repliesOf(new ReplyAddress("GA", "NA"));
    expect(replies.outgoingReply("$G", "inbox.1")).toContain("_GR_.F2cAWZ.");
    expect(replies.outgoingReply("P", "inbox.1")).toBe("inbox.1");
    expect(replies.outgoingReply("$G", "")).toBe("");
    expect(repliesOf(null).replies.outgoingReply("$G", "inbox.1")).toBe("inbox.1");
  });

  test("strips a mapped reply and takes answers back by it, without gateways too", () => {
    const { remembered, replies, toB } = repliesOf(null);
    expect(replies.incomingReply("$G", MAPPED)).toBe("inbox.1");
    expect(remembered).toEqual([`$G ${MAPPED}`]);
    expect(replies.mappedSubject("$G", "inbox.1")).toBe(MAPPED);
    expect(replies.mappedSubject("P", "inbox.1")).toBe(undefined);
    expect(replies.gatewayOf(MAPPED)).toBe(toB);
  });

  test("leaves other replies as they are", () => {
    const { replies, remembered } = repliesOf(null);
    expect(replies.incomingReply("$G", "inbox.1")).toBe("inbox.1");
    expect(remembered).toEqual([]);
  });

  test("remembers an acknowledgement as clients send it", () => {
    const { replies, remembered } = repliesOf(null);
    const sent = "$JS.ACK.S.C.1.1.1.1620.0";
    expect(replies.incomingReply("$G", `_GR_.u4xB6R.U18XED.${sent}@ev.x`)).toBe(`${sent}@ev.x`);
    expect(remembered).toEqual([`$G _GR_.u4xB6R.U18XED.${sent}`]);
  });
});
