/**
 * OCSP responses in handshakes. OpenSSL sends the response that a connection was given if a callback of the context
 * agrees. A callback into JavaScript would have to run on the thread of each handshake, so the callback is one of
 * OpenSSL's own functions, `SSL_get_quiet_shutdown`. It changes nothing and returns 0, which means yes here. Source:
 * the man page SSL_CTX_set_tlsext_status_cb(3ssl).
 */
import { assert } from "../../base/assert.ts";
import {
  LIBSSL_FILE,
  RTLD_NOW,
  SSL_CTRL_SET_TLSEXT_STATUS_REQ_CB,
  SSL_CTRL_SET_TLSEXT_STATUS_REQ_OCSP_RESP,
} from "./libssl.ts";
import type { OpenSsl } from "./openssl.ts";

const AGREES = "SSL_get_quiet_shutdown";

/** Allows connections of this `SSL_CTX` to send responses. */
export function allowStapling(openSsl: OpenSsl, context: number): void {
  const { functions } = openSsl;
  const library = functions.dlopen(openSsl.addressOfText(LIBSSL_FILE), RTLD_NOW);
  const agrees = library === 0 ? 0 : functions.dlsym(library, openSsl.addressOfText(AGREES));
  assert(agrees !== 0, "OpenSSL has the functions that it documents");
  functions.SSL_CTX_callback_ctrl(context, SSL_CTRL_SET_TLSEXT_STATUS_REQ_CB, agrees);
}

/** Gives an `SSL`, before its handshake, the response that a client gets if it asks for one. DER. */
export function giveStaple({ functions, posix }: OpenSsl, connection: number, staple: Uint8Array): void {
  // OpenSSL frees the copy with the connection.
  const copy = functions.CRYPTO_malloc(staple.length, 0, 0);
  if (copy === 0) return;
  posix.memcpy(copy, posix.addressOf(staple), staple.length);
  functions.SSL_ctrl(connection, SSL_CTRL_SET_TLSEXT_STATUS_REQ_OCSP_RESP, staple.length, copy);
}
