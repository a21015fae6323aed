import { describe, expect, test } from "bun:test";
import { FakeClock } from "../core/testing/fake_clock.ts";
import { FakeNetwork } from "../core/testing/fake_network.ts";
import { Member, routeTo } from "./testing/member.ts";

const SEEDS = 40;
const FIRST_PORT = 6001;
/** Accounts at different places of pools, and one with connections of its own. */
const ACCOUNTS = ["$G", "P", "A", "B", "PINNED"];
const PINNED = ["PINNED"];

/** Numbers in [0, 1), the same for the same seed. Source: mulberry32. */
function chanceOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Runs a cluster whose connections are slow and break, while interest comes and goes. At the end it is left alone. */
function simulate(seed: number): Member[] {
  const chance = chanceOf(seed);
  const pick = (count: number) => Math.floor(chance() * count);
  const clock = new FakeClock();
  clock.chance = chance;
  const network = new FakeNetwork({ clock, nextMs: () => chance() * 20 });
  const count = 2 + pick(4);
  const members = Array.from({ length: count }, (_, i) => {
    // Every member has a route to an earlier one, so that all form one cluster. Some have more routes, also to
    // themselves.
    const routes = i === 0 ? [] : [routeTo(FIRST_PORT + pick(i))];
    if (chance() < 0.5) routes.push(routeTo(FIRST_PORT + pick(count)));
    const isUnnamed = seed % 4 === 0;
    // Most members are alike; some have pools of other sizes, or none.
    const poolSize = seed % 3 === 0 ? [-1, 1, 2, 5][pick(4)]! : 3;
    const pinnedAccounts = poolSize > 0 ? PINNED : [];
    const member = new Member(network, clock, `${i}`, FIRST_PORT + i, {
      routes: [...new Set(routes)],
      clusterName: isUnnamed ? "" : "C1",
      connectRetries: 3,
      poolSize,
      pinnedAccounts,
    });
    if (isUnnamed) member.mesh.cluster.name = `GENERATED ${chance()}`;
    return member;
  });
  for (const member of members) member.mesh.start();
  for (let step = 0; step < 60; step++) {
    clock.advance(chance() * 400, network.settle);
    if (chance() < 0.3) network.cut(pick(50));
    const member = members[pick(count)]!;
    const queue = chance() < 0.5 ? "" : "q";
    const origin = chance() < 0.3 ? (chance() < 0.5 ? "LC" : "_") : "";
    const account = ACCOUNTS[pick(ACCOUNTS.length)]!;
    // One of the changes that a reload can bring: an account moves to connections of its own, or back.
    if (chance() < 0.1) pin(member, chance() < 0.5);
    member.want(`s${pick(5)}`, queue === "" ? pick(2) : pick(4), queue, origin, account);
  }
  clock.advance(3000, network.settle);
  for (const member of members) pin(member, true);
  clock.advance(30_000, network.settle);
  return members;
}

/** Reloads a member with account P pinned or not. */
function pin({ mesh }: Member, isPinned: boolean): void {
  const { settings } = mesh;
  if (settings.poolSize > 0)
    mesh.reload({ ...settings, pinnedAccounts: isPinned ? [...PINNED, "P"] : PINNED });
}

describe("a simulated cluster", () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    test(`is a full mesh that knows everybody's interest in the end, seed ${seed}`, () => {
      const members = simulate(seed);
      const names = members.map((_, i) => `${i}`);
      for (const [i, member] of members.entries()) {
        expect(member.peers).toEqual(names.filter((name) => name !== `${i}`));
        const expected = members.flatMap((other, j) => (i === j ? [] : other.wishes(`${j}`))).sort();
        expect(member.wanted()).toEqual(expected);
        expect(member.carriersOf(ACCOUNTS)).toEqual(ACCOUNTS.map(() => members.length - 1));
      }
      expect(new Set(members.map(({ mesh }) => mesh.cluster.name)).size).toBe(1);
    });
  }
});
