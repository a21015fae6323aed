import { assert } from "../../base/assert.ts";
import type { CertificatePair, TlsOptions } from "../../config/tls.ts";
import { certificateSets } from "../certificate_sets.ts";
import type { HandshakeRole, OpenSslContext } from "../tls.ts";
import { openSslCipherName, openSslCipherNames, openSslGroupName, TLS13_SUITES } from "./cipher_names.ts";
import {
  SSL_CTRL_CLEAR_MODE,
  SSL_CTRL_MODE,
  SSL_CTRL_SET_GROUPS_LIST,
  SSL_CTRL_SET_MIN_PROTO_VERSION,
  SSL_CTRL_SET_READ_AHEAD,
  SSL_CTRL_SET_SESS_CACHE_MODE,
  SSL_FILETYPE_PEM,
  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER,
  SSL_MODE_AUTO_RETRY,
  SSL_MODE_ENABLE_PARTIAL_WRITE,
  SSL_MODE_RELEASE_BUFFERS,
  SSL_OP_CIPHER_SERVER_PREFERENCE,
  SSL_OP_IGNORE_UNEXPECTED_EOF,
  SSL_OP_NO_RENEGOTIATION,
  SSL_OP_NO_TICKET,
  SSL_SESS_CACHE_OFF,
  SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
  SSL_VERIFY_NONE,
  SSL_VERIFY_PEER,
  TLS1_2_VERSION,
  TLS1_3_VERSION,
  X509_V_FLAG_PARTIAL_CHAIN,
} from "./libssl.ts";
import type { OpenSsl } from "./openssl.ts";
import { allowStapling } from "./stapling.ts";

/** How much ciphertext is taken from the socket at a time. */
const READ_AHEAD_BYTES = 64 * 1024;
/**
 * Allows RSA keys of 1,024 bits and more, as Go does. Distributions of OpenSSL ask for more bits than existing keys may
 * have.
 */
const SECURITY_LEVEL = 1;
/** As many as Go sends. */
const TICKETS_PER_HANDSHAKE = 1;
/**
 * OpenSSL requires a name for sessions. They are valid on one server anyway, because its context's keys seal the
 * tickets.
 */
const SESSION_CONTEXT = "midge";

export type ServerContextsResult =
  | { readonly ok: true; readonly contexts: readonly OpenSslContext[] }
  | { readonly ok: false; readonly reason: string };

/**
 * Makes an `SSL_CTX` for each certificate of a listener, or says what is wrong with its options. All threads of the
 * process may use them. Live connections hold them, too, so `freeContexts` may be called while there are some.
 *
 * The caller has checked that the files are readable and fit together (`findTlsFileProblem`).
 */
export function createServerContexts(openSsl: OpenSsl, options: TlsOptions): ServerContextsResult {
  const contexts: OpenSslContext[] = [];
  for (const { names, pairs } of certificateSets(options)) {
    const created = createContext(openSsl, "server", options, pairs);
    if (typeof created === "string") {
      freeContexts(openSsl, contexts);
      return { ok: false, reason: created };
    }
    contexts.push({ address: created, names, staple: null });
  }
  return { ok: true, contexts };
}

export function freeContexts(openSsl: OpenSsl, contexts: readonly OpenSslContext[]): void {
  for (const { address } of contexts) openSsl.functions.SSL_CTX_free(address);
}

/** Makes a context for one side of handshakes. Returns its address, or what is wrong. */
export function createContext(
  openSsl: OpenSsl,
  role: HandshakeRole,
  options: TlsOptions,
  pairs: readonly CertificatePair[],
): number | string {
  const { functions } = openSsl;
  const context = functions.SSL_CTX_new(
    role === "server" ? functions.TLS_server_method() : functions.TLS_client_method(),
  );
  assert(context !== 0, "OpenSSL makes a context");
  const problem = configure(openSsl, context, role, options, pairs);
  openSsl.takeErrors();
  if (problem === undefined) return context;
  functions.SSL_CTX_free(context);
  return problem;
}

function configure(
  openSsl: OpenSsl,
  context: number,
  role: HandshakeRole,
  options: TlsOptions,
  pairs: readonly CertificatePair[],
): string | undefined {
  const { functions } = openSsl;
  functions.SSL_CTX_set_options(
    context,
    SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_IGNORE_UNEXPECTED_EOF,
  );
  const modes =
    SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS;
  functions.SSL_CTX_ctrl(context, SSL_CTRL_MODE, modes, 0);
  // So one call takes no more than what was read at once, whatever records a peer sends.
  functions.SSL_CTX_ctrl(context, SSL_CTRL_CLEAR_MODE, SSL_MODE_AUTO_RETRY, 0);
  functions.SSL_CTX_ctrl(context, SSL_CTRL_SET_READ_AHEAD, 1, 0);
  functions.SSL_CTX_set_default_read_buffer_len(context, READ_AHEAD_BYTES);
  functions.SSL_CTX_ctrl(context, SSL_CTRL_SET_SESS_CACHE_MODE, SSL_SESS_CACHE_OFF, 0);
  if (options.ocspPeer?.verify === true) {
    // All of a peer's chain is checked, but a session that is resumed keeps only the peer's own certificate.
    functions.SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
    functions.SSL_CTX_set_num_tickets(context, 0);
  } else functions.SSL_CTX_set_num_tickets(context, TICKETS_PER_HANDSHAKE);
  allowStapling(openSsl, context);
  functions.SSL_CTX_set_session_id_context(
    context,
    openSsl.addressOfText(SESSION_CONTEXT),
    SESSION_CONTEXT.length,
  );
  functions.SSL_CTX_set_security_level(context, SECURITY_LEVEL);
  const speaksTls12 = options.minVersion !== "1.3" && openSslCipherNames(options.cipherSuites).length > 0;
  const minVersion = speaksTls12 ? TLS1_2_VERSION : TLS1_3_VERSION;
  functions.SSL_CTX_ctrl(context, SSL_CTRL_SET_MIN_PROTO_VERSION, minVersion, 0);
  return (
    useCiphers(openSsl, context, options) ??
    useGroups(openSsl, context, options) ??
    useCertificates(openSsl, context, pairs) ??
    useVerification(openSsl, context, role, options)
  );
}

function useCiphers(openSsl: OpenSsl, context: number, { cipherSuites }: TlsOptions): string | undefined {
  const { functions } = openSsl;
  const setSuites = (names: readonly string[]) =>
    functions.SSL_CTX_set_cipher_list(context, openSsl.addressOfText(names.join(":"))) === 1;
  const unknown = cipherSuites.find((suite) => {
    const name = openSslCipherName(suite);
    return name !== undefined && !setSuites([name]);
  });
  if (unknown !== undefined) {
    return `cipher_suites: OpenSSL ${openSsl.version} does not offer ${unknown}; leave it out`;
  }
  setSuites(openSslCipherNames(cipherSuites));
  functions.SSL_CTX_set_ciphersuites(context, openSsl.addressOfText(TLS13_SUITES));
  return undefined;
}

function useGroups(openSsl: OpenSsl, context: number, { curvePreferences }: TlsOptions): string | undefined {
  if (curvePreferences.length === 0) return undefined;
  const setGroups = (names: readonly string[]) =>
    openSsl.functions.SSL_CTX_ctrl(
      context,
      SSL_CTRL_SET_GROUPS_LIST,
      0,
      openSsl.addressOfText(names.join(":")),
    ) === 1;
  const unknown = curvePreferences.find((curve) => !setGroups([openSslGroupName(curve)]));
  if (unknown !== undefined) {
    return `curve_preferences: OpenSSL ${openSsl.version} does not know ${unknown}; leave it out, or use OpenSSL 3.5 or later`;
  }
  setGroups(curvePreferences.map(openSslGroupName));
  return undefined;
}

function useCertificates(
  openSsl: OpenSsl,
  context: number,
  pairs: readonly CertificatePair[],
): string | undefined {
  const { functions } = openSsl;
  for (const { certFile, keyFile } of pairs) {
    const isUsed =
      functions.SSL_CTX_use_certificate_chain_file(context, openSsl.addressOfText(certFile)) === 1 &&
      functions.SSL_CTX_use_PrivateKey_file(context, openSsl.addressOfText(keyFile), SSL_FILETYPE_PEM) ===
        1 &&
      functions.SSL_CTX_check_private_key(context) === 1;
    if (!isUsed) {
      return `error parsing X509 certificate/key pair: ${certFile}, ${keyFile}: ${whyFailed(openSsl)}`;
    }
  }
  return undefined;
}

function useVerification(
  openSsl: OpenSsl,
  context: number,
  role: HandshakeRole,
  { caFile, verify, insecure }: TlsOptions,
): string | undefined {
  const { functions } = openSsl;
  if (role === "server" ? !verify : insecure) {
    functions.SSL_CTX_set_verify(context, SSL_VERIFY_NONE, 0);
    return undefined;
  }
  functions.SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, 0);
  functions.X509_VERIFY_PARAM_set_flags(functions.SSL_CTX_get0_param(context), X509_V_FLAG_PARTIAL_CHAIN);
  if (caFile === undefined) {
    functions.SSL_CTX_set_default_verify_paths(context);
    return undefined;
  }
  if (functions.SSL_CTX_load_verify_file(context, openSsl.addressOfText(caFile)) !== 1) {
    return `failed to parse root ca certificate: ${caFile}: ${whyFailed(openSsl)}`;
  }
  if (role === "server") {
    // From then on the list belongs to the context.
    const names = functions.SSL_load_client_CA_file(openSsl.addressOfText(caFile));
    functions.SSL_CTX_set_client_CA_list(context, names);
  }
  return undefined;
}

function whyFailed(openSsl: OpenSsl): string {
  const [code] = openSsl.takeErrors();
  return code === undefined ? "refused" : openSsl.reasonText(code);
}
