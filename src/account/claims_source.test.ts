import { describe, expect, test } from "bun:test";
import type { Account, AccountClaims, Export, Import } from "../auth/jwt/claims.ts";
import { sourceOfClaims } from "./claims_source.ts";

const EXPORT: Export = {
  name: "",
  subject: "s",
  kind: "service",
  tokenRequired: false,
  revocations: new Map(),
  responseType: "",
  responseThresholdNs: 0,
  latency: undefined,
  accountTokenPosition: 0,
  advertise: false,
  allowTrace: false,
  description: "",
  infoUrl: "",
};

const IMPORT: Import = {
  name: "",
  subject: "s",
  account: "EXP",
  token: "",
  to: "",
  localSubject: "",
  kind: "service",
  share: false,
  allowTrace: false,
};

const NOTHING: Account = {
  tags: [],
  version: 2,
  imports: [],
  exports: [],
  limits: {
    maxSubscriptions: 1,
    maxDataBytes: 2,
    maxPayloadBytes: 3,
    maxImports: -1,
    maxExports: -1,
    wildcardExports: true,
    disallowBearer: false,
    maxConnections: 4,
    maxLeafnodes: -1,
    tieredLimits: new Map(),
    memoryStorageBytes: 0,
    diskStorageBytes: 0,
    maxStreams: 0,
    maxConsumers: 0,
    maxAckPending: 0,
    memoryMaxStreamBytes: 0,
    diskMaxStreamBytes: 0,
    maxBytesRequired: false,
  },
  signingKeys: new Map(),
  revocations: new Map(),
  defaultPermissions: {
    publish: { allow: [], deny: [] },
    subscribe: { allow: [], deny: [] },
    responses: undefined,
  },
  mappings: new Map(),
  authorization: { authUsers: [], allowedAccounts: [], xkey: "" },
  messageTrace: undefined,
  clusterTraffic: "",
  description: "",
  infoUrl: "",
};

function source(nats: Partial<Account>, defaultPermissions: Parameters<typeof sourceOfClaims>[1] = null) {
  const claims: AccountClaims = {
    type: "account",
    audience: "",
    expiresAtSeconds: 0,
    id: "",
    issuedAtSeconds: 0,
    issuer: "O",
    name: "acme",
    notBeforeSeconds: 0,
    subject: "AKEY",
    nats: { ...NOTHING, ...nats },
  };
  return sourceOfClaims(claims, defaultPermissions);
}

describe("sourceOfClaims()", () => {
  test("names an account by its key, and keeps what it calls itself", () => {
    expect(source({ signingKeys: new Map([["SK", undefined]]) })).toEqual({
      name: "AKEY",
      nkey: "AKEY",
      nameTag: "acme",
      limits: { maxConnections: 4, maxSubscriptions: 1, maxPayloadBytes: 3, maxLeafnodes: -1 },
      mappings: [],
      exports: [],
      imports: [],
      signingKeys: new Set(["SK"]),
    });
  });

  test("keeps default permissions and limits within 32 bits", () => {
    const permissions = {
      publish: { allow: ["a"], deny: undefined },
      subscribe: undefined,
      responses: undefined,
    };
    const limits = { ...NOTHING.limits, maxPayloadBytes: 2 ** 40 };
    expect(source({ limits }, permissions)).toMatchObject({
      defaultPermissions: permissions,
      limits: { maxPayloadBytes: 2 ** 31 - 1 },
    });
  });

  test("takes a weight of 0 for all, and leaves out mappings that are wrong", () => {
    const mappings = new Map([
      ["a", [{ subject: "b", weight: 0, cluster: "" }]],
      ["c", [{ subject: "d", weight: 40, cluster: "C" }]],
      ["e", [{ subject: "f.$1", weight: 100, cluster: "" }]],
    ]);
    expect(source({ mappings }).mappings).toEqual([
      { source: "a", destinations: [{ subject: "b", weight: 100, cluster: undefined }] },
      { source: "c", destinations: [{ subject: "d", weight: 40, cluster: "C" }] },
    ]);
  });

  test("reads exports in the units of the configuration", () => {
    const revocations = new Map([["IMP", 5]]);
    const exports = [
      EXPORT,
      {
        ...EXPORT,
        subject: "c.*",
        kind: "service" as const,
        tokenRequired: true,
        revocations,
        responseType: "Chunked",
        responseThresholdNs: 1_500_000_000,
        latency: { sampling: "headers" as const, results: "lat" },
        accountTokenPosition: 2,
        allowTrace: true,
      },
      { ...EXPORT, kind: "unknown" as const },
    ];
    const [plain, full, ...others] = source({ exports }).exports;
    expect(plain).toMatchObject({ subject: "s", responseType: "singleton", responseThresholdMs: undefined });
    expect(full).toEqual({
      kind: "service",
      subject: "c.*",
      importers: [],
      needsToken: true,
      revocations,
      accountTokenPosition: 2,
      responseType: "chunked",
      responseThresholdMs: 1500,
      latency: { subject: "lat", sampling: "headers" },
      allowTrace: true,
    });
    expect(others).toEqual([]);
  });

  test("reads where messages go that are traced elsewhere, all of them where it does not say how many", () => {
    const trace = (destination: string, sampling: number) =>
      source({ messageTrace: { destination, sampling } }).messageTrace;
    expect(trace("t", 30)).toEqual({ destination: "t", sampling: 30 });
    for (const sampling of [0, -1, 101]) expect(trace("t", sampling)?.sampling).toBe(100);
    for (const destination of ["", "t.*", "t t"]) expect(trace(destination, 30)).toBeUndefined();
    expect(source({})).not.toHaveProperty("messageTrace");
  });

  test("lets headers decide where no percentage is given", () => {
    const [read] = source({ exports: [{ ...EXPORT, latency: { sampling: 0, results: "lat" } }] }).exports;
    expect(read?.latency).toEqual({ subject: "lat", sampling: "headers" });
  });

  test("reads which side of an import is which", () => {
    const sides = (each: Partial<Import>) => {
      const [rule] = source({ imports: [{ ...IMPORT, ...each }] }).imports;
      return rule && [rule.remote, rule.local, rule.prefix];
    };
    expect(sides({})).toEqual(["s", "s", ""]);
    expect(sides({ localSubject: "l" })).toEqual(["s", "l", ""]);
    expect(sides({ to: "there" })).toEqual(["there", "s", ""]);
    expect(sides({ kind: "stream" })).toEqual(["s", "", ""]);
    expect(sides({ kind: "stream", localSubject: "l" })).toEqual(["s", "l", ""]);
    expect(sides({ kind: "stream", to: "pre" })).toEqual(["s", "", "pre"]);
    expect(sides({ kind: "unknown" })).toBe(undefined);
  });
});
