import { describe, expect, test } from "bun:test";
import { testLink } from "../core/testing/test_link.ts";
import { nameHash } from "./name_hash.ts";
import { parseMapped, ReplyAddress, wayOfMapped } from "./reply_mapping.ts";

const ADDRESS = new ReplyAddress("GA", "NA");
const OWN = `_GR_.F2cAWZ.${nameHash("NA")}.`;

describe("ReplyAddress", () => {
  test("maps a reply that was subscribed to lately, and no other", () => {
    expect(ADDRESS.outgoing("inbox.1", (reply) => reply === "inbox.1")).toBe(`${OWN}inbox.1`);
    expect(ADDRESS.outgoing("inbox.1", () => false)).toBe("inbox.1");
    expect(ADDRESS.outgoing("", () => true)).toBe("");
  });
});

describe("parseMapped()", () => {
  test("takes a mapped subject apart", () => {
    expect(parseMapped("_GR_.F2cAWZ.U18XED.inbox.1")).toEqual({
      clusterHash: "F2cAWZ",
      serverHash: "U18XED",
      subject: "inbox.1",
    });
  });

  test.each(["inbox.1", "_GR_.F2cAWZ.U18XED.", "_GR_.F2cAWZ", "$GR.0fbc.inbox.1", ""])(
    "is null for %p",
    (subject) => {
      expect(parseMapped(subject)).toBe(null);
    },
  );
});

describe("wayOfMapped()", () => {
  const member = testLink({ kind: "route", role: "both" });
  const routeTo = (hash: string) => (hash === "member" ? member : undefined);

  test("leaves subjects alone that are not mapped, and all of them where there are no gateways", () => {
    expect(wayOfMapped("inbox.1", "gateway", ADDRESS, routeTo)).toEqual({ kind: "ordinary" });
    expect(wayOfMapped(`${OWN}inbox.1`, "route", null, routeTo)).toEqual({ kind: "ordinary" });
  });

  test("leaves those of leaf nodes to who knows the cluster they name", () => {
    expect(wayOfMapped("_GR_.u4xB6R.U18XED.inbox.1", "leaf", ADDRESS, routeTo)).toEqual({ kind: "ordinary" });
  });

  test("drops what is for another cluster", () => {
    expect(wayOfMapped("_GR_.u4xB6R.U18XED.inbox.1", "gateway", ADDRESS, routeTo)).toEqual({ kind: "drop" });
    expect(wayOfMapped("_GR_.u4xB6R.U18XED.inbox.1", "route", ADDRESS, routeTo)).toEqual({ kind: "drop" });
  });

  test("forwards what a gateway brings for a member that a route leads to", () => {
    const way = wayOfMapped("_GR_.F2cAWZ.member.inbox.1", "gateway", ADDRESS, routeTo);
    expect(way).toEqual({ kind: "forward", to: member });
  });

  test("strips what is for here, for nobody known, or came over a route", () => {
    const stripped = { kind: "strip", subject: "inbox.1" } as const;
    expect(wayOfMapped(`${OWN}inbox.1`, "gateway", ADDRESS, routeTo)).toEqual(stripped);
    expect(wayOfMapped("_GR_.F2cAWZ.nobody.inbox.1", "gateway", ADDRESS, routeTo)).toEqual(stripped);
    expect(wayOfMapped("_GR_.F2cAWZ.member.inbox.1", "route", ADDRESS, routeTo)).toEqual(stripped);
  });
});
