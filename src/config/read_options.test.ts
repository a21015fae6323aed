import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { authorizationTimeoutMs } from "./authorization.ts";
import { loadConfigText } from "./load.ts";
import { OPTION_TABLE } from "./option_table.ts";
import { validateForStart } from "./start_checks.ts";

/** Keys of blocks, so that random maps get past the first unknown key. */
const INNER_KEYS =
  "name host port listen authorization user pass password token timeout users nkey permissions publish subscribe allow " +
  "deny allow_responses max ttl auth_callout issuer auth_users accounts A exports imports stream service account " +
  "subject to prefix response latency sampling mappings dest weight limits max_conn msg_trace routes tls cert_file " +
  "pinned_certs handshake_first certs min_version cipher_suites compression mode rtt_thresholds pool_size gateways " +
  "url urls remotes proxy credentials deny_imports headers allowed_origins type dir trusted key ping_interval shards";

const key = fc.constantFrom(
  ...Object.values(OPTION_TABLE).flatMap((option) =>
    [option.key, ...option.aliases].filter((name) => name !== ""),
  ),
  ...INNER_KEYS.split(" "),
);

const text: fc.Memo<string> = fc.memo((depth) => {
  const scalar = fc.constantFrom(
    "1",
    "-1",
    "0",
    "1.5",
    "true",
    "off",
    "a",
    '"2s"',
    '"a b"',
    "[]",
    "{}",
    '""',
    "10x",
    "99999999999",
    "'nats://a:1'",
    "'a.>'",
    "$port",
    "2016-05-04T18:53:41Z",
  );
  if (depth === 0) return scalar;
  const inner = text(depth - 1);
  return fc.oneof(
    scalar,
    fc.array(inner, { maxLength: 3 }).map((items) => `[ ${items.join(", ")} ]`),
    fc.array(fc.tuple(key, inner), { maxLength: 4 }).map(printMap),
  );
});

function printMap(entries: readonly (readonly [string, string])[]): string {
  return `{ ${entries.map(([name, value]) => `${name}: ${value}`).join("\n")} }`;
}

describe("readOptions()", () => {
  test("answers any tree with options or with problems that have a place, and never throws", () => {
    let goodCount = 0;
    fc.assert(
      fc.property(fc.array(fc.tuple(key, text(3)), { maxLength: 4 }), (entries) => {
        const loaded = loadConfigText(printMap(entries), "x.conf", { readFile: () => "", environment: {} });
        if (loaded.ok) {
          goodCount++;
          validateForStart(loaded.options);
        } else {
          for (const line of loaded.lines) expect(line).toMatch(/^x\.conf:\d+:\d+: ./s);
        }
      }),
      { numRuns: 1500, seed: 1 },
    );
    expect(goodCount).toBeGreaterThan(50);
  });
});

describe("authorizationTimeoutMs()", () => {
  test("is two seconds, a second more than the TLS handshake, or what the block says", () => {
    expect(authorizationTimeoutMs(undefined, undefined)).toBe(2000);
    expect(authorizationTimeoutMs(undefined, { timeoutMs: 5000 })).toBe(6000);
    expect(authorizationTimeoutMs(0, undefined)).toBe(2000);
    expect(authorizationTimeoutMs(500, { timeoutMs: 5000 })).toBe(500);
  });
});
