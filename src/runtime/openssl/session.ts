import { assert } from "../../base/assert.ts";
import type { TlsSession } from "../tls.ts";
import { TLS1_3_VERSION } from "./libssl.ts";
import type { OpenSsl } from "./openssl.ts";

/** How many certificates of a peer we look at, because it chooses how many it sends. */
const CERTIFICATES_MAX = 16;

/** X509_V_ERR_… of chains that lead to no authority that we know. */
const UNKNOWN_AUTHORITIES: ReadonlySet<number> = new Set([2, 18, 19, 20, 21]);

/** What the two sides of a connection whose handshake is done have agreed on. */
export function readSession(openSsl: OpenSsl, connection: number): TlsSession {
  return {
    version: openSsl.functions.SSL_version(connection) === TLS1_3_VERSION ? "1.3" : "1.2",
    cipherSuite: openSsl.cipherNameOf(connection),
    ...certificates(openSsl, connection),
  };
}

/**
 * The certificates that were sent. After a resumption: what the session kept of them; there is no verified chain then.
 */
function certificates(
  openSsl: OpenSsl,
  connection: number,
): Pick<TlsSession, "peerCertificates" | "verifiedChain"> {
  const { functions } = openSsl;
  const own = functions.SSL_get1_peer_certificate(connection);
  if (own === 0) return { peerCertificates: [], verifiedChain: [] };
  const leaf = encode(openSsl, own);
  functions.X509_free(own);
  const sent = encodeAll(openSsl, functions.SSL_get_peer_cert_chain(connection));
  // On a server, this list leaves out the peer's own certificate; on a client it does not.
  const isServer = functions.SSL_is_server(connection) === 1;
  const peerCertificates = isServer ? [leaf, ...sent] : sent;
  const verified = encodeAll(openSsl, functions.SSL_get0_verified_chain(connection));
  return { peerCertificates, verifiedChain: verified.length === 0 ? peerCertificates : verified };
}

/**
 * What is known of the certificates that a peer sent, if its chain was refused for `verifyResult`: the chain as far as
 * it was built, the peer's own first, DER. A chain that was refused for another reason than its authority ends in one
 * of our authorities, which is left out.
 */
export function refusedCertificates(
  openSsl: OpenSsl,
  connection: number,
  verifyResult: number,
): Uint8Array[] {
  const chain = encodeAll(openSsl, openSsl.functions.SSL_get0_verified_chain(connection));
  return chain.length > 1 && !UNKNOWN_AUTHORITIES.has(verifyResult) ? chain.slice(0, -1) : chain;
}

/** The DER forms of a `STACK_OF(X509)`; address 0 stands for an empty one. */
function encodeAll(openSsl: OpenSsl, chain: number): Uint8Array[] {
  const { functions } = openSsl;
  const count = chain === 0 ? 0 : Math.min(functions.OPENSSL_sk_num(chain), CERTIFICATES_MAX);
  return Array.from({ length: count }, (_, i) => encode(openSsl, functions.OPENSSL_sk_value(chain, i)));
}

/** The DER form of an `X509`. */
function encode({ functions, posix }: OpenSsl, certificate: number): Uint8Array {
  const length = functions.i2d_X509(certificate, 0);
  assert(length > 0, "a certificate that OpenSSL took has a DER form");
  const bytes = new Uint8Array(new ArrayBuffer(length));
  // i2d writes through a pointer to a pointer.
  const pointer = new Uint32Array(new ArrayBuffer(8));
  const address = posix.addressOf(bytes);
  pointer[0] = address >>> 0;
  pointer[1] = (address / 4294967296) >>> 0;
  functions.i2d_X509(certificate, posix.addressOf(pointer));
  return bytes;
}
