import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import { checked, createAuthority, derOf, keptLog } from "../../../test/support/ocsp_authority.ts";
import type { OcspPeerOptions } from "../../config/tls.ts";
import { type CheckedPeers, isCurrent, PeerChecks } from "./peer_checks.ts";
import { ResponseCache } from "./response_cache.ts";

const OPTIONS: OcspPeerOptions = {
  verify: true,
  caTimeoutMs: 2000,
  allowedClockSkewMs: 30_000,
  warnOnly: false,
  unknownIsGood: false,
  allowWhenCaUnreachable: false,
  cacheTtlMs: 3_600_000,
};

const CLIENTS: CheckedPeers = { kind: "Client", side: "client", isVerified: true };

const authority = await createAuthority();
const client = authority.make("/CN=client");
const chain = [derOf(client), derOf(authority.pair)];
afterAll(() => authority.remove());
beforeEach(() => {
  authority.asked.length = 0;
  authority.isAway = false;
  authority.responder.options = {};
});

/** Checks with a cache that is in memory alone. */
function checksWith(options: Partial<OcspPeerOptions> = {}, preserveRevoked = false) {
  const log = keptLog();
  const told: string[] = [];
  const cacheOptions = { type: "local", localStore: "", preserveRevoked, saveIntervalMs: 1000 } as const;
  const cache = new ResponseCache(cacheOptions, log);
  const checks = new PeerChecks(CLIENTS, { ...OPTIONS, ...options }, cache, authority.ask, log, {
    linkInvalid: (peer, link, reason) => told.push(`link ${link.name} of ${peer.name}: ${reason}`),
    peerRejected: (kind, peer, reason) => told.push(`${kind} ${peer.name}: ${reason}`),
  });
  return { checks, cache, log, told };
}

describe("PeerChecks", () => {
  test("asks once, also for peers that come at the same time", async () => {
    authority.responder.setState(client, "good");
    const { checks, cache } = checksWith();
    expect(await Promise.all([checks.isValid(chain), checks.isValid(chain)])).toEqual([true, true]);
    expect(await checks.isValid(chain)).toBe(true);
    expect(authority.asked).toEqual([[authority.responder.url]]);
    expect(cache.statistics).toMatchObject({ hits: 1, misses: 2, good: 1 });
  });

  test("tells which certificate is invalid, and whom that turns away", async () => {
    authority.responder.setState(client, "revoked");
    const { checks, told } = checksWith();
    expect(await checks.isValid(chain)).toBe(false);
    expect(told).toEqual([
      "link CN=client of CN=client: Invalid OCSP response status: revoked",
      "Client CN=client: client not OCSP valid",
    ]);
  });

  test("a server that was dialled without verification is not valid, whatever it shows", async () => {
    authority.responder.setState(client, "good");
    const log = keptLog();
    const dialled = { kind: "Leafnode", side: "server", isVerified: false } as const;
    const cache = new ResponseCache(
      { type: "none", localStore: "", preserveRevoked: false, saveIntervalMs: 1 },
      log,
    );
    const events = { linkInvalid: () => {}, peerRejected: () => {} };
    const checks = new PeerChecks(dialled, OPTIONS, cache, authority.ask, log, events);
    expect(await checks.isValid(chain)).toBe(false);
    expect(log.lines).toContain("error: Peer certificate is nil, rejecting OCSP peer");
    expect(authority.asked).toEqual([]);
  });

  test("asks about every certificate but the root", async () => {
    const middle = authority.make("/CN=middle", ["basicConstraints=critical,CA:TRUE"]);
    const leaf = authority.maker.make({ subject: "/CN=leaf", issuer: middle });
    authority.responder.setState(middle, "revoked");
    const { checks, told } = checksWith();
    expect(await checks.isValid([derOf(leaf), derOf(middle), derOf(authority.pair)])).toBe(false);
    expect(told[0]).toBe("link CN=middle of CN=leaf: Invalid OCSP response status: revoked");
  });

  test("a chain of one is valid if it is a root, else not: after that nothing could be asked", async () => {
    const { checks, log } = checksWith();
    expect(await checks.isValid([derOf(authority.pair)])).toBe(true);
    expect(await checks.isValid([derOf(client)])).toBe(false);
    expect(await checks.isValid([])).toBe(false);
    expect(await checks.isValid([Uint8Array.of(1, 2, 3)])).toBe(false);
    expect(log.lines).toContain("error: The chain of [CN=client] is not known, rejecting OCSP peer");
    expect(authority.asked).toEqual([]);
  });

  test("allow_when_ca_unreachable: not those that were revoked when the responder was last heard", async () => {
    const { checks, cache, log } = checksWith({ allowWhenCaUnreachable: true, allowedClockSkewMs: 0 }, true);
    authority.isAway = true;
    expect(await checks.isValid(chain)).toBe(true);
    authority.isAway = false;
    // Without a next update a response holds as long as the options say: here it has run out at once.
    authority.responder.options = { minutes: 0 };
    authority.responder.setState(client, "revoked");
    const strict = new PeerChecks(
      CLIENTS,
      { ...OPTIONS, allowWhenCaUnreachable: true, allowedClockSkewMs: 0, cacheTtlMs: -1000 },
      cache,
      authority.ask,
      log,
      { linkInvalid: () => {}, peerRejected: () => {} },
    );
    expect(await checks.isValid(chain)).toBe(false);
    authority.isAway = true;
    expect(await strict.isValid(chain)).toBe(false);
    expect(log.lines.join("\n")).toContain("cached revocation exists so rejecting");
  });

  test("what is cached and no response, or somebody else's, is dropped and asked for again", async () => {
    authority.responder.setState(client, "good");
    const { checks, cache, log } = checksWith();
    const { fingerprint } = checked(client);
    const good = { status: "good", thisUpdateMs: 0, nextUpdateMs: null, delegate: null } as const;
    cache.put(fingerprint, "CN=client", Uint8Array.of(1, 2, 3), good);
    expect(await checks.isValid(chain)).toBe(true);
    expect(log.lines.join("\n")).toContain("Invalid cached OCSP response for [CN=client]");
    expect(authority.asked.length).toBe(1);
  });

  test("a responder that cannot be reached turns peers away, with warn_only it does not", async () => {
    authority.isAway = true;
    const { checks, told } = checksWith();
    expect(await checks.isValid(chain)).toBe(false);
    expect(told[0]).toBe("link CN=client of CN=client: Failed OCSP response fetch");
    expect(await checksWith({ warnOnly: true }).checks.isValid(chain)).toBe(true);
  });
});

describe("isCurrent()", () => {
  const skew = { allowedClockSkewMs: 30, cacheTtlMs: 1000 };
  const response = (thisUpdateMs: number, nextUpdateMs: number | null) =>
    ({ status: "good", thisUpdateMs, nextUpdateMs, delegate: null }) as const;

  test("from this update to the next one, give or take the skew", () => {
    const held = response(5000, 6000);
    const at = [4969, 4970, 6030, 6031].map((nowMs) => isCurrent(held, skew, nowMs));
    expect(at).toEqual([false, true, true, false]);
  });

  test("without a next update as long as the options say", () => {
    const held = response(5000, null);
    expect([6030, 6031].map((nowMs) => isCurrent(held, skew, nowMs))).toEqual([true, false]);
  });
});
