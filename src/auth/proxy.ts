import { decodeBase64Url } from "./base64.ts";
import type { LoginLog, LoginRequest } from "./login.ts";
import { isNonceSigned, type SignatureCheck } from "./signature.ts";

export interface ProxyCheck {
  /** A signature was given that none of the trusted proxies made. */
  readonly isRefused: boolean;
  /** The public key of the proxy that vouches for the connection; empty for none. */
  readonly proxyKey: string;
  readonly logs: readonly LoginLog[];
}

/**
 * Which of the trusted proxies signed the nonce. Without a signature, or without trusted proxies, none did; whether
 * that is enough depends on the user's `proxy_required`. Source: nats-server auth.go, proxyCheck.
 */
export function checkProxy(
  { connect, nonce }: LoginRequest,
  trustedProxies: readonly string[],
  verify: SignatureCheck,
): ProxyCheck {
  if (connect.proxySignature === "" || trustedProxies.length === 0) {
    return { isRefused: false, proxyKey: "", logs: [] };
  }
  const decoded = decodeBase64Url(connect.proxySignature);
  if (!decoded.ok) return refused([{ level: "debug", text: "Proxy signature not valid base64" }]);
  const proxyKey = trustedProxies.find((key) => isNonceSigned(key, nonce, decoded.bytes, verify));
  return proxyKey === undefined ? refused([]) : { isRefused: false, proxyKey, logs: [] };
}

function refused(logs: readonly LoginLog[]): ProxyCheck {
  return { isRefused: true, proxyKey: "", logs: [...logs, { level: "debug", text: "proxy is not trusted" }] };
}
