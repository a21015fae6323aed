/**
 * Tokens and seeds in files, where they stand between lines of dashes that say what they are. They are read as
 * leniently as NATS tools read them, and written as NATS tools write them. Source: nats-io/jwt, creds_utils.go.
 */
import { decodeSeed, KeyPair, type Role } from "../nkey.ts";
import type { ClaimType } from "./claims.ts";

/** A token between its two lines. */
export function decorateToken(type: ClaimType, token: string): string {
  const kind = type.toUpperCase();
  return `-----BEGIN NATS ${kind} JWT-----\n${token}\n------END NATS ${kind} JWT------\n\n`;
}

/** A seed between its two lines, with a warning before them. */
export function decorateSeed(role: Role, seed: string): string {
  const kind = role.toUpperCase();
  return `************************* IMPORTANT *************************
NKEY Seed printed below can be used to sign and prove identity.
NKEYs are sensitive and should be treated as secrets.

-----BEGIN ${kind} NKEY SEED-----
${seed}
------END ${kind} NKEY SEED------

*************************************************************
`;
}

/** The text of a creds file, with which a client logs in. */
export function formatCreds(userToken: string, userKey: KeyPair): string {
  return decorateToken("user", userToken) + decorateSeed(userKey.role, userKey.encodeSeed());
}

/** Reads the token of a file: the first value between lines of dashes, else the whole text. */
export function readToken(file: string): string {
  return decoratedValues(file)[0] ?? file.trim();
}

/**
 * Reads the key of a creds or seed file: the second value between lines of dashes, else the first line that is a seed.
 */
export function readKey(file: string): KeyPair | undefined {
  const seed =
    decoratedValues(file)[1] ??
    file
      .split("\n")
      .map((line) => line.trim())
      .find((line) => decodeSeed(line) !== undefined);
  return seed === undefined ? undefined : KeyPair.fromSeed(seed);
}

/** The lines of letters, digits and `_-.=` that have a line of dashes before and after them. */
function decoratedValues(file: string): readonly string[] {
  const lines = file.split("\n").map((line) => line.replace(/\r$/, ""));
  const values: string[] = [];
  for (let i = 0; i + 2 < lines.length; i++) {
    const [before = "", value = "", behind = ""] = lines.slice(i, i + 3);
    if (!endsInDashes(before) || !behind.startsWith("---") || !endsInDashes(behind)) continue;
    if (!/^[\w\-.=]+$/.test(value)) continue;
    values.push(value);
    i += 2;
  }
  return values;
}

/** Whether a line has three dashes, anything, and three dashes at its end. */
function endsInDashes(line: string): boolean {
  const first = line.indexOf("---");
  return line.endsWith("---") && first >= 0 && first <= line.length - 6;
}
