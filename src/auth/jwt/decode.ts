/**
 * Decodes tokens into claims. Format, signature and the kind of the issuer are checked; the contents of the claims are
 * not (validate.ts does that). The caller decides whether to trust the issuer.
 * Source: nats-io/jwt, decoder.go and v1compat; the error texts are nats-io/jwt's own, except those for values of a
 * wrong type.
 */
import { Buffer } from "node:buffer";
import { goQuoteText } from "../../protocol/go_quote.ts";
import { type DecodedBase64, decodeBase64Url } from "../base64.ts";
import { type Role, roleOf, verifySignature } from "../nkey.ts";
import type { Claims, ClaimType, GenericClaims } from "./claims.ts";
import * as codec from "./codec.ts";
import { isJsonObject, Mismatch, readValue, text } from "./json_codec.ts";
import { describeJsonFault } from "./json_syntax.ts";
import { isVersion1Type, migrateVersion1 } from "./version1.ts";

export type Decoded<C extends Claims = Claims> =
  | { readonly ok: true; readonly claims: C }
  | { readonly ok: false; readonly text: string };

const TOKEN_BYTES_MAX = 1024 * 1024;
export const VERSION = 2;

type KnownType = Exclude<ClaimType, "generic">;

/** The roles whose keys may sign a token of each kind. */
export const ISSUER_ROLES: Readonly<Record<KnownType, readonly Role[]>> = {
  operator: ["operator"],
  account: ["account", "operator"],
  user: ["account"],
  activation: ["account", "operator"],
  authorization_request: ["server"],
  authorization_response: ["account"],
};

const NOT_THIS_TYPE: Readonly<Record<KnownType, string>> = {
  operator: "not operator claim",
  account: "not account claim",
  user: "not user claim",
  activation: "not activation claim",
  authorization_request: "not an authorization request claim",
  authorization_response: "not an authorization request claim",
};

/** Decodes a token of any kind. Never throws. */
export function decode(token: string): Decoded {
  const opened = open(token);
  if (!opened.ok) return opened;
  const { segments, payload } = opened;
  const claims = reading(() => readClaims(payload));
  if (!claims.ok) return claims;

  const fault = findSignatureFault(segments, claims.signedVersion <= 1, claims.claims.issuer);
  return fault === undefined ? checkIssuer(claims.claims) : { ok: false, text: fault };
}

/** Decodes a token that must be of one kind. Never throws. */
export function decodeAs<Type extends KnownType>(
  type: Type,
  token: string,
): Decoded<Extract<Claims, { readonly type: Type }>> {
  const decoded = decode(token);
  if (!decoded.ok) return decoded;
  const { claims } = decoded;
  if (!isOfType(claims, type)) return { ok: false, text: NOT_THIS_TYPE[type] };
  return { ok: true, claims };
}

function isOfType<Type extends KnownType>(
  claims: Claims,
  type: Type,
): claims is Extract<Claims, { readonly type: Type }> {
  return claims.type === type;
}

/**
 * Decodes a token of any kind as generic claims, as nats-server reads requests to delete accounts. The algorithm in the
 * header, not the version, determines which part was signed. Never throws.
 */
export function decodeGeneric(token: string): Decoded<GenericClaims> {
  const opened = open(token);
  if (!opened.ok) return opened;
  const { segments, payload, algorithm } = opened;
  const isVersion1 = algorithm === "ed25519";
  const read = reading(() => ({ ok: true as const, claims: readGeneric(payload) }));
  if (!read.ok) return read;
  const fault = findSignatureFault(segments, isVersion1, read.claims.issuer);
  if (fault !== undefined) return { ok: false, text: fault };
  if (!isVersion1) return read;
  const { claims } = read;
  const { type, tags } = payload;
  const nats = {
    ...claims.nats,
    ...(type ? { type } : {}),
    ...(Array.isArray(tags) && tags.length > 0 ? { tags } : {}),
  };
  return { ok: true, claims: { ...claims, nats } };
}

interface Segments {
  /** The payload, which is what was signed in version 1. */
  readonly payload: string;
  /** Header, dot and payload, which is what was signed in version 2. */
  readonly signed: string;
  /** The signature in base64. */
  readonly signature: string;
}

interface Opened {
  readonly ok: true;
  readonly segments: Segments;
  readonly payload: Readonly<Record<string, unknown>>;
  readonly algorithm: string;
}

interface Refused {
  readonly ok: false;
  readonly text: string;
}

/** Splits the token, and checks its header. */
function open(token: string): Opened | Refused {
  const byteCount = Buffer.byteLength(token);
  if (byteCount > TOKEN_BYTES_MAX) {
    const text = `token size ${byteCount} exceeds maximum of ${TOKEN_BYTES_MAX} bytes: token too large`;
    return { ok: false, text };
  }
  const segments = token.split(".", 4);
  if (segments.length !== 3) return { ok: false, text: "expected 3 chunks" };
  const [header = "", payload = "", signature = ""] = segments;
  const parsedHeader = parseObject(decodeBase64Url(header));
  if (!parsedHeader.ok) return parsedHeader;
  const algorithm = readHeader(parsedHeader.json);
  if (!algorithm.ok) return algorithm;
  const parsedPayload = parseObject(decodeBase64Url(payload));
  if (!parsedPayload.ok) return parsedPayload;
  return {
    ok: true,
    segments: { payload, signed: `${header}.${payload}`, signature },
    payload: parsedPayload.json,
    algorithm: algorithm.algorithm,
  };
}

const UTF8 = new TextDecoder("utf-8", { ignoreBOM: true });

function parseObject(
  decoded: DecodedBase64,
): { ok: true; json: Readonly<Record<string, unknown>> } | Refused {
  if (!decoded.ok) return decoded;
  let json: unknown;
  try {
    json = JSON.parse(UTF8.decode(decoded.bytes));
  } catch {
    return { ok: false, text: describeJsonFault(decoded.bytes) };
  }
  if (!isJsonObject(json)) return { ok: false, text: Mismatch.of(json, "struct").message };
  return { ok: true, json: withLowerCaseKeys(json) };
}

/** Lower-cases the keys of an object, because Go finds keys of the claims in any case. */
function withLowerCaseKeys(json: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(json).map(([key, value]) => [key.toLowerCase(), value]));
}

/** Checks the header, and returns the algorithm in lower case. */
function readHeader({
  typ,
  alg,
}: Readonly<Record<string, unknown>>): { ok: true; algorithm: string } | Refused {
  return reading(() => {
    const [type, algorithm] = [readValue(text, typ), readValue(text, alg)];
    if (type.toUpperCase() !== "JWT") {
      return { ok: false as const, text: `not supported type ${goQuoteText(type)}` };
    }
    const known = algorithm.toLowerCase();
    if (known !== "ed25519" && known !== "ed25519-nkey") {
      return { ok: false as const, text: `unexpected ${goQuoteText(algorithm)} algorithm` };
    }
    return { ok: true as const, algorithm: known };
  });
}

/** Returns what `read` returns, or why it could not read. */
function reading<T>(read: () => T): T | Refused {
  try {
    return read();
  } catch (error) {
    if (error instanceof Mismatch) return { ok: false, text: error.message };
    throw error;
  }
}

interface ReadClaims {
  readonly ok: true;
  readonly claims: Claims;
  /** Determines which part was signed: up to version 1 it is the payload alone. */
  readonly signedVersion: number;
}

function readClaims(payload: Readonly<Record<string, unknown>>): ReadClaims | Refused {
  const nats = isJsonObject(payload.nats) ? withLowerCaseKeys(payload.nats) : payload.nats;
  const ownType = readValue(text, payload.type);
  const isVersion1 = ownType !== "";
  const type = isVersion1 ? ownType : readValue(text, isJsonObject(nats) ? nats.type : undefined);
  const version = isVersion1 ? 1 : readVersion(nats);
  if (version > VERSION) return { ok: false, text: "JWT was generated by a newer version " };
  if (type === "cluster") return { ok: false, text: "ClusterClaims are not supported" };
  if (type === "server") return { ok: false, text: "ServerClaims are not supported" };
  if (!isKnownType(type)) return { ok: true, claims: readGeneric(payload), signedVersion: -1 };

  const isOfEitherVersion = type === "authorization_request" || type === "authorization_response";
  if (!isOfEitherVersion && version !== 1 && version !== 2) {
    return { ok: false, text: `library supports version ${VERSION} or less - received ${version}` };
  }
  const shaped = version === 1 && isVersion1Type(type) ? migrateVersion1(type, payload) : nats;
  return { ok: true, claims: readKnown(type, payload, shaped), signedVersion: version };
}

function readVersion(nats: unknown): number {
  return readValue(codec.version, isJsonObject(nats) ? nats.version : undefined);
}

function isKnownType(type: string): type is KnownType {
  return Object.hasOwn(ISSUER_ROLES, type);
}

function readKnown(type: KnownType, payload: unknown, nats: unknown): Claims {
  const standard = codec.standardClaims.read(payload);
  switch (type) {
    case "operator":
      return { ...standard, type, nats: readValue(codec.operator, nats) };
    case "account":
      return { ...standard, type, nats: readValue(codec.account, nats) };
    case "user":
      return { ...standard, type, nats: readValue(codec.user, nats) };
    case "activation":
      return { ...standard, type, nats: readValue(codec.activation, nats) };
    case "authorization_request":
      return { ...standard, type, nats: readValue(codec.authorizationRequest, nats) };
    case "authorization_response":
      return { ...standard, type, nats: readValue(codec.authorizationResponse, nats) };
  }
}

function readGeneric(payload: Readonly<Record<string, unknown>>): GenericClaims {
  const nats = payload.nats ?? {};
  if (!isJsonObject(nats)) throw Mismatch.of(nats, "map[string]interface {}");
  return { ...codec.standardClaims.read(payload), type: "generic", nats };
}

/** The fault of the signature; undefined if the issuer made it. */
function findSignatureFault(segments: Segments, isVersion1: boolean, issuer: string): string | undefined {
  const signature = decodeBase64Url(segments.signature);
  if (!signature.ok) return signature.text;
  const signed = Buffer.from(isVersion1 ? segments.payload : segments.signed);
  if (verifySignature(issuer, signed, signature.bytes)) return undefined;
  return `claim failed V${isVersion1 ? 1 : 2} signature verification`;
}

function checkIssuer(claims: Claims): Decoded {
  if (claims.type === "generic") return { ok: true, claims };
  const roles = ISSUER_ROLES[claims.type];
  const role = roleOf(claims.issuer);
  if (role !== undefined && roles.includes(role)) return { ok: true, claims };
  return { ok: false, text: wrongIssuer(claims.type) };
}

export function wrongIssuer(type: KnownType): string {
  return `unable to validate expected prefixes - [${ISSUER_ROLES[type].join(" ")}]`;
}
