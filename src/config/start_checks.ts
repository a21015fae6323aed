import { withoutUser } from "../base/redacted_url.ts";
import { DEFAULT_SYSTEM_ACCOUNT, GLOBAL_ACCOUNT } from "./account_names.ts";
import { isStandalone } from "./cluster.ts";
import { checkCompression } from "./compression.ts";
import { formatDuration } from "./duration.ts";
import { isPublicKey } from "./nkey_text.ts";
import type { Options } from "./option_table.ts";
import { splitHostPort } from "./readers.ts";

/**
 * Checks what must hold between options before a server starts with them. `-t` does not, because flags may still change
 * the options. Returns the first thing wrong, undefined for nothing. What takes opening a JWT, a certificate or a
 * monitoring port is checked when that is opened.
 * Source: nats-server validateOptions.
 */
export function validateForStart(options: Options): string | undefined {
  for (const check of CHECKS) {
    const problem = check(options);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

type Check = (options: Options) => string | undefined;

/** In the order of nats-server, so that of two mistakes the same one is named. */
const CHECKS: readonly Check[] = [
  checkLimits,
  checkOperators,
  checkLeafnodes,
  checkNoAuthUser,
  checkProxies,
  checkGateway,
  checkCluster,
  checkWebSocket,
  checkAdvertised,
  checkSystemAccount,
  checkOcspPeers,
  checkJetStream,
];

function checkLimits({
  lameDuckDurationMs,
  lameDuckGracePeriodMs,
  maxPayloadBytes,
  maxPendingBytes,
  serverName,
}: Options) {
  if (lameDuckGracePeriodMs >= lameDuckDurationMs) {
    const [grace, duration] = [formatDuration(lameDuckGracePeriodMs), formatDuration(lameDuckDurationMs)];
    return `lame duck grace period (${grace}) should be strictly lower than lame duck duration (${duration})`;
  }
  if (maxPayloadBytes > maxPendingBytes) {
    return `max_payload (${maxPayloadBytes}) cannot be higher than max_pending (${maxPendingBytes})`;
  }
  return serverName?.includes(" ") ? "server name cannot contain spaces" : undefined;
}

function checkOperators(options: Options) {
  const { operators, trustedKeys, resolver, accounts, mappings, authorization } = options;
  const { defaultSentinel, resolverPreload } = options;
  if (resolverPreload.size > 0 && resolver?.kind === "url") {
    return "resolver preloads only available for writeable resolver types MEM/DIR/CACHE_DIR";
  }
  if (operators.length === 0) {
    if (resolver?.kind === "full" || resolver?.kind === "cache") {
      return "Could not start resolver: no operator key found";
    }
    return defaultSentinel === undefined ? undefined : "default sentinel requires operators and accounts";
  }
  const badPin = options.resolverPinnedAccounts?.find((key) => !isPublicKey(key, "account"));
  if (badPin !== undefined)
    return `pinned account key ${JSON.stringify(badPin)} is not a valid public account nkey`;
  if (operators.length > 1 && resolver === undefined)
    return "operators require an account resolver to be configured";
  // Mappings are those of an account, $G.
  if (accounts.length + mappings.length > 0)
    return "operators do not allow Accounts to be configured directly";
  if ((authorization?.users?.length ?? 0) > 0)
    return "operators do not allow users to be configured directly";
  if (authorization?.authCallout !== undefined)
    return "operators do not allow authorization callouts to be configured directly";
  return trustedKeys.length > 0 ? "conflicting options for 'TrustedKeys' and 'TrustedOperators'" : undefined;
}

function checkLeafnodes(options: Options) {
  const { leafnodes, operators, systemAccount } = options;
  const problem = operators.length > 0 ? checkLeafnodesOfOperator(options) : checkLeafAccounts(options);
  if (problem !== undefined) return problem;
  const compression = checkCompression(leafnodes.compression, "s2_auto");
  if (compression !== undefined) return compression;
  for (const remote of leafnodes.remotes) {
    const webSockets = remote.urls.filter((url) => /^wss?:/i.test(url)).length;
    if (webSockets > 0 && webSockets < remote.urls.length) {
      const list = remote.urls.map((url) => JSON.stringify(withoutUser(url))).join(" ");
      return `remote leaf node configuration cannot have a mix of websocket and non-websocket urls: [${list}]`;
    }
    const remoteCompression = checkCompression(remote.compression, "s2_auto");
    if (remoteCompression !== undefined) return remoteCompression;
  }
  // An operator may name it.
  return operators.length > 0 ? undefined : findMissingSystemAccount(options, systemAccount);
}

/** What is wrong with a server that has this system account, "" or undefined for none. */
export function findMissingSystemAccount(
  { leafnodes, gateway }: Options,
  systemAccount: string | undefined,
): string | undefined {
  const hasGateway = gateway.name !== undefined || gateway.port !== 0;
  return leafnodes.port !== 0 && hasGateway && !systemAccount
    ? "leaf nodes and gateways (both being defined) require a system account to also be configured"
    : undefined;
}

function checkLeafAccounts({ accounts, leafnodes, systemAccount, noSystemAccount }: Options) {
  const known = new Set([GLOBAL_ACCOUNT, ...accounts.map(({ name }) => name)]);
  if (systemAccount === undefined && !noSystemAccount) known.add(DEFAULT_SYSTEM_ACCOUNT);
  const { account, users = [] } = leafnodes.authorization ?? {};
  const used = [
    ...[account, ...users.map((user) => user.account)].map((name) => ({ name, place: "authorization" })),
    ...leafnodes.remotes.map((remote) => ({ name: remote.account, place: "remote" })),
  ];
  const missing = used.find(({ name }) => name !== undefined && name !== "" && !known.has(name));
  return (
    missing &&
    `cannot find local account ${JSON.stringify(missing.name)} specified in leafnode ${missing.place}`
  );
}

function checkLeafnodesOfOperator({ leafnodes }: Options) {
  const { users = [], account } = leafnodes.authorization ?? {};
  if (users.length > 0) return "operator mode does not allow specifying users in leafnode config";
  if (leafnodes.remotes.some((remote) => !isPublicKey(remote.account, "account"))) {
    return "operator mode requires account nkeys in remotes: add to each remote an account, a public key of 56 characters that starts with A";
  }
  return leafnodes.port !== 0 && account && !isPublicKey(account, "account")
    ? "operator mode and non account nkeys are incompatible"
    : undefined;
}

function checkNoAuthUser(options: Options) {
  return options.noAuthUser ? checkAnonymousUser(options, options.noAuthUser) : undefined;
}

/** The user of clients without credentials must be one of the users. */
function checkAnonymousUser(
  { operators, authorization, accounts }: Options,
  name: string,
): string | undefined {
  if (operators.length > 0) return "no_auth_user not compatible with Trusted Operator";
  const users = [...(authorization?.users ?? []), ...accounts.flatMap((account) => account.users)];
  if (authorization?.users === undefined && users.length === 0) {
    return `no_auth_user: "${name}" present, but users/nkeys are not defined`;
  }
  return users.some(({ user, nkey }) => user === name || nkey === name)
    ? undefined
    : `no_auth_user: "${name}" not present as user or nkey in authorization block or account configuration`;
}

function checkProxies({ trustedProxies }: Options) {
  return trustedProxies.includes("") ? 'proxy trusted key "" is invalid' : undefined;
}

function checkGateway({ gateway }: Options) {
  if (gateway.name === undefined && gateway.port === 0) return undefined;
  if (!gateway.name) return "gateway has no name";
  if (gateway.port === 0)
    return `gateway ${JSON.stringify(gateway.name)} has no port specified (select -1 for random port)`;
  for (const [index, remote] of gateway.gateways.entries()) {
    if (remote.name === "") return `gateway in the list ${index} has no name`;
    if (remote.urls.length === 0) return `gateway ${JSON.stringify(remote.name)} has no URL`;
  }
  return undefined;
}

function checkCluster({ cluster, gateway, leafnodes, serverName }: Options) {
  const { name, poolSize, accounts } = cluster;
  // A leaf without a cluster is known to its hub by the server's name.
  const ownName = cluster.port === 0 && leafnodes.remotes.length > 0 ? serverName : undefined;
  // The file cannot say these, but a flag can.
  if (name?.includes(" ")) return "cluster name cannot contain spaces";
  if ((name || ownName) === "_") return "cluster name is reserved";
  const compression = checkCompression(cluster.compression, "s2_fast");
  if (compression !== undefined) return compression;
  if (gateway.name !== undefined && name !== undefined && gateway.name !== name) {
    return "cluster name conflicts between cluster and gateway definitions";
  }
  if (accounts.length > 0 && poolSize < 0)
    return "pool_size cannot be negative if pinned accounts are specified";
  const duplicate = accounts.find((account, index) => accounts.indexOf(account) !== index);
  if (duplicate !== undefined) {
    const list = accounts.map((account) => JSON.stringify(account)).join(" ");
    return `found duplicate account name ${JSON.stringify(duplicate)} in pinned accounts list [${list}]`;
  }
  return undefined;
}

const FORBIDDEN_HEADERS = ["host", "content-length", "connection", "upgrade", "nats-no-masking"];

function checkWebSocket(options: Options) {
  const { websocket, accounts, authorization, operators, trustedKeys } = options;
  if (websocket.port === 0) return undefined;
  if (websocket.tls === undefined && !websocket.noTls) return "websocket requires TLS configuration";
  if (websocket.advertise && !isAdvertisable(websocket.advertise)) {
    return `websocket: advertise ${JSON.stringify(websocket.advertise)}: expected host or host:port`;
  }
  for (const origin of websocket.allowedOrigins) {
    const problem = checkOrigin(origin);
    if (problem !== undefined) return problem;
  }
  if (websocket.noAuthUser) {
    const problem = checkAnonymousUser(options, websocket.noAuthUser);
    if (problem !== undefined) return problem;
  }
  if ((authorization?.users?.length ?? 0) > 0 || accounts.some(({ users }) => users.length > 0)) {
    for (const field of ["user", "token"] as const) {
      if (!websocket.authorization?.[field]) continue;
      return `websocket authentication ${field === "user" ? "username" : "token"} not compatible with presence of users/nkeys`;
    }
  }
  if (websocket.jwtCookie && operators.length === 0 && trustedKeys.length === 0) {
    return `trusted operators or trusted keys configuration is required for JWT authentication via cookie ${JSON.stringify(websocket.jwtCookie)}`;
  }
  for (const header of websocket.headers.keys()) {
    const lower = header.toLowerCase();
    if (FORBIDDEN_HEADERS.includes(lower))
      return `websocket: invalid header ${JSON.stringify(header)} not allowed`;
    if (lower.startsWith("sec-websocket-")) {
      return `websocket: invalid header ${JSON.stringify(header)}, "Sec-WebSocket-" prefix not allowed`;
    }
  }
  return undefined;
}

/** The addresses that other servers are told. The one that clients are told is checked when INFO is made. */
function checkAdvertised({ cluster, gateway, leafnodes }: Options) {
  const listeners = [
    { info: "route INFO with Cluster", ...cluster },
    { info: "gateway INFO with Gateway", ...gateway },
    { info: "leafnode INFO with LeafNode", ...leafnodes },
  ];
  const wrong = listeners.find(
    ({ port, advertise }) => port !== 0 && advertise && !isAdvertisable(advertise),
  );
  return (
    wrong &&
    `Error setting ${wrong.info}.Advertise value of ${wrong.advertise}, err=expected host or host:port`
  );
}

/** A host, with a port or without. */
function isAdvertisable(address: string): boolean {
  const parts = splitHostPort(address);
  return parts === undefined ? !address.includes(":") : /^[+-]?\d*$/.test(parts.port);
}

function checkOrigin(origin: string): string | undefined {
  const shown = JSON.stringify(origin);
  if (!URL.canParse(origin)) return `unable to parse allowed origin ${shown}: invalid URI`;
  const { protocol, host } = new URL(origin);
  if (protocol !== "http:" && protocol !== "https:") {
    return `unable to parse allowed origin ${shown}: allowed origins must be absolute URLs with http or https scheme`;
  }
  return host === "" ? `unable to parse allowed origin ${shown}: host is required` : undefined;
}

/** In operator mode the account may still be fetched; otherwise it must stand in the file. */
function checkSystemAccount({ systemAccount, accounts, operators, trustedKeys }: Options) {
  if (!systemAccount || systemAccount === GLOBAL_ACCOUNT || operators.length > 0 || trustedKeys.length > 0)
    return undefined;
  const isThere = accounts.some(({ name }) => name === systemAccount);
  return isThere ? undefined : "error resolving system account: account missing";
}

/** OCSP checks need peers to show certificates. Source: nats-server `plugTLSOCSPPeer`. */
function checkOcspPeers({ tls, websocket, leafnodes }: Options) {
  const blocks = [tls, websocket.tls, leafnodes.tls];
  const isLacking = blocks.some((block) => block?.ocspPeer?.verify === true && !block.verify);
  return isLacking
    ? "OCSP peer verification for client connections requires TLS verify (mTLS) to be enabled"
    : undefined;
}

/** Midge has none, so an account can only use that of other servers. */
function checkJetStream(options: Options) {
  const user = options.accounts.find(({ usesJetStream }) => usesJetStream);
  if (user === undefined || !isStandalone(options)) return undefined;
  return `account ${JSON.stringify(user.name)}: JetStream is not supported by Midge, and without a cluster or gateway there is no other server that may have it; remove the key`;
}
