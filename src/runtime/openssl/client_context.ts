/** What OpenSSL dials with: the authorities that it trusts, and the certificate that it shows if it is asked. */
import type { TlsOptions } from "../../config/tls.ts";
import { certificateSets } from "../certificate_sets.ts";
import type { OpenSsl } from "./openssl.ts";
import { createContext } from "./server_context.ts";

export type ClientContextResult =
  | { readonly ok: true; readonly address: number }
  | { readonly ok: false; readonly reason: string };

/** An `SSL_CTX` for connections that we open, or what is wrong with the options. See `createServerContexts`. */
export function createClientContext(openSsl: OpenSsl, options: TlsOptions): ClientContextResult {
  // The first set has the first certificate of each kind of key.
  const { pairs } = certificateSets(options)[0]!;
  const created = createContext(openSsl, "client", options, pairs);
  return typeof created === "string" ? { ok: false, reason: created } : { ok: true, address: created };
}
