import type { TlsOptions } from "../config/tls.ts";
import { certificateSets } from "./certificate_sets.ts";
import { readTlsFile } from "./tls_files.ts";

/**
 * A `tls` block with what is in its files, for the runtime's own TLS. Plain data: main reads it once, so that every thread
 * makes its contexts of the same, whatever becomes of the files.
 */
export interface TlsMaterial
  extends Pick<TlsOptions, "verify" | "insecure" | "cipherSuites" | "curvePreferences" | "minVersion"> {
  /** As `certificateSets` has them: there is a first one always. */
  readonly sets: readonly CertificateTexts[];
  /** The authorities, where the block names some. */
  readonly ca: string | undefined;
}

/** PEM texts; each certificate has its key at the same place. */
export interface CertificateTexts {
  /** DNS names that clients may ask for to get it; empty where there is no choice. */
  readonly names: readonly string[];
  readonly certs: readonly string[];
  readonly keys: readonly string[];
}

/** Reads the files of a block. Throws where one cannot be read. */
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
