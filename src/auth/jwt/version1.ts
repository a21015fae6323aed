import { isJsonObject } from "./json_codec.ts";

/**
 * Converts tokens of version 1 to the shape of version 2 while they are still JSON. Version 1 is only read, never
 * written.
 * Source: nats-io/jwt, decoder_*.go.
 */

export type Version1Type = "operator" | "account" | "user" | "activation";

export function isVersion1Type(type: string): type is Version1Type {
  return Object.hasOwn(KEYS, type);
}

/** The keys that `nats` had in version 1; all others are dropped. */
const KEYS: Readonly<Record<Version1Type, readonly string[]>> = {
  operator: ["signing_keys", "account_server_url", "operator_service_urls", "system_account"],
  account: ["imports", "exports", "limits", "signing_keys", "revocations"],
  user: ["pub", "sub", "resp", "src", "times", "times_location", "subs", "data", "payload", "bearer_token"],
  activation: ["subject", "type"],
};

const ACCOUNT_LIMIT_KEYS = [
  "subs",
  "data",
  "payload",
  "imports",
  "exports",
  "wildcards",
  "disallow_bearer",
  "conn",
  "leaf",
];

/** Returns `nats` in the shape of version 2. The keys of `payload` are in lower case. */
export function migrateVersion1(type: Version1Type, payload: Readonly<Record<string, unknown>>): unknown {
  const { nats = {}, tags, issuer_account } = payload;
  if (nats !== null && !isJsonObject(nats)) return nats;
  const kept = pick(nats ?? {}, KEYS[type]);
  const common = { tags, version: 1 };
  switch (type) {
    case "operator":
      return { ...kept, ...common };
    case "account":
      return {
        ...kept,
        ...(isJsonObject(kept.limits) && { limits: pick(kept.limits, ACCOUNT_LIMIT_KEYS) }),
        ...common,
      };
    case "user":
      return { subs: -1, data: -1, payload: -1, ...kept, issuer_account, ...common };
    case "activation":
      return { subject: kept.subject, kind: kept.type, issuer_account, ...common };
  }
}

function pick(
  json: Readonly<Record<string, unknown>>,
  keys: readonly string[],
): Readonly<Record<string, unknown>> {
  const entries = Object.entries(json).map(([key, value]) => [key.toLowerCase(), value] as const);
  return Object.fromEntries(entries.filter(([key, value]) => keys.includes(key) && value !== null));
}
