/** Which of a listener's certificates are stapled, and who issued them. Source: nats-server ocsp.go, `NewOCSPMonitor`. */
import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { rootCertificates } from "node:tls";
import { nameText } from "../../base/x509.ts";
import type { Options } from "../../config/option_table.ts";
import type { OcspOptions, TlsOptions } from "../../config/tls.ts";
import { certificatePairs, PEM_CERTIFICATES } from "../../runtime/tls_files.ts";
import { isLeafContext, linkContextPlans } from "../settings/tls_contexts.ts";
import { type CheckedCertificate, checkedCertificate } from "./certificate.ts";
import type { StapleSettings } from "./staple.ts";

export interface StaplingPlan {
  /** For each certificate of the listener, in their order; null for one that is not stapled. */
  readonly staples: readonly (StapleSettings | null)[];
  readonly warnings: readonly string[];
}

/** What the options ask for. Throws where a file cannot be read, there is no issuer, or links want staples. */
export function planStapling(options: Options): StaplingPlan {
  const { tls, ocsp, storeDir } = options;
  const warnings = checkLinks(options);
  const staples = (tls === undefined ? [] : certificatePairs(tls)).map(({ certFile }) => {
    const { chain, certificate } = readChain(certFile);
    if (ocsp?.mode === "never" && certificate.mustStaple) {
      warnings.push(`Certificate at '${certFile}' has MustStaple but OCSP is disabled`);
    }
    if (!isStapled(ocsp, certificate)) return null;
    return {
      certificate,
      issuer: issuerOf(chain, tls?.caFile),
      certFile,
      urls: ocsp?.urls ?? [],
      storeDir,
      stopsWhenBad: ocsp?.mode === "always" || ocsp?.mode === "must",
    };
  });
  return { staples, warnings };
}

/**
 * Servers of a cluster whose certificates are stapled demand staples of one another, of the dialling side as well, for
 * which OpenSSL sends none: throws if links would need staples. Returns warnings about settings without effect.
 */
function checkLinks(options: Options): string[] {
  const warnings: string[] = [];
  for (const { name, options: tls } of linkContextPlans(options)) {
    if (isLeafContext(name)) continue;
    if (tls.ocspPeer?.verify === true) {
      warnings.push(`${name}.tls: ocsp_peer has no effect on routes and gateways`);
    }
    const stapled = certificatePairs(tls).find(({ certFile }) =>
      isStapled(options.ocsp, readChain(certFile).certificate),
    );
    if (stapled === undefined) continue;
    throw new Error(
      `ocsp: staples between routes or gateways are not supported by this version of Midge, and '${stapled.certFile}' of ` +
        `${name}.tls would need them; set ocsp { mode: never }, or run nats-server where they are needed`,
    );
  }
  return warnings;
}

/** The certificates of a file, and the first of them. */
function readChain(certFile: string) {
  const chain = readCertificates(certFile);
  const certificate = chain[0] === undefined ? null : checkedCertificate(derOf(chain[0]));
  if (certificate === null) throw new Error(`error parsing certificate: ${certFile}`);
  return { chain, certificate };
}

/** Whether a certificate is stapled: one that must be gets a staple, unless the options rule that out. */
function isStapled(ocsp: OcspOptions | undefined, { mustStaple }: CheckedCertificate): boolean {
  if (ocsp?.mode === "never") return false;
  return ocsp?.mode === "always" || mustStaple;
}

/** The second certificate of the file; if the file has only one, the authority that signed it. */
function issuerOf(
  [leaf, second]: readonly X509Certificate[],
  caFile: TlsOptions["caFile"],
): CheckedCertificate {
  const trusted = () =>
    caFile === undefined ? rootCertificates.map((pem) => new X509Certificate(pem)) : readCertificates(caFile);
  const candidates = second === undefined ? trusted() : [second];
  const issuer = candidates.find((candidate) => leaf?.verify(candidate.publicKey));
  const checked = issuer === undefined ? null : checkedCertificate(derOf(issuer));
  if (checked === null) throw new Error("no issuers found");
  if (checked.isAuthority) return checked;
  throw new Error(`${nameText(checked.subject)} invalid ca basic constraints: is not ca`);
}

function readCertificates(file: string): X509Certificate[] {
  const found = readFileSync(file, "utf8").match(PEM_CERTIFICATES) ?? [];
  return found.map((pem) => new X509Certificate(pem));
}

function derOf({ raw }: X509Certificate): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(raw);
}
