import { Buffer } from "node:buffer";
import { loadConfigText } from "../../config/load.ts";
import type { Options } from "../../config/option_table.ts";
import { DEFAULT_CONNECT_OPTIONS } from "../../protocol/connect_options.ts";
import type { LoginFields, LoginRequest, PeerIdentity } from "../login.ts";
import { KeyPair } from "../nkey.ts";

/** What clients send, for tests. */

export const NONCE = "aN5b3xZ9QwErTyU";

export interface RequestParts extends Partial<LoginFields> {
  readonly over?: Partial<Omit<LoginRequest, "connect">>;
}

/** A request of a plain client that sent the given fields of CONNECT. */
export function requestOf({ over, ...connect }: RequestParts = {}): LoginRequest {
  return {
    connectionType: "STANDARD",
    ip: "127.0.0.1",
    nonce: NONCE,
    tls: null,
    isImplicit: false,
    ...over,
    connect: { ...DEFAULT_CONNECT_OPTIONS, ...connect },
  };
}

/** The signature of a nonce as clients send it. */
export function signNonce(
  key: KeyPair,
  nonce = NONCE,
  encoding: "base64url" | "base64" = "base64url",
): string {
  return Buffer.from(key.sign(Buffer.from(nonce))).toString(encoding);
}

/** A user key whose signature of the nonce tells the two alphabets of base64 apart. */
export function createSigner(): KeyPair {
  for (;;) {
    const key = KeyPair.create("user");
    if (/[-_]/.test(signNonce(key))) return key;
  }
}

/** A certificate with nothing in it but what is given. */
export function certificateOf(parts: Partial<PeerIdentity>): PeerIdentity {
  return { emails: [], dnsNames: [], uris: [], subject: [], rfc2253: "", ...parts };
}

/** The options of a configuration; every file it names is there. */
export function optionsOf(text: string): Options {
  const loaded = loadConfigText(text, "x.conf", { readFile: () => "", environment: {} });
  if (!loaded.ok) throw new Error(loaded.lines.join("\n"));
  return loaded.options;
}
