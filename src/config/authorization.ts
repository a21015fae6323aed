import type { ConfigValue } from "./config_tree.ts";
import { isPublicKey, type PublicKeyKind } from "./nkey_text.ts";
import {
  block,
  defaultsOf,
  type OptionsOf,
  option,
  type Reader,
  readBlock,
  type Site,
  wrongType,
} from "./option.ts";
import { type Permissions, permissions } from "./permissions.ts";
import { arrayOf, authorizationTimeout, bool, secret, string, strings } from "./readers.ts";
import { isFields, spellBlock, spellPlain } from "./spelling.ts";

/** Who may connect: single credentials, users and nkeys, permissions, auth callout. Source: nats-server opts.go. */

export const CONNECTION_TYPES = [
  "STANDARD",
  "WEBSOCKET",
  "LEAFNODE",
  "LEAFNODE_WS",
  "MQTT",
  "MQTT_WS",
  "IN_PROCESS",
] as const;

export type ConnectionType = (typeof CONNECTION_TYPES)[number];

export function isLeafType(type: ConnectionType): boolean {
  return type === "LEAFNODE" || type === "LEAFNODE_WS";
}

/** A user of `authorization` or of an account, named by `user` or by `nkey`. */
export interface UserOptions {
  readonly user: string | undefined;
  readonly password: string | undefined;
  /** A public user key `U…`; such a user has neither `user` nor `password`. */
  readonly nkey: string | undefined;
  /** Its own, else the default permissions of its block; undefined permits everything. */
  readonly permissions: Permissions | undefined;
  /** Upper case; undefined allows every type. */
  readonly allowedConnectionTypes: readonly ConnectionType[] | undefined;
  /** Admits the user only through a trusted proxy. */
  readonly proxyRequired: boolean;
}

/** A public key of one kind, or an error. */
export function publicKey(kind: PublicKeyKind, message: (text: string) => string): Reader<string> {
  return {
    type: kind === "any" ? "public key" : `public ${kind} key`,
    read: (value, site) => {
      const text = string.read(value, site);
      return text === undefined || isPublicKey(text, kind) ? text : site.error(message(text));
    },
  };
}

const connectionTypes: Reader<readonly ConnectionType[]> = {
  type: "connection types",
  read: (value, site) => {
    const names = strings.read(value, site)?.map((name) => name.toUpperCase());
    const unknown = names?.filter((name) => !CONNECTION_TYPES.some((known) => known === name)) ?? [];
    if (unknown.length > 0)
      return site.error(
        `invalid connection types ${JSON.stringify(unknown)}; known are ${CONNECTION_TYPES.join(", ")}`,
      );
    return names as readonly ConnectionType[] | undefined;
  },
};

const USER_BLOCK = block("user", {
  user: option<string | undefined>({
    key: "user",
    aliases: ["username"],
    reader: string,
    default: undefined,
    doc: "The name a client logs in with.",
  }),
  password: option<string | undefined>({
    key: "password",
    aliases: ["pass"],
    reader: secret,
    default: undefined,
    doc: "Its password, as is or as a bcrypt hash.",
  }),
  nkey: option<string | undefined>({
    key: "nkey",
    reader: string,
    default: undefined,
    doc: "A public user key instead of name and password.",
  }),
  permissions: option<Permissions | undefined>({
    key: "permissions",
    aliases: ["permission", "authorization"],
    reader: permissions,
    default: undefined,
    doc: "What the user may publish and subscribe to.",
  }),
  allowedConnectionTypes: option<readonly ConnectionType[] | undefined>({
    key: "allowed_connection_types",
    aliases: ["connection_types", "clients"],
    reader: connectionTypes,
    default: undefined,
    doc: "How the user may connect; any way if absent.",
  }),
  proxyRequired: option({
    key: "proxy_required",
    reader: bool,
    default: false,
    doc: "Admits the user only through a trusted proxy.",
  }),
});

const user: Reader<UserOptions> = {
  type: "user",
  blocks: [USER_BLOCK],
  read: (value, site) => {
    if (value.kind !== "map") return wrongType(value, site, "a user entry to be a map");
    const read = readBlock(USER_BLOCK, value, site);
    if (!read.nkey)
      return read.user ? { ...read, nkey: undefined } : site.error("User entry requires a user");
    if (!isPublicKey(read.nkey, "user")) return site.error("Not a valid public nkey for a user");
    if (read.user || read.password) return site.error("Nkey users do not take usernames or passwords");
    return read;
  },
};

export const users: Reader<readonly UserOptions[]> = arrayOf(user);

/** The users with the permissions of their block where they have none of their own. */
export function withDefaultPermissions(
  list: readonly UserOptions[],
  defaultPermissions: Permissions | undefined,
): readonly UserOptions[] {
  return list.map((entry) => ({ ...entry, permissions: entry.permissions ?? defaultPermissions }));
}

const CALLOUT_BLOCK = block(
  "authorization callout",
  {
    issuer: option({
      key: "issuer",
      reader: publicKey(
        "account",
        (text) => `Expected callout user to be a valid public account nkey, got "${text}"`,
      ),
      default: "",
      doc: "The account key that signs answers.",
    }),
    account: option({
      key: "account",
      aliases: ["acc"],
      reader: string,
      default: "$G",
      doc: "The account whose subscribers answer.",
    }),
    authUsers: option<readonly string[]>({
      key: "auth_users",
      aliases: ["users"],
      reader: arrayOf(string),
      default: [],
      doc: "Users and nkeys that are not asked about: the service itself.",
    }),
    xkey: option<string | undefined>({
      key: "xkey",
      aliases: ["key"],
      reader: publicKey("curve", (text) => `Expected callout xkey to be a valid public xkey, got "${text}"`),
      default: undefined,
      doc: "The curve key that requests are sealed for.",
    }),
    allowedAccounts: option<readonly string[]>({
      key: "allowed_accounts",
      reader: arrayOf(string),
      default: [],
      doc: "Accounts whose users are asked about; all if empty.",
    }),
  },
  { unknownKey: (key) => `Unknown field "${key}" parsing authorization callout` },
);

export type AuthCalloutOptions = OptionsOf<typeof CALLOUT_BLOCK.table>;

const authCallout: Reader<AuthCalloutOptions> = {
  type: "auth_callout block",
  blocks: [CALLOUT_BLOCK],
  read: (value, site) => {
    if (value.kind !== "map") return wrongType(value, site, "authorization callout to be a map");
    const errorsBefore = site.errorCount;
    const read = readBlock(CALLOUT_BLOCK, value, site);
    if (site.errorCount > errorsBefore) return undefined;
    if (read.issuer === "") return site.error("Authorization callouts require an issuer to be specified");
    if (read.authUsers.length === 0)
      return site.error("Authorization callouts require authorized users to be specified");
    return read;
  },
};

/** The options of a block that lets one user in by name and password. */
export const SINGLE_USER = {
  user: option<string | undefined>({
    key: "user",
    aliases: ["username"],
    reader: string,
    default: undefined,
    doc: "The single user.",
  }),
  password: option<string | undefined>({
    key: "password",
    aliases: ["pass"],
    reader: secret,
    default: undefined,
    doc: "Its password.",
  }),
};

const SINGLE_CREDENTIALS = {
  ...SINGLE_USER,
  timeoutMs: option<number | undefined>({
    key: "timeout",
    reader: authorizationTimeout,
    default: undefined,
    doc: "How long a new connection has to authenticate; 2 s, or the TLS timeout plus 1 s.",
  }),
};

const TOKEN = {
  token: option<string | undefined>({
    key: "token",
    reader: secret,
    default: undefined,
    doc: "The single token.",
  }),
};

const AUTHORIZATION_BLOCK = block("authorization", {
  ...SINGLE_CREDENTIALS,
  ...TOKEN,
  users: option<readonly UserOptions[] | undefined>({
    key: "users",
    reader: users,
    default: undefined,
    doc: "The users of the account $G.",
  }),
  defaultPermissions: option<Permissions | undefined>({
    key: "default_permissions",
    aliases: ["default_permission", "permissions"],
    reader: permissions,
    default: undefined,
    doc: "For users without permissions of their own.",
  }),
  authCallout: option<AuthCalloutOptions | undefined>({
    key: "auth_callout",
    aliases: ["auth_hook"],
    reader: authCallout,
    default: undefined,
    doc: "Asks a service who may connect.",
  }),
  proxyRequired: option({
    key: "proxy_required",
    reader: bool,
    default: false,
    doc: "Admits clients only through a trusted proxy.",
  }),
});

/**
 * How long a connection has to authenticate, in milliseconds: what the block says, else 2 s, else with TLS a second
 * more than its handshake may take. 0 stands for the default.
 */
export function authorizationTimeoutMs(
  configuredMs: number | undefined,
  tls: { readonly timeoutMs: number } | undefined,
): number {
  return configuredMs || (tls === undefined ? 2000 : tls.timeoutMs + 1000);
}

export const AUTHORIZATION_DEFAULTS = defaultsOf(AUTHORIZATION_BLOCK.table);

/** `authorization` of the server. `users` already carry the default permissions. */
export type AuthorizationOptions = OptionsOf<typeof AUTHORIZATION_BLOCK.table>;

export const authorization: Reader<AuthorizationOptions> = {
  type: "authorization block",
  blocks: [AUTHORIZATION_BLOCK],
  read: (value, site) => {
    const read = readAuthorization(value, site);
    if (read === undefined) return undefined;
    if ((read.user || read.password) && read.token) return site.error("Cannot have a user/pass and token");
    if (read.users !== undefined && read.user)
      return site.error("Can not have a single user/pass and a users array");
    if (read.users !== undefined && read.token) return site.error("Can not have a token and a users array");
    return read;
  },
};

function readAuthorization(value: ConfigValue, site: Site): AuthorizationOptions | undefined {
  if (value.kind !== "map") return wrongType(value, site, "a map to define authorization");
  const read = readBlock(AUTHORIZATION_BLOCK, value, site);
  if (read.users === undefined) return read;
  return { ...read, users: withDefaultPermissions(read.users, read.defaultPermissions) };
}

/** The single user that routes or gateways log in with. */
export interface LinkAuthorization {
  readonly user: string | undefined;
  readonly password: string | undefined;
  readonly timeoutMs: number | undefined;
  /** Only in a cluster: the deprecated place for the block's `permissions`. */
  readonly permissions: Permissions | undefined;
}

/** `authorization` of a cluster or gateway: one user; the rest of the block is refused by name. */
export function readLinkAuthorization(
  what: "Cluster" | "Gateway",
  value: ConfigValue,
  site: Site,
): LinkAuthorization | undefined {
  const read = readAuthorization(value, site);
  if (read === undefined) return undefined;
  if (read.users !== undefined) return site.error(`${what} authorization does not allow multiple users`);
  if (read.token) return site.error(`${what} authorization does not support tokens`);
  if (read.authCallout !== undefined) return site.error(`${what} authorization does not support callouts`);
  return {
    user: read.user,
    password: read.password,
    timeoutMs: read.timeoutMs,
    permissions: read.defaultPermissions,
  };
}

/** Such a user as a program gives it. */
export function spellLinkAuthorization(value: unknown, site: Site): ConfigValue | undefined {
  if (!isFields(value)) return spellPlain(value, site, "an authorization block");
  const { permissions: defaultPermissions, ...others } = value;
  return spellBlock(AUTHORIZATION_BLOCK, { ...others, defaultPermissions }, site);
}

const SIMPLE_AUTHORIZATION_BLOCK = block("authorization", { ...SINGLE_CREDENTIALS, ...TOKEN });

/** `authorization` of the WebSocket listener: replaces the server's for its connections. */
export type SimpleAuthorization = OptionsOf<typeof SIMPLE_AUTHORIZATION_BLOCK.table>;

export const simpleAuthorization: Reader<SimpleAuthorization> = {
  type: "authorization block",
  blocks: [SIMPLE_AUTHORIZATION_BLOCK],
  read: (value, site) =>
    value.kind === "map"
      ? readBlock(SIMPLE_AUTHORIZATION_BLOCK, value, site)
      : wrongType(value, site, "a map to define authorization"),
};
