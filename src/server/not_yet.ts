/**
 * Options that are read and checked, but whose feature Midge does not have yet. A server refuses to start with them:
 * it must never run as if a security setting were not there. `-t` checks such files like any other.
 */
import type { UserOptions } from "../config/authorization.ts";
import type { Options } from "../config/option_table.ts";

/** What is asked for, as the configuration names it, when the options ask for it. */
type Finder = (options: Options) => string | undefined;

/** Shrinks as features come; each line is one feature. */
const NOT_YET: readonly Finder[] = [
  when("accounts", ({ accounts }) => accounts.length > 0),
  when("mappings", ({ mappings }) => mappings.length > 0),
  when("system_account", ({ systemAccount }) => systemAccount !== undefined && systemAccount !== "$SYS"),
  findInAuthorization,
  when("tls.verify_and_map", ({ tls }) => tls?.verifyAndMap ?? false),
  when("tls.ocsp_peer", ({ tls }) => tls?.ocspPeer !== undefined),
  when("ocsp", ({ ocsp }) => ocsp !== undefined),
  when("proxy_protocol", ({ proxyProtocol }) => proxyProtocol),
  when("proxies", ({ trustedProxies }) => trustedProxies.length > 0),
  when("operator", ({ operators }) => operators.length > 0),
  when("trusted_keys", ({ trustedKeys }) => trustedKeys.length > 0),
  when("resolver", ({ resolver }) => resolver !== undefined),
  when("resolver_preload", ({ resolverPreload }) => resolverPreload.size > 0),
  when("resolver_pinned_accounts", ({ resolverPinnedAccounts }) => resolverPinnedAccounts.length > 0),
  when("default_sentinel", ({ defaultSentinel }) => defaultSentinel !== undefined),
  when("cluster", ({ cluster }) => cluster.port !== 0 || cluster.routes.length > 0),
  when("gateway", ({ gateway }) => gateway.port !== 0 || gateway.name !== undefined),
  when("leafnodes", ({ leafnodes }) => leafnodes.port !== 0 || leafnodes.remotes.length > 0),
  when("websocket", ({ websocket }) => websocket.port !== 0),
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

function findInAuthorization({ authorization }: Options): string | undefined {
  if (authorization === undefined) return undefined;
  if (authorization.authCallout !== undefined) return "authorization.auth_callout";
  if (authorization.proxyRequired) return "authorization.proxy_required";
  if (authorization.defaultPermissions !== undefined) return "authorization.default_permissions";
  if ([authorization.password, authorization.token].some(isBcryptHash)) return "authorization: a bcrypt hash";
  for (const user of authorization.users ?? []) {
    const what = findInUser(user);
    if (what !== undefined) return `authorization.users: ${what}`;
  }
  return undefined;
}

function findInUser(user: UserOptions): string | undefined {
  if (user.nkey !== undefined) return "nkey";
  if (isBcryptHash(user.password)) return "a bcrypt hash as password";
  if (user.permissions !== undefined) return "permissions";
  if (user.proxyRequired) return "proxy_required";
  // All clients connect in the standard way.
  const types = user.allowedConnectionTypes;
  return types !== undefined && !types.includes("STANDARD") ? "allowed_connection_types" : undefined;
}

function isBcryptHash(secret: string | undefined): boolean {
  return secret !== undefined && /^\$2[abxy]\$\d\d\$/.test(secret);
}
