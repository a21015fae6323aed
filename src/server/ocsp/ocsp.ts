/** OCSP of a server: staples for its own certificates, and checks of its clients'. Loaded by a server with TLS only. */
import type { Options } from "../../config/option_table.ts";
import type { OcspCacheOptions } from "../../config/tls.ts";
import type { OcspMonitor } from "../../monitor/snapshots/options.ts";
import { CLIENT_CONTEXT } from "../../runtime/tls.ts";
import type { CheckedCertificate } from "./certificate.ts";
import { checkedBlocks } from "./checked_blocks.ts";
import { PeerChecks, type PeerKind } from "./peer_checks.ts";
import { askByGet, askByPost } from "./responder.ts";
import { type CacheLog, ResponseCache } from "./response_cache.ts";
import { Staple } from "./staple.ts";
import { planStapling } from "./stapling.ts";

/** Without `ocsp_cache`; as nats-server has it. */
const CACHE_DEFAULTS: OcspCacheOptions = {
  type: "local",
  localStore: "_rc_",
  preserveRevoked: false,
  saveIntervalMs: 300_000,
};

export interface OcspHost {
  readonly log: CacheLog;
  /** There are other `staples`, for handshakes from now on. */
  staple(): void;
  /** One of the server's own certificates is not good. */
  stop(): void;
  linkInvalid(peer: CheckedCertificate, link: CheckedCertificate, reason: string): void;
  peerRejected(kind: PeerKind, peer: CheckedCertificate, reason: string): void;
}

export type OcspResult =
  | { readonly ok: true; readonly ocsp: Ocsp }
  | { readonly ok: false; readonly reason: string };

/** What happens if a certificate has no staple: a start fails; after a reload it is asked for again and again. */
export type WithoutStaple = "fail" | "go on";

export class Ocsp {
  readonly #host: OcspHost;
  readonly #staples: readonly (Staple | null)[];
  readonly #cache: ResponseCache | null;
  /** By the name of the TLS block. */
  readonly #peers: ReadonlyMap<string, PeerChecks>;

  /** Gets the staples that the options ask for. Nothing runs before `start`. */
  static async open(options: Options, host: OcspHost, withoutStaple: WithoutStaple): Promise<OcspResult> {
    try {
      const plan = planStapling(options);
      for (const warning of plan.warnings) host.log.warn(warning);
      const ocsp = new Ocsp(options, plan.staples, host);
      for (const staple of ocsp.#staples) {
        const problem = await staple?.open();
        if (problem === undefined) continue;
        if (withoutStaple === "fail") return { ok: false, reason: problem };
        host.log.warn(`Can't restart OCSP features: ${problem}`);
      }
      return { ok: true, ocsp };
    } catch (error) {
      return { ok: false, reason: (error as Error).message };
    }
  }

  private constructor(
    options: Options,
    settings: ReturnType<typeof planStapling>["staples"],
    host: OcspHost,
  ) {
    this.#host = host;
    const events = { changed: () => this.#host.staple(), stop: () => this.#host.stop() };
    this.#staples = settings.map((each) =>
      each === null ? null : new Staple(each, askByPost, host.log, events),
    );
    const blocks = checkedBlocks(options);
    const cache = new ResponseCache(options.ocspCache ?? CACHE_DEFAULTS, host.log);
    this.#cache = blocks.length === 0 ? null : cache;
    this.#peers = new Map(
      blocks.map(({ name, peers, options: peer }) => [
        name,
        new PeerChecks(peers, peer, cache, askByGet, host.log, host),
      ]),
    );
  }

  /** By certificate of the listener, base64; null for one without. */
  get staples(): readonly (string | null)[] {
    return this.#staples.map((staple) => staple?.current?.toBase64() ?? null);
  }

  /** Any certificate is stapled. */
  get hasStaples(): boolean {
    return this.#staples.some((staple) => staple !== null);
  }

  /** What monitoring shows; null where no peers are checked. */
  get monitored(): OcspMonitor | null {
    const cache = this.#cache;
    if (cache === null) return null;
    return {
      checksClients: this.#peers.has(CLIENT_CONTEXT),
      cache: cache.type === "none" ? null : { type: cache.type, ...cache.statistics },
    };
  }

  start(): void {
    if (this.hasStaples) this.#host.log.notice("OCSP Stapling enabled for Client connections");
    for (const staple of this.#staples) staple?.start();
    this.#cache?.start();
  }

  /** Whether a peer with this verified chain may connect, DER, by the TLS block of that name. */
  async isPeerValid(block: string, chain: readonly Uint8Array<ArrayBuffer>[]): Promise<boolean> {
    return (await this.#peers.get(block)?.isValid(chain)) ?? false;
  }

  stop(): void {
    for (const staple of this.#staples) staple?.stop();
    this.#cache?.stop();
  }
}
