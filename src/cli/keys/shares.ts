/** `midge account export`, `import` and `activate`: what accounts share with one another. */
import { readFileSync } from "node:fs";
import type { Export, Import } from "../../auth/jwt/claims.ts";
import { account as accountCodec } from "../../auth/jwt/codec.ts";
import { decodeAs } from "../../auth/jwt/decode.ts";
import { decorateToken, readToken } from "../../auth/jwt/decorated.ts";
import { newActivation } from "../../auth/jwt/new_claims.ts";
import { roleOf } from "../../auth/nkey.ts";
import { pushHint } from "./account.ts";
import { type Arguments, type Command, CommandError, type Option, type Session } from "./command.ts";
import { CLAIM_OPTIONS, editClaims, openStore, STORE_OPTIONS } from "./common_options.ts";
import { limitOf, yesNoOf } from "./permission_options.ts";
import { findUserSigner, saveAccount, sign } from "./signing.ts";
import { type Store, writeSecret } from "./store.ts";
import { readTime } from "./values.ts";

const SERVICE_OPTION: Option = {
  name: "service",
  doc: "a service, which answers requests; a stream if not given",
};
const DELETE_OPTION: Option = { name: "delete", doc: "delete it instead" };

export const SHARE_COMMANDS: readonly Command[] = [
  {
    name: "account export",
    operands: ["NAME", "SUBJECT"],
    options: [
      ...STORE_OPTIONS,
      SERVICE_OPTION,
      { name: "private", value: "YES|NO", doc: "whether importers need an activation token" },
      { name: "account-token-position", value: "N", doc: "the N-th token must be the importer's key" },
      { name: "response-type", value: "TYPE", doc: "of a service: Singleton, Stream or Chunked" },
      {
        name: "revoke",
        value: "KEY",
        isRepeated: true,
        doc: "revoke activations of an account so far, or of *",
      },
      { name: "description", value: "TEXT", doc: "what it is for" },
      DELETE_OPTION,
    ],
    doc: "Lets other accounts import SUBJECT, or changes how.",
    run: editExport,
  },
  {
    name: "account import",
    operands: ["NAME", "SUBJECT"],
    options: [
      ...STORE_OPTIONS,
      { name: "from", value: "ACCOUNT", doc: "the exporting account, by name or key" },
      SERVICE_OPTION,
      { name: "local-subject", value: "SUBJECT", doc: "its name here; $1 stands for its first wildcard" },
      { name: "token", value: "FILE", doc: "file with the activation token, for a private export" },
      { name: "share", value: "YES|NO", doc: "of a service: whether to tell the exporter who asks" },
      DELETE_OPTION,
    ],
    doc: "Imports SUBJECT, which another account exports.",
    run: editImport,
  },
  {
    name: "account activate",
    operands: ["NAME", "SUBJECT", "FILE"],
    options: [
      ...STORE_OPTIONS,
      { name: "importer", value: "ACCOUNT", doc: "who may import, by name or key" },
      SERVICE_OPTION,
      ...CLAIM_OPTIONS,
    ],
    doc: "Writes a token to FILE with which one other account may import the private export SUBJECT.",
    run: activate,
  },
];

/** An export or import with nothing set. */
const NEW_EXPORT = accountCodec.read({ exports: [{}] }).exports[0] as Export;
const NEW_IMPORT = accountCodec.read({ imports: [{}] }).imports[0] as Import;

function kindOf(args: Arguments): "service" | "stream" {
  return args.has("service") ? "service" : "stream";
}

function editExport(args: Arguments, session: Session): void {
  const store = openStore(args);
  const { claims } = store.account(args.operand(0));
  const subject = args.operand(1);
  const kind = kindOf(args);
  const isIt = (other: Export) => other.subject === subject && other.kind === kind;
  const known = claims.nats.exports.find(isIt);
  if (args.has("delete") && known === undefined) throw absent("export", kind, subject, claims.name);
  const before = known ?? { ...NEW_EXPORT, name: subject, subject, kind };
  const revocations = new Map(before.revocations);
  for (const key of args.texts("revoke")) {
    revocations.set(readAccountKey(store, "revoke", key), readTime("revoke", "0s", session.nowSeconds()));
  }
  const edited: Export = {
    ...before,
    tokenRequired: yesNoOf(args, "private", before.tokenRequired),
    accountTokenPosition: limitOf(args, "account-token-position", before.accountTokenPosition),
    responseType: args.text("response-type") ?? before.responseType,
    description: args.text("description") ?? before.description,
    revocations,
  };
  const others = claims.nats.exports.filter((other) => !isIt(other));
  const exports = args.has("delete") ? others : [...others, edited];
  saveAccount(store, { ...claims, nats: { ...claims.nats, exports } }, session.nowSeconds());
  session.print(`${claims.name} exports ${exports.length} subjects\n${pushHint(claims.name)}`);
}

function editImport(args: Arguments, session: Session): void {
  const store = openStore(args);
  const { claims } = store.account(args.operand(0));
  const subject = args.operand(1);
  const kind = kindOf(args);
  const from = args.text("from");
  if (from === undefined) throw new CommandError("account import: say with --from which account exports it");
  const account = readAccountKey(store, "from", from);
  const isIt = (other: Import) =>
    other.subject === subject && other.kind === kind && other.account === account;
  const known = claims.nats.imports.find(isIt);
  if (args.has("delete") && known === undefined) throw absent("import", kind, subject, claims.name);
  const before = known ?? { ...NEW_IMPORT, name: subject, subject, kind, account };
  const edited: Import = {
    ...before,
    localSubject: args.text("local-subject") ?? before.localSubject,
    token: readActivation(args.text("token")) ?? before.token,
    share: yesNoOf(args, "share", before.share),
  };
  const others = claims.nats.imports.filter((other) => !isIt(other));
  const imports = args.has("delete") ? others : [...others, edited];
  saveAccount(store, { ...claims, nats: { ...claims.nats, imports } }, session.nowSeconds());
  session.print(`${claims.name} imports ${imports.length} subjects\n${pushHint(claims.name)}`);
}

function absent(what: string, kind: string, subject: string, account: string): CommandError {
  return new CommandError(`account ${account} has no ${what} of the ${kind} ${JSON.stringify(subject)}`);
}

/** The key of an account, of the store or of somebody else; `*` for all. */
function readAccountKey(store: Store, option: string, text: string): string {
  if (roleOf(text) === "account" || (option === "revoke" && text === "*")) return text;
  return store.account(text).claims.subject;
}

function readActivation(path: string | undefined): string | undefined {
  if (path === undefined) return undefined;
  let file: string;
  try {
    file = readFileSync(path, "utf8");
  } catch (error) {
    throw new CommandError(`--token: cannot read ${path}: ${(error as NodeJS.ErrnoException).code}`);
  }
  const token = readToken(file);
  const decoded = decodeAs("activation", token);
  if (!decoded.ok)
    throw new CommandError(`--token: ${path} holds no valid activation token: ${decoded.text}`);
  return token;
}

function activate(args: Arguments, session: Session): void {
  const store = openStore(args);
  const { claims: exporter } = store.account(args.operand(0));
  const subject = args.operand(1);
  const importer = args.text("importer");
  if (importer === undefined) throw new CommandError("account activate: say with --importer who may import");
  const claims = editClaims(
    newActivation(readAccountKey(store, "importer", importer), subject),
    args,
    session,
  );
  const signer = findUserSigner(store, exporter, undefined).key;
  const issuerAccount = signer.publicKey === exporter.subject ? "" : exporter.subject;
  const nats = { ...claims.nats, subject, kind: kindOf(args), issuerAccount };
  const { token } = sign({ ...claims, nats }, signer, session.nowSeconds());
  writeSecret(args.operand(2), decorateToken("activation", token));
  session.print(`${importer} may import the ${kindOf(args)} ${subject}, with ${args.operand(2)}`);
}
