/** `midge describe`, and how all commands show what a token says. */
import { existsSync, readFileSync } from "node:fs";
import {
  type Account,
  type AccountLimits,
  type Claims,
  type ConnectionLimits,
  type Export,
  type Import,
  type Operator,
  type Permissions,
  type Revocations,
  type UserRights,
  type UserScope,
  type WeightedMapping,
  weightPercent,
} from "../../auth/jwt/claims.ts";
import { decode, decodeGeneric } from "../../auth/jwt/decode.ts";
import { readToken } from "../../auth/jwt/decorated.ts";
import { formatClaims } from "../../auth/jwt/encode.ts";
import { validate } from "../../auth/jwt/validate.ts";
import { type Command, CommandError } from "./command.ts";
import { JSON_OPTION } from "./common_options.ts";
import { showTime } from "./values.ts";

export const DESCRIBE: Command = {
  name: "describe",
  operands: ["FILE|JWT"],
  options: [JSON_OPTION],
  doc: "Shows what a token says: a JWT, or a file that holds one, such as a creds file. Never shows a seed.",
  run: (args, session) => {
    const claims = readClaims(args.operand(0));
    session.print(showClaims(claims, { asJson: args.has("json") }));
    if (args.has("json")) return;
    for (const { text, isBlocking } of validate(claims, session.nowSeconds())) {
      session.print(`${isBlocking ? "Invalid" : "Note"}: ${text}`);
    }
  },
};

function readClaims(fileOrToken: string): Claims {
  const isFile = existsSync(fileOrToken);
  if (!isFile && !fileOrToken.startsWith("eyJ")) {
    throw new CommandError(`${fileOrToken}: no such file, and no JWT, which would begin with eyJ`);
  }
  const token = isFile ? readToken(readFile(fileOrToken)) : fileOrToken.trim();
  const decoded = decode(token);
  if (decoded.ok) return decoded.claims;
  const generic = decodeGeneric(token);
  if (generic.ok) return generic.claims;
  throw new CommandError(`${isFile ? fileOrToken : "the argument"} holds no valid JWT: ${decoded.text}`);
}

function readFile(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new CommandError(`cannot read ${path}: ${(error as NodeJS.ErrnoException).code}`);
  }
}

/** A line: what it is about, and the value; lines without a value are left out. */
type Row = readonly [label: string, value: string];

/** What a token says, for people or as JSON. */
export function showClaims(claims: Claims, { asJson }: { readonly asJson: boolean }): string {
  if (asJson) return formatClaims(claims);
  const { expiresAtSeconds, notBeforeSeconds, issuedAtSeconds } = claims;
  const rows: readonly Row[] = [
    ["Name", claims.name],
    ["Key", claims.subject],
    ["Issuer", claims.issuer],
    ["Audience", claims.audience],
    ["Issued", issuedAtSeconds === 0 ? "" : showTime(issuedAtSeconds)],
    ["Valid from", notBeforeSeconds === 0 ? "" : showTime(notBeforeSeconds)],
    ["Expires", expiresAtSeconds === 0 ? "never" : showTime(expiresAtSeconds)],
    ...describeNats(claims),
  ];
  const shown = rows.filter(([, value]) => value !== "");
  const width = Math.max(...shown.map(([label]) => label.length)) + 2;
  const lines = shown.flatMap(([label, value]) =>
    value.split("\n").map((line, i) => `  ${(i === 0 ? label : "").padEnd(width)}${line}`),
  );
  return [claims.type === "generic" ? "JWT" : `${claims.type} JWT`, ...lines].join("\n");
}

function describeNats(claims: Claims): readonly Row[] {
  if (claims.type === "generic") return [["Content", JSON.stringify(claims.nats, undefined, 2)]];
  const tags: Row = ["Tags", claims.nats.tags.join(", ")];
  switch (claims.type) {
    case "operator":
      return [...describeOperator(claims.nats), tags];
    case "account":
      return [...describeAccount(claims.nats), tags];
    case "user":
      return [["Account", claims.nats.issuerAccount || claims.issuer], ...describeRights(claims.nats), tags];
    case "activation":
      return [
        ["Exporter", claims.nats.issuerAccount || claims.issuer],
        ["May import", `${claims.nats.kind} ${claims.nats.subject}`],
        tags,
      ];
    case "authorization_request":
      return [
        ["Server", `${claims.nats.server.name} ${claims.nats.server.id}`],
        ["User key", claims.nats.userNkey],
        ["Client", `${claims.nats.client.type} ${claims.nats.client.host}`],
        tags,
      ];
    case "authorization_response":
      return [["Error", claims.nats.error], ["User JWT", claims.nats.jwt], tags];
  }
}

function describeOperator(operator: Operator): readonly Row[] {
  return [
    ["Signing keys", operator.signingKeys.join("\n")],
    ["System account", operator.systemAccount],
    ["Service URLs", operator.operatorServiceUrls.join("\n")],
    ["Account server", operator.accountServerUrl],
    ["Oldest server", operator.assertServerVersion],
    ["Strict", operator.strictSigningKeyUsage ? "only signing keys sign accounts and users" : ""],
  ];
}

function describeAccount(account: Account): readonly Row[] {
  const { limits, authorization, messageTrace } = account;
  return [
    ["Description", account.description],
    ["Info", account.infoUrl],
    [
      "Signing keys",
      [...account.signingKeys].map(([key, scope]) => describeSigningKey(key, scope)).join("\n"),
    ],
    ...describeAccountLimits(limits),
    ...describePermissions(account.defaultPermissions).map(
      ([label, value]): Row => [`Default ${label}`, value],
    ),
    ["Exports", account.exports.map(describeExport).join("\n")],
    ["Imports", account.imports.map(describeImport).join("\n")],
    ["Mappings", [...account.mappings].map(describeMapping).join("\n")],
    ["Revoked", describeRevocations(account.revocations)],
    ["Callout users", authorization.authUsers.join("\n")],
    ["Callout accounts", authorization.allowedAccounts.join("\n")],
    ["Callout key", authorization.xkey],
    [
      "Message trace",
      messageTrace === undefined ? "" : `${messageTrace.destination}, ${messageTrace.sampling}%`,
    ],
    ["Cluster traffic", account.clusterTraffic],
  ];
}

function describeSigningKey(key: string, scope: UserScope | undefined): string {
  if (scope === undefined) return key;
  const rights = describeRights(scope.template).filter(([, value]) => value !== "");
  return [`${key}, role ${scope.role}`, ...rights.map(([label, value]) => `  ${label}: ${value}`)].join("\n");
}

function describeAccountLimits(limits: AccountLimits): readonly Row[] {
  return [
    ["Connections", showLimit(limits.maxConnections)],
    ["Leaf nodes", showLimit(limits.maxLeafnodes)],
    ...describeConnectionLimits(limits),
    ["Imports at most", showLimit(limits.maxImports)],
    ["Exports at most", showLimit(limits.maxExports)],
    ["Wildcard exports", limits.wildcardExports ? "" : "not allowed"],
    ["Bearer tokens", limits.disallowBearer ? "not allowed" : ""],
  ];
}

function describeConnectionLimits(limits: ConnectionLimits): readonly Row[] {
  return [
    ["Subscriptions", showLimit(limits.maxSubscriptions)],
    ["Payload", showLimit(limits.maxPayloadBytes, " bytes")],
  ];
}

/** Nothing for what is not limited. */
function showLimit(limit: number, unit = ""): string {
  return limit === -1 ? "" : `${limit}${unit}`;
}

function describeRights(rights: UserRights): readonly Row[] {
  return [
    ...describePermissions(rights),
    ...describeConnectionLimits(rights),
    ["Networks", rights.sources.join(", ")],
    ["Times", rights.times.map(({ start, end }) => `${start}-${end}`).join(", ")],
    ["Time zone", rights.timesLocation],
    ["Connection types", rights.allowedConnectionTypes.join(", ")],
    ["Bearer", rights.bearerToken ? "logs in without its key" : ""],
    ["Proxy", rights.proxyRequired ? "required" : ""],
  ];
}

function describePermissions({ publish, subscribe, responses }: Permissions): readonly Row[] {
  return [
    ["Publish", publish.allow.join(", ")],
    ["Publish not", publish.deny.join(", ")],
    ["Subscribe", subscribe.allow.join(", ")],
    ["Subscribe not", subscribe.deny.join(", ")],
    [
      "Responses",
      responses === undefined
        ? ""
        : `${responses.maxMessages < 0 ? "any number" : responses.maxMessages || 1}, within ${responses.ttlNs === 0 ? "2m" : `${responses.ttlNs / 1e9}s`}`,
    ],
  ];
}

function describeExport(exported: Export): string {
  const details = [
    exported.tokenRequired ? "needs a token" : "",
    exported.accountTokenPosition > 0 ? `account at token ${exported.accountTokenPosition}` : "",
    exported.responseType,
    exported.revocations.size > 0 ? `revoked: ${describeRevocations(exported.revocations)}` : "",
  ].filter((detail) => detail !== "");
  return [`${exported.kind} ${exported.subject}`, ...details].join(", ");
}

function describeImport(imported: Import): string {
  const local = imported.localSubject || imported.to;
  const as = local === "" ? "" : ` as ${local}`;
  const token = imported.token === "" ? "" : ", with a token";
  return `${imported.kind} ${imported.subject} of ${imported.account}${as}${token}`;
}

function describeMapping([source, destinations]: readonly [string, readonly WeightedMapping[]]): string {
  const targets = destinations.map(
    (each) => `${each.subject} ${weightPercent(each)}%${each.cluster === "" ? "" : ` in ${each.cluster}`}`,
  );
  return `${source} to ${targets.join(", ")}`;
}

function describeRevocations(revocations: Revocations): string {
  return [...revocations].map(([key, seconds]) => `${key} until ${showTime(seconds)}`).join("\n");
}
