/**
 * Whether a peer's certificates have been revoked, asked once a handshake has verified the chain.
 * Source: nats-server ocsp_peer.go.
 */
import { encodeOcspRequest, type OcspResponse, parseOcspResponse } from "../../base/ocsp.ts";
import type { OcspPeerOptions } from "../../config/tls.ts";
import { type CheckedCertificate, checkedCertificate, webResponders } from "./certificate.ts";
import type { Answer, Ask } from "./responder.ts";
import type { CacheLog, ResponseCache } from "./response_cache.ts";

/** What is told of peers that are refused. */
export interface PeerCheckEvents {
  /** A certificate of a peer's chain is invalid. */
  linkInvalid(peer: CheckedCertificate, link: CheckedCertificate, reason: string): void;
  peerRejected(kind: PeerKind, peer: CheckedCertificate, reason: string): void;
}

/** As events name connections. */
export type PeerKind = "Client" | "Leafnode";

/** Whose certificates are checked. */
export interface CheckedPeers {
  readonly kind: PeerKind;
  /** In the handshake: a server has been dialled. */
  readonly side: "client" | "server";
  /** Whether the handshake verifies the peer: without that there is no chain to check. */
  readonly isVerified: boolean;
}

const CA_TIMEOUT_MS = 2000;

interface Link {
  readonly certificate: CheckedCertificate;
  readonly issuer: CheckedCertificate;
}

export class PeerChecks {
  readonly #peers: CheckedPeers;
  readonly #cache: ResponseCache;
  readonly #ask: Ask;
  readonly #log: CacheLog;
  readonly #events: PeerCheckEvents;
  readonly #options: OcspPeerOptions;
  /** By fingerprint: peers that come at once with the same certificate wait for one answer. */
  readonly #asked = new Map<string, Promise<Answer>>();

  constructor(
    peers: CheckedPeers,
    options: OcspPeerOptions,
    cache: ResponseCache,
    ask: Ask,
    log: CacheLog,
    events: PeerCheckEvents,
  ) {
    this.#peers = peers;
    this.#options = options;
    this.#cache = cache;
    this.#ask = ask;
    this.#log = log;
    this.#events = events;
  }

  /**
   * Whether a peer with this verified chain may connect. The chain is in DER, the peer's own certificate first, the
   * root last.
   */
  async isValid(chain: readonly Uint8Array<ArrayBuffer>[]): Promise<boolean> {
    const { kind, side, isVerified } = this.#peers;
    this.#log.debug(`Peer OCSP enabled: ${isVerified ? 1 : 0} TLS ${side} chain(s) will be evaluated`);
    const certificates = (isVerified ? chain : []).map(checkedCertificate);
    const [peer = null] = certificates;
    if (peer === null || certificates.includes(null)) {
      this.#log.error("Peer certificate is nil, rejecting OCSP peer");
      return false;
    }
    const isValid = await this.#isChainValid(peer, certificates as CheckedCertificate[]);
    if (isValid) return true;
    this.#log.debug("No OCSP valid chains, thus peer is invalid");
    this.#events.peerRejected(kind, peer, `${side} not OCSP valid`);
    return false;
  }

  async #isChainValid(peer: CheckedCertificate, chain: readonly CheckedCertificate[]): Promise<boolean> {
    this.#log.debug(`Chain [0]: ${chain.length} total link(s)`);
    if (chain.length === 1) {
      // After a handshake that shows no more of the chain than this, nothing could be asked.
      const isSelfSigned = Buffer.from(peer.subjectDer).equals(peer.issuerDer);
      if (isSelfSigned) this.#log.debug("Chain [0] is self-signed, thus peer is valid");
      else this.#log.error(`The chain of [${peer.name}] is not known, rejecting OCSP peer`);
      return isSelfSigned;
    }
    const links = chain
      .slice(0, -1)
      .map((certificate, i): Link => ({ certificate, issuer: chain[i + 1]! }))
      .filter(({ certificate }) => webResponders(certificate).length > 0);
    if (links.length === 0) {
      this.#log.debug("Chain [0] has no OCSP eligible links, thus peer is valid");
      return true;
    }
    this.#log.debug(`Chain [0] has ${links.length} OCSP eligible link(s)`);
    for (const link of links) {
      const fault = await this.#findFault(link);
      if (fault === undefined) continue;
      this.#log.debug(fault);
      this.#events.linkInvalid(peer, link.certificate, fault);
      return false;
    }
    this.#log.debug("Chain [0] is OCSP valid for all eligible links, thus peer is valid");
    return true;
  }

  /** Why a link is not good; undefined where it is, or passes by the options. */
  async #findFault(link: Link): Promise<string | undefined> {
    const { name, fingerprint } = link.certificate;
    const { unknownIsGood } = this.#options;
    this.#log.debug(`Checking OCSP peer cache for [${name}], key [${fingerprint}]`);
    const cached = this.#cached(link);
    let response = cached.response;
    if (response === null) {
      const fetched = await this.#fetch(link, cached.isRevoked);
      if (fetched.kind === "passes") return undefined;
      if (fetched.kind === "fault") return fetched.reason;
      response = fetched.response;
    }
    const { status } = response;
    if (status === "revoked" || (status === "unknown" && !unknownIsGood)) {
      this.#log.warn(`OCSP verify fail for [${name}] with CA status [${status}]`);
      return this.#unlessWarned(name, `Invalid OCSP response status: ${status}`);
    }
    this.#log.debug(`OCSP verify pass for [${name}]`);
    return undefined;
  }

  /**
   * The cached response, null if there is none that is current. A revocation that has expired is reported all the same.
   */
  #cached(link: Link): { readonly response: OcspResponse | null; readonly isRevoked: boolean } {
    const { name, fingerprint } = link.certificate;
    const raw = this.#cache.get(fingerprint);
    if (raw === null) return { response: null, isRevoked: false };
    const parsed = this.#parse(raw, link);
    if (!parsed.ok || parsed.response.delegate?.isAllowed === false) {
      this.#log.debug(`Invalid cached OCSP response for [${name}] with fingerprint [${fingerprint}]`);
      this.#cache.reject(fingerprint);
      return { response: null, isRevoked: false };
    }
    const { response } = parsed;
    const isRevoked = response.status === "revoked";
    if (isCurrent(response, this.#options, Date.now())) {
      this.#log.debug(`Cached OCSP response is current, status [${response.status}]`);
      return { response, isRevoked };
    }
    this.#log.debug(`Cached OCSP response is expired, status [${response.status}]`);
    this.#cache.reject(fingerprint);
    return { response: null, isRevoked };
  }

  async #fetch(
    link: Link,
    isRevocationCached: boolean,
  ): Promise<
    | { readonly kind: "response"; readonly response: OcspResponse }
    | { readonly kind: "passes" }
    | { readonly kind: "fault"; readonly reason: string }
  > {
    const { name, fingerprint } = link.certificate;
    const refuse = (reason: string) => {
      const fault = this.#unlessWarned(name, reason);
      return fault === undefined
        ? ({ kind: "passes" } as const)
        : ({ kind: "fault", reason: fault } as const);
    };
    const answer = await this.#askOnce(link);
    if (!answer.ok) {
      this.#log.warn(
        `Attempt to obtain OCSP response from CA responder for [${name}] failed: ${answer.reason}`,
      );
      return this.#whenUnreachable(name, isRevocationCached)
        ? { kind: "passes" }
        : refuse("Failed OCSP response fetch");
    }
    const parsed = this.#parse(answer.bytes, link);
    if (!parsed.ok) {
      this.#log.error(`Could not parse OCSP CA response for [${name}]: ${parsed.reason}`);
      return refuse("Failed OCSP response parse");
    }
    const { response } = parsed;
    if (response.delegate?.isAllowed === false) {
      const reason = `Invalid OCSP response delegation: ${name}`;
      this.#log.warn(reason);
      return refuse(reason);
    }
    if (!isCurrent(response, this.#options, Date.now())) {
      this.#log.warn(`New OCSP CA response obtained for [${name}] but not current`);
      return refuse("OCSP response not in effectivity window");
    }
    this.#cache.put(fingerprint, name, answer.bytes, response);
    return { kind: "response", response };
  }

  /** Whether `allow_when_ca_unreachable` lets a link pass. */
  #whenUnreachable(name: string, isRevocationCached: boolean): boolean {
    const { allowWhenCaUnreachable, warnOnly } = this.#options;
    if (warnOnly || !allowWhenCaUnreachable) return false;
    const what = `Failed to obtain OCSP CA response for [${name}] but AllowWhenCAUnreachable set`;
    if (isRevocationCached) this.#log.warn(`${what}; cached revocation exists so rejecting`);
    else this.#log.warn(`${what}; no cached revocation so allowing`);
    return !isRevocationCached;
  }

  /** The fault, or undefined where the options let it pass with a warning. */
  #unlessWarned(name: string, fault: string): string | undefined {
    if (!this.#options.warnOnly) return fault;
    this.#log.warn(`OCSP verify fail for [${name}] but WarnOnly is true so allowing`);
    return undefined;
  }

  #parse(raw: Uint8Array, { certificate, issuer }: Link) {
    return parseOcspResponse(raw, certificate, issuer.der, Date.now());
  }

  #askOnce({ certificate, issuer }: Link): Promise<Answer> {
    const { fingerprint } = certificate;
    const asked = this.#asked.get(fingerprint);
    if (asked !== undefined) return asked;
    const urls = webResponders(certificate);
    this.#log.debug(`Trying OCSP responder url [${urls.join(", ")}]`);
    const request = encodeOcspRequest(certificate, issuer);
    const answer = this.#ask(urls, request, this.#options.caTimeoutMs || CA_TIMEOUT_MS).finally(() =>
      this.#asked.delete(fingerprint),
    );
    this.#asked.set(fingerprint, answer);
    return answer;
  }
}

/** Whether a response holds now, give or take what clocks may differ. Source: nats-server `OCSPResponseCurrent`. */
export function isCurrent(
  { thisUpdateMs, nextUpdateMs }: OcspResponse,
  { allowedClockSkewMs, cacheTtlMs }: Pick<OcspPeerOptions, "allowedClockSkewMs" | "cacheTtlMs">,
  nowMs: number,
): boolean {
  const endMs = nextUpdateMs ?? thisUpdateMs + cacheTtlMs;
  return endMs >= nowMs - allowedClockSkewMs && thisUpdateMs <= nowMs + allowedClockSkewMs;
}
