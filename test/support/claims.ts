/** Claims of every kind for property tests: mostly such as tools make, now and then wrong ones. */
import fc from "fast-check";
import type {
  Account,
  Claims,
  Export,
  Import,
  JetStreamLimits,
  Permissions,
  StandardClaims,
  UserRights,
  UserScope,
} from "../../src/auth/jwt/claims.ts";
import { newAccount } from "../../src/auth/jwt/new_claims.ts";
import { encodePublicKey, KeyPair, type Role } from "../../src/auth/nkey.ts";

/** Keys to sign with, by role. */
export const SIGNERS = {
  operator: KeyPair.create("operator"),
  account: KeyPair.create("account"),
  server: KeyPair.create("server"),
};

const text = fc.oneof(
  fc.constantFrom("", "app", "Zoë & <co>", 'a"b\\c', "line\nend", "\u2028", "\u{1f600}"),
  fc.string({ maxLength: 12, unit: "grapheme" }),
);
const subject = fc.constantFrom(
  ..."foo,foo.>,foo.*,foo.bar,*,>,a.*.b,$SYS.REQ.>,_INBOX.>,orders.$1,$2.$1,a b,foo.,.foo,a..b,,x y z,a.*.*.>".split(
    ",",
  ),
);
const subjects = fc.array(subject, { maxLength: 3 });
const int = fc.oneof(fc.constantFrom(0, -1, 1, 100, -5), fc.integer());
const bytes = fc.oneof(fc.constantFrom(0, -1), fc.integer({ min: 0, max: 2 ** 53 - 1 }));
const seconds = fc.oneof(
  fc.constantFrom(0, 1, 1_700_000_000, 4_000_000_000),
  fc.integer({ min: 0, max: 2 ** 33 }),
);

function publicKey(role: Role): fc.Arbitrary<string> {
  const seed = fc.uint8Array({ minLength: 32, maxLength: 32 });
  return seed.map((bytes) => encodePublicKey({ role, bytes }));
}

/** A key of the role, or something else. */
function mostly(role: Role): fc.Arbitrary<string> {
  return fc.oneof({ weight: 8, arbitrary: publicKey(role) }, publicKey("user"), text);
}

function mapOf<T>(key: fc.Arbitrary<string>, value: fc.Arbitrary<T>): fc.Arbitrary<ReadonlyMap<string, T>> {
  return fc.array(fc.tuple(key, value), { maxLength: 3 }).map((entries) => new Map(entries));
}

function standard(subjectRole: Role): fc.Arbitrary<StandardClaims> {
  return fc.record({
    audience: fc.oneof(fc.constant(""), publicKey("server"), text),
    expiresAtSeconds: seconds,
    id: fc.constant(""),
    issuedAtSeconds: fc.constant(0),
    issuer: fc.constant(""),
    name: text,
    notBeforeSeconds: seconds,
    subject: publicKey(subjectRole),
  });
}

const generic = { tags: fc.array(text, { maxLength: 3 }), version: fc.constant(2) };

const permissions: fc.Arbitrary<Permissions> = fc.record({
  publish: fc.record({ allow: subjects, deny: subjects }),
  subscribe: fc.record({ allow: subjects, deny: subjects }),
  responses: fc.option(fc.record({ maxMessages: int, ttlNs: bytes }), { nil: undefined }),
});

const limits = { maxSubscriptions: bytes, maxDataBytes: bytes, maxPayloadBytes: bytes };

const timeOfDay = fc.constantFrom("08:00:00", "23:59:59", "8:00:00", "08:00", "24:00:00", "", "08:00:00.5");

const rights: fc.Arbitrary<UserRights> = fc
  .record({
    permissions,
    rest: fc.record({
      ...limits,
      sources: fc.array(
        fc.constantFrom("10.0.0.0/8", "::1/128", "fe80::/10", "10.0.0.0", "10.0.0.0/33", "x", ""),
        { maxLength: 2 },
      ),
      times: fc.array(fc.record({ start: timeOfDay, end: timeOfDay }), { maxLength: 2 }),
      timesLocation: fc.constantFrom("", "Europe/Berlin", "UTC", "Nowhere/Land"),
      bearerToken: fc.boolean(),
      proxyRequired: fc.boolean(),
      allowedConnectionTypes: fc.array(fc.constantFrom("STANDARD", "WEBSOCKET", "OTHER"), { maxLength: 2 }),
    }),
  })
  .map(({ permissions, rest }) => ({ ...permissions, ...rest }));

const info = {
  description: text,
  infoUrl: fc.constantFrom("", "https://example.com/a", "example.com", "x:"),
};

const kind = fc.constantFrom("stream" as const, "service" as const);

const exported: fc.Arbitrary<Export> = fc.record({
  name: text,
  subject,
  kind,
  tokenRequired: fc.boolean(),
  revocations: mapOf(fc.oneof(fc.constant("*"), publicKey("account")), seconds),
  responseType: fc.constantFrom("", "Singleton", "Stream", "Chunked", "Other"),
  responseThresholdNs: fc.constantFrom(0, 1_000_000_000, -1),
  latency: fc.option(
    fc.record({ sampling: fc.constantFrom("headers" as const, 1, 50, 100), results: subject }),
    { nil: undefined },
  ),
  accountTokenPosition: fc.nat(4),
  advertise: fc.boolean(),
  allowTrace: fc.boolean(),
  ...info,
});

const imported: fc.Arbitrary<Import> = fc.record({
  name: text,
  subject,
  account: fc.oneof(publicKey("account"), fc.constantFrom("", "A")),
  token: fc.constantFrom("", "", "no token"),
  to: fc.oneof(fc.constant(""), subject),
  localSubject: fc.oneof(fc.constant(""), subject),
  kind,
  share: fc.boolean(),
  allowTrace: fc.boolean(),
});

const NO_JETSTREAM: JetStreamLimits = {
  memoryStorageBytes: 0,
  diskStorageBytes: 0,
  maxStreams: 0,
  maxConsumers: 0,
  maxAckPending: 0,
  memoryMaxStreamBytes: 0,
  diskMaxStreamBytes: 0,
  maxBytesRequired: false,
};

const jetStream: fc.Arbitrary<JetStreamLimits> = fc.record({
  memoryStorageBytes: bytes,
  diskStorageBytes: bytes,
  maxStreams: int,
  maxConsumers: int,
  maxAckPending: int,
  memoryMaxStreamBytes: bytes,
  diskMaxStreamBytes: bytes,
  maxBytesRequired: fc.boolean(),
});

const accountLimits: fc.Arbitrary<Account["limits"]> = fc
  .record({
    flat: fc.oneof(fc.constant(NO_JETSTREAM), jetStream),
    tieredLimits: fc.oneof(fc.constant(new Map()), mapOf(fc.constantFrom("R1", "R3", ""), jetStream)),
    rest: fc.record({
      ...limits,
      maxImports: fc.constantFrom(-1, 0, 1, 100),
      maxExports: fc.constantFrom(-1, 0, 1, 100),
      wildcardExports: fc.boolean(),
      disallowBearer: fc.boolean(),
      maxConnections: int,
      maxLeafnodes: int,
    }),
  })
  .map(({ flat, tieredLimits, rest }) => ({
    ...(tieredLimits.size > 0 ? NO_JETSTREAM : flat),
    ...rest,
    tieredLimits,
  }));

/** A limit of 0 is not written, and read as unlimited in a template. */
const template = rights.map((rights) => ({
  ...rights,
  maxSubscriptions: rights.maxSubscriptions || -1,
  maxDataBytes: rights.maxDataBytes || -1,
  maxPayloadBytes: rights.maxPayloadBytes || -1,
}));

const signingKey: fc.Arbitrary<[string, UserScope | undefined]> = fc.oneof(
  mostly("account").map((key): [string, undefined] => [key, undefined]),
  fc
    .record({ key: mostly("account"), role: text, description: text, template })
    .map((scope): [string, UserScope] => [scope.key, scope]),
);

const account: fc.Arbitrary<Account> = fc.record({
  imports: fc.array(imported, { maxLength: 3 }),
  exports: fc.array(exported, { maxLength: 3 }),
  limits: fc.oneof(fc.constant(newAccount("", "").nats.limits), accountLimits),
  signingKeys: fc.array(signingKey, { maxLength: 3 }).map((keys) => new Map(keys)),
  revocations: mapOf(fc.oneof(fc.constant("*"), publicKey("user")), seconds),
  defaultPermissions: permissions,
  mappings: mapOf(
    subject,
    fc.array(
      fc.record({ subject, weight: fc.constantFrom(1, 50, 100, 200), cluster: fc.constantFrom("", "C1") }),
      { minLength: 1, maxLength: 3 },
    ),
  ),
  authorization: fc.record({
    authUsers: fc.array(mostly("user"), { maxLength: 2 }),
    allowedAccounts: fc.array(fc.oneof(mostly("account"), fc.constant("*")), { maxLength: 2 }),
    xkey: fc.oneof(fc.constant(""), publicKey("curve"), text),
  }),
  messageTrace: fc.option(fc.record({ destination: subject, sampling: fc.constantFrom(1, 100, -1, 101) }), {
    nil: undefined,
  }),
  clusterTraffic: fc.constantFrom("", "system", "owner", "other"),
  ...info,
  ...generic,
});

const user = fc
  .record({
    rights,
    rest: fc.record({ issuerAccount: fc.oneof(fc.constant(""), mostly("account")), ...generic }),
  })
  .map(({ rights, rest }) => ({ ...rights, ...rest }));

const operator = fc.record({
  signingKeys: fc.array(mostly("operator"), { maxLength: 2 }),
  accountServerUrl: fc.constantFrom("", "http://localhost:9090/jwt/v1", "nats://localhost:4222"),
  operatorServiceUrls: fc.array(
    fc.constantFrom(
      "nats://localhost:4222",
      "tls://a.b:4222",
      "http://a",
      "nats://u:p@a",
      "nats://a/b",
      "wss://x",
    ),
    { maxLength: 2 },
  ),
  systemAccount: fc.oneof(fc.constant(""), mostly("account")),
  assertServerVersion: fc.constantFrom("", "2.10.0", "2.10", "2.x.0", "2.-1.0"),
  strictSigningKeyUsage: fc.boolean(),
  ...generic,
});

const request = fc.record({
  server: fc.record({
    name: text,
    host: text,
    id: publicKey("server"),
    version: text,
    cluster: text,
    tags: generic.tags,
    xkey: fc.oneof(fc.constant(""), publicKey("curve")),
  }),
  userNkey: mostly("user"),
  client: fc.record({
    host: text,
    id: fc.nat(),
    user: text,
    name: text,
    tags: generic.tags,
    nameTag: text,
    kind: fc.constantFrom("Client", "Leafnode"),
    type: fc.constantFrom("", "nats", "websocket"),
    mqttId: text,
    nonce: text,
  }),
  connectOptions: fc.record({
    jwt: text,
    nkey: text,
    signature: text,
    token: text,
    user: text,
    password: text,
    name: text,
    lang: text,
    version: text,
    protocol: fc.nat(1),
  }),
  tls: fc.option(
    fc.record({
      version: text,
      cipher: text,
      certificates: fc.array(text, { maxLength: 2 }),
      verifiedChains: fc.array(fc.array(text, { maxLength: 2 }), { maxLength: 2 }),
    }),
    { nil: undefined },
  ),
  requestNonce: text,
  ...generic,
});

const response = fc.record({
  jwt: text,
  error: text,
  issuerAccount: fc.oneof(fc.constant(""), mostly("account")),
  ...generic,
});

function claimsOf<Type extends Claims["type"], Nats>(
  type: Type,
  subjectRole: Role,
  nats: fc.Arbitrary<Nats>,
): fc.Arbitrary<StandardClaims & { readonly type: Type; readonly nats: Nats }> {
  return fc
    .record({ standard: standard(subjectRole), nats })
    .map(({ standard, nats }) => ({ ...standard, type, nats }));
}

/** Claims of any kind but generic, with a key that may sign them. */
export const signable: fc.Arbitrary<readonly [Exclude<Claims, { readonly type: "generic" }>, KeyPair]> =
  fc.oneof(
    fc.tuple(claimsOf("operator", "operator", operator), fc.constant(SIGNERS.operator)),
    fc.tuple(claimsOf("account", "account", account), fc.constantFrom(SIGNERS.operator, SIGNERS.account)),
    fc.tuple(claimsOf("user", "user", user), fc.constant(SIGNERS.account)),
    fc.tuple(
      claimsOf(
        "activation",
        "account",
        fc.record({ subject, kind, issuerAccount: fc.oneof(fc.constant(""), mostly("account")), ...generic }),
      ),
      fc.constant(SIGNERS.account),
    ),
    fc.tuple(claimsOf("authorization_request", "account", request), fc.constant(SIGNERS.server)),
    fc.tuple(claimsOf("authorization_response", "user", response), fc.constant(SIGNERS.account)),
  );
