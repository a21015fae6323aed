/**
 * The OCSP response that is sent with one of the server's own certificates: fetched at the start, renewed at half its
 * life.
 * Source: nats-server ocsp.go, `OCSPMonitor`.
 */
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { encodeOcspRequest, type OcspResponse, type OcspResult, parseOcspResponse } from "../../base/ocsp.ts";
import { formatDuration } from "../../config/duration.ts";
import { formatTime } from "../../protocol/go_json.ts";
import type { CheckedCertificate } from "./certificate.ts";
import type { Ask } from "./responder.ts";
import type { CacheLog } from "./response_cache.ts";

const RESPONDER_TIMEOUT_MS = 30_000;
/** A response without a next update is asked for again after this. */
const UNTIMED_MS = 24 * 3_600_000;
/** One that has run out is asked for again after this. */
const LATE_MS = 120_000;
/** Never sooner than that, however close the end is. */
const PAUSE_MS_MIN = 1000;

export interface StapleSettings {
  readonly certificate: CheckedCertificate;
  readonly issuer: CheckedCertificate;
  /** Names the certificate in logs. */
  readonly certFile: string;
  /** Asked instead of those in the certificate; empty for those. */
  readonly urls: readonly string[];
  /** Keeps responses over a restart; undefined for nowhere. */
  readonly storeDir: string | undefined;
  /** The server stops when its certificate is not good any more. */
  readonly stopsWhenBad: boolean;
}

export interface StapleEvents {
  /** There is another response, or the one there was has expired. */
  changed(): void;
  /** The certificate is not good, and the server is to stop. */
  stop(): void;
}

/** Time, and what happens later. */
export interface Clock {
  /** Milliseconds since 1970. */
  nowMs(): number;
  /** Runs something after a while; returns a function that cancels it. */
  after(ms: number, run: () => void): () => void;
}

const SYSTEM_CLOCK: Clock = {
  nowMs: Date.now,
  after: (ms, run) => {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
};

interface Held {
  readonly raw: Uint8Array<ArrayBuffer>;
  readonly response: OcspResponse;
}

type Obtained = { readonly ok: true; readonly held: Held } | { readonly ok: false; readonly reason: string };

export class Staple {
  readonly #settings: StapleSettings;
  readonly #ask: Ask;
  readonly #log: CacheLog;
  readonly #events: StapleEvents;
  #held: Held | null = null;
  readonly #clock: Clock;
  /** Cancels the next request. */
  #cancel: () => void = () => {};
  #isStopped = false;

  constructor(
    settings: StapleSettings,
    ask: Ask,
    log: CacheLog,
    events: StapleEvents,
    clock: Clock = SYSTEM_CLOCK,
  ) {
    this.#clock = clock;
    this.#settings = settings;
    this.#ask = ask;
    this.#log = log;
    this.#events = events;
  }

  /** The response that handshakes carry, in DER; null while there is none that is current. */
  get current(): Uint8Array<ArrayBuffer> | null {
    return this.#held?.raw ?? null;
  }

  /**
   * Fetches a response, from the folder or from a responder. Returns why the server must not start with this
   * certificate.
   */
  async open(): Promise<string | undefined> {
    const { certFile, stopsWhenBad } = this.#settings;
    const kept = this.#load();
    const obtained: Obtained = kept === null ? await this.#fetch() : { ok: true, held: kept };
    if (!obtained.ok) return `bad OCSP status update for certificate at '${certFile}': ${obtained.reason}`;
    const { status } = obtained.held.response;
    if (status !== "good" && stopsWhenBad) {
      return `found existing OCSP status for certificate at '${certFile}': ${status}`;
    }
    this.#held = obtained.held;
    return undefined;
  }

  /** Renews it from now on, or goes on trying to get one. */
  start(): void {
    const { certFile } = this.#settings;
    const response = this.#held?.response;
    if (response?.status === "good") {
      const next = this.#nextText(response);
      this.#log.notice(`Found OCSP status for Client certificate at '${certFile}': good, ${next}`);
    } else if (response !== undefined) {
      this.#log.error(`Found OCSP status for Client certificate at '${certFile}': ${response.status}`);
    }
    this.#schedule();
  }

  stop(): void {
    this.#isStopped = true;
    this.#cancel();
  }

  #schedule(): void {
    if (this.#isStopped) return;
    this.#cancel = this.#clock.after(this.#pauseMs(), () => void this.#renew());
  }

  async #renew(): Promise<void> {
    const { certFile, stopsWhenBad } = this.#settings;
    const obtained = await this.#fetch();
    if (this.#isStopped) return;
    if (!obtained.ok) {
      const pause = formatDuration(this.#pauseMs());
      this.#log.error(
        `Bad OCSP status update for certificate '${certFile}': ${obtained.reason}, trying again in ${pause}`,
      );
      if (this.#held !== null && findTimeFault(this.#held.response, this.#clock.nowMs()) !== undefined) {
        this.#held = null;
        this.#events.changed();
      }
      this.#schedule();
      return;
    }
    this.#held = obtained.held;
    const { response } = obtained.held;
    if (response.status === "good") {
      const next = this.#nextText(response);
      this.#log.notice(`Received OCSP status for Client certificate '${certFile}': good, ${next}`);
    } else {
      this.#log.error(`Received OCSP status for Client certificate '${certFile}': ${response.status}`);
      if (stopsWhenBad) {
        this.#events.stop();
        return;
      }
    }
    this.#events.changed();
    this.#schedule();
  }

  #nextText({ nextUpdateMs }: OcspResponse): string {
    return `next update ${formatTime(nextUpdateMs)}, checking again in ${formatDuration(this.#pauseMs())}`;
  }

  /** Until the next request. */
  #pauseMs(): number {
    if (this.#held === null) return LATE_MS;
    const { nextUpdateMs } = this.#held.response;
    if (nextUpdateMs === null) return UNTIMED_MS;
    const leftMs = nextUpdateMs - this.#clock.nowMs();
    return leftMs < 0 ? LATE_MS : Math.max(Math.floor(leftMs / 2), PAUSE_MS_MIN);
  }

  async #fetch(): Promise<Obtained> {
    const { certificate, issuer, urls } = this.#settings;
    const responders = urls.length > 0 ? urls : certificate.responderUrls;
    const answer = await this.#ask(responders, encodeOcspRequest(certificate, issuer), RESPONDER_TIMEOUT_MS);
    if (!answer.ok) return answer;
    const parsed = this.#parse(answer.bytes);
    if (!parsed.ok) return { ok: false, reason: `failed to get remote status: ${parsed.reason}` };
    const fault = findTimeFault(parsed.response, this.#clock.nowMs());
    if (fault !== undefined) return { ok: false, reason: fault };
    const problem = this.#store(answer.bytes);
    if (problem !== undefined) return { ok: false, reason: `failed to write ocsp status: ${problem}` };
    return { ok: true, held: { raw: answer.bytes, response: parsed.response } };
  }

  /** Parses a response; one signed by a delegate that may not sign counts as none. */
  #parse(raw: Uint8Array): OcspResult {
    const { certificate, issuer } = this.#settings;
    const parsed = parseOcspResponse(raw, certificate, issuer.der, this.#clock.nowMs());
    if (!parsed.ok || parsed.response.delegate?.isAllowed !== false) return parsed;
    return { ok: false, reason: "ocsp: the signer may not sign responses" };
  }

  /** The file of the response, named by a hash of the whole certificate: a renewed certificate has another status. */
  get #path(): string | null {
    const { storeDir, certificate } = this.#settings;
    const name = createHash("sha256").update(certificate.der).digest("hex");
    return storeDir === undefined ? null : join(storeDir, "ocsp", name);
  }

  #load(): Held | null {
    const path = this.#path;
    if (path === null) return null;
    try {
      const raw = Uint8Array.from(readFileSync(path));
      const parsed = this.#parse(raw);
      if (!parsed.ok || findTimeFault(parsed.response, this.#clock.nowMs()) !== undefined) return null;
      return { raw, response: parsed.response };
    } catch {
      // Not kept yet, or not to be read: a responder is asked.
      return null;
    }
  }

  #store(raw: Uint8Array): string | undefined {
    const path = this.#path;
    if (path === null) return undefined;
    const draft = `${path}.${process.pid}`;
    try {
      mkdirSync(join(path, ".."), { recursive: true, mode: 0o755 });
      writeFileSync(draft, raw, { mode: 0o600 });
      renameSync(draft, path);
      return undefined;
    } catch (error) {
      rmSync(draft, { force: true });
      return (error as Error).message;
    }
  }
}

/** Why a response is not current; undefined if it is. Source: nats-server `validOCSPResponse`. */
function findTimeFault({ thisUpdateMs, nextUpdateMs }: OcspResponse, nowMs: number): string | undefined {
  if (nextUpdateMs !== null && nextUpdateMs < nowMs) {
    return `invalid ocsp NextUpdate, is past time: ${formatTime(nextUpdateMs)}`;
  }
  if (thisUpdateMs > nowMs) return `invalid ocsp ThisUpdate, is future time: ${formatTime(thisUpdateMs)}`;
  return undefined;
}
