/**
 * Options that are read and checked, but whose feature Midge does not have yet. A server refuses to start with them:
 * it must never run as if a security setting were not there. `-t` checks such files like any other.
 */
import { isHttps } from "../../config/leaf_proxy.ts";
import type { Options } from "../../config/option_table.ts";

/** What is asked for, as the configuration names it, when the options ask for it. */
type Finder = (options: Options) => string | undefined;

/** Shrinks as features come; each line is one feature. */
const NOT_YET: readonly Finder[] = [
  when("proxy_protocol", ({ proxyProtocol }) => proxyProtocol),
  when("leafnodes.remotes.proxy with https, to a hub with TLS", ({ leafnodes }) =>
    leafnodes.remotes.some(
      ({ proxy, tls, urls }) =>
        isHttps(proxy) && (tls !== undefined || urls.some((url) => /^(tls|wss):/i.test(url))),
    ),
  ),
  when("websocket.tls.ocsp_peer", ({ websocket }) => websocket.tls?.ocspPeer?.verify === true),
];

/** Says which option keeps the server from starting and what to do; undefined when none does. */
export function findNotYetSupported(options: Options): string | undefined {
  for (const find of NOT_YET) {
    const key = find(options);
    if (key !== undefined) {
      return `${key}: not supported by this version of Midge; remove it, or run nats-server where it is needed`;
    }
  }
  return undefined;
}

function when(key: string, isAsked: (options: Options) => boolean): Finder {
  return (options) => (isAsked(options) ? key : undefined);
}
