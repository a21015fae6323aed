import { describe, expect, test } from "bun:test";
import { cpuMsOf } from "../../test/support/cpu_time.ts";
import type { SubjectPermission, UserRights } from "./jwt/claims.ts";
import { newScopedUser, newUser } from "./jwt/new_claims.ts";
import { expandScope, hasRightsOfItsOwn } from "./scope.ts";

const NONE: SubjectPermission = { allow: [], deny: [] };
const SUBJECTS = {
  user: { subject: "UBOB", name: "bob", tags: ["team:blue", "team:red", "dc:eu"] },
  account: { subject: "AACME", name: "Acme", tags: ["plan:gold"] },
};

/** What the publish side of a template comes to, or what is wrong with it. */
function expand(publish: Partial<SubjectPermission>, subjects = SUBJECTS): SubjectPermission | string {
  const template: UserRights = { ...newUser("", "").nats, publish: { ...NONE, ...publish } };
  const expansion = expandScope(template, subjects);
  return expansion.ok ? expansion.rights.publish : expansion.problem;
}

const allow = (...entries: string[]) => expand({ allow: entries });

describe("expandScope()", () => {
  test("fills in names and keys, in any case and with blanks", () => {
    expect(allow("t.{{name()}}", "{{ Subject() }}.>", "{{account-name()}}.{{ACCOUNT-SUBJECT()}}")).toEqual({
      allow: ["t.bob", "UBOB.>", "Acme.AACME"],
      deny: [],
    });
  });

  test("makes an entry for each value of a tag, and for each combination", () => {
    expect(allow("{{tag(team)}}.z")).toEqual({ allow: ["blue.z", "red.z"], deny: [] });
    expect(allow("{{tag(team)}}.{{tag(team)}}")).toEqual({ allow: ["blue.blue", "red.red"], deny: [] });
    expect(allow("KV_{{tag(TEAM)}}.{{account-tag(plan)}}.{{tag(dc)}}")).toEqual({
      allow: ["KV_blue.gold.eu", "KV_red.gold.eu"],
      deny: [],
    });
  });

  test("leaves a list without templates alone, queue names included", () => {
    expect(allow("a.>", "b workers")).toEqual({ allow: ["a.>", "b workers"], deny: [] });
  });

  test("drops what comes to nothing where it would allow", () => {
    expect(allow("{{tag(none)}}.x", "y")).toEqual({ allow: ["y"], deny: [] });
    expect(allow("{{name()}}", "b workers")).toEqual({ allow: ["bob"], deny: [] });
    expect(allow("{{TAG(team)}}", "y")).toEqual({ allow: ["y"], deny: [] });
  });

  test("denies everything where nothing is left to allow", () => {
    expect(allow("{{tag(none)}}")).toEqual({ allow: [], deny: [">"] });
    expect(expand({ allow: ["{{tag(none)}}"], deny: [">"] })).toEqual({ allow: [], deny: [">"] });
  });

  test("refuses what comes to nothing where it would deny", () => {
    expect(expand({ deny: ["{{tag(none)}}.x"] })).toBe(
      'generated invalid subject "{{tag(none)}}.x": "none" is not defined',
    );
    expect(expand({ deny: ["{{name()}}", "b workers"] })).toBe("generated invalid subject");
  });

  test("refuses functions that are none", () => {
    expect(allow("{{nme()}}")).toBe('template operation in "{{nme()}}": "nme()" is not defined');
  });

  test("refuses names that would change the subject around them", () => {
    const named = (name: string) => ({ ...SUBJECTS, user: { ...SUBJECTS.user, name } });
    expect(expand({ allow: ["t.{{name()}}", "y"] }, named("a b"))).toEqual({ allow: ["y"], deny: [] });
    expect(expand({ allow: ["t.{{name()}}.x", "y"] }, named(">"))).toEqual({ allow: ["y"], deny: [] });
    expect(expand({ deny: ["t.{{name()}}"] }, named(""))).toBe("generated invalid subject");
    expect(expand({ allow: ["{{name()}}"] }, named("$&"))).toEqual({ allow: ["$&"], deny: [] });
  });

  test("stops at 4,096 subjects", () => {
    const tags = Array.from({ length: 65 }, (_, index) => `n:${index}`);
    const many = { ...SUBJECTS, user: { ...SUBJECTS.user, tags } };
    const problem = "template expansion exceeds limit: 4096";
    expect(expand({ allow: ["{{tag(n)}}.{{tag(n)}}"] }, many)).toBe(problem);
    const tags64 = { ...SUBJECTS, user: { ...SUBJECTS.user, tags: tags.slice(1) } };
    expect(expand({ allow: ["{{account-name()}}.{{tag(n)}}"] }, tags64)).toMatchObject({ deny: [] });
    const lists = Array.from({ length: 65 }, () => "{{tag(n)}}");
    expect(expand({ allow: lists }, tags64)).toBe(problem);
  });

  test("stops before subjects fill the memory, and takes no time to find nothing", () => {
    const tags = Array.from({ length: 4000 }, (_, index) => `n:${index}`);
    const many = { ...SUBJECTS, user: { ...SUBJECTS.user, tags } };
    const problem = "template expansion exceeds limit: 1048576";
    expect(expand({ allow: [`${"a".repeat(500_000)}.{{tag(n)}}`] }, many)).toBe(problem);
    const longName = { ...SUBJECTS, user: { ...SUBJECTS.user, name: "n".repeat(10_000) } };
    expect(expand({ allow: ["{{name()}}.".repeat(1000)] }, longName)).toBe(problem);
    const cpuMs = cpuMsOf(() => {
      expect(allow("{{name()}}.".repeat(50_000))).toBe("template expansion exceeds limit: 4096");
      expect(allow("{".repeat(500_000))).toMatchObject({ deny: [] });
    });
    expect(cpuMs).toBeLessThan(1000);
  });

  test("finds placeholders as a leftmost match does", () => {
    expect(allow("{{}}", "{{name()}", "{{name()}}")).toEqual({
      allow: ["{{}}", "{{name()}", "bob"],
      deny: [],
    });
    expect(allow("{{{name()}}")).toBe('template operation in "{{{name()}}": "{name()" is not defined');
    expect(allow("{{name()}.{{name()}}")).toEqual({ allow: ["{{name()}.bob"], deny: [] });
  });
});

describe("hasRightsOfItsOwn()", () => {
  test("is false for a user that leaves everything to its scope", () => {
    expect(hasRightsOfItsOwn(newScopedUser("U", "bob"))).toBe(false);
  });

  test("is true for anything else", () => {
    const scoped = newScopedUser("U", "bob");
    const more: Partial<UserRights>[] = [
      { publish: { allow: ["a"], deny: [] } },
      { subscribe: { allow: [], deny: ["a"] } },
      { responses: { maxMessages: 0, ttlNs: 0 } },
      { maxSubscriptions: -1 },
      { maxDataBytes: 1 },
      { maxPayloadBytes: 1 },
      { sources: ["10.0.0.0/8"] },
      { times: [{ start: "", end: "" }] },
      { timesLocation: "UTC" },
      { bearerToken: true },
      { proxyRequired: true },
      { allowedConnectionTypes: ["STANDARD"] },
    ];
    for (const rights of more) {
      expect(hasRightsOfItsOwn({ ...scoped, nats: { ...scoped.nats, ...rights } })).toBe(true);
    }
  });
});
