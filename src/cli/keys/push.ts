/** `midge push`: sends accounts of the store to running servers, over their system account. */
import { readFileSync } from "node:fs";
import type { OperatorClaims } from "../../auth/jwt/claims.ts";
import { encode } from "../../auth/jwt/encode.ts";
import { newGeneric, newUser } from "../../auth/jwt/new_claims.ts";
import { KeyPair, roleOf } from "../../auth/nkey.ts";
import { type Arguments, type Command, CommandError, type Session } from "./command.ts";
import { openStore, STORE_OPTIONS } from "./common_options.ts";
import { Connection, type Login } from "./nats_request.ts";
import { findUserSigner, sign } from "./signing.ts";
import type { Store } from "./store.ts";

const CONNECT_TIMEOUT_MS = 5000;
const ANSWER_TIMEOUT_MS = 2000;
/** How long to wait for further servers after each answer. */
const FURTHER_ANSWER_MS = 300;
/** How long the user that pushes is valid. */
const LOGIN_SECONDS = 120;

const UPDATE = "$SYS.REQ.CLAIMS.UPDATE";
const DELETE = "$SYS.REQ.CLAIMS.DELETE";

export const PUSH: Command = {
  name: "push",
  operands: ["[ACCOUNT...]"],
  options: [
    ...STORE_OPTIONS,
    { name: "all", doc: "push all accounts" },
    {
      name: "delete",
      value: "ACCOUNT",
      isRepeated: true,
      doc: "have servers delete an account, by name, or by key if the store has it no more",
    },
    { name: "url", short: "u", value: "URL", doc: "a server (default: the operator's first service URL)" },
    { name: "tls-ca", value: "FILE", doc: "authorities to verify a server with TLS against, PEM" },
  ],
  doc: `Sends accounts to a running server, which passes them on to its cluster. Logs in to the system account as a
user made for this push. The server needs a resolver of type full, as "midge init" configures it.`,
  run: push,
};

async function push(args: Arguments, session: Session): Promise<void> {
  const store = openStore(args);
  const names = args.has("all") ? store.accountNames() : args.operandsFrom(0);
  // One that is deleted from the store has its key alone.
  const deleted = args
    .texts("delete")
    .map((account) => (roleOf(account) === "account" ? account : store.account(account).claims.subject));
  if (names.length === 0 && deleted.length === 0) {
    throw new CommandError("push: name the accounts to push, or use --all or --delete");
  }
  const accounts = names.map((name) => store.account(name));
  const operator = store.operator().claims;
  const deletion =
    deleted.length === 0 ? undefined : signDeletion(store, operator, deleted, session.nowSeconds());
  const connection = await Connection.open({
    url: args.text("url") ?? serviceUrl(operator),
    login: makeLogin(store, operator, session.nowSeconds()),
    tlsAuthorities: readAuthorities(args.text("tls-ca")),
    timeoutMs: CONNECT_TIMEOUT_MS,
  });
  try {
    // The first answers show how many servers there are; later requests wait for no more than that.
    let serverCount: number | undefined;
    for (const { claims, token } of accounts) {
      const answers = await ask(connection, UPDATE, token, serverCount);
      report(`account ${claims.name}`, answers, session);
      serverCount = answers.length;
    }
    if (deletion !== undefined)
      report("deletion", await ask(connection, DELETE, deletion, serverCount), session);
  } finally {
    connection.close();
  }
}

function serviceUrl(operator: OperatorClaims): string {
  const [url] = operator.nats.operatorServiceUrls;
  if (url !== undefined) return url;
  throw new CommandError(`operator ${operator.name} names no server: give one with --url nats://host:4222`);
}

/** A user of the system account that may do only this, and only for a short time. */
function makeLogin(store: Store, operator: OperatorClaims, nowSeconds: number): Login {
  const { systemAccount } = operator.nats;
  if (systemAccount === "") {
    throw new CommandError(
      `operator ${operator.name} has no system account to push over: midge operator edit --system-account NAME`,
    );
  }
  const account = store.account(systemAccount).claims;
  const signer = findUserSigner(store, account, undefined).key;
  const key = KeyPair.create("user");
  const claims = newUser(key.publicKey, "midge push");
  const nats = {
    ...claims.nats,
    publish: { allow: [UPDATE, DELETE], deny: [] },
    subscribe: { allow: ["_INBOX.>"], deny: [] },
    issuerAccount: signer.publicKey === account.subject ? "" : account.subject,
  };
  const expiresAtSeconds = Math.floor(nowSeconds) + LOGIN_SECONDS;
  return { key, token: sign({ ...claims, nats, expiresAtSeconds }, signer, nowSeconds).token };
}

/** A request to delete accounts is signed by the operator about itself. */
function signDeletion(
  store: Store,
  operator: OperatorClaims,
  accounts: readonly string[],
  nowSeconds: number,
): string {
  const { signingKeys, strictSigningKeyUsage } = operator.nats;
  const keys = strictSigningKeyUsage ? signingKeys : [operator.subject, ...signingKeys];
  const signer = keys.map((key) => store.key(key)).find((key) => key !== undefined);
  if (signer === undefined)
    throw new CommandError(`no seed of operator ${operator.name} in the store to sign the deletion`);
  const encoded = encode(newGeneric(signer.publicKey, { accounts }), signer, nowSeconds);
  if (!encoded.ok) throw new CommandError(`cannot sign the deletion: ${encoded.text}`);
  return encoded.token;
}

function readAuthorities(path: string | undefined): string | undefined {
  if (path === undefined) return undefined;
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new CommandError(`--tls-ca: cannot read ${path}: ${(error as NodeJS.ErrnoException).code}`);
  }
}

async function ask(
  connection: Connection,
  subject: string,
  token: string,
  serverCount: number | undefined,
): Promise<readonly ServerAnswer[]> {
  const answers = await connection.request(subject, token, {
    count: serverCount ?? Number.POSITIVE_INFINITY,
    firstMs: ANSWER_TIMEOUT_MS,
    furtherMs: FURTHER_ANSWER_MS,
  });
  return answers.map(readAnswer);
}

function readAnswer(answer: string): ServerAnswer {
  try {
    return JSON.parse(answer) as ServerAnswer;
  } catch {
    throw new CommandError(
      `a server answered something that is no answer: ${JSON.stringify(answer.slice(0, 100))}`,
    );
  }
}

/** Specified with the subjects of the system account. */
interface ServerAnswer {
  readonly server?: { readonly name?: string };
  readonly data?: { readonly message?: string };
  readonly error?: { readonly description?: string };
}

function report(what: string, answers: readonly ServerAnswer[], session: Session): void {
  if (answers.length === 0) throw new CommandError(`${what}: no server answered in ${ANSWER_TIMEOUT_MS} ms`);
  for (const { server, data, error } of answers) {
    if (error !== undefined) throw new CommandError(`${what}: ${server?.name}: ${error.description}`);
    session.print(`${what}: ${server?.name}: ${data?.message}`);
  }
}
