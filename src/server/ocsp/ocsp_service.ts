/** OCSP while a server runs: opened if there is TLS, replaced by a reload. Its code is loaded only then. */
import type { Options } from "../../config/option_table.ts";
import type { Logger } from "../../log/logger.ts";
import type { OcspMonitor } from "../../monitor/snapshots/options.ts";
import { certificateSets } from "../../runtime/certificate_sets.ts";
import type { TlsContext } from "../../runtime/tls.ts";
import { usesTls } from "../settings/tls_contexts.ts";
import type { Ocsp, OcspHost, WithoutStaple } from "./ocsp.ts";

/** What OCSP does to its server. */
export interface OcspActions extends Pick<OcspHost, "linkInvalid" | "peerRejected" | "stop"> {
  /** There are other staples: new handshakes are to use the context that `stapled` makes. */
  restaple(): void;
}

export type OcspOpened =
  | { readonly ok: true; readonly ocsp: Ocsp | null }
  | { readonly ok: false; readonly reason: string };

export class OcspService {
  readonly #host: OcspHost;
  #ocsp: Ocsp | null = null;

  constructor(logger: Logger, actions: OcspActions) {
    this.#host = {
      log: {
        debug: (text) => logger.log("debug", text),
        notice: (text) => logger.info(text),
        warn: (text) => logger.warn(text),
        error: (text) => logger.error(text),
      },
      staple: () => actions.restaple(),
      stop: () => actions.stop(),
      linkInvalid: (...link) => actions.linkInvalid(...link),
      peerRejected: (...peer) => actions.peerRejected(...peer),
    };
  }

  /** Prepares what these options ask for; `use` puts it into force. Null without TLS. `context` is that of clients. */
  async open(options: Options, context: TlsContext | null, without: WithoutStaple): Promise<OcspOpened> {
    if (!usesTls(options)) return { ok: true, ocsp: null };
    const { Ocsp } = await import("./ocsp.ts");
    const opened = await Ocsp.open(options, this.#host, without);
    if (!opened.ok || !opened.ocsp.hasStaples) return opened;
    const limit = findStaplingLimit(options.tls!, context!);
    return limit === undefined ? opened : { ok: false, reason: limit };
  }

  /** Puts what was opened into force, in place of what was in force before. */
  use(ocsp: Ocsp | null): void {
    this.stop();
    this.#ocsp = ocsp;
    ocsp?.start();
  }

  /** The context with the staples that there are now. */
  stapled(context: TlsContext | null): TlsContext | null {
    if (context?.kind !== "openssl" || this.#ocsp === null) return context;
    const { staples } = this.#ocsp;
    const contexts = context.contexts.map((each, i) => ({ ...each, staple: staples[i] ?? null }));
    return { ...context, contexts };
  }

  /**
   * Whether a peer with this verified chain, in DER, may connect. Nobody may if the peers of that block are not
   * checked.
   */
  async isPeerValid(block: string, chain: readonly Uint8Array[]): Promise<boolean> {
    const certificates = chain.map((der) => Uint8Array.from(der));
    return (await this.#ocsp?.isPeerValid(block, certificates)) ?? false;
  }

  get monitored(): OcspMonitor | null {
    return this.#ocsp?.monitored ?? null;
  }

  stop(): void {
    this.#ocsp?.stop();
    this.#ocsp = null;
  }
}

/** Why the certificates of a listener cannot be stapled. */
function findStaplingLimit(tls: NonNullable<Options["tls"]>, context: TlsContext): string | undefined {
  if (context.kind === "runtime") {
    return "ocsp: the runtime's own TLS cannot staple; serve with OpenSSL (Linux), or set ocsp { mode: never }";
  }
  const isMixed = certificateSets(tls).some(({ pairs }) => pairs.length > 1);
  return isMixed ? "ocsp: certs with different kinds of keys cannot be stapled; use one kind" : undefined;
}
