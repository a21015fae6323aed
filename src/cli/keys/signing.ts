/** Who signs what: claims of the store, signed with a key of the store, checked, and put into the store. */
import type { AccountClaims, Claims, OperatorClaims, UserClaims } from "../../auth/jwt/claims.ts";
import { decode } from "../../auth/jwt/decode.ts";
import { encode } from "../../auth/jwt/encode.ts";
import { validate } from "../../auth/jwt/validate.ts";
import type { KeyPair } from "../../auth/nkey.ts";
import { CommandError } from "./command.ts";
import type { Store, Stored } from "./store.ts";

/** Signs an operator with its own identity key; no other key may. */
export function saveOperator(
  store: Store,
  claims: OperatorClaims,
  nowSeconds: number,
): Stored<OperatorClaims> {
  const identity = store.key(claims.subject);
  if (identity === undefined) throw missingSeed(`operator ${claims.name}`, [claims.subject]);
  const stored = sign(claims, identity, nowSeconds);
  store.writeOperator(stored.token);
  return stored;
}

/**
 * Signs an account with a signing key of the operator; with its identity key if it has no signing key and needs none.
 */
export function saveAccount(store: Store, claims: AccountClaims, nowSeconds: number): Stored<AccountClaims> {
  const operator = store.operator().claims;
  const { signingKeys, strictSigningKeyUsage } = operator.nats;
  const signer = findKey(store, strictSigningKeyUsage ? signingKeys : [...signingKeys, operator.subject]);
  if (signer === undefined)
    throw missingSeed(`operator ${operator.name}`, [...signingKeys, operator.subject]);
  const stored = sign(claims, signer, nowSeconds);
  store.writeAccount(claims.name, stored.token);
  return stored;
}

export interface UserSigner {
  readonly key: KeyPair;
  /** Whether the key gives its users all their rights. */
  readonly isScoped: boolean;
}

/**
 * The key of an account that signs its users. With a role, a scoped key of that role; else a signing key without a
 * scope, or the identity key if there is none and the operator allows it.
 */
export function findUserSigner(store: Store, account: AccountClaims, role: string | undefined): UserSigner {
  const keys = [...account.nats.signingKeys];
  if (role !== undefined) {
    const scoped = keys.filter(([, scope]) => scope?.role === role).map(([key]) => key);
    if (scoped.length === 0) {
      const roles = keys.flatMap(([, scope]) => scope?.role ?? []).join(", ");
      throw new CommandError(
        `no role ${JSON.stringify(role)} in account ${account.name}: there is ${roles || "none"}`,
      );
    }
    const key = findKey(store, scoped);
    if (key === undefined) throw missingSeed(`role ${role} of account ${account.name}`, scoped);
    return { key, isScoped: true };
  }
  const plain = keys.filter(([, scope]) => scope === undefined).map(([key]) => key);
  const isStrict = store.operator().claims.nats.strictSigningKeyUsage;
  const allowed = isStrict ? plain : [...plain, account.subject];
  const key = findKey(store, allowed);
  if (key !== undefined) return { key, isScoped: false };
  if (allowed.length === 0) {
    throw new CommandError(
      `account ${account.name} has no signing key, which its operator demands: midge account edit ${account.name} --sk generate`,
    );
  }
  throw missingSeed(`account ${account.name}`, allowed);
}

export interface SavedUser {
  readonly stored: Stored<UserClaims>;
  /** Undefined if the user's seed is not here. */
  readonly credsPath: string | undefined;
  /** Unix seconds; the account revokes what it issued to this user until then, and so this token. */
  readonly revokedUntilSeconds: number | undefined;
}

/** Signs a user, puts it into the store, and writes its creds file if its seed is here. */
export function saveUser(
  store: Store,
  account: AccountClaims,
  claims: UserClaims,
  signer: UserSigner,
  nowSeconds: number,
): SavedUser {
  const { revocations } = account.nats;
  const revokedUntil = Math.max(revocations.get(claims.subject) ?? 0, revocations.get("*") ?? 0);
  const now = Math.floor(nowSeconds);
  // What is signed in the second of a revocation would be revoked with the rest.
  const issuedAt = revokedUntil === now ? now + 1 : now;
  const isIdentity = signer.key.publicKey === account.subject;
  const nats = { ...claims.nats, issuerAccount: isIdentity ? "" : account.subject };
  const stored = sign({ ...claims, nats }, signer.key, issuedAt);
  store.writeUser(account.name, claims.name, stored.token);
  return {
    stored,
    credsPath: store.writeCreds(account.name, stored),
    revokedUntilSeconds: revokedUntil >= issuedAt ? revokedUntil : undefined,
  };
}

/** The pair of the first of these public keys whose seed is here. */
function findKey(store: Store, publicKeys: readonly string[]): KeyPair | undefined {
  for (const publicKey of publicKeys) {
    const key = store.key(publicKey);
    if (key !== undefined) return key;
  }
  return undefined;
}

/** Refuses claims that servers would refuse. */
export function sign<C extends Claims>(claims: C, signer: KeyPair, nowSeconds: number): Stored<C> {
  const encoded = encode(claims, signer, nowSeconds);
  if (!encoded.ok) throw new CommandError(`cannot sign ${claims.type} ${claims.name}: ${encoded.text}`);
  const decoded = decode(encoded.token);
  if (!decoded.ok) throw new CommandError(`cannot sign ${claims.type} ${claims.name}: ${decoded.text}`);
  const wrong = validate(decoded.claims, nowSeconds).filter(({ isBlocking }) => isBlocking);
  if (wrong.length > 0) {
    const texts = wrong.map(({ text }) => text).join("; ");
    throw new CommandError(`${claims.type} ${claims.name} would not be valid: ${texts}`);
  }
  return { claims: decoded.claims as C, token: encoded.token };
}

function missingSeed(of: string, publicKeys: readonly string[]): CommandError {
  return new CommandError(
    `no seed of ${of} in the store, so nothing can be signed for it: looked for ${publicKeys.join(", ")}`,
  );
}
