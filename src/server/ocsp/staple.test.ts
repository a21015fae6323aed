import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { checked, createAuthority, keptLog } from "../../../test/support/ocsp_authority.ts";
import { Staple, type StapleSettings } from "./staple.ts";

const MINUTE_MS = 60_000;
const authority = await createAuthority();
const server = authority.make("/CN=server");
afterAll(() => authority.remove());
beforeEach(() => {
  authority.asked.length = 0;
  authority.isAway = false;
  authority.responder.options = { minutes: 60 };
  authority.responder.setState(server, "good");
});

const SETTINGS: StapleSettings = {
  certificate: checked(server),
  issuer: checked(authority.pair),
  certFile: "server.pem",
  urls: [],
  storeDir: undefined,
  stopsWhenBad: false,
};

/** A staple whose time a test moves on; the responder says the machine's time, so it goes on with that, too. */
function stapleWith(settings: Partial<StapleSettings> = {}) {
  let skippedMs = 0;
  const nowMs = () => Date.now() + skippedMs;
  let due: { readonly atMs: number; readonly run: () => void } | null = null;
  const clock = {
    nowMs,
    after: (ms: number, run: () => void) => {
      due = { atMs: nowMs() + ms, run };
      return () => {
        due = null;
      };
    },
  };
  const log = keptLog();
  const events: string[] = [];
  const staple = new Staple(
    { ...SETTINGS, ...settings },
    authority.ask,
    log,
    { changed: () => events.push("changed"), stop: () => events.push("stop") },
    clock,
  );
  /** Runs what is due next; returns after how many minutes that was. */
  const next = async (): Promise<number> => {
    const { atMs, run } = due!;
    due = null;
    const leftMs = atMs - nowMs();
    skippedMs += leftMs;
    run();
    await new Promise((resolve) => setTimeout(resolve, 0));
    return Math.round(leftMs / MINUTE_MS);
  };
  return { staple, log, events, next, isWaiting: () => due !== null };
}

describe("Staple", () => {
  test("is got at the start, and renewed at half its life", async () => {
    const { staple, log, events, next } = stapleWith();
    expect(await staple.open()).toBeUndefined();
    expect(staple.current).not.toBeNull();
    staple.start();
    expect(log.lines[0]).toMatch(
      /^notice: Found OCSP status for Client certificate at 'server.pem': good, next/,
    );
    expect(await next()).toBe(30);
    expect(events).toEqual(["changed"]);
    expect(authority.asked).toEqual([[authority.responder.url], [authority.responder.url]]);
    staple.stop();
  });

  test("without a next update it is asked for once a day", async () => {
    authority.responder.options = { minutes: 0 };
    const { staple, next } = stapleWith();
    await staple.open();
    staple.start();
    expect(await next()).toBe(24 * 60);
    staple.stop();
  });

  test("while the responder is away, it is tried for sooner and sooner, and is gone once it does not hold", async () => {
    const { staple, log, events, next } = stapleWith();
    await staple.open();
    staple.start();
    authority.isAway = true;
    expect([await next(), await next()]).toEqual([30, 15]);
    expect(log.lines.at(-1)).toContain(
      "error: Bad OCSP status update for certificate 'server.pem': it is away",
    );
    expect(events).toEqual([]);
    for (let tries = 0; staple.current !== null && tries < 1000; tries++) await next();
    expect(events).toEqual(["changed"]);
    expect(await next()).toBe(2);
    staple.stop();
  });

  test("revoked at the start: no start with always and must, a staple that says so without", async () => {
    authority.responder.setState(server, "revoked");
    expect(await stapleWith({ stopsWhenBad: true }).staple.open()).toBe(
      "found existing OCSP status for certificate at 'server.pem': revoked",
    );
    const { staple } = stapleWith();
    expect(await staple.open()).toBeUndefined();
    expect(staple.current).not.toBeNull();
  });

  test("revoked later: the server stops with always and must", async () => {
    const stopping = stapleWith({ stopsWhenBad: true });
    await stopping.staple.open();
    stopping.staple.start();
    authority.responder.setState(server, "revoked");
    await stopping.next();
    expect(stopping.events).toEqual(["stop"]);
    expect(stopping.isWaiting()).toBe(false);
    expect(stopping.log.lines.at(-1)).toBe(
      "error: Received OCSP status for Client certificate 'server.pem': revoked",
    );
  });

  test("stopped, it asks no more", async () => {
    const { staple, isWaiting } = stapleWith();
    await staple.open();
    staple.start();
    expect(isWaiting()).toBe(true);
    staple.stop();
    expect(isWaiting()).toBe(false);
  });

  test("asks the responders of the options instead of the certificate's", async () => {
    await stapleWith({ urls: ["http://other.test"] }).staple.open();
    expect(authority.asked).toEqual([["http://other.test"]]);
  });

  test("kept in a folder, it is not asked for at the next start", async () => {
    const storeDir = join(authority.maker.folder, "store");
    await stapleWith({ storeDir }).staple.open();
    expect(readdirSync(join(storeDir, "ocsp")).length).toBe(1);
    authority.isAway = true;
    const { staple } = stapleWith({ storeDir });
    expect(await staple.open()).toBeUndefined();
    expect(staple.current).not.toBeNull();
    expect(authority.asked.length).toBe(1);
  });
});
