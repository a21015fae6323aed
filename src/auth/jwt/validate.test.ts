import { describe, expect, test } from "bun:test";
import { SIGNERS } from "../../../test/support/claims.ts";
import { KeyPair } from "../nkey.ts";
import type { Account, AccountClaims, Claims, Export, Import, UserClaims } from "./claims.ts";
import { account as accountCodec } from "./codec.ts";
import { encode } from "./encode.ts";
import { areBlocking } from "./issues.ts";
import {
  newAccount,
  newActivation,
  newAuthorizationRequest,
  newAuthorizationResponse,
  newOperator,
  newUser,
} from "./new_claims.ts";
import { validate } from "./validate.ts";

const NOW_SECONDS = 1_700_000_000;
const OPERATOR = SIGNERS.operator.publicKey;
const ACCOUNT = SIGNERS.account.publicKey;
const SERVER = SIGNERS.server.publicKey;
const USER = KeyPair.create("user").publicKey;

function textsOf(claims: Claims): string[] {
  return validate(claims, NOW_SECONDS).map(({ text }) => text);
}

function account(nats: Partial<Account>): AccountClaims {
  const claims = newAccount(ACCOUNT, "A");
  return { ...claims, issuer: OPERATOR, nats: { ...claims.nats, ...nats } };
}

function user(nats: Partial<UserClaims["nats"]>): UserClaims {
  const claims = newUser(USER, "bob");
  return { ...claims, issuer: ACCOUNT, nats: { ...claims.nats, ...nats } };
}

const [EXPORT] = accountCodec.read({ exports: [{ subject: "foo", type: "service" }] }).exports as [Export];
const [IMPORT] = accountCodec.read({
  imports: [{ subject: "foo", type: "service", account: KeyPair.create("account").publicKey }],
}).imports as [Import];

describe("validate() finds nothing wrong with", () => {
  for (const claims of [newOperator(OPERATOR, "O"), account({}), user({})]) {
    test(`a new ${claims.type}`, () => expect(validate(claims, NOW_SECONDS)).toEqual([]));
  }

  test("exports and imports of all sorts", () => {
    const imports = [IMPORT, { ...IMPORT, subject: "bar.*.>", localSubject: "b.$1.>" }];
    const exports: Export[] = [
      EXPORT,
      { ...EXPORT, kind: "stream", subject: "foo.*", accountTokenPosition: 2 },
    ];
    expect(textsOf(account({ imports, exports }))).toEqual([]);
  });
});

describe("validate() checks the time", () => {
  test("to the second, without blocking", () => {
    const expired = { text: "claim is expired", isBlocking: false, isTimeCheck: true };
    const early = { text: "claim is not yet valid", isBlocking: false, isTimeCheck: true };
    const claims = { ...user({}), expiresAtSeconds: NOW_SECONDS, notBeforeSeconds: NOW_SECONDS };
    expect(validate(claims, NOW_SECONDS + 0.9)).toEqual([]);
    expect(validate(claims, NOW_SECONDS + 1)).toEqual([expired]);
    expect(validate(claims, NOW_SECONDS - 1)).toEqual([early]);
    expect(areBlocking([expired], { withTimeChecks: false })).toBe(false);
    expect(areBlocking([expired], { withTimeChecks: true })).toBe(true);
  });
});

describe("validate() says of an operator", () => {
  const operator = newOperator(OPERATOR, "O");
  const cases: [nats: Partial<typeof operator.nats>, text: string][] = [
    [{ signingKeys: [ACCOUNT] }, `${ACCOUNT} is not an operator public key`],
    [{ systemAccount: OPERATOR }, `${OPERATOR} is not an account public key`],
    [{ accountServerUrl: "localhost/jwt" }, 'account server url "localhost/jwt" requires a protocol'],
    [
      { operatorServiceUrls: ["http://a"] },
      `operator service url "http://a" - protocol not supported (only 'nats', 'tls', 'ws', 'wss' only)`,
    ],
    [
      { operatorServiceUrls: ["nats://u:p@a:4222"] },
      'operator service url "nats://u:p@a:4222" - credentials are not supported',
    ],
    [{ operatorServiceUrls: ["nats://a/b"] }, 'operator service url "nats://a/b" - paths are not supported'],
    [
      { assertServerVersion: "2.10" },
      "assert server version error: asserted server version must be of the form <major>.<minor>.<update>",
    ],
    [
      { assertServerVersion: "2.x.1" },
      "assert server version error: asserted server version cant parse x to int",
    ],
  ];
  for (const [nats, text] of cases) {
    test(text, () => expect(textsOf({ ...operator, nats: { ...operator.nats, ...nats } })).toEqual([text]));
  }
});

describe("validate() says of a user", () => {
  const cases: [nats: Partial<UserClaims["nats"]>, texts: string[]][] = [
    [{ publish: { allow: ["a b"], deny: [] } }, ['Permission Subject "a b" is not allowed to contain queue']],
    [{ subscribe: { allow: ["a b"], deny: ["a q.*"] } }, []],
    [{ subscribe: { allow: [], deny: ["a b c"] } }, ['Permission Subject "a b c" contains too many spaces']],
    [
      { publish: { allow: ["a..b"], deny: [""] } },
      ['subject "a..b" cannot contain consecutive `.`', "subject cannot be empty"],
    ],
    [
      { sources: ["10.0.0.0/8", "::1/128", "10.0.0.0/33"] },
      ['invalid cidr "10.0.0.0/33" in user src limits'],
    ],
    [
      { times: [{ start: "", end: "25:00:00" }] },
      ["time ranges start must contain a start", 'end in time range is invalid "25:00:00"'],
    ],
    [
      { timesLocation: "Nowhere/Land" },
      ["could not parse iana time zone by name: unknown time zone Nowhere/Land"],
    ],
    [{ issuerAccount: USER }, ["account_id is not an account public key"]],
  ];
  for (const [nats, texts] of cases) {
    test(texts.join("; ") || "nothing about queue groups to subscribe with", () => {
      expect(textsOf(user(nats))).toEqual(texts);
    });
  }
});

describe("validate() says of an account", () => {
  const limits = account({}).nats.limits;
  const cases: [nats: Partial<Account>, texts: string[]][] = [
    [
      { imports: [IMPORT], limits: { ...limits, maxImports: 0 } },
      Array(2).fill("the account contains more imports than allowed by the operator"),
    ],
    [
      { exports: [EXPORT], limits: { ...limits, maxExports: 0 } },
      ["the account contains more exports than allowed by the operator"],
    ],
    [
      {
        exports: [{ ...EXPORT, subject: "a.*" }],
        limits: { ...limits, maxExports: 1, wildcardExports: false },
      },
      ["the account contains wildcard exports that are not allowed by the operator"],
    ],
    [
      { exports: [EXPORT, { ...EXPORT, subject: "*" }] },
      ['service export subject "*" already exports "foo"'],
    ],
    [{ exports: [{ ...EXPORT, kind: "unknown" }] }, ['invalid export type: "unknown"']],
    [
      { exports: [{ ...EXPORT, subject: "a.b.*", accountTokenPosition: 2 }] },
      ["Account Token Position 2 matches 'b' but must match a * in: a.b.*"],
    ],
    [
      { imports: [IMPORT, { ...IMPORT, localSubject: "bar", subject: "x" }, { ...IMPORT, subject: "bar" }] },
      [
        `overlapping subject namespace for "bar" and "bar" in same account "${IMPORT.account}"`,
        `overlapping subject namespace for "bar" in account "${IMPORT.account}"`,
      ],
    ],
    [
      { imports: [{ ...IMPORT, subject: "a.*.>", localSubject: "b.$2" }] },
      [
        "both, renaming subject and subject, need to end or not end in >",
        'Reference $2 in "b.$2" reference * in "a.*.>" that do not exist',
        "subject does not contain enough * or reference wildcards $[0-9]",
      ],
    ],
    [{ imports: [{ ...IMPORT, token: "x" }] }, ['import "foo" contains an invalid activation token']],
    [{ signingKeys: new Map([["x", undefined]]) }, ['"x" is not a valid account signing key']],
    [
      {
        mappings: new Map([
          [
            "a",
            [
              { subject: "b", weight: 60, cluster: "" },
              { subject: "c", weight: 60, cluster: "" },
            ],
          ],
        ]),
      },
      ['Mapping "a" exceeds 100% among all of it\'s weighted to mappings'],
    ],
    [
      { authorization: { authUsers: [], allowedAccounts: ["*", ACCOUNT], xkey: "X" } },
      [
        "External authorization cannot have accounts without users specified",
        'AllowedAccounts can only be a list of accounts or "*"',
        'XKey "X" is not a valid public xkey',
      ],
    ],
    [
      { messageTrace: { destination: "a.*", sampling: 101 } },
      [
        'the account Trace.Destination subject "a.*" is not a valid publish subject',
        "the account Trace.Sampling value '101' is not valid, should be in the range [1..100]",
      ],
    ],
    [{ clusterTraffic: "x" }, ['unknown cluster traffic option: "x"']],
    [
      { limits: { ...limits, maxStreams: 1, tieredLimits: new Map([["R1", limits]]) } },
      ["JetStream Limits and tiered JetStream Limits are mutually exclusive"],
    ],
    [{ infoUrl: "example.com" }, ["error parsing info url: no hostname or scheme"]],
  ];
  for (const [nats, texts] of cases) {
    test(texts.join("; "), () => {
      const issues = validate(account(nats), NOW_SECONDS);
      expect(issues.map(({ text }) => text)).toEqual(texts);
      expect(areBlocking(issues, { withTimeChecks: false })).toBe(true);
    });
  }

  test("only a warning that it is signed by itself", () => {
    const issues = validate({ ...account({}), issuer: ACCOUNT }, NOW_SECONDS);
    expect(issues).toEqual([
      {
        text: "self-signed account JWTs shouldn't contain operator limits",
        isBlocking: false,
        isTimeCheck: false,
      },
    ]);
  });

  test("whether the token of an import is for it", () => {
    const exporter = KeyPair.create("account");
    const importWith = (subject: string, kind: "stream" | "service", about = ACCOUNT): string[] => {
      const activation = newActivation(about, "");
      const token = encode(
        { ...activation, nats: { ...activation.nats, subject, kind } },
        exporter,
        NOW_SECONDS,
      );
      if (!token.ok) throw new Error(token.text);
      return textsOf(account({ imports: [{ ...IMPORT, account: exporter.publicKey, token: token.token }] }));
    };
    expect(importWith("foo", "service")).toEqual([]);
    expect(importWith(">", "service")).toEqual([]);
    expect(importWith("bar", "service")).toEqual([
      `activation token import subject "bar" doesn't match import "foo"`,
    ]);
    expect(importWith("foo", "stream")).toEqual([
      "mismatch between token import type stream and type of import service",
    ]);
    expect(importWith("foo", "service", exporter.publicKey)).toEqual([
      `activation token doesn't match account it is being included in, "foo"`,
    ]);
  });
});

describe("validate() says of an authorization", () => {
  test("request whose user it is about", () => {
    const request = newAuthorizationRequest(ACCOUNT);
    expect(textsOf(request)).toEqual(["User nkey is required"]);
    expect(textsOf({ ...request, nats: { ...request.nats, userNkey: ACCOUNT } })).toEqual([
      `User nkey "${ACCOUNT}" is not a valid user public key`,
    ]);
    expect(textsOf({ ...request, nats: { ...request.nats, userNkey: USER } })).toEqual([]);
  });

  test("response what it must hold", () => {
    const response = newAuthorizationResponse(ACCOUNT);
    expect(textsOf(response)).toEqual([
      "Subject must be a user public key",
      "Audience must be a server public key",
      "Error or Jwt is required",
    ]);
    const nats = { ...response.nats, jwt: "a", error: "b", issuerAccount: USER };
    expect(textsOf({ ...newAuthorizationResponse(USER), audience: SERVER, nats })).toEqual([
      "Only Error or Jwt can be set",
      "issuer_account is not an account public key",
    ]);
  });
});
