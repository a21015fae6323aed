/**
 * How this server logs in at a hub: with a credentials file, an nkey, and the user in the URL.
 * Source: leafnodes.md 2.3; nats-server leafnode.go, sendLeafConnect.
 */
import { Buffer } from "node:buffer";
import { decodeAs } from "../../auth/jwt/decode.ts";
import { readKey, readToken } from "../../auth/jwt/decorated.ts";
import { permissionsOf } from "../../auth/jwt_permissions.ts";
import { KeyPair } from "../../auth/nkey.ts";
import { fileErrorText } from "../../base/error_text.ts";
import type { LeafRemoteOptions } from "../../config/leaf_remotes.ts";
import { goQuoteText } from "../../protocol/go_quote.ts";
import { byteStringOfText } from "../../subject/byte_string.ts";
import type { LinkLog } from "../core/link.ts";
import type { LinkConnect } from "../core/link_info.ts";
import type { UrlUser } from "../core/url_parts.ts";

/** Fields of CONNECT, byte strings. */
export type RemoteLogin = Partial<
  Pick<LinkConnect, "jwt" | "nkey" | "signature" | "user" | "password" | "authToken">
>;

export type RemoteLoginResult =
  | { readonly ok: true; readonly login: RemoteLogin }
  /** `problem` is for the log and holds no secret. */
  | { readonly ok: false; readonly problem: string };

/** Makes the login for a hub. `readFile` may throw; `nonce` is a byte string from the hub's INFO. */
export function remoteLogin(
  { credentials, nkey }: Pick<LeafRemoteOptions, "credentials" | "nkey">,
  user: UrlUser | null,
  nonce: string,
  readFile: (path: string) => string,
): RemoteLoginResult {
  const ofUrl = user === null ? {} : userFields(user);
  if (credentials !== undefined) {
    const read = readCredentials(credentials, readFile);
    if (!read.ok)
      return { ok: false, problem: read.isRead ? `Credentials file ${read.problem}` : read.problem };
    const { jwt, key } = read;
    return { ok: true, login: { jwt: byteStringOfText(jwt), signature: sign(key, nonce), ...ofUrl } };
  }
  if (nkey !== undefined) {
    const key = KeyPair.fromSeed(nkey);
    if (key === undefined) return { ok: false, problem: "Remote nkey has malformed seed" };
    return { ok: true, login: { nkey: key.publicKey, signature: sign(key, nonce), ...ofUrl } };
  }
  return { ok: true, login: ofUrl };
}

type CredentialsResult =
  | { readonly ok: true; readonly jwt: string; readonly key: KeyPair }
  /**
   * `isRead` false: `problem` says why the file cannot be read. True: it says in nats-server's words what is wrong with
   * its contents.
   */
  | { readonly ok: false; readonly isRead: boolean; readonly problem: string };

/** The user JWT and key of a credentials file. */
function readCredentials(path: string, readFile: (path: string) => string): CredentialsResult {
  let text: string;
  try {
    text = readFile(path);
  } catch (error) {
    return { ok: false, isRead: false, problem: fileErrorText(error) };
  }
  const jwt = readToken(text);
  if (jwt === text.trim()) return { ok: false, isRead: true, problem: "malformed" };
  const key = readKey(text);
  return key === undefined
    ? { ok: false, isRead: true, problem: "has malformed seed" }
    : { ok: true, jwt, key };
}

/** The fields for a user in the URL. A name without a password may also be a token. */
function userFields({ user, password }: UrlUser): RemoteLogin {
  const name = byteStringOfText(user);
  return password === ""
    ? { user: name, authToken: name }
    : { user: name, password: byteStringOfText(password) };
}

function sign(key: KeyPair, nonce: string): string {
  return Buffer.from(key.sign(Buffer.from(nonce, "latin1"))).toString("base64url");
}

/** Logs at start what is wrong with the credentials of a remote, and that their permissions restrict it. */
export function checkRemoteLogin(
  { credentials, account, denyExports, denyImports }: LeafRemoteOptions,
  isSystem: boolean,
  readFile: (path: string) => string,
  log: LinkLog,
): void {
  if (isSystem && denyExports.length > 0) {
    log("info", "Remote for System Account uses restricted export permissions");
  }
  if (isSystem && denyImports.length > 0) {
    log("info", "Remote for System Account uses restricted import permissions");
  }
  if (credentials === undefined) return;
  const file = `LeafNode Remote Credentials file ${goQuoteText(credentials)}`;
  const read = readCredentials(credentials, readFile);
  if (!read.ok) {
    log("error", read.isRead ? `${file} ${read.problem}` : `Error reading ${file}: ${read.problem}`);
    return;
  }
  const user = decodeAs("user", read.jwt);
  if (!user.ok) {
    log("error", `${file} has malformed user jwt`);
    return;
  }
  if (permissionsOf(user.claims.nats) === null) return;
  const who = isSystem ? "System Account" : `Account ${account}`;
  log(
    "info",
    `LeafNode Remote for ${who} uses credentials file ${goQuoteText(credentials)} with restricted permissions`,
  );
}
