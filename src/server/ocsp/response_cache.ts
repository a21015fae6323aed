/**
 * Caches what responders said of peers' certificates: in memory and, with a `local` cache, in a file that nats-server
 * reads and writes too. Source: nats-server ocsp_responsecache.go.
 */
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import process from "node:process";
import type { CertificateStatus, OcspResponse } from "../../base/ocsp.ts";
import type { OcspCacheOptions } from "../../config/tls.ts";
import { formatTime } from "../../protocol/go_json.ts";
import { unframeS2 } from "../../protocol/s2_stream.ts";
import { frameSnappy } from "../../system/snappy.ts";

const FILE_NAME = "cache.json";
const RESPONSE_BYTES_MAX = 256 * 1024;
/** Certificates that are remembered; the oldest go. */
const ENTRIES_MAX = 65_536;

export interface CacheLog {
  debug(text: string): void;
  notice(text: string): void;
  warn(text: string): void;
  error(text: string): void;
}

export interface CacheStatistics {
  readonly hits: number;
  readonly misses: number;
  /** Kept now, by what they say. */
  readonly good: number;
  readonly revoked: number;
  readonly unknown: number;
}

/** As the file has it, in the order of its keys. */
interface Entry {
  readonly subject: string;
  readonly cached_at: string;
  readonly resp_status: CertificateStatus;
  readonly resp_expires: string;
  /** The response, compressed, base64. */
  readonly resp: string;
}

export class ResponseCache {
  readonly #options: OcspCacheOptions;
  readonly #log: CacheLog;
  #entries = new Map<string, Entry>();
  #hits = 0;
  #misses = 0;
  #isDirty = false;
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(options: OcspCacheOptions, log: CacheLog) {
    this.#options = options;
    this.#log = log;
  }

  get type(): "local" | "none" {
    return this.#options.type;
  }

  get statistics(): CacheStatistics {
    const count = (status: CertificateStatus) =>
      [...this.#entries.values()].filter((entry) => entry.resp_status === status).length;
    return {
      hits: this.#hits,
      misses: this.#misses,
      good: count("good"),
      revoked: count("revoked"),
      unknown: count("unknown"),
    };
  }

  /** Reads what was kept, and writes what is new from now on. */
  start(): void {
    if (this.type === "local") {
      this.#log.debug("Starting OCSP peer cache");
      this.#load();
      this.#timer = setInterval(() => this.#save(), Math.max(this.#options.saveIntervalMs, 1000));
    }
    this.#log.notice(`OCSP peer cache online, type [${this.type}]`);
  }

  /** Writes what is new. */
  stop(): void {
    if (this.#timer === undefined) return;
    this.#log.debug("Stopping OCSP peer cache");
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#save();
  }

  get(key: string): Uint8Array<ArrayBuffer> | null {
    if (this.type === "none") return null;
    const entry = this.#entries.get(key);
    if (entry === undefined) {
      this.#misses++;
      this.#log.debug(`OCSP peer cache miss for key [${key}]`);
      return null;
    }
    this.#hits++;
    this.#log.debug(`OCSP peer cache hit for key [${key}]`);
    return decode(entry.resp);
  }

  put(key: string, subject: string, raw: Uint8Array, { status, nextUpdateMs }: OcspResponse): void {
    if (this.type === "none") return;
    this.#log.debug(`Caching OCSP response for [${subject}], key [${key}]`);
    this.#entries.delete(key);
    this.#entries.set(key, {
      subject,
      cached_at: formatTime(Math.round(Date.now() / 1000) * 1000),
      resp_status: status,
      resp_expires: formatTime(nextUpdateMs),
      resp: Uint8Array.from(frameSnappy(raw)).toBase64(),
    });
    if (this.#entries.size > ENTRIES_MAX) this.#entries.delete(this.#entries.keys().next().value!);
    this.#isDirty = true;
  }

  /** Drops a response that `get` gave and that proved useless. A revocation stays if the options say so. */
  reject(key: string): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    this.#hits--;
    this.#misses++;
    if (entry.resp_status === "revoked" && this.#options.preserveRevoked) {
      this.#log.debug(`Revoked OCSP response for key [${key}] preserved by cache policy`);
      return;
    }
    this.#log.debug(`Deleting OCSP peer cached response for key [${key}]`);
    this.#entries.delete(key);
    this.#isDirty = true;
  }

  get #path(): string {
    return resolve(this.#options.localStore, FILE_NAME);
  }

  #load(): void {
    this.#log.debug(`Loading OCSP peer cache [${this.#path}]`);
    try {
      const kept: unknown = JSON.parse(readFileSync(this.#path, "utf8"));
      this.#entries = new Map(Object.entries(kept as object).filter(isNamedEntry));
    } catch (error) {
      const isMissing = (error as NodeJS.ErrnoException).code === "ENOENT";
      if (isMissing) this.#log.debug("No OCSP peer cache found, starting with empty cache");
      else this.#log.warn(`Unable to load OCSP peer cache: ${(error as Error).message}`);
    }
  }

  #save(): void {
    if (!this.#isDirty) return;
    const draft = join(this.#options.localStore, `ocsprc-${process.pid}`);
    try {
      mkdirSync(this.#options.localStore, { recursive: true, mode: 0o755 });
      const text = JSON.stringify(Object.fromEntries(this.#entries), null, 1);
      writeFileSync(draft, text, { mode: 0o600 });
      renameSync(draft, this.#path);
      this.#isDirty = false;
      this.#log.debug(`Saved OCSP peer cache successfully (${text.length} bytes)`);
    } catch (error) {
      rmSync(draft, { force: true });
      this.#log.error(`Unable to save OCSP peer cache: ${(error as Error).message}`);
    }
  }
}

function decode(text: string): Uint8Array<ArrayBuffer> {
  // What cannot be read is no response: whoever wants it rejects it like any other that is none.
  const none = new Uint8Array(0);
  try {
    return unframeS2(Uint8Array.fromBase64(text), RESPONSE_BYTES_MAX) ?? none;
  } catch {
    return none;
  }
}

function isNamedEntry(named: [string, unknown]): named is [string, Entry] {
  const [, entry] = named;
  if (typeof entry !== "object" || entry === null) return false;
  const { resp, resp_status } = entry as Partial<Entry>;
  return typeof resp === "string" && ["good", "revoked", "unknown"].includes(resp_status ?? "");
}
