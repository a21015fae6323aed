import { describe, expect, test } from "bun:test";
import { encodeGoJson } from "./go_json.ts";
import { type Subsz, type SubszOptions, subsz } from "./subsz.ts";
import { FakeSource, subscriptionSnapshot } from "./testing/fake_source.ts";

function source(): FakeSource {
  const fake = new FakeSource();
  fake.interest = {
    subscriptions: 3,
    cacheEntries: 5,
    inserts: 4,
    removes: 1,
    matches: 9,
    cacheHits: 4,
    fanoutMax: 2,
    fanoutTotal: 4,
  };
  fake.listed = [
    subscriptionSnapshot("foo.bar"),
    subscriptionSnapshot("foo.*", {
      account: "A",
      accountNameTag: "tag",
      queue: "q",
      deliveriesMax: 2,
      sid: "9",
    }),
    subscriptionSnapshot("foo.>"),
    subscriptionSnapshot("foo"),
  ];
  return fake;
}

async function report(options: Partial<SubszOptions>): Promise<Subsz> {
  const result = await subsz(source(), options);
  if (!result.ok) throw new Error(result.message);
  return result.report;
}

async function subjects(options: Partial<SubszOptions>): Promise<string[]> {
  return ((await report({ isListed: true, ...options })).subscriptions_list ?? []).map(
    ({ subject }) => subject,
  );
}

describe("subsz()", () => {
  test("shows the whole envelope without a list", async () => {
    expect(encodeGoJson(await report({}))).toBe(`{
  "server_id": "NSERVER",
  "now": "2026-03-02T09:19:26.49Z",
  "num_subscriptions": 3,
  "num_cache": 5,
  "num_inserts": 4,
  "num_removes": 1,
  "num_matches": 9,
  "cache_hit_rate": 0.4444444444444444,
  "max_fanout": 2,
  "avg_fanout": 0.8,
  "total": 0,
  "offset": 0,
  "limit": 1024
}`);
  });

  test("lists a page, with the total before paging", async () => {
    const page = await report({ isListed: true, offset: 1, limit: 1 });
    expect([page.total, page.offset, page.limit]).toEqual([4, 1, 1]);
    expect(encodeGoJson(page.subscriptions_list, 0)).toBe(
      '[{"account":"A","account_tag":"tag","subject":"foo.*","qgroup":"q","sid":"9","msgs":0,"max":2,"cid":5}]',
    );
  });

  test("leaves the list out when the page lies beyond it", async () => {
    const page = await report({ isListed: true, offset: 100 });
    expect([page.total, page.subscriptions_list]).toEqual([4, undefined]);
  });

  test("lists what a message on the test subject would reach", async () => {
    expect(await subjects({ testSubject: "foo.bar" })).toEqual(["foo.bar", "foo.*", "foo.>"]);
    expect(await subjects({ testSubject: "foo" })).toEqual(["foo"]);
    expect(await subjects({ testSubject: "foo.bar.baz" })).toEqual(["foo.>"]);
    expect(await subjects({ testSubject: "bar" })).toEqual([]);
  });

  test("refuses a test subject that nobody can publish to", async () => {
    for (const testSubject of ["foo.*", "foo.>", "foo..bar", "foo."]) {
      const result = await subsz(source(), { testSubject });
      expect(result.ok ? "" : result.message).toBe(
        `invalid test subject, must be valid publish subject: ${testSubject}`,
      );
    }
  });

  test("lists one account", async () => {
    expect(await subjects({ account: "A" })).toEqual(["foo.*"]);
    expect(await subjects({ account: "nobody" })).toEqual([]);
  });
});
