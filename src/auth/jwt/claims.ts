/**
 * The claims of NATS JWTs, one type for each kind of token, in the shape of version 2. Tokens of version 1 are
 * converted to it when they are decoded. Names are those of the configuration if it has the same thing; codec.ts has
 * the keys of the JWT.
 *
 * As in the JWT, an absent value is "" for a text, 0 for a number, false, or an empty list. A limit of -1 means
 * unlimited; a missing limit is 0. Times are Unix seconds, durations nanoseconds. Source: nats-io/jwt, v2.
 */

export type ClaimType = Claims["type"];

/** A decoded token, by its `type`. */
export type Claims =
  | OperatorClaims
  | AccountClaims
  | UserClaims
  | ActivationClaims
  | AuthorizationRequestClaims
  | AuthorizationResponseClaims
  | GenericClaims;

/** The claims of a token of any kind. */
export interface StandardClaims {
  /**
   * `aud`. In an auth callout it is a server's key in the answer, and in the user JWT of the answer the account that
   * the user is put into.
   */
  readonly audience: string;
  /** `exp`; 0 for never. Valid up to and including this second. */
  readonly expiresAtSeconds: number;
  /** `jti`: a hash over the other standard claims. */
  readonly id: string;
  /** `iat`. */
  readonly issuedAtSeconds: number;
  /** `iss`: the public key that signed it. */
  readonly issuer: string;
  readonly name: string;
  /** `nbf`; 0 for none. */
  readonly notBeforeSeconds: number;
  /** `sub`: the public key that the token is about. */
  readonly subject: string;
}

/** The fields in `nats` of every kind but `generic`. */
export interface GenericFields {
  readonly tags: readonly string[];
  /** 1 for a token that was converted from version 1. Authorization tokens may carry none; then it is 0. */
  readonly version: number;
}

export interface OperatorClaims extends StandardClaims {
  readonly type: "operator";
  readonly nats: Operator;
}

export interface AccountClaims extends StandardClaims {
  readonly type: "account";
  readonly nats: Account;
}

export interface UserClaims extends StandardClaims {
  readonly type: "user";
  readonly nats: User;
}

/** Lets the account `subject` import what the issuer exports. */
export interface ActivationClaims extends StandardClaims {
  readonly type: "activation";
  readonly nats: Activation;
}

/** What a server asks an auth callout service. */
export interface AuthorizationRequestClaims extends StandardClaims {
  readonly type: "authorization_request";
  readonly nats: AuthorizationRequest;
}

/** What an auth callout service answers. */
export interface AuthorizationResponseClaims extends StandardClaims {
  readonly type: "authorization_response";
  readonly nats: AuthorizationResponse;
}

/** A token of a kind that is not known here, such as a request to delete accounts. `nats` is as it was parsed. */
export interface GenericClaims extends StandardClaims {
  readonly type: "generic";
  readonly nats: { readonly [key: string]: unknown };
}

export interface Operator extends GenericFields {
  /** Further operator keys that may sign accounts. */
  readonly signingKeys: readonly string[];
  readonly accountServerUrl: string;
  readonly operatorServiceUrls: readonly string[];
  /** The public key of the system account. */
  readonly systemAccount: string;
  /** `<major>.<minor>.<update>`: the oldest server that may serve this operator. */
  readonly assertServerVersion: string;
  /** Whether only signing keys may sign accounts, while the identity key signs only the operator itself. */
  readonly strictSigningKeyUsage: boolean;
}

export interface Account extends GenericFields {
  readonly imports: readonly Import[];
  readonly exports: readonly Export[];
  readonly limits: AccountLimits;
  /**
   * Further account keys that may sign users. A key with a scope signs only users that take all their rights from the
   * scope.
   */
  readonly signingKeys: ReadonlyMap<string, UserScope | undefined>;
  /** By user key, or `*` for all: user JWTs that were issued up to and including this second are not valid. */
  readonly revocations: Revocations;
  /** The permissions of users whose own JWT has none. */
  readonly defaultPermissions: Permissions;
  /** By source subject. */
  readonly mappings: ReadonlyMap<string, readonly WeightedMapping[]>;
  readonly authorization: ExternalAuthorization;
  readonly messageTrace: MessageTrace | undefined;
  /** `""`, which is `system`; `system` or `owner`. */
  readonly clusterTraffic: string;
  readonly description: string;
  readonly infoUrl: string;
}

/** Key to Unix seconds. */
export type Revocations = ReadonlyMap<string, number>;

/** `unknown` if a token does not say; such a token is invalid. */
export type ShareKind = "stream" | "service" | "unknown";

export interface Export {
  readonly name: string;
  readonly subject: string;
  readonly kind: ShareKind;
  /** Whether importers need an activation token. */
  readonly tokenRequired: boolean;
  /** Activation tokens that are revoked, by importing account or `*`. */
  readonly revocations: Revocations;
  /** `""`, which is `Singleton`; `Singleton`, `Stream` or `Chunked`. */
  readonly responseType: string;
  readonly responseThresholdNs: number;
  readonly latency: ServiceLatency | undefined;
  /** The position, from 1, of the subject token that must be the importer's key; 0 for none. */
  readonly accountTokenPosition: number;
  readonly advertise: boolean;
  readonly allowTrace: boolean;
  readonly description: string;
  readonly infoUrl: string;
}

export interface ServiceLatency {
  /** Percent of requests, or `headers` to let each request decide. */
  readonly sampling: number | "headers";
  /** The subject on which latencies are published. */
  readonly results: string;
}

export interface Import {
  readonly name: string;
  /** The exporter's subject; for a service with `to`, the importer's. */
  readonly subject: string;
  /** The exporting account. */
  readonly account: string;
  /** An activation token. */
  readonly token: string;
  /** Deprecated. For a stream a prefix of the local subject, for a service the exporter's subject. */
  readonly to: string;
  /** The importer's subject, with `$n` for the n-th wildcard of `subject`. */
  readonly localSubject: string;
  readonly kind: ShareKind;
  readonly share: boolean;
  readonly allowTrace: boolean;
}

/** The limits of each connection. */
export interface ConnectionLimits {
  readonly maxSubscriptions: number;
  /** Kept in the token but never enforced. */
  readonly maxDataBytes: number;
  readonly maxPayloadBytes: number;
}

export interface AccountLimits extends ConnectionLimits, JetStreamLimits {
  readonly maxImports: number;
  readonly maxExports: number;
  readonly wildcardExports: boolean;
  readonly disallowBearer: boolean;
  readonly maxConnections: number;
  readonly maxLeafnodes: number;
  /** By tier, such as `R3`. If there are tiers, the flat limits of JetStream are all 0. */
  readonly tieredLimits: ReadonlyMap<string, JetStreamLimits>;
}

/** Kept so that a token can be edited without loss; there is no JetStream here. */
export interface JetStreamLimits {
  readonly memoryStorageBytes: number;
  readonly diskStorageBytes: number;
  readonly maxStreams: number;
  readonly maxConsumers: number;
  readonly maxAckPending: number;
  readonly memoryMaxStreamBytes: number;
  readonly diskMaxStreamBytes: number;
  readonly maxBytesRequired: boolean;
}

/** The rights of users that are signed with a scoped key. */
export interface UserScope {
  readonly key: string;
  readonly role: string;
  readonly description: string;
  /** Its subjects may contain `{{…}}`, which is filled in for each user. Limits that it does not name are -1. */
  readonly template: UserRights;
}

export interface Permissions {
  readonly publish: SubjectPermission;
  /** Entries may name a queue group after a blank: `"orders.> workers"`. */
  readonly subscribe: SubjectPermission;
  readonly responses: ResponsePermission | undefined;
}

/** An empty list restricts nothing. */
export interface SubjectPermission {
  readonly allow: readonly string[];
  readonly deny: readonly string[];
}

export interface ResponsePermission {
  /** 0 for the default of 1, negative for any number. */
  readonly maxMessages: number;
  /** 0 for the default of two minutes, negative for ever. */
  readonly ttlNs: number;
}

/** A window of the day; one that ends before it starts crosses midnight. */
export interface TimeRange {
  /** `HH:MM:SS`. */
  readonly start: string;
  readonly end: string;
}

/** The rights of a user, in its own token or in the scope of the key that signed it. */
export interface UserRights extends Permissions, ConnectionLimits {
  /** The CIDRs that a client may connect from; any address if empty. */
  readonly sources: readonly string[];
  /** When a client may be connected; always if empty. */
  readonly times: readonly TimeRange[];
  /** The IANA time zone of `times`; the server's own if "". */
  readonly timesLocation: string;
  /** Whether the token alone logs in, without a signature by the user's key. */
  readonly bearerToken: boolean;
  readonly proxyRequired: boolean;
  /** Connection types such as `STANDARD` or `WEBSOCKET`; any if empty. */
  readonly allowedConnectionTypes: readonly string[];
}

export interface User extends UserRights, GenericFields {
  /** The account, if one of its signing keys issued the token. */
  readonly issuerAccount: string;
}

export interface Activation extends GenericFields {
  /** The subject that may be imported. */
  readonly subject: string;
  readonly kind: ShareKind;
  /** The exporting account, if one of its signing keys issued the token. */
  readonly issuerAccount: string;
}

export interface WeightedMapping {
  readonly subject: string;
  /** As it is written, 0 if it is not: see `weightPercent`. */
  readonly weight: number;
  /** The cluster on whose servers it applies; "" for all clusters without entries of their own. */
  readonly cluster: string;
}

/** The percentage that a destination's weight means. */
export function weightPercent({ weight }: WeightedMapping): number {
  return weight === 0 ? 100 : weight;
}

/** Passes logins of an account to a callout service. It is active if there are `authUsers`. */
export interface ExternalAuthorization {
  /** User keys that log in without the service: the service itself. */
  readonly authUsers: readonly string[];
  /** The accounts that the service may put users into; `*` alone means all. */
  readonly allowedAccounts: readonly string[];
  /** The service's curve key, `X…`, if requests are to be encrypted. */
  readonly xkey: string;
}

export interface MessageTrace {
  readonly destination: string;
  /** Percent of messages, 1 to 100; a missing value or 0 is read as 100. */
  readonly sampling: number;
}

export interface AuthorizationRequest extends GenericFields {
  readonly server: ServerIdentity;
  /** The key that the answer must be about, made for this request alone. */
  readonly userNkey: string;
  readonly client: ClientInformation;
  readonly connectOptions: ConnectOptions;
  readonly tls: ClientTls | undefined;
  readonly requestNonce: string;
}

export interface ServerIdentity {
  readonly name: string;
  readonly host: string;
  /** `N…`. */
  readonly id: string;
  readonly version: string;
  readonly cluster: string;
  readonly tags: readonly string[];
  readonly xkey: string;
}

export interface ClientInformation {
  readonly host: string;
  readonly id: number;
  readonly user: string;
  readonly name: string;
  readonly tags: readonly string[];
  readonly nameTag: string;
  /** `Client` or `Leafnode`. */
  readonly kind: string;
  /** `nats`, `websocket` or `mqtt`. */
  readonly type: string;
  readonly mqttId: string;
  readonly nonce: string;
}

/** CONNECT as the client sent it. */
export interface ConnectOptions {
  readonly jwt: string;
  readonly nkey: string;
  readonly signature: string;
  readonly token: string;
  readonly user: string;
  readonly password: string;
  readonly name: string;
  readonly lang: string;
  readonly version: string;
  readonly protocol: number;
}

export interface ClientTls {
  /** `1.2` or `1.3`. */
  readonly version: string;
  readonly cipher: string;
  /** PEM; the certificates that the client sent, if they were not verified. */
  readonly certificates: readonly string[];
  /** PEM; the client's certificate comes first in each chain. */
  readonly verifiedChains: readonly (readonly string[])[];
}

/** Either `jwt`, the user to log in as, or `error`. */
export interface AuthorizationResponse extends GenericFields {
  readonly jwt: string;
  readonly error: string;
  /** The account, if one of its signing keys issued the token. */
  readonly issuerAccount: string;
}
