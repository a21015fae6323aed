import type { TlsOptions } from "../config/tls.ts";
import { certificateSets } from "./certificate_sets.ts";
import { readTlsFile } from "./tls_files.ts";

/**
 * A `tls` block with the contents of its files, for the runtime's own TLS. It is plain data: main reads it once, so
 * that all threads make their contexts from the same, whatever happens to the files.
 */
export interface TlsMaterial
  extends Pick<TlsOptions, "verify" | "insecure" | "cipherSuites" | "curvePreferences" | "minVersion"> {
  /** Those of `certificateSets`: there is always a first one. */
  readonly sets: readonly CertificateTexts[];
  /** The authorities, if the block names some. */
  readonly ca: string | undefined;
}

/** PEM texts. Each certificate has its key at the same place in the other list. */
export interface CertificateTexts {
  /** DNS names by which clients may ask for it; empty if there is no choice. */
  readonly names: readonly string[];
  readonly certs: readonly string[];
  readonly keys: readonly string[];
}

/** Reads the files of a block. Throws if one cannot be read. */
export function readTlsMaterial(options: TlsOptions): TlsMaterial {
  const { verify, insecure, cipherSuites, curvePreferences, minVersion, caFile } = options;
  return {
    verify,
    insecure,
    cipherSuites,
    curvePreferences,
    minVersion,
    sets: certificateSets(options).map(({ names, pairs }) => ({
      names,
      certs: pairs.map(({ certFile }) => readTlsFile(certFile)),
      keys: pairs.map(({ keyFile }) => readTlsFile(keyFile)),
    })),
    ca: caFile === undefined ? undefined : readTlsFile(caFile),
  };
}
