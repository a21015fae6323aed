import { isPublicKey } from "../../config/nkey_text.ts";
import { goQuoteText } from "../../protocol/go_quote.ts";
import type { AccountClaims } from "../jwt/claims.ts";
import { decodeAs, decodeGeneric } from "../jwt/decode.ts";
import { areBlocking } from "../jwt/issues.ts";
import { goJson } from "../jwt/json_codec.ts";
import { validate } from "../jwt/validate.ts";
import type { LoginLog } from "../login.ts";
import type { TrustedOperator } from "../operator_trust.ts";
import type { AccountBook } from "./account_book.ts";
import type { JwtStore } from "./jwt_store.ts";
import type { Resolver } from "./resolver.ts";

/**
 * What operators' tools ask of a server, by messages in the system account: the subjects, and the answers to them.
 * Source: nats-server accounts.go, DirAccResolver.Start, CacheDirAccResolver.Start; events.go, accountClaimUpdate.
 */

export type ClaimRequestKind = "update" | "update any" | "lookup" | "pack" | "list" | "delete";

export interface ClaimSubscription {
  readonly kind: ClaimRequestKind;
  /** `*` stands for the account's key. */
  readonly subject: string;
  /** One server of a queue group answers; without one, each does. */
  readonly queue: string | undefined;
  /** Requests may carry headers, which are skipped. */
  readonly allowsHeaders: boolean;
}

const UPDATE_OLD = subscription("update", "$SYS.ACCOUNT.*.CLAIMS.UPDATE");
const UPDATE = subscription("update", "$SYS.REQ.ACCOUNT.*.CLAIMS.UPDATE");
const UPDATE_ANY = { ...subscription("update any", "$SYS.REQ.CLAIMS.UPDATE"), allowsHeaders: true };
const LOOKUP = subscription("lookup", "$SYS.REQ.ACCOUNT.*.CLAIMS.LOOKUP");
const LIST = subscription("list", "$SYS.REQ.CLAIMS.LIST");
const DELETE = { ...subscription("delete", "$SYS.REQ.CLAIMS.DELETE"), allowsHeaders: true };
/** Full resolvers send the hash of what they have here, now and then, and merge what another one answers. */
export const PACK: ClaimSubscription = {
  ...subscription("pack", "$SYS.REQ.CLAIMS.PACK"),
  queue: "responder",
};

/** What a server subscribes to, by its resolver. Others than the system account never get there. */
export const CLAIM_SUBSCRIPTIONS: Readonly<Record<Resolver["kind"], readonly ClaimSubscription[]>> = {
  memory: [UPDATE_OLD, UPDATE],
  url: [UPDATE_OLD, UPDATE],
  cache: [UPDATE_OLD, UPDATE, UPDATE_ANY, LIST, DELETE],
  full: [UPDATE_OLD, UPDATE, UPDATE_ANY, LOOKUP, PACK, LIST, DELETE],
};

function subscription(kind: ClaimRequestKind, subject: string): ClaimSubscription {
  return { kind, subject, queue: undefined, allowsHeaders: false };
}

export interface ClaimContext {
  readonly book: AccountBook;
  /** The folder of a full resolver or of a cache. */
  readonly store: JwtStore | undefined;
  readonly kind: Resolver["kind"];
  readonly operator: TrustedOperator | undefined;
  /** The public key of the system account; empty for none. */
  readonly systemAccount: string;
  readonly canDelete: boolean;
  /** What is wrong with the mappings of an account, which nats-server refuses to store; undefined for nothing. */
  readonly findMappingProblem: (claims: AccountClaims) => string | undefined;
  readonly nowMs: () => number;
  readonly onLog: (log: LoginLog) => void;
}

/**
 * The payloads of the answer to a request, one message each; an empty text is an empty message, and none at all is
 * no answer. `server` is the object that tells who answers (monitor's page of the system account).
 */
export function answerClaimRequest(
  kind: ClaimRequestKind,
  subject: string,
  payload: Uint8Array,
  server: object,
  context: ClaimContext,
): readonly string[] {
  switch (kind) {
    case "update":
      return [statusText(answerUpdate(subject, textOf(payload), context), server, context)];
    case "update any":
      return [statusText(answerUpdateOfAny(textOf(payload), context), server, context)];
    case "lookup":
      return answerLookup(subject, context);
    case "pack":
      return answerPack(payload, context);
    case "list":
      return [goJson({ data: answerList(context), server })];
    case "delete":
      return [statusText(answerDelete(textOf(payload), context), server, context)];
  }
}

/** What became of a request: `problem` says why it was not done. */
interface Status {
  /** Empty where the request is not about one account. */
  readonly account: string;
  readonly message: string;
  readonly problem?: string;
}

function statusText(status: Status, server: object, { onLog }: ClaimContext): string {
  const { account, message, problem } = status;
  const named = account === "" ? {} : { account };
  if (problem === undefined) {
    onLog({ level: "debug", text: account === "" ? message : `${message} - ${account}` });
    return goJson({ server, data: { ...named, code: 200, message } });
  }
  onLog({ level: "error", text: [message, account, problem].filter((part) => part !== "").join(" - ") });
  return goJson({ server, error: { ...named, code: 500, description: `${message} - ${problem}` } });
}

/** The account in `$SYS.REQ.ACCOUNT.<key>.CLAIMS.…` or `$SYS.ACCOUNT.<key>.CLAIMS.UPDATE`. */
function accountIn(subject: string): string {
  const tokens = subject.split(".");
  return tokens[tokens.length - 3] ?? "";
}

function answerUpdate(subject: string, jwt: string, context: ClaimContext): Status {
  const account = accountIn(subject);
  switch (context.kind) {
    case "full":
      return updateFull(account, jwt, context);
    case "cache":
      return updateCache(account, jwt, context);
    default:
      return updateLoaded(account, jwt, context);
  }
}

function answerUpdateOfAny(jwt: string, context: ClaimContext): Status {
  return context.kind === "full" ? updateFull("", jwt, context) : updateCache("", jwt, context);
}

const WRONG_SUBJECT = "subject does not match jwt content";
const MUST_BE_SIGNING_KEY = "operator requires issuer to be a signing key";

/** Stores the JWT; the store tells the book. `account` is the one that the subject names, empty for none. */
function updateFull(account: string, jwt: string, context: ClaimContext): Status {
  const message = "jwt update resulted in error";
  const decoded = decodeAs("account", jwt);
  if (!decoded.ok) return { account: "n/a", message, problem: decoded.text };
  const { claims } = decoded;
  const named = account || claims.subject;
  const invalid = findInvalid(claims, context);
  const isWrongSigner = isSignedByStrictIdentity(claims, context);
  // The two subjects look at the signer at different times, which shows when there is more than one fault.
  if (account === "" && isWrongSigner) return { account: named, message, problem: MUST_BE_SIGNING_KEY };
  if (invalid !== undefined) {
    return { account: claims.subject, message: "jwt validation failed", problem: invalid };
  }
  if (claims.subject !== named) return { account: named, message, problem: WRONG_SUBJECT };
  if (isWrongSigner) return { account: named, message, problem: MUST_BE_SIGNING_KEY };
  const problem = context.store?.save(named, jwt);
  return problem === undefined
    ? { account: named, message: "jwt updated" }
    : { account: named, message, problem };
}

/** The same in a cache, for accounts that are in use. */
function updateCache(account: string, jwt: string, context: ClaimContext): Status {
  const message = "jwt update cache resulted in error";
  const decoded = decodeAs("account", jwt);
  if (!decoded.ok) return { account: account || "n/a", message, problem: decoded.text };
  const { claims } = decoded;
  const named = account || claims.subject;
  if (claims.subject !== named) return { account: named, message, problem: WRONG_SUBJECT };
  if (isSignedByStrictIdentity(claims, context))
    return { account: named, message, problem: MUST_BE_SIGNING_KEY };
  if (context.book.get(named) === undefined) return { account: named, message: "jwt update cache skipped" };
  const invalid = findInvalid(claims, context);
  if (invalid !== undefined) {
    return { account: named, message: "jwt update cache validation failed", problem: invalid };
  }
  const problem = context.store?.save(named, jwt);
  return problem === undefined
    ? { account: named, message: "jwt updated cache" }
    : { account: named, message, problem };
}

/** Where nothing is stored: the JWT counts for an account in use, until a reload. */
function updateLoaded(account: string, jwt: string, { book }: ClaimContext): Status {
  if (jwt === "") return { account, message: "jwt update error", problem: "request body is empty" };
  const message = "jwt update resulted in error";
  const decoded = decodeAs("account", jwt);
  if (!decoded.ok) return { account, message, problem: decoded.text };
  if (decoded.claims.subject !== account) return { account, message, problem: WRONG_SUBJECT };
  if (book.get(account) === undefined) return { account, message: "jwt update skipped" };
  const problem = book.update(account, jwt);
  return problem === undefined ? { account, message: "jwt updated" } : { account, message, problem };
}

function isSignedByStrictIdentity({ issuer }: AccountClaims, { operator }: ClaimContext): boolean {
  return operator?.isStrict === true && issuer === operator.key;
}

/** What keeps a JWT from being stored. That its time is over does not. */
function findInvalid(claims: AccountClaims, { nowMs, findMappingProblem }: ClaimContext): string | undefined {
  const issues = validate(claims, nowMs() / 1000);
  if (!areBlocking(issues, { withTimeChecks: false })) return findMappingProblem(claims);
  const texts = issues.filter(({ isBlocking }) => isBlocking).map(({ text }) => text);
  return `validation errors: [${texts.join(" ")}]`;
}

/** The JWT as it is; an empty message says that there is none. */
function answerLookup(subject: string, { store, onLog }: ClaimContext): readonly string[] {
  const account = accountIn(subject);
  const loaded = store?.load(account);
  if (loaded === undefined) return [];
  if (loaded.ok) return [loaded.jwt];
  if (loaded.isMissing) {
    onLog({ level: "debug", text: `DirResolver - Could not find account ${goQuoteText(account)}` });
    return [""];
  }
  const text = `DirResolver - Error looking up account ${goQuoteText(account)}: ${loaded.problem}`;
  onLog({ level: "error", text });
  return [];
}

/** All tokens, then an empty message; only that where the asker has the same. */
function answerPack(theirHash: Uint8Array, { store, onLog }: ClaimContext): readonly string[] {
  if (store === undefined) return [];
  const ours = hex(store.hash());
  const theirs = hex(theirHash);
  if (theirs === ours) {
    onLog({ level: "debug", text: `DirResolver - Pack request matches hash ${ours}` });
    return [""];
  }
  const text = `DirResolver - Pack request hash ${theirs} - finished responding with hash ${ours}`;
  onLog({ level: "debug", text });
  return [...Array.from(store.pack(), ({ line }) => line), ""];
}

function answerList({ store, onLog }: ClaimContext): readonly string[] {
  const accounts = store === undefined ? [] : Array.from(store.pack(), ({ accountKey }) => accountKey);
  onLog({ level: "debug", text: `list request responded with ${accounts.length} account ids` });
  return accounts;
}

/** Deletes the accounts that an operator's key, in a token about itself, lists. */
function answerDelete(token: string, context: ClaimContext): Status {
  const decoded = decodeGeneric(token);
  const subject = decoded.ok ? decoded.claims.subject : "";
  const refuse = (problem: string): Status => {
    return { account: "", message: `delete accounts request by ${subject} failed`, problem };
  };
  if (!decoded.ok) return refuse(decoded.text);
  const { issuer, nats } = decoded.claims;
  if (!context.canDelete) return refuse("delete must be enabled in server config");
  if (subject !== issuer) return refuse("not self signed");
  if (!context.operator?.keys.includes(issuer)) return refuse("not trusted");
  const { accounts } = nats;
  if (!Array.isArray(accounts)) return refuse("malformed request");
  const keys: string[] = [];
  for (const key of accounts as readonly unknown[]) {
    if (typeof key !== "string" || !isPublicKey(key, "account")) return refuse("malformed request");
    if (key === context.systemAccount) return refuse("not allowed to delete system account");
    keys.push(key);
  }
  const problems = keys.flatMap((key) => context.store?.delete(key) ?? []);
  const message = `deleted ${keys.length - problems.length} accounts`;
  if (problems.length === 0) return { account: "", message };
  return { account: "", message: `${message}, failed for ${problems.length}`, problem: problems.join("\n") };
}

/** Takes over one message of another server's pack; an empty one ends it. */
export function mergePack(payload: Uint8Array, { store, onLog }: ClaimContext): void {
  if (store === undefined) return;
  const before = hex(store.hash());
  if (payload.length === 0) {
    onLog({ level: "debug", text: `DirResolver - Merging finished and resulting in: ${before}` });
    return;
  }
  const problem = store.merge(textOf(payload));
  if (problem === undefined) {
    const text = `DirResolver - Merging succeeded and changed ${before} to ${hex(store.hash())}`;
    onLog({ level: "debug", text });
  } else {
    onLog({ level: "error", text: `DirResolver - Merging resulted in error: ${problem}` });
  }
}

function textOf(payload: Uint8Array): string {
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(payload);
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
