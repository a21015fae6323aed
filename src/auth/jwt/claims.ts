/**
 * What NATS JWTs say, one type a kind of token, in the shape of version 2. Tokens of version 1 are brought to it when
 * they are decoded. Names are those of the configuration where it has the same thing; the key of the JWT, where it
 * differs, stands in codec.ts.
 *
 * As in the JWT, what is absent is "" for a text, 0 for a number, false, or an empty list; limits of -1 are unlimited,
 * and a missing limit is 0. Times are Unix seconds, durations nanoseconds. Source: nats-io/jwt, v2.
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

/** What a token of any kind says. */
export interface StandardClaims {
  /** `aud`. In answers of an auth callout: a server's key, or the account a user is put into. */
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
  /** `sub`: the public key it is about. */
  readonly subject: string;
}

/** What stands in `nats` of every kind but `generic`. */
export interface GenericFields {
  readonly tags: readonly string[];
  /** 1 for a token that was brought to this shape from version 1; authorization tokens may carry none, 0. */
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

/** A token of no kind that is known here, such as a request to delete accounts: `nats` as it was parsed. */
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
  /** Whether only signing keys may sign, and the identity key signs the operator itself alone. */
  readonly strictSigningKeyUsage: boolean;
}

export interface Account extends GenericFields {
  readonly imports: readonly Import[];
  readonly exports: readonly Export[];
  readonly limits: AccountLimits;
  /** Further account keys that may sign users; with a scope, only users that take all their rights from it. */
  readonly signingKeys: ReadonlyMap<string, UserScope | undefined>;
  /** By user key, or `*` for all: what was issued up to and including this second does not hold. */
  readonly revocations: Revocations;
  /** For users whose own JWT has no permissions. */
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

/** `unknown` where a token does not say; such a token is invalid. */
export type ShareKind = "stream" | "service" | "unknown";

export interface Export {
  readonly name: string;
  readonly subject: string;
  readonly kind: ShareKind;
  /** Whether importers need an activation token. */
  readonly tokenRequired: boolean;
  /** Activation tokens that do not hold any more, by importing account or `*`. */
  readonly revocations: Revocations;
  /** `""`, which is `Singleton`; `Singleton`, `Stream` or `Chunked`. */
  readonly responseType: string;
  readonly responseThresholdNs: number;
  readonly latency: ServiceLatency | undefined;
  /** The token, from 1, that must be the importer's key; 0 for none. */
  readonly accountTokenPosition: number;
  readonly advertise: boolean;
  readonly allowTrace: boolean;
  readonly description: string;
  readonly infoUrl: string;
}

export interface ServiceLatency {
  /** Percent of requests, or `headers` to let each request decide. */
  readonly sampling: number | "headers";
  /** The subject latencies are published on. */
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

/** Of each connection. */
export interface ConnectionLimits {
  readonly maxSubscriptions: number;
  /** Carried, never enforced. */
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
  /** By tier, such as `R3`; then the flat limits of JetStream are all 0. */
  readonly tieredLimits: ReadonlyMap<string, JetStreamLimits>;
}

/** Carried so that a token can be edited without loss: there is no JetStream here. */
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

/** What users get who are signed with a scoped key. */
export interface UserScope {
  readonly key: string;
  readonly role: string;
  readonly description: string;
  /** Its subjects may hold `{{…}}`, filled in for each user; limits it does not name are -1. */
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

/** What a user may do: in its own token, or in the scope of the key that signed it. */
export interface UserRights extends Permissions, ConnectionLimits {
  /** CIDRs a client may come from; anywhere if empty. */
  readonly sources: readonly string[];
  /** When a client may be connected; always if empty. */
  readonly times: readonly TimeRange[];
  /** IANA zone of `times`; the server's own if "". */
  readonly timesLocation: string;
  /** Whether the token alone logs in, without a signature by the user's key. */
  readonly bearerToken: boolean;
  readonly proxyRequired: boolean;
  /** Such as `STANDARD` or `WEBSOCKET`; any if empty. */
  readonly allowedConnectionTypes: readonly string[];
}

export interface User extends UserRights, GenericFields {
  /** The account, where one of its signing keys issued the token. */
  readonly issuerAccount: string;
}

export interface Activation extends GenericFields {
  /** What may be imported. */
  readonly subject: string;
  readonly kind: ShareKind;
  /** The exporting account, where one of its signing keys issued the token. */
  readonly issuerAccount: string;
}

export interface WeightedMapping {
  readonly subject: string;
  /** Percent, 1 to 100; a missing one or 0 is read as 100. */
  readonly weight: number;
  /** Only on servers of this cluster; "" for all others. */
  readonly cluster: string;
}

/** Hands logins of an account to a callout service. It is on if there are `authUsers`. */
export interface ExternalAuthorization {
  /** User keys that log in without the service: the service itself. */
  readonly authUsers: readonly string[];
  /** Accounts, or `*` alone, that the service may put users into. */
  readonly allowedAccounts: readonly string[];
  /** The service's curve key, `X…`, if requests are to be encrypted. */
  readonly xkey: string;
}

export interface MessageTrace {
  readonly destination: string;
  /** Percent of messages, 1 to 100; a missing one or 0 is read as 100. */
  readonly sampling: number;
}

export interface AuthorizationRequest extends GenericFields {
  readonly server: ServerIdentity;
  /** The key the answer must be about; made for this request alone. */
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
  /** PEM; what the client sent, if it was not verified. */
  readonly certificates: readonly string[];
  /** PEM; the client's certificate comes first in each chain. */
  readonly verifiedChains: readonly (readonly string[])[];
}

/** Either `jwt`, the user to log in as, or `error`. */
export interface AuthorizationResponse extends GenericFields {
  readonly jwt: string;
  readonly error: string;
  /** The account, where one of its signing keys issued the token. */
  readonly issuerAccount: string;
}
