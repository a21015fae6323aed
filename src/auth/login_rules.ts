import { DEFAULT_SYSTEM_ACCOUNT, GLOBAL_ACCOUNT } from "../config/account_names.ts";
import type {
  AuthCalloutOptions,
  ConnectionType,
  LinkAuthorization,
  UserOptions,
} from "../config/authorization.ts";
import type { Options } from "../config/option_table.ts";
import type { Permissions } from "../config/permissions.ts";
import type { ServerKind } from "./login.ts";
import { isBcryptHash } from "./password.ts";

/**
 * Who may log in, as the configuration says it, in the form the decision wants. Plain data: made by main at start
 * and reload, sent to every thread that decides.
 */
export interface LoginRules {
  /** Only user JWTs count; users, passwords and tokens do not. */
  readonly isOperatorMode: boolean;
  readonly users: readonly UserRule[];
  readonly nkeys: readonly UserRule[];
  /** For clients on the server's port, and inside the process. */
  readonly client: ListenerRules;
  readonly websocket: ListenerRules;
  /** For leaf nodes, if `leafnodes` has no credentials of its own. */
  readonly leafnode: ListenerRules;
  readonly leafnodeWebSocket: ListenerRules;
  /** Credentials of the `leafnodes` block, which stand in for all others; null where it has none. */
  readonly leafCredentials: LeafCredentials | null;
  /** The account of leafs on a server where nobody has to log in. */
  readonly leafAccount: string;
  /** Who may connect as a server of that kind; absent where any may. */
  readonly servers?: Readonly<Partial<Record<ServerKind, ServerCredentials>>>;
  /** `proxy_required` of `authorization`, for logins that match no listed user. */
  readonly isProxyRequired: boolean;
  /** Public keys of the proxies that are believed. */
  readonly trustedProxies: readonly string[];
  readonly callout: AuthCalloutOptions | null;
  /** Operator mode: the only accounts whose users may log in, beside an operator's system account; undefined for any. */
  readonly pinnedAccounts: readonly string[] | undefined;
  /** Operator mode: the user JWT of clients that bring none; empty for none. */
  readonly defaultSentinel: string;
  /** The user made for clients without credentials, where only `$SYS` has users; empty for none. */
  readonly automaticUser: string;
}

export interface UserRule {
  /** A name, or a public user key in the list of nkeys. */
  readonly name: string;
  /** In clear or a bcrypt hash; empty for an nkey. */
  readonly password: string;
  readonly account: string;
  readonly permissions: Permissions | null;
  /** Null for all. */
  readonly connectionTypes: readonly ConnectionType[] | null;
  readonly isProxyRequired: boolean;
  /** Some listener could take this user from a certificate, so a missing password must not count as an empty one. */
  readonly isCertificateIdentity: boolean;
}

/** Who may connect as a leaf, and into which account. */
export type LeafCredentials =
  | ({ readonly kind: "user" } & LeafUserRule)
  | ({ readonly kind: "nkey" } & LeafUserRule)
  | { readonly kind: "users"; readonly users: readonly LeafUserRule[]; readonly mapsCertificates: boolean };

export interface LeafUserRule {
  /** A name, or a public user key. */
  readonly name: string;
  /** In clear or a bcrypt hash; empty for an nkey. */
  readonly password: string;
  readonly account: string;
  readonly isProxyRequired: boolean;
}

export interface ServerCredentials {
  readonly user: string;
  /** In clear or a bcrypt hash. */
  readonly password: string;
}

export interface ListenerRules {
  /** The user of clients without credentials; empty for none. */
  readonly noAuthUser: string;
  /** The single user with its password, or the single token; empty for none. */
  readonly user: string;
  readonly password: string;
  readonly token: string;
  /** Users come from certificates. */
  readonly mapsCertificates: boolean;
  /** False accepts everybody, into `$G`. */
  readonly isAuthRequired: boolean;
}

/** Whether a login moves clients into an account; otherwise they stay in the one they begin in. */
export function registersClients({ isOperatorMode, users, nkeys }: LoginRules): boolean {
  return isOperatorMode || users.length > 0 || nkeys.length > 0;
}

/**
 * Compiles the rules. `automaticUserName` is a name nobody can guess, kept over reloads so that anonymous clients
 * stay the same user. Names are unique already (config/read_options.ts).
 */
export function compileLoginRules(options: Options, automaticUserName: string): LoginRules {
  const { authorization, accounts } = options;
  const isOperatorMode = options.operators.length > 0 || options.trustedKeys.length > 0;
  const automaticUser = !isOperatorMode && needsAutomaticUser(options) ? automaticUserName : "";
  const configured = [
    ...(authorization?.users ?? []).map((user) => ({ user, account: GLOBAL_ACCOUNT })),
    ...accounts.flatMap(({ name, users }) => users.map((user) => ({ user, account: name }))),
  ];
  const users: UserRule[] = [];
  const nkeys: UserRule[] = [];
  for (const { user, account } of configured) {
    (user.nkey === undefined ? users : nkeys).push(compileUser(user, account, options));
  }
  if (automaticUser !== "") users.push(anonymousUser(automaticUser));
  // An empty list of users is no list: nats-server lets everybody in.
  const hasUsers = users.length > 0 || nkeys.length > 0;
  const client: ListenerRules = {
    noAuthUser: options.noAuthUser || automaticUser,
    user: authorization?.user ?? "",
    password: authorization?.password ?? "",
    token: authorization?.token ?? "",
    mapsCertificates: options.tls?.verifyAndMap ?? false,
    isAuthRequired: isOperatorMode || hasUsers || Boolean(authorization?.user || authorization?.token),
  };
  return {
    isOperatorMode,
    users,
    nkeys,
    client,
    websocket: compileWebSocket(options, client),
    leafnode: { ...client, mapsCertificates: options.leafnodes.tls?.verifyAndMap ?? false },
    leafnodeWebSocket: {
      ...client,
      noAuthUser: options.websocket.noAuthUser || client.noAuthUser,
      mapsCertificates: options.leafnodes.tls?.verifyAndMap ?? false,
    },
    leafCredentials: compileLeafCredentials(options.leafnodes),
    leafAccount: options.leafnodes.authorization?.account || GLOBAL_ACCOUNT,
    servers: {
      ...compileServer("route", options.cluster.authorization),
      ...compileServer("gateway", options.gateway.authorization),
    },
    isProxyRequired: authorization?.proxyRequired ?? false,
    trustedProxies: options.trustedProxies,
    callout: authorization?.authCallout ?? null,
    pinnedAccounts: options.resolverPinnedAccounts,
    defaultSentinel: options.defaultSentinel ?? "",
    automaticUser,
  };
}

/**
 * Users of the system account alone must not lock everybody else out. Source: nats-server configureAccounts,
 * sysAccOnlyNoAuthUser.
 */
function needsAutomaticUser({ authorization, accounts, systemAccount, noAuthUser }: Options): boolean {
  const hasDefault = accounts.some(({ name }) => name === DEFAULT_SYSTEM_ACCOUNT);
  const system = systemAccount || (hasDefault ? DEFAULT_SYSTEM_ACCOUNT : undefined);
  if (system === undefined || system === GLOBAL_ACCOUNT || authorization !== undefined || noAuthUser)
    return false;
  return accounts.every(({ name }) => name === system);
}

function anonymousUser(name: string): UserRule {
  return {
    name,
    password: "",
    account: GLOBAL_ACCOUNT,
    permissions: null,
    connectionTypes: null,
    isProxyRequired: false,
    isCertificateIdentity: false,
  };
}

function compileUser(user: UserOptions, account: string, options: Options): UserRule {
  const connectionTypes = user.allowedConnectionTypes?.length ? user.allowedConnectionTypes : null;
  return {
    name: user.nkey ?? user.user ?? "",
    password: user.password ?? "",
    account,
    permissions: user.permissions ?? null,
    connectionTypes,
    isProxyRequired: user.proxyRequired,
    isCertificateIdentity: user.nkey === undefined && canBeMapped(connectionTypes, options),
  };
}

/** Whether a listener that maps certificates onto the table of users admits this way of connecting. */
function canBeMapped(types: readonly ConnectionType[] | null, options: Options): boolean {
  const { tls, websocket, leafnodes } = options;
  const admits = (type: ConnectionType) => types === null || types.includes(type);
  if (tls?.verifyAndMap && admits("STANDARD")) return true;
  if (websocket.tls?.verifyAndMap && websocket.port !== 0 && admits("WEBSOCKET")) return true;
  if (!leafnodes.tls?.verifyAndMap || leafnodes.port === 0) return false;
  const { user, nkey, users } = leafnodes.authorization ?? {};
  if (user || nkey || users?.length) return false;
  const websocketHasCertificates =
    websocket.port !== 0 && (websocket.tls?.verify || websocket.tls?.verifyAndMap);
  return admits("LEAFNODE") || (Boolean(websocketHasCertificates) && admits("LEAFNODE_WS"));
}

function compileLeafCredentials({ authorization, tls }: Options["leafnodes"]): LeafCredentials | null {
  if (authorization === undefined) return null;
  const { user, password, nkey, account, users, proxyRequired } = authorization;
  const rule = (
    name: string,
    secret = "",
    into = account,
    isProxyRequired = proxyRequired,
  ): LeafUserRule => ({
    name,
    password: secret,
    account: into || GLOBAL_ACCOUNT,
    isProxyRequired,
  });
  if (user) return { kind: "user", ...rule(user, password) };
  if (nkey) return { kind: "nkey", ...rule(nkey) };
  if (users.length === 0) return null;
  const rules = users.map((each) =>
    rule(each.user, each.password, each.account ?? "", each.proxyRequired || proxyRequired),
  );
  return { kind: "users", users: rules, mapsCertificates: tls?.verifyAndMap ?? false };
}

function compileServer(
  kind: ServerKind,
  authorization: LinkAuthorization | undefined,
): LoginRules["servers"] {
  const { user, password = "" } = authorization ?? {};
  return user ? { [kind]: { user, password } } : {};
}

/** Credentials of the `websocket` block, if it has any, stand in for all of those at the top. */
function compileWebSocket({ websocket }: Options, client: ListenerRules): ListenerRules {
  const { user = "", password = "", token = "" } = websocket.authorization ?? {};
  const noAuthUser = websocket.noAuthUser ?? "";
  const mapsCertificates = websocket.tls?.verifyAndMap ?? false;
  if (user === "" && token === "" && noAuthUser === "") return { ...client, mapsCertificates };
  return { noAuthUser, user, password, token, mapsCertificates, isAuthRequired: true };
}

/**
 * Whether the first INFO asks for credentials: over TCP it does not if there is a user for clients without credentials.
 * Later INFOs, and monitoring, show `isAuthRequired` of the TCP listener, as in nats-server.
 */
export function greetsWithAuthRequired(rules: LoginRules, listener: "client" | "websocket"): boolean {
  const { isAuthRequired, noAuthUser } = rules[listener];
  if (listener === "websocket") return isAuthRequired;
  return isAuthRequired && (noAuthUser === "" || noAuthUser === rules.automaticUser);
}

/** Whether INFO carries a nonce to sign. */
export function needsNonce(rules: LoginRules): boolean {
  return rules.isOperatorMode || rules.nkeys.length > 0 || rules.trustedProxies.length > 0;
}

/** Whether some stored secret is a bcrypt hash, so that whoever decides needs a `HashComparison`. */
export function needsHashComparison({
  users,
  client,
  websocket,
  leafCredentials,
  servers = {},
}: LoginRules): boolean {
  const listeners = [client, websocket].flatMap(({ password, token }) => [password, token]);
  const leafs = leafUsers(leafCredentials).map(({ password }) => password);
  const others = Object.values(servers).map(({ password }) => password);
  return [...users.map(({ password }) => password), ...listeners, ...leafs, ...others].some(isBcryptHash);
}

function leafUsers(credentials: LeafCredentials | null): readonly LeafUserRule[] {
  if (credentials === null) return [];
  return credentials.kind === "users" ? credentials.users : [credentials];
}

/** What the server says of the rules at start and reload. */
export function findLoginWarnings(rules: LoginRules): readonly string[] {
  const isPlain = ({ name, password, isCertificateIdentity }: UserRule) => {
    if (name === rules.automaticUser || (password === "" && isCertificateIdentity)) return false;
    return !isBcryptHash(password);
  };
  const { password } = rules.client;
  const hasPlain = (password !== "" && !isBcryptHash(password)) || rules.users.some(isPlain);
  return hasPlain ? ["Plaintext passwords detected, use nkeys or bcrypt"] : [];
}
