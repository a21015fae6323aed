import type { CertificatePair, TlsOptions } from "../config/tls.ts";
import { certificatePairs, certificateTraits } from "./tls_files.ts";

/** What one TLS context of a listener has. */
export interface CertificateSet {
  /** DNS names that clients may ask for to get it; empty where there is no choice. */
  readonly names: readonly string[];
  readonly pairs: readonly CertificatePair[];
}

/**
 * A set for each certificate of a listener: it and, for clients that cannot use a key of its kind, the first of each
 * other kind. A context keeps one of a kind. There is always a first set, which may be without certificates. Throws where
 * a file cannot be read.
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
