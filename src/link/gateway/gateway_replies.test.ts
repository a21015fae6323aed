import { describe, expect, test } from "bun:test";
import { FakeClock } from "../core/testing/fake_clock.ts";
import { testLink } from "../core/testing/test_link.ts";
import { GatewayReplies } from "./gateway_replies.ts";
import { MAPPED_REPLY_MS } from "./mapped_replies.ts";
import { ReplyAddress } from "./reply_mapping.ts";

const MAPPED = "_GR_.u4xB6R.U18XED.inbox.1";

function repliesOf(address: ReplyAddress | null) {
  const clock = new FakeClock();
  const watched: string[] = [];
  const toB = testLink({ kind: "gateway", role: "outbound" });
  const replies = new GatewayReplies(address, {
    clock,
    wasSubscribedLately: (account, reply) => account === "$G" && reply.startsWith("inbox."),
    routeTo: () => undefined,
    gatewayTo: (hash) => (hash === "u4xB6R" ? toB : undefined),
    watchReply: (account, subject, isWatched) => watched.push(`${account} ${subject} ${isWatched}`),
  });
  return { clock, watched, replies, toB };
}

describe("GatewayReplies", () => {
  test("maps replies to young subscriptions of the account; none without gateways", () => {
    const { replies } = repliesOf(new ReplyAddress("GA", "NA"));
    expect(replies.outgoingReply("$G", "inbox.1")).toContain("_GR_.F2cAWZ.");
    expect(replies.outgoingReply("P", "inbox.1")).toBe("inbox.1");
    expect(replies.outgoingReply("$G", "")).toBe("");
    expect(repliesOf(null).replies.outgoingReply("$G", "inbox.1")).toBe("inbox.1");
  });

  test("strips a mapped reply and takes answers back by it, for two seconds, without gateways too", () => {
    const { clock, watched, replies, toB } = repliesOf(null);
    expect(replies.incomingReply("$G", MAPPED)).toBe("inbox.1");
    expect(watched).toEqual(["$G inbox.1 true"]);
    expect(replies.mappedSubject("$G", "inbox.1")).toBe(MAPPED);
    expect(replies.mappedSubject("P", "inbox.1")).toBe(undefined);
    expect(replies.gatewayOf(MAPPED)).toBe(toB);

    clock.advance(MAPPED_REPLY_MS);
    expect(replies.mappedSubject("$G", "inbox.1")).toBe(undefined);
    expect(watched).toEqual(["$G inbox.1 true", "$G inbox.1 false"]);
  });

  test("watches no reply that is no literal subject, but strips it", () => {
    const { replies, watched } = repliesOf(null);
    for (const bad of ["a..b", ".a", "a.", "a.>", "a.*.b", ">"]) {
      expect(replies.incomingReply("$G", `_GR_.u4xB6R.U18XED.${bad}`)).toBe(bad);
    }
    expect(watched).toEqual([]);
  });

  test("leaves other replies as they are", () => {
    const { replies, watched } = repliesOf(null);
    expect(replies.incomingReply("$G", "inbox.1")).toBe("inbox.1");
    expect(watched).toEqual([]);
  });

  test("remembers an acknowledgement as clients send it", () => {
    const { replies } = repliesOf(null);
    const sent = "$JS.ACK.S.C.1.1.1.1620.0";
    expect(replies.incomingReply("$G", `_GR_.u4xB6R.U18XED.${sent}@ev.x`)).toBe(`${sent}@ev.x`);
    expect(replies.mappedSubject("$G", sent)).toBe(`_GR_.u4xB6R.U18XED.${sent}`);
  });

  test("remembers the newest mapping of a reply, from then on", () => {
    const { clock, replies } = repliesOf(null);
    replies.incomingReply("$G", MAPPED);
    clock.advance(MAPPED_REPLY_MS / 2);
    const newer = "_GR_.F2cAWZ.U18XED.inbox.1";
    replies.incomingReply("$G", newer);
    clock.advance(MAPPED_REPLY_MS / 2);
    expect(replies.mappedSubject("$G", "inbox.1")).toBe(newer);
    clock.advance(MAPPED_REPLY_MS / 2);
    expect(replies.mappedSubject("$G", "inbox.1")).toBe(undefined);
  });
});
