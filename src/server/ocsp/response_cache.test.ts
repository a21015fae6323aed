import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { keptLog } from "../../../test/support/ocsp_authority.ts";
import { derChildren, derWhole, readDer } from "../../base/der.ts";
import { parseOcspResponse } from "../../base/ocsp.ts";
import { parseRevocationFields } from "../../base/x509_revocation.ts";
import { unframeS2 } from "../../protocol/s2_stream.ts";
import { ResponseCache } from "./response_cache.ts";

const folder = mkdtempSync(join(tmpdir(), "midge-ocsp-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const GOOD = { status: "good", thisUpdateMs: 0, nextUpdateMs: null, delegate: null } as const;
const REVOKED = { ...GOOD, status: "revoked" } as const;

/** Written by nats-server 2.15.2: S2, with copies that repeat a distance. Serial 7345…3a80 is good. */
const OF_NATS_SERVER = `
/wYAAFMyc1R3TwARAgDpJQCZ/gTwoDCCAnoKAQCgggJzMIICbwYJKwYBBQUHMAEBBIICYDCCAlwwgaChFDASMRAwDgYDVQQDDAdUZXN0
IENBGA8yMDI2MTEyOTAyMDU0MlowdzB1ME0wCQYFKw4DAhoFAAQUv3BSyLnA92DIkSPgmYFessA5QiYEFFpsO53Q4pyrugAR11CTDA5Z
WWs+AhRzRYY0Pg1qTI6F/fnjylpPHUrqOoAAQmYABKARHXkAMwkA8H4KBggqhkjOPQQDAgNJADBGAiEA7t+aV1wCSt4kX/+RAiOUMyPA
jZ+qB/QpeqJmD1WNEgACIQCGDbrV+BwkEmISf/HGASk6K/6vOFm2Rip4zN7wvE7coaCCAV4wggFaMIIBVjCB/qADAgECAhQQVhUTeC8Q
W/iqwVepY5g4zO3YMoEATisBDDAeFw0VAAUFDwAyFQ9SNAAQWTATBgcFVgQCAQ3g8GQDAQcDQgAEiyd9tpR4vT4KBWdu/NwJhmJb1h/D
ZuJeqPE+HJraBpyjIALZI/dRlYVs8Qgc44VY9qOxn8U3IKqOETm3T1BjjKMyMDAwDwYDVR0TAQH/BAUwAwEB/zAdBgNVHQ4EFlagATJk
AfBHRwAwRAIgTRm3dDkQN05snbr91swlD/nBqxu9HXSUrttyTpEicMACIBeNJwRkg92lWYOHRrb9/rtU18nGrEZnqMVebLkziMoL`;

function cacheIn(name: string, more: { type?: "local" | "none"; preserveRevoked?: boolean } = {}) {
  const log = keptLog();
  const localStore = join(folder, name);
  const options = {
    type: "local",
    localStore,
    preserveRevoked: false,
    saveIntervalMs: 1000,
    ...more,
  } as const;
  return { cache: new ResponseCache(options, log), log, localStore };
}

const bytes = (text: string) => new TextEncoder().encode(text);

describe("ResponseCache", () => {
  test("keeps responses over a restart, and nothing else in its folder", () => {
    const first = cacheIn("kept").cache;
    first.start();
    first.put("k1", "CN=a", bytes("one one one one one"), GOOD);
    first.put("k2", "CN=b", bytes("two"), REVOKED);
    first.stop();
    const { cache, localStore } = cacheIn("kept");
    cache.start();
    expect(cache.get("k1")).toEqual(bytes("one one one one one"));
    expect(cache.get("k2")).toEqual(bytes("two"));
    expect(cache.get("k3")).toBeNull();
    expect(cache.statistics).toEqual({ hits: 2, misses: 1, good: 1, revoked: 1, unknown: 0 });
    cache.stop();
    expect(readdirSync(localStore)).toEqual(["cache.json"]);
  });

  test("what is rejected is gone and counts as a miss; a revocation stays where it is to", () => {
    const { cache } = cacheIn("rejected", { preserveRevoked: true });
    cache.put("good", "", bytes("a"), GOOD);
    cache.put("revoked", "", bytes("b"), REVOKED);
    for (const key of ["good", "revoked"]) {
      cache.get(key);
      cache.reject(key);
    }
    expect(cache.get("good")).toBeNull();
    expect(cache.get("revoked")).toEqual(bytes("b"));
    expect(cache.statistics).toMatchObject({ hits: 1, misses: 3 });
  });

  test("without a type it keeps nothing", () => {
    const { cache } = cacheIn("none", { type: "none" });
    cache.start();
    cache.put("k", "", bytes("a"), GOOD);
    expect(cache.get("k")).toBeNull();
    expect(cache.statistics).toMatchObject({ hits: 0, misses: 0, good: 0 });
    cache.stop();
  });

  test("a file that is none is said so, and written anew", () => {
    const first = cacheIn("broken");
    first.cache.put("k", "", bytes("a"), GOOD);
    first.cache.start();
    first.cache.stop();
    writeFileSync(join(first.localStore, "cache.json"), '{ "k": { "resp": 1 }, ');
    const { cache, log, localStore } = cacheIn("broken");
    cache.start();
    expect(log.lines.join("\n")).toContain("warn: Unable to load OCSP peer cache: ");
    cache.put("k", "", bytes("b"), GOOD);
    cache.stop();
    expect(Object.keys(JSON.parse(readFileSync(join(localStore, "cache.json"), "utf8")))).toEqual(["k"]);
  });

  test("entries that are none are left out, a response that is none is empty", () => {
    const { cache, localStore } = cacheIn("odd");
    cache.put("k", "", bytes("a"), GOOD);
    cache.start();
    cache.stop();
    const odd = {
      a: null,
      b: { resp: 1 },
      c: { resp: "%%", resp_status: "good" },
      d: { resp: "", resp_status: "x" },
    };
    writeFileSync(join(localStore, "cache.json"), JSON.stringify(odd));
    const again = cacheIn("odd").cache;
    again.start();
    expect(["a", "b", "c", "d"].map((key) => again.get(key))).toEqual([null, null, new Uint8Array(0), null]);
    again.stop();
  });
});

describe("unframeS2()", () => {
  const stream = Uint8Array.fromBase64(OF_NATS_SERVER.replace(/\s/g, ""));

  test("reads what nats-server wrote, to the last bit of what is signed", () => {
    const response = unframeS2(stream, 1000)!;
    const at = (value: ReturnType<typeof readDer>, ...path: number[]) =>
      path.reduce((parent, i) => [...derChildren(response, parent!)][i]!, value);
    const octets = at(readDer(response, 0, response.length), 1, 0, 1)!;
    const basic = readDer(response, octets.contentStart, octets.end);
    const signer = derWhole(response, at(basic, 3, 0, 0)!);
    const serialNumber = Uint8Array.fromHex("734586343e0d6a4c8e85fdf9e3ca5a4f1d4aea3a");
    const about = { ...parseRevocationFields(signer)!, serialNumber };
    const parsed = parseOcspResponse(response, about, signer, Date.now());
    expect(parsed.ok && parsed.response.status).toBe("good");
  });

  test("is not fooled by what is cut, changed or too much", () => {
    expect(unframeS2(stream, 600)).toBeNull();
    for (let end = 0; end < stream.length; end++) {
      // A stream may end between chunks: then there is nothing in it.
      expect(unframeS2(stream.subarray(0, end), 1000)?.length ?? 0).toBe(0);
    }
    for (let at = 10; at < stream.length; at++) {
      const changed = Uint8Array.from(stream);
      changed[at]! ^= 0x41;
      expect((unframeS2(changed, 1000)?.length ?? 0) <= 1000).toBe(true);
    }
  });
});
