// The JSON document of CONNECT, read as Go's encoding/json reads it. Cold: once per connection.

import { parseInt64 } from "../base/int64.ts";
import { decodeJson, foldCase, type JsonMember, jsonMembers } from "./json_members.ts";

/** What a client asked for in CONNECT. Texts are empty where it said nothing. */
export interface ConnectOptions {
  /** Answer `+OK` to every operation that succeeds. */
  readonly verbose: boolean;
  /** Complain about subjects nobody could publish to. */
  readonly pedantic: boolean;
  /** Deliver the connection's own publications to its own subscriptions. */
  readonly echo: boolean;
  /** 0, or 1 for a client that takes INFO at any time. The caller refuses any other integer. */
  readonly protocol: number;
  readonly headers: boolean;
  readonly noResponders: boolean;
  readonly tlsRequired: boolean;
  readonly name: string;
  readonly lang: string;
  readonly version: string;
  readonly authToken: string;
  readonly user: string;
  readonly password: string;
  /** The public key `U…` that the client claims. */
  readonly nkey: string;
  readonly jwt: string;
  /** The signed nonce, base64. */
  readonly signature: string;
  /** The nonce signed by a trusted proxy, base64. */
  readonly proxySignature: string;
  /** Set only by very old clients; a server refuses them. */
  readonly account: string;
  readonly isNewAccount: boolean;
}

/** What holds before the first CONNECT, and for every field that CONNECT leaves out. */
export const DEFAULT_CONNECT_OPTIONS: ConnectOptions = {
  verbose: true,
  pedantic: true,
  echo: true,
  protocol: 0,
  headers: false,
  noResponders: false,
  tlsRequired: false,
  name: "",
  lang: "",
  version: "",
  authToken: "",
  user: "",
  password: "",
  nkey: "",
  jwt: "",
  signature: "",
  proxySignature: "",
  account: "",
  isNewAccount: false,
};

export type ConnectResult =
  | { readonly ok: true; readonly options: ConnectOptions }
  | { readonly ok: false; readonly problem: string };

type FieldsOf<T> = {
  [K in keyof ConnectOptions]: ConnectOptions[K] extends T ? K : never;
}[keyof ConnectOptions];
type Field =
  | { readonly kind: "boolean"; readonly to: FieldsOf<boolean> }
  | { readonly kind: "text"; readonly to: FieldsOf<string> }
  | { readonly kind: "integer"; readonly to: FieldsOf<number> }
  /** Means something to other kinds of connection only; its type is checked all the same. */
  | { readonly kind: "ignored text" | "ignored object" };

const FIELDS: ReadonlyMap<string, Field> = new Map<string, Field>([
  ["verbose", { kind: "boolean", to: "verbose" }],
  ["pedantic", { kind: "boolean", to: "pedantic" }],
  ["echo", { kind: "boolean", to: "echo" }],
  ["protocol", { kind: "integer", to: "protocol" }],
  ["headers", { kind: "boolean", to: "headers" }],
  ["no_responders", { kind: "boolean", to: "noResponders" }],
  ["tls_required", { kind: "boolean", to: "tlsRequired" }],
  ["name", { kind: "text", to: "name" }],
  ["lang", { kind: "text", to: "lang" }],
  ["version", { kind: "text", to: "version" }],
  ["auth_token", { kind: "text", to: "authToken" }],
  ["user", { kind: "text", to: "user" }],
  ["pass", { kind: "text", to: "password" }],
  ["nkey", { kind: "text", to: "nkey" }],
  ["jwt", { kind: "text", to: "jwt" }],
  ["sig", { kind: "text", to: "signature" }],
  ["proxy_sig", { kind: "text", to: "proxySignature" }],
  ["account", { kind: "text", to: "account" }],
  ["new_account", { kind: "boolean", to: "isNewAccount" }],
  ["remote_account", { kind: "ignored text" }],
  ["import", { kind: "ignored object" }],
  ["export", { kind: "ignored object" }],
]);

/**
 * Reads the document in `bytes[start, end)` over `previous`: DEFAULT_CONNECT_OPTIONS for the first
 * CONNECT of a connection, the result of the one before for any other.
 *
 * Keys match in any case, the last of several wins, unknown keys and fields that are null change
 * nothing, and so does a document that is `null`. Everything else that is no object, and a value of
 * the wrong type, is a problem; the peer is not told of it, `problem` is for the log and holds no
 * value of the document. Source: nats-server `ClientOpts`, `processConnect`; Go encoding/json.
 */
export function parseConnectOptions(
  bytes: Uint8Array,
  start: number,
  end: number,
  previous: ConnectOptions,
): ConnectResult {
  const members = jsonMembers(decodeJson(bytes, start, end));
  if (members === null) {
    return { ok: false, problem: "the document of CONNECT is not a JSON object" };
  }
  const options: { -readonly [K in keyof ConnectOptions]: ConnectOptions[K] } = { ...previous };
  for (const member of members) {
    const field = FIELDS.get(member.key) ?? FIELDS.get(foldCase(member.key));
    if (field === undefined || member.json === "null") continue;
    const wanted = assign(options, field, member);
    if (wanted !== null) return { ok: false, problem: `CONNECT field ${member.key} must be ${wanted}` };
  }
  return { ok: true, options };
}

/** Returns null once the member's value is stored, or what it should have been. */
function assign(
  options: { -readonly [K in keyof ConnectOptions]: ConnectOptions[K] },
  field: Field,
  member: JsonMember,
): string | null {
  const { json } = member;
  switch (field.kind) {
    case "boolean":
      if (json !== "true" && json !== "false") return "true or false";
      options[field.to] = json === "true";
      return null;
    case "integer": {
      const value = parseInt64(json);
      if (value === undefined) return "an integer, written without point or exponent";
      options[field.to] = Number(value);
      return null;
    }
    case "text":
      if (!json.startsWith('"')) return "a string";
      // Not a slice of the document, which would keep all of it for as long as the connection lasts.
      options[field.to] = (JSON.parse(json) as string).toWellFormed();
      return null;
    case "ignored text":
      return json.startsWith('"') ? null : "a string";
    case "ignored object":
      return json.startsWith("{") ? null : "an object";
  }
}
