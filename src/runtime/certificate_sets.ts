import type { CertificatePair, TlsOptions } from "../config/tls.ts";
import { certificatePairs, certificateTraits } from "./tls_files.ts";

/** The certificates of one TLS context of a listener. */
export interface CertificateSet {
  /** DNS names by which clients may ask for it; empty if there is no choice. */
  readonly names: readonly string[];
  readonly pairs: readonly CertificatePair[];
}

/**
 * A set for each certificate of a listener: the certificate itself and, for clients that cannot use its kind of key,
 * the first of each other kind. A context keeps one of each kind. There is always a first set, which may have no
 * certificates. Throws if a file cannot be read.
 */
export function certificateSets(options: TlsOptions): readonly CertificateSet[] {
  const all = certificatePairs(options);
  if (all.length <= 1) return [{ names: [], pairs: all }];
  const traits = all.map(({ certFile }) => certificateTraits(certFile));
  const kinds = traits.map(({ keyKind }) => keyKind);
  return all.map((pair, i) => {
    const others = all.filter((_, k) => kinds[k] !== kinds[i] && kinds.indexOf(kinds[k]!) === k);
    return { names: traits[i]!.names, pairs: [...others, pair] };
  });
}
