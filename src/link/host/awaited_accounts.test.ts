import { describe, expect, test } from "bun:test";
import { FakeClock } from "../core/testing/fake_clock.ts";
import { testLink } from "../core/testing/test_link.ts";
import { AwaitedAccounts, type HeldArrival } from "./awaited_accounts.ts";

const link = testLink({ kind: "gateway", role: "inbound" });

function setUp() {
  const clock = new FakeClock();
  const found: string[] = [];
  return { clock, found, awaited: new AwaitedAccounts(clock, (account) => found.push(account)) };
}

function arrival(account: string, subject: string, byteCount = 1): HeldArrival {
  const content = { bytes: new Uint8Array(byteCount), headerBytes: 0 };
  return { link, message: { account, origin: "", subject, reply: "", content }, queues: ["q"] };
}

function subjectsOf(held: readonly HeldArrival[]): string[] {
  return held.map(({ message }) => message.subject);
}

describe("AwaitedAccounts", () => {
  test("hold messages in their order, and look for each account once", () => {
    const { awaited, found } = setUp();
    for (const [account, subject] of ["A a1", "B b1", "A a2"].map((text) => text.split(" ")))
      awaited.hold(arrival(account!, subject!));
    expect(found).toEqual(["A", "B"]);
    expect(subjectsOf(awaited.take("A"))).toEqual(["a1", "a2"]);
    expect(awaited.take("A")).toEqual([]);
    expect(subjectsOf(awaited.take("B"))).toEqual(["b1"]);
  });

  test("forget what came for an account that is not found, and look again for the next", () => {
    const { awaited, found, clock } = setUp();
    awaited.hold(arrival("A", "lost"));
    clock.advance(3000);
    awaited.hold(arrival("A", "kept"));
    expect(found).toEqual(["A", "A"]);
    clock.advance(2999);
    expect(subjectsOf(awaited.take("A"))).toEqual(["kept"]);
  });

  test("hold so many bytes and no more, until some are taken", () => {
    const { awaited } = setUp();
    const mebibyte = 1024 * 1024;
    for (let i = 1; i <= 5; i++) awaited.hold(arrival("A", `large${i}`, mebibyte));
    expect(subjectsOf(awaited.take("A"))).toEqual(["large1", "large2", "large3"]);
    awaited.hold(arrival("A", "next", mebibyte));
    expect(subjectsOf(awaited.take("A"))).toEqual(["next"]);
  });
});
