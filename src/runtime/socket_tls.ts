/** TLS on the runtime's own sockets, by `node:tls`. */
import { isIP, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import {
  type ConnectionOptions,
  connect,
  createSecureContext,
  type PeerCertificate,
  type SecureContext,
  type SecureContextOptions,
  TLSSocket,
} from "node:tls";
import { assert } from "../base/assert.ts";
import { parseCertificate } from "../base/x509.ts";
import { type CertificateFault, certificateErrorText } from "./certificate_error.ts";
import { openSslCipherNames, openSslGroupName, TLS13_SUITES } from "./openssl/cipher_names.ts";
import { errnoTextOf } from "./posix/errno.ts";
import { serverIdentityProblem } from "./server_identity.ts";
import { chooseByServerName, serverNameOf } from "./server_name.ts";
import type { HandshakeError, TlsSession } from "./tls.ts";
import type { CertificateTexts, TlsMaterial } from "./tls_material.ts";

/** First byte of a TLS record that carries a handshake. */
export const TLS_HANDSHAKE_BYTE = 0x16;

export const NOT_TLS: HandshakeError = {
  text: "tls: first record does not look like a TLS handshake",
  isNoise: true,
};

/** The code of errors from `checkIdentity`. */
const WRONG_NAME = "ERR_TLS_CERT_ALTNAME_INVALID";

/** How many certificates of a peer we look at, because it chooses how many it sends. */
const CERTIFICATES_MAX = 16;

/** What handshakes are made with. The constructor throws if the texts cannot be used. */
export class SocketTls {
  readonly #contexts: readonly { readonly names: readonly string[]; readonly secureContext: SecureContext }[];
  readonly #verify: boolean;
  readonly #material: TlsMaterial;

  constructor(material: TlsMaterial) {
    const { sets, ca, verify } = material;
    this.#material = material;
    this.#verify = verify;
    this.#contexts = sets.map((set) => ({
      names: set.names,
      secureContext: createSecureContext({
        ...contextOptions(material, set),
        ...(verify && ca !== undefined ? { ca } : {}),
      }),
    }));
  }

  /** Begins the server's side of a handshake on a connected socket, whose next bytes are `firstBytes`. */
  secure(socket: Socket, firstBytes: Uint8Array): TLSSocket {
    return new TLSSocket(socket, {
      isServer: true,
      secureContext: chooseByServerName(this.#contexts, serverNameOf(firstBytes)).secureContext,
      requestCert: this.#verify,
      rejectUnauthorized: this.#verify,
    });
  }

  /** Begins the client's side of a handshake with a server that has this host name or IP address. */
  secureAsClient(socket: Socket, serverName: string): TLSSocket {
    const name = serverName.replace(/\.$/, "");
    assert(name !== "", "a server that is dialled has a name to be verified");
    return connect({
      ...dialOptions(this.#material, serverName),
      socket,
      // A server is told the name that it is asked for, but not an address.
      ...(isIP(name) === 0 ? { servername: name } : { host: name }),
    });
  }
}

/** The options with which `node:tls` and `node:https` dial a server that has this host name or IP address. */
export function dialOptions(material: TlsMaterial, serverName: string): ConnectionOptions {
  const { sets, ca, insecure } = material;
  return {
    ...contextOptions(material, sets[0]!),
    ...(ca === undefined ? {} : { ca }),
    rejectUnauthorized: !insecure,
    checkServerIdentity: (_host, certificate) => checkIdentity(serverName, certificate),
  };
}

function contextOptions(
  { cipherSuites, curvePreferences, minVersion }: TlsMaterial,
  { certs, keys }: CertificateTexts,
): SecureContextOptions {
  return {
    cert: [...certs],
    key: [...keys],
    minVersion: minVersion === "1.3" ? "TLSv1.3" : "TLSv1.2",
    ...(cipherSuites.length > 0
      ? { ciphers: [TLS13_SUITES, ...openSslCipherNames(cipherSuites)].join(":") }
      : {}),
    ...(curvePreferences.length > 0 ? { ecdhCurve: curvePreferences.map(openSslGroupName).join(":") } : {}),
  };
}

/** Says what is wrong with the name in a server's certificate, in the form that `node:tls` wants. */
function checkIdentity(serverName: string, { raw }: PeerCertificate): Error | undefined {
  const certificate = parseCertificate(new Uint8Array(raw));
  if (certificate !== null && serverIdentityProblem(certificate, serverName) === undefined) return undefined;
  const text = certificateErrorText("wrong name", [new Uint8Array(raw)], serverName);
  return Object.assign(new Error(text), { code: WRONG_NAME });
}

/** What the two sides of a connection whose handshake is done have agreed on. */
export function sessionOf(socket: TLSSocket): TlsSession {
  const { standardName, name } = socket.getCipher();
  // `node:tls` does not give the certificates that were sent, only the chain that they lead to.
  const chain = peerCertificates(socket);
  return {
    version: (socket.getProtocol() ?? "").replace(/^TLSv/, ""),
    cipherSuite: standardName ?? name,
    peerCertificates: chain,
    verifiedChain: chain,
  };
}

function peerCertificates(socket: TLSSocket): Uint8Array[] {
  const certificates: Uint8Array[] = [];
  let certificate = socket.getPeerCertificate(true) ?? {};
  while (certificate.raw !== undefined && certificates.length < CERTIFICATES_MAX) {
    certificates.push(new Uint8Array(certificate.raw));
    // A root names itself as its issuer.
    if (certificate.issuerCertificate === certificate) break;
    certificate = certificate.issuerCertificate ?? {};
  }
  return certificates;
}

/** Go's words for error codes of `node:tls`, which are those of BoringSSL on Bun and of rustls on Deno. */
const TEXTS: Readonly<Record<string, string>> = {
  ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE: "tls: client didn't provide a certificate",
  ERR_SSL_NO_SHARED_CIPHER: "tls: no cipher suite supported by both client and server",
  ERR_SSL_NO_SHARED_GROUP: "tls: no ECDHE curve supported by both the client and server",
  ERR_SSL_UNSUPPORTED_PROTOCOL: "tls: client offered only unsupported versions",
  ERR_SSL_CLIENTHELLO_PARSE_FAILED: "local error: tls: error decoding message",
  ERR_SSL_DECODE_ERROR: "local error: tls: error decoding message",
  ERR_SSL_BAD_PACKET_LENGTH: "local error: tls: bad record MAC",
  ERR_SSL_UNEXPECTED_MESSAGE: "local error: tls: unexpected message",
  ERR_SSL_UNEXPECTED_RECORD: "local error: tls: unexpected message",
};
const FAULTS: Readonly<Record<string, CertificateFault>> = {
  CERT_HAS_EXPIRED: "outside its time",
  CERT_NOT_YET_VALID: "outside its time",
  INVALID_PURPOSE: "wrong purpose",
  PATH_LENGTH_EXCEEDED: "path too long",
  INVALID_CA: "unfit authority",
  DEPTH_ZERO_SELF_SIGNED_CERT: "unknown authority",
  SELF_SIGNED_CERT_IN_CHAIN: "unknown authority",
  UNABLE_TO_GET_ISSUER_CERT: "unknown authority",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "unknown authority",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "unknown authority",
  CERT_SIGNATURE_FAILURE: "unknown authority",
};
/** What `node:tls` says, as a server and as a client, if the peer ends the stream during the handshake. */
const END_MESSAGES: ReadonlySet<string> = new Set([
  "socket hang up",
  "Client network socket disconnected before secure TLS connection was established",
]);
const NOISE_CODES: ReadonlySet<string> = new Set([
  "ERR_SSL_HTTP_REQUEST",
  "ERR_SSL_HTTPS_PROXY_REQUEST",
  "ERR_SSL_WRONG_VERSION_NUMBER",
]);

/** Why a handshake failed with this error, in Go's words. Undefined for an error that is not known to be of TLS. */
export function tlsErrorText({ code = "", message }: Error & { code?: string }): string | undefined {
  // Made by `checkIdentity`.
  if (code === WRONG_NAME) return message;
  const fault = FAULTS[code];
  return fault === undefined ? TEXTS[code] : certificateErrorText(fault, []);
}

/** Why the handshake of a socket failed that has ended with this error, or without one. */
export function socketHandshakeError(
  socket: Duplex,
  error: (Error & { code?: string }) | undefined,
): HandshakeError {
  const known = (text: string): HandshakeError => ({ text, isNoise: false });
  const code = error?.code ?? "";
  if (error === undefined || END_MESSAGES.has(error.message)) return known("EOF");
  if (NOISE_CODES.has(code)) return NOT_TLS;
  const fault = FAULTS[code];
  if (fault !== undefined) {
    return known(certificateErrorText(fault, socket instanceof TLSSocket ? peerCertificates(socket) : []));
  }
  if (code.startsWith("E") && !code.startsWith("ERR_")) return known(`read: ${errnoTextOf(error)}`);
  return known(TEXTS[code] ?? error.message);
}
