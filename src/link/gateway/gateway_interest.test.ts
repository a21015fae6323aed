import { describe, expect, test } from "bun:test";
import { isSubset } from "../../subject/subset.ts";
import { GatewayInterest } from "./gateway_interest.ts";

/** The interest of a gateway in account AC, which this server has, and what was reported of it. */
function interestOf(tellsInterest: boolean) {
  const reported: string[] = [];
  const interest = new GatewayInterest(tellsInterest, {
    interest: ({ account, subject, queue }, weight) => {
      reported.push([account, subject, queue, weight].filter((word) => word !== "").join(" "));
    },
    changed: () => reported.push("changed"),
  });
  interest.accountKnown("AC");
  /** Whether plain subscriptions there get a message, and then the groups that do. */
  const wants = (subject: string) => {
    const { plain, queues } = interest.wants("AC", subject);
    return [plain, ...queues];
  };
  const take = () => reported.splice(0);
  const mode = () => interest.status(true)[0]?.interestMode ?? "absent";
  return { interest, wants, take, mode };
}

describe("GatewayInterest of a peer that tells its interest", () => {
  test("wants nothing of an account that was not named, and ignores plain RS+ of it", () => {
    const { interest, wants, take, mode } = interestOf(true);
    interest.subscribe("AC", "a", "");
    expect(wants("a")).toEqual([false]);
    expect(take()).toEqual([]);
    expect(mode()).toBe("absent");
  });

  test("wants what is told between commands 2 and 3, and after", () => {
    const { interest, wants, take, mode } = interestOf(true);
    interest.startAll("AC");
    expect(mode()).toBe("Transitioning");
    interest.subscribe("AC", "a.*", "");
    interest.completeAll("AC");
    interest.subscribe("AC", "b", "");
    interest.subscribe("AC", "b", "");
    expect(mode()).toBe("Interest-Only");
    expect([wants("a.1"), wants("a.1.2"), wants("b"), wants("c")]).toEqual([
      [true],
      [false],
      [true],
      [false],
    ]);
    interest.unsubscribe("AC", "a.*", "");
    interest.unsubscribe("AC", "unknown", "");
    expect(wants("a.1")).toEqual([false]);
    expect(take()).toEqual(["AC a.* 1", "AC b 1", "AC a.* 0"]);
    expect(interest.isExact("AC")).toBe(true);
  });

  test("wants messages for its queue groups, whatever else is known of the account", () => {
    const { interest, wants, take } = interestOf(true);
    interest.subscribe("AC", "q.>", "workers");
    interest.subscribe("AC", "q.1", "workers");
    interest.subscribe("AC", "q.1", "others");
    expect(wants("q.1")).toEqual([false, "workers", "others"]);
    interest.unsubscribe("AC", "q.>", "workers");
    expect(wants("q.2")).toEqual([false]);
    expect(take()).toEqual(["AC q.> workers 1", "AC q.1 workers 1", "AC q.1 others 1", "AC q.> workers 0"]);
  });

  test("wants everything of an account after A- and A+, until it tells its interest anew", () => {
    const { interest, wants, take } = interestOf(true);
    interest.startAll("AC");
    interest.completeAll("AC");
    interest.account("AC", false);
    expect(wants("a")).toEqual([false]);
    expect(take()).toEqual([]);
    interest.account("AC", true);
    expect(wants("a")).toEqual([true]);
    expect(interest.isExact("AC")).toBe(false);
    interest.unsubscribe("AC", "a", "");
    expect([wants("a"), wants("b")]).toEqual([[false], [true]]);
    interest.startAll("AC");
    interest.completeAll("AC");
    expect(wants("b")).toEqual([false]);
    expect(take()).toEqual(["AC > 1", "changed", "AC > 0", "changed"]);
  });

  test("forgets plain interest with A-, and keeps that of queue groups", () => {
    const { interest, wants, take } = interestOf(true);
    interest.startAll("AC");
    interest.subscribe("AC", "a", "");
    interest.completeAll("AC");
    interest.account("AC", false);
    expect(wants("a")).toEqual([false]);
    expect(take()).toEqual(["AC a 1", "AC a 0"]);
  });
});

describe("GatewayInterest of a peer that refuses", () => {
  test("wants everything but what it refuses", () => {
    const { interest, wants, take, mode } = interestOf(false);
    expect(wants("a")).toEqual([true]);
    interest.unsubscribe("AC", "a", "");
    interest.unsubscribe("AC", "a", "");
    expect([wants("a"), wants("b"), mode()]).toEqual([[false], [true], "Optimistic"]);
    interest.subscribe("AC", "a", "");
    expect(wants("a")).toEqual([true]);
    expect(take()).toEqual(["AC > 1", "changed", "changed"]);
  });

  test("takes back every refusal that a wildcard covers", () => {
    const { interest, wants } = interestOf(false);
    for (const subject of ["a.1", "a.2", "b"]) interest.unsubscribe("AC", subject, "");
    interest.subscribe("AC", "a.*", "");
    expect([wants("a.1"), wants("a.2"), wants("b")]).toEqual([[true], [true], [false]]);
    expect(interest.status(true)[0]?.noInterestCount).toBe(1);
  });

  test("wants nothing after A-, and everything again after A+ or for a queue group", () => {
    const { interest, wants, take } = interestOf(false);
    interest.account("AC", false);
    expect(wants("a")).toEqual([false]);
    interest.account("AC", true);
    expect(wants("a")).toEqual([true]);
    interest.account("AC", false);
    interest.subscribe("AC", "q", "g");
    expect([wants("a"), wants("q")]).toEqual([[true], [true, "g"]]);
    expect(take()).toEqual(["AC > 1", "AC > 0", "AC > 1", "AC > 0", "AC q g 1", "AC > 1"]);
  });

  test("forgets refusals with A- where it has queue groups", () => {
    const { interest, wants } = interestOf(false);
    interest.subscribe("AC", "q", "g");
    interest.unsubscribe("AC", "a", "");
    interest.account("AC", false);
    expect([wants("a"), wants("q")]).toEqual([[true], [true, "g"]]);
    interest.account("AC", true);
    expect(interest.status(true)).toHaveLength(1);
  });

  test("is sent what is not refused while it tells its interest, then what it told", () => {
    const { interest, wants } = interestOf(false);
    interest.unsubscribe("AC", "no", "");
    interest.startAll("AC");
    interest.subscribe("AC", "no", "");
    interest.subscribe("AC", "io.*", "");
    interest.subscribe("AC", "q", "g");
    expect([wants("other"), wants("no")]).toEqual([[true], [true]]);
    interest.completeAll("AC");
    expect([wants("other"), wants("no"), wants("io.1"), wants("q")]).toEqual([
      [false],
      [true],
      [true],
      [false, "g"],
    ]);
  });

  test("leaves no trace of an account whose last queue group is gone", () => {
    const { interest } = interestOf(false);
    interest.subscribe("AC", "q", "g");
    interest.unsubscribe("AC", "q", "g");
    interest.unsubscribe("AC", "q", "g");
    expect(interest.status(true)).toEqual([]);
  });
});

describe("GatewayInterest reports", () => {
  test("> once, whether it is subscribed to, assumed or both", () => {
    const { interest, take } = interestOf(false);
    interest.startAll("AC");
    expect(take()).toEqual(["AC > 1", "AC > 0"]);
    interest.subscribe("AC", ">", "");
    interest.subscribe("AC", "q", "g");
    interest.account("AC", false);
    expect(take()).toEqual(["AC > 1", "AC q g 1"]);
    interest.unsubscribe("AC", ">", "");
    expect(take()).toEqual([]);
    interest.completeAll("AC");
    expect(take()).toEqual(["AC > 0"]);
  });

  test("nothing of accounts that are not here, and all of it once they are", () => {
    const { interest, take } = interestOf(true);
    interest.startAll("LATE");
    interest.subscribe("LATE", "a", "");
    interest.subscribe("LATE", "q", "g");
    expect(take()).toEqual([]);
    interest.accountKnown("LATE");
    expect(take()).toEqual(["LATE a 1", "LATE q g 1"]);
    interest.accountGone("LATE");
    expect(take()).toEqual(["LATE a 0", "LATE q g 0"]);
    interest.subscribe("LATE", "b", "");
    expect(take()).toEqual([]);
  });

  test("> of each account that comes up, towards a peer that refuses", () => {
    const { interest, take } = interestOf(false);
    interest.accountKnown("LATE");
    interest.accountGone("LATE");
    expect(take()).toEqual(["AC > 1", "LATE > 1", "LATE > 0"]);
  });

  test("what /gatewayz shows", () => {
    const { interest } = interestOf(true);
    interest.startAll("AC");
    interest.subscribe("AC", "a", "");
    interest.subscribe("AC", "q.*", "g");
    interest.completeAll("AC");
    expect(interest.status(true)).toEqual([
      {
        name: "AC",
        interestMode: "Interest-Only",
        noInterestCount: 0,
        subscriptionCount: 2,
        queueSubscriptionCount: 1,
        subscriptions: [
          { subject: "a", queue: "" },
          { subject: "q.*", queue: "g" },
        ],
      },
    ]);
    expect(interest.subscriptionCount).toBe(2);
    expect(interest.status(false)[0]!.subscriptions).toEqual([]);
  });
});

describe("GatewayInterest, whatever happens", () => {
  const SUBJECTS = ["a", "b.1", "b.*", ">"];
  const LITERALS = ["a", "b.1", "c"];

  /** Pseudo-random numbers, the same for the same seed. */
  function pickerOf(seed: number) {
    let state = seed;
    return <T>(items: readonly T[]): T => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return items[Math.floor((state / 2 ** 32) * items.length)]!;
    };
  }

  test("reports exactly what it wants, but for what is refused", () => {
    for (let seed = 1; seed <= 200; seed++) {
      const pick = pickerOf(seed);
      const reported = new Map<string, { subject: string; queue: string }>();
      const interest = new GatewayInterest(seed % 2 === 0, {
        interest: ({ subject, queue }, weight) => {
          const name = `${subject} ${queue}`;
          expect(reported.has(name)).toBe(weight === 0);
          if (weight === 0) reported.delete(name);
          else reported.set(name, { subject, queue });
        },
        changed: () => {},
      });
      let isKnown = false;
      for (let step = 0; step < 60; step++) {
        pick([
          () => {
            interest.accountKnown("AC");
            isKnown = true;
          },
          () => {
            interest.accountGone("AC");
            isKnown = false;
          },
          () => interest.account("AC", pick([true, false])),
          () => interest.subscribe("AC", pick(SUBJECTS), pick(["", "q"])),
          () => interest.unsubscribe("AC", pick(SUBJECTS), pick(["", "q"])),
          () => interest.startAll("AC"),
          () => interest.completeAll("AC"),
        ])();
        if (!isKnown) expect(reported.size).toBe(0);
        if (!isKnown) continue;
        for (const literal of LITERALS) {
          const matching = [...reported.values()].filter(({ subject }) => isSubset(literal, subject));
          const { plain, queues } = interest.wants("AC", literal);
          const isReported = matching.some(({ queue }) => queue === "");
          if (interest.isExact("AC")) expect(isReported).toBe(plain);
          else expect(isReported).toBe(true);
          expect(matching.some(({ queue }) => queue === "q")).toBe(queues.has("q"));
        }
      }
    }
  });
});
