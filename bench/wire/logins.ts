/**
 * How the connections of a row log in, and the configuration for it, which both kinds of server take.
 *
 * Keys are made from fixed seeds, so that all runs are the same. They open nothing but the servers of the bench.
 */
import { Buffer } from "node:buffer";
import type { Claims } from "../../src/auth/jwt/claims.ts";
import { encode } from "../../src/auth/jwt/encode.ts";
import { newAccount, newOperator, newUser } from "../../src/auth/jwt/new_claims.ts";
import { encodeSeed, KeyPair, type Role } from "../../src/auth/nkey.ts";

/** A configuration, and the arguments with which the load generator logs in to a server that has it. */
export interface Login {
  readonly config: string;
  readonly load: readonly string[];
}

const ISSUED_AT_SECONDS = 1_700_000_000;
const KEY_BYTES = 32;

/** The hash of the password "bench", with a cost of 8. Tools use 11 by default, which takes 8 times as long. */
const BCRYPT_HASH = "$2b$08$RXGQ0Q6OiXwv2ErRcFq7Rul8Z2pSKdRdMu.cKJnoEgWAG26S/Rwfq";

function fixedKey(role: Role, filler: number): { key: KeyPair; seedHex: string } {
  const bytes = new Uint8Array(KEY_BYTES).fill(filler);
  return { key: KeyPair.fromSeed(encodeSeed({ role, bytes }))!, seedHex: Buffer.from(bytes).toString("hex") };
}

function sign(claims: Claims, signer: KeyPair): string {
  const encoded = encode(claims, signer, ISSUED_AT_SECONDS);
  if (!encoded.ok) throw new Error(encoded.text);
  return encoded.token;
}

function passwordLogin(storedPassword: string): Login {
  return {
    config: `authorization { timeout: 20, users: [ { user: bench, password: "${storedPassword}" } ] }`,
    load: ["--login", '"user":"bench","pass":"bench"'],
  };
}

function nkeyLogin(): Login {
  const { key, seedHex } = fixedKey("user", 1);
  return {
    config: `authorization { timeout: 20, users: [ { nkey: ${key.publicKey} } ] }`,
    load: ["--login", `"nkey":"${key.publicKey}"`, "--seed", seedHex],
  };
}

/** Operator mode with two accounts in memory. The user signs its nonce. */
function jwtLogin(): Login {
  const [operator, system, account] = [
    fixedKey("operator", 2),
    fixedKey("account", 3),
    fixedKey("account", 4),
  ];
  const user = fixedKey("user", 5);
  const accounts = [system, account].map(({ key }) => {
    const token = sign(newAccount(key.publicKey, key === system.key ? "SYS" : "BENCH"), operator.key);
    return `${key.publicKey}: "${token}"`;
  });
  const userToken = sign(newUser(user.key.publicKey, "bench"), account.key);
  return {
    config: `
      operator: "${sign(newOperator(operator.key.publicKey, "BENCH"), operator.key)}"
      system_account: ${system.key.publicKey}
      authorization { timeout: 20 }
      resolver: MEMORY
      resolver_preload { ${accounts.join("\n")} }
    `,
    load: ["--login", `"jwt":"${userToken}"`, "--seed", user.seedHex],
  };
}

/** A user of each kind. `failing` are fields of CONNECT with which none of them logs in. */
function everyLogin(): Login & { readonly failing: readonly string[] } {
  const { key } = fixedKey("user", 1);
  const users = [`{ user: bench, password: bench }`, `{ user: hashed, password: "${BCRYPT_HASH}" }`];
  const signature = Buffer.alloc(64, 1).toString("base64url");
  return {
    config: `authorization { timeout: 20, users: [ ${users.join(", ")}, { nkey: ${key.publicKey} } ] }`,
    load: passwordLogin("bench").load,
    failing: [
      "{}",
      '{"user":"bench","pass":"wrong"}',
      '{"user":"hashed","pass":"wrong"}',
      '{"auth_token":"wrong"}',
      `{"nkey":"${key.publicKey}","sig":"${signature}"}`,
    ],
  };
}

/**
 * A user with typical permissions: some subjects allowed, some denied, none of them literally the subject of the row.
 */
const permittedLogin: Login = {
  config: `authorization { users: [ { user: bench, password: bench, permissions: {
    publish: { allow: ["orders.*", "service.>", "_INBOX.>", "audit.*.*"], deny: ["orders.secret", "service.*.admin"] }
    subscribe: { allow: ["orders.>", "service.>", "_INBOX.>"] }
  } } ] }`,
  load: ["--login", '"user":"bench","pass":"bench"'],
};

/** Two accounts, one of which imports from the other. */
function importLogin(exports: string, imports: string, publisher: "exporter" | "importer"): Login {
  const subscriber = publisher === "exporter" ? "importer" : "exporter";
  const fields = (user: string) => `"user":"${user}","pass":"bench"`;
  return {
    config: `accounts {
      EXPORTER { users: [ { user: exporter, password: bench } ], exports: [ ${exports} ] }
      IMPORTER { users: [ { user: importer, password: bench } ], imports: [ ${imports} ] }
    }`,
    load: ["--login", fields(publisher), "--subscriber-login", fields(subscriber)],
  };
}

const ACCOUNTS = 10;

/** A user in each of ten accounts, which share nothing. */
function accountsLogin(): Login & { readonly each: readonly string[] } {
  const numbers = Array.from({ length: ACCOUNTS }, (_, number) => number);
  const fields = (number: number | string) => `"user":"bench${number}","pass":"bench"`;
  const accounts = numbers.map((n) => `TENANT${n} { users: [ { user: bench${n}, password: bench } ] }`);
  return {
    config: `accounts {\n${accounts.join("\n")}\n}`,
    load: ["--login", fields("{n}"), "--logins", `${ACCOUNTS}`],
    each: numbers.map(fields),
  };
}

export const logins = {
  password: passwordLogin("bench"),
  bcrypt: passwordLogin(BCRYPT_HASH),
  nkey: nkeyLogin(),
  jwt: jwtLogin(),
  every: everyLogin(),
  accounts: accountsLogin(),
  permitted: permittedLogin,
  /** What is published to `orders.created` arrives as `shop.orders.created`. */
  streamImport: importLogin(
    '{ stream: "orders.>" }',
    '{ stream: { account: EXPORTER, subject: "orders.>" }, prefix: shop }',
    "exporter",
  ),
  serviceImport: importLogin(
    '{ service: "orders.*" }, { service: "service.*" }',
    '{ service: { account: EXPORTER, subject: "orders.*" } }, { service: { account: EXPORTER, subject: "service.*" } }',
    "importer",
  ),
} as const;
