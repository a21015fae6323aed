/**
 * The JSON of each kind of token: the key of each field of claims.ts, and the order of keys. The order is
 * nats-io/jwt's, so that the same claims result in the same bytes. Source: the struct tags of nats-io/jwt, v2.
 */
import { goQuoteText } from "../../protocol/go_quote.ts";
import type {
  Account,
  AccountLimits,
  Activation,
  AuthorizationRequest,
  AuthorizationResponse,
  ClientInformation,
  ClientTls,
  ConnectionLimits,
  ConnectOptions,
  Export,
  ExternalAuthorization,
  GenericFields,
  Import,
  JetStreamLimits,
  MessageTrace,
  Operator,
  Permissions,
  ResponsePermission,
  Revocations,
  ServerIdentity,
  ServiceLatency,
  ShareKind,
  StandardClaims,
  SubjectPermission,
  TimeRange,
  User,
  UserRights,
  UserScope,
  WeightedMapping,
} from "./claims.ts";
import {
  always,
  at,
  bool,
  type Codec,
  compareUtf8,
  type Fields,
  integer,
  isJsonObject,
  list,
  Mismatch,
  mapOf,
  object,
  optional,
  text,
  texts,
  unsigned,
  unsigned8,
} from "./json_codec.ts";

export const standardClaims: Codec<StandardClaims> = object<StandardClaims>({
  audience: at("aud", text),
  expiresAtSeconds: at("exp", integer),
  id: at("jti", text),
  issuedAtSeconds: at("iat", integer),
  issuer: at("iss", text),
  name: at("name", text),
  notBeforeSeconds: at("nbf", integer),
  subject: at("sub", text),
});

export const version: Codec<number> = integer;

/** `type` is written between these two; encode.ts does that. */
const GENERIC_FIELDS: Fields<GenericFields> = {
  tags: at("tags", texts),
  version: at("version", version),
};

const shareKind: Codec<ShareKind> = {
  absent: "unknown",
  read: (json) => {
    if (json === "stream" || json === "service") return json;
    if (typeof json !== "string") throw Mismatch.of(json, "string");
    throw new Mismatch(`unknown export type ${goQuoteText(json)}`);
  },
  write: (kind) => (kind === "unknown" ? undefined : kind),
};

const subjectPermission: Codec<SubjectPermission> = object<SubjectPermission>({
  allow: at("allow", texts),
  deny: at("deny", texts),
});

const responsePermission: Codec<ResponsePermission> = object<ResponsePermission>({
  maxMessages: always("max", integer),
  ttlNs: always("ttl", integer),
});

const PERMISSIONS: Fields<Permissions> = {
  publish: at("pub", subjectPermission),
  subscribe: at("sub", subjectPermission),
  responses: at("resp", optional(responsePermission)),
};

const CONNECTION_LIMITS: Fields<ConnectionLimits> = {
  maxSubscriptions: at("subs", integer),
  maxDataBytes: at("data", integer),
  maxPayloadBytes: at("payload", integer),
};

/** A list, or one text with commas. */
const sources: Codec<readonly string[]> = {
  ...texts,
  read: (json) => {
    if (typeof json !== "string") return texts.read(json);
    const cidrs = json.split(",").map((cidr) => cidr.trim().toLowerCase());
    return [...new Set(cidrs)].filter((cidr) => cidr !== "");
  },
};

const timeRange: Codec<TimeRange> = object<TimeRange>({
  start: at("start", text),
  end: at("end", text),
});

const USER_RIGHTS: Fields<UserRights> = {
  ...PERMISSIONS,
  sources: at("src", sources),
  times: at("times", list(timeRange)),
  timesLocation: at("times_location", text),
  ...CONNECTION_LIMITS,
  bearerToken: at("bearer_token", bool),
  proxyRequired: at("proxy_required", bool),
  allowedConnectionTypes: at("allowed_connection_types", texts),
};

export const user: Codec<User> = object<User>({
  ...USER_RIGHTS,
  issuerAccount: at("issuer_account", text),
  ...GENERIC_FIELDS,
});

export const operator: Codec<Operator> = object<Operator>({
  signingKeys: at("signing_keys", texts),
  accountServerUrl: at("account_server_url", text),
  operatorServiceUrls: at("operator_service_urls", texts),
  systemAccount: at("system_account", text),
  assertServerVersion: at("assert_server_version", text),
  strictSigningKeyUsage: at("strict_signing_key_usage", bool),
  ...GENERIC_FIELDS,
});

const JETSTREAM_LIMITS: Fields<JetStreamLimits> = {
  memoryStorageBytes: at("mem_storage", integer),
  diskStorageBytes: at("disk_storage", integer),
  maxStreams: at("streams", integer),
  maxConsumers: at("consumer", integer),
  maxAckPending: at("max_ack_pending", integer),
  memoryMaxStreamBytes: at("mem_max_stream_bytes", integer),
  diskMaxStreamBytes: at("disk_max_stream_bytes", integer),
  maxBytesRequired: at("max_bytes_required", bool),
};

const jetStreamLimits: Codec<JetStreamLimits> = object(JETSTREAM_LIMITS);

const flatAccountLimits: Codec<AccountLimits> = object<AccountLimits>({
  ...CONNECTION_LIMITS,
  maxImports: at("imports", integer),
  maxExports: at("exports", integer),
  wildcardExports: at("wildcards", bool),
  disallowBearer: at("disallow_bearer", bool),
  maxConnections: at("conn", integer),
  maxLeafnodes: at("leaf", integer),
  ...JETSTREAM_LIMITS,
  tieredLimits: at("tiered_limits", mapOf(jetStreamLimits)),
});

/** Tiers replace the flat limits of JetStream. */
const accountLimits: Codec<AccountLimits> = {
  ...flatAccountLimits,
  read: (json) => {
    const limits = flatAccountLimits.read(json);
    return limits.tieredLimits.size === 0 ? limits : { ...limits, ...jetStreamLimits.absent };
  },
};

const revocations: Codec<Revocations> = mapOf(integer);

/** A number or "headers"; 0 means the latter. */
const sampling: Codec<number | "headers"> = {
  absent: "headers",
  read: (json) => {
    if (typeof json === "string" && json.toLowerCase() === "headers") return "headers";
    return integer.read(json) || "headers";
  },
  write: (rate) => rate,
};

const latency: Codec<ServiceLatency> = object<ServiceLatency>({
  sampling: always("sampling", sampling),
  results: always("results", text),
});

const exported: Codec<Export> = notNull(
  "export",
  object<Export>({
    name: at("name", text),
    subject: at("subject", text),
    kind: at("type", shareKind),
    tokenRequired: at("token_req", bool),
    revocations: at("revocations", revocations),
    responseType: at("response_type", text),
    responseThresholdNs: at("response_threshold", integer),
    latency: at("service_latency", optional(latency)),
    accountTokenPosition: at("account_token_position", unsigned),
    advertise: at("advertise", bool),
    allowTrace: at("allow_trace", bool),
    description: at("description", text),
    infoUrl: at("info_url", text),
  }),
);

const imported: Codec<Import> = notNull(
  "import",
  object<Import>({
    name: at("name", text),
    subject: at("subject", text),
    account: at("account", text),
    token: at("token", text),
    to: at("to", text),
    localSubject: at("local_subject", text),
    kind: at("type", shareKind),
    share: at("share", bool),
    allowTrace: at("allow_trace", bool),
  }),
);

/** A null entry fails to decode here. nats-io/jwt decodes it and then calls the claims invalid. */
function notNull<T>(what: string, codec: Codec<T>): Codec<T> {
  return {
    get absent(): T {
      throw new Mismatch(`null ${what} is not allowed`);
    },
    read: codec.read,
    write: codec.write,
  };
}

const weightedMapping: Codec<WeightedMapping> = object<WeightedMapping>({
  subject: always("subject", text),
  weight: at("weight", unsigned8),
  cluster: at("cluster", text),
});

const externalAuthorization: Codec<ExternalAuthorization> = object<ExternalAuthorization>({
  authUsers: at("auth_users", texts),
  allowedAccounts: at("allowed_accounts", texts),
  xkey: at("xkey", text),
});

const messageTrace: Codec<MessageTrace> = object<MessageTrace>({
  destination: at("dest", text),
  sampling: at("sampling", { ...integer, absent: 100, read: (json) => integer.read(json) || 100 }),
});

const USER_SCOPE = "user_scope";

const scopeKind: Codec<typeof USER_SCOPE> = {
  absent: USER_SCOPE,
  read: () => USER_SCOPE,
  write: (kind) => kind,
};

const template: Codec<UserRights> = object(USER_RIGHTS);
const NO_LIMITS: ConnectionLimits = { maxSubscriptions: -1, maxDataBytes: -1, maxPayloadBytes: -1 };

const userScope: Codec<UserScope & { readonly kind: typeof USER_SCOPE }> = object({
  kind: always("kind", scopeKind),
  key: always("key", text),
  role: always("role", text),
  template: at("template", {
    ...template,
    absent: { ...template.absent, ...NO_LIMITS },
    read: (json) => template.read(isJsonObject(json) ? { subs: -1, data: -1, payload: -1, ...json } : json),
  }),
  description: always("description", text),
});

/** An array of keys and scopes, written in the order of the keys. */
const signingKeys: Codec<Account["signingKeys"]> = {
  absent: new Map(),
  read: (json) => {
    if (!Array.isArray(json)) throw Mismatch.of(json, "array");
    return new Map(json.flatMap((entry) => readSigningKey(entry)));
  },
  write: (keys) => {
    if (keys.size === 0) return undefined;
    const sorted = [...keys].sort(([a], [b]) => compareUtf8(a, b));
    return sorted.map(([key, scope]) =>
      scope === undefined ? key : userScope.write({ ...scope, kind: USER_SCOPE }),
    );
  },
};

/** Reads an entry; one that is neither a text nor an object is ignored. */
function readSigningKey(json: unknown): [key: string, scope: UserScope | undefined][] {
  if (typeof json === "string") return [[json, undefined]];
  if (!isJsonObject(json)) return [];
  if (json.kind !== USER_SCOPE) {
    throw new Mismatch(
      `unknown signing key scope ${json.type === undefined ? "%!q(<nil>)" : JSON.stringify(json.type)}`,
    );
  }
  const { kind, ...scope } = userScope.read(json);
  return [[scope.key, scope]];
}

export const account: Codec<Account> = object<Account>({
  imports: at("imports", list(imported)),
  exports: at("exports", list(exported)),
  limits: at("limits", accountLimits),
  signingKeys: at("signing_keys", signingKeys),
  revocations: at("revocations", revocations),
  defaultPermissions: at("default_permissions", object(PERMISSIONS)),
  mappings: at("mappings", mapOf(list(weightedMapping))),
  authorization: at("authorization", externalAuthorization),
  messageTrace: at("trace", optional(messageTrace)),
  clusterTraffic: at("cluster_traffic", text),
  description: at("description", text),
  infoUrl: at("info_url", text),
  ...GENERIC_FIELDS,
});

export const activation: Codec<Activation> = object<Activation>({
  subject: at("subject", text),
  kind: at("kind", shareKind),
  issuerAccount: at("issuer_account", text),
  ...GENERIC_FIELDS,
});

const serverIdentity: Codec<ServerIdentity> = object<ServerIdentity>({
  name: always("name", text),
  host: always("host", text),
  id: always("id", text),
  version: at("version", text),
  cluster: at("cluster", text),
  tags: at("tags", texts),
  xkey: at("xkey", text),
});

const clientInformation: Codec<ClientInformation> = object<ClientInformation>({
  host: at("host", text),
  id: at("id", unsigned),
  user: at("user", text),
  name: at("name", text),
  tags: at("tags", texts),
  nameTag: at("name_tag", text),
  kind: at("kind", text),
  type: at("type", text),
  mqttId: at("mqtt_id", text),
  nonce: at("nonce", text),
});

const connectOptions: Codec<ConnectOptions> = object<ConnectOptions>({
  jwt: at("jwt", text),
  nkey: at("nkey", text),
  signature: at("sig", text),
  token: at("auth_token", text),
  user: at("user", text),
  password: at("pass", text),
  name: at("name", text),
  lang: at("lang", text),
  version: at("version", text),
  protocol: always("protocol", integer),
});

const clientTls: Codec<ClientTls> = object<ClientTls>({
  version: at("version", text),
  cipher: at("cipher", text),
  certificates: at("certs", texts),
  verifiedChains: at("verified_chains", list(texts)),
});

export const authorizationRequest: Codec<AuthorizationRequest> = object<AuthorizationRequest>({
  server: at("server_id", serverIdentity),
  userNkey: always("user_nkey", text),
  client: at("client_info", clientInformation),
  connectOptions: at("connect_opts", connectOptions),
  tls: at("client_tls", optional(clientTls)),
  requestNonce: at("request_nonce", text),
  ...GENERIC_FIELDS,
});

export const authorizationResponse: Codec<AuthorizationResponse> = object<AuthorizationResponse>({
  jwt: at("jwt", text),
  error: at("error", text),
  issuerAccount: at("issuer_account", text),
  ...GENERIC_FIELDS,
});
