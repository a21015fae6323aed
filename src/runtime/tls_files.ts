import type { X509Certificate } from "node:crypto";
import { sha256Hex } from "../base/sha256.ts";
import { parseCertificate } from "../base/x509.ts";
import type { CertificatePair, TlsOptions } from "../config/tls.ts";
import { errnoTextOf } from "./posix/errno.ts";

/** The files of a `tls` block. */
type TlsFiles = Pick<TlsOptions, "certFile" | "keyFile" | "caFile" | "certs">;

const PEM_BLOCK = /-----BEGIN [A-Z0-9 ]+-----[\s\S]+?-----END [A-Z0-9 ]+-----/;
const PRIVATE_KEY = /-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]+?-----END [A-Z ]*PRIVATE KEY-----/;
/** Each certificate of a PEM text. */
export const PEM_CERTIFICATES = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g;

/**
 * What is wrong with the certificates and keys that a `tls` block names; undefined if each file is there and PEM, and
 * keys belong to their certificates. Source: nats-server `GenTLSConfig`; Go `tls.X509KeyPair`.
 */
export function findTlsFileProblem({ certFile, keyFile, caFile, certs }: TlsFiles): string | undefined {
  if (certFile !== undefined && keyFile !== undefined) {
    const problem = findPairProblem({ certFile, keyFile });
    if (problem !== undefined) return `error parsing X509 certificate/key pair: ${problem}`;
  }
  for (const [i, pair] of certs.entries()) {
    const problem = findPairProblem(pair);
    if (problem !== undefined) {
      return `error parsing X509 certificate/key pair ${i + 1}/${certs.length}: ${problem}`;
    }
  }
  return caFile === undefined ? undefined : findAuthorityProblem(caFile);
}

/**
 * When the first of a listener's own certificates ends, in milliseconds since 1970; null if it has none. Throws if the
 * file cannot be read.
 */
export function certificateEndMs(files: TlsFiles): number | null {
  const [pair] = certificatePairs(files);
  if (pair === undefined) return null;
  return Date.parse(firstCertificate(pair.certFile).validTo);
}

/** Tells a listener's certificates and keys from others. Throws if a file cannot be read. */
export function certificatesDigest(files: TlsFiles): string {
  const pairs = certificatePairs(files).map(({ certFile, keyFile }) => [certFile, keyFile].map(readTlsFile));
  return sha256Hex(new TextEncoder().encode(JSON.stringify(pairs)));
}

/** What tells a listener's certificates apart. Throws if the file cannot be read. */
export function certificateTraits(certFile: string): { names: readonly string[]; keyKind: string } {
  const certificate = firstCertificate(certFile);
  const names = parseCertificate(certificate.raw)?.dnsNames ?? [];
  return { names, keyKind: certificate.publicKey.asymmetricKeyType ?? "" };
}

/** The certificates with their keys, in whichever way the options name them. */
export function certificatePairs({ certs, certFile, keyFile }: TlsFiles): readonly CertificatePair[] {
  return certFile === undefined || keyFile === undefined ? certs : [{ certFile, keyFile }];
}

/** The first certificate in a file. A key may stand before it, which Deno would take for the certificate. */
function firstCertificate(certFile: string): X509Certificate {
  const [pem] = readTlsFile(certFile).match(PEM_CERTIFICATES) ?? [];
  if (pem === undefined) throw new Error(`${certFile}: there is no certificate in it`);
  const { X509Certificate } = process.getBuiltinModule("node:crypto");
  return new X509Certificate(pem);
}

function findPairProblem({ certFile, keyFile }: CertificatePair): string | undefined {
  const certificate = readText(certFile);
  if (!certificate.ok) return certificate.reason;
  const key = readText(keyFile);
  if (!key.ok) return key.reason;
  // The module is loaded here, because most servers have no TLS and loading it takes 9 ms on Bun.
  const { createPrivateKey, X509Certificate } = process.getBuiltinModule("node:crypto");
  const [leaf] = certificate.text.match(PEM_CERTIFICATES) ?? [];
  if (leaf === undefined) {
    return PRIVATE_KEY.test(certificate.text)
      ? "tls: failed to find certificate PEM data in certificate input, but did find a private key; PEM inputs may have been switched"
      : "tls: failed to find any PEM data in certificate input";
  }
  if (!PEM_BLOCK.test(key.text)) return "tls: failed to find any PEM data in key input";
  let parsed: InstanceType<typeof X509Certificate>;
  try {
    parsed = new X509Certificate(leaf);
  } catch {
    return "x509: malformed certificate";
  }
  try {
    // Deno would take a certificate that stands before the key for the key.
    const privateKey = createPrivateKey(key.text.match(PRIVATE_KEY)?.[0] ?? key.text);
    if (parsed.publicKey.asymmetricKeyType !== privateKey.asymmetricKeyType) {
      return "tls: private key type does not match public key type";
    }
    const isPair = parsed.checkPrivateKey(privateKey);
    return isPair ? undefined : "tls: private key does not match public key";
  } catch {
    return "tls: failed to parse private key";
  }
}

function findAuthorityProblem(caFile: string): string | undefined {
  const authorities = readText(caFile);
  if (!authorities.ok) return authorities.reason;
  const { X509Certificate } = process.getBuiltinModule("node:crypto");
  const isCertificate = (pem: string) => {
    try {
      return new X509Certificate(pem).raw.length > 0;
    } catch {
      return false;
    }
  };
  const found = authorities.text.match(PEM_CERTIFICATES) ?? [];
  return found.some(isCertificate) ? undefined : "failed to parse root ca certificate";
}

type ReadResult =
  | { readonly ok: true; readonly text: string }
  | { readonly ok: false; readonly reason: string };

function readText(path: string): ReadResult {
  try {
    return { ok: true, text: readTlsFile(path) };
  } catch (error) {
    return { ok: false, reason: `open ${path}: ${errnoTextOf(error as Error)}` };
  }
}

/** The module is loaded here, because most servers have no TLS, and threads of Deno pay for what they import. */
export function readTlsFile(path: string): string {
  return process.getBuiltinModule("node:fs").readFileSync(path, "utf8");
}
