/** `midge operator …`. */
import type { OperatorClaims } from "../../auth/jwt/claims.ts";
import { newOperator } from "../../auth/jwt/new_claims.ts";
import { roleOf } from "../../auth/nkey.ts";
import { type Arguments, type Command, CommandError, type Option, type Session } from "./command.ts";
import { CLAIM_OPTIONS, editClaims, JSON_OPTION, openStore, STORE_OPTIONS } from "./common_options.ts";
import { showClaims } from "./describe.ts";
import { editList } from "./list_edits.ts";
import { yesNoOf } from "./permission_options.ts";
import { saveAccount, saveOperator } from "./signing.ts";
import { Store } from "./store.ts";

const [DIR_OPTION] = STORE_OPTIONS as [Option];

const OPERATOR_OPTIONS: readonly Option[] = [
  { name: "sk", value: "KEY", isRepeated: true, doc: 'add a signing key, or make one with "generate"' },
  { name: "rm-sk", value: "KEY", isRepeated: true, doc: "remove a signing key" },
  {
    name: "service-url",
    value: "URL",
    isRepeated: true,
    doc: "add a server's URL, which midge push goes to",
  },
  { name: "rm-service-url", value: "URL", isRepeated: true, doc: "remove such a URL" },
  { name: "account-server-url", value: "URL", doc: "where servers fetch accounts by HTTP" },
  { name: "system-account", value: "NAME", doc: "the system account, by name or key" },
  { name: "strict", value: "YES|NO", doc: "whether only signing keys may sign accounts and users" },
  { name: "assert-server-version", value: "X.Y.Z", doc: "the oldest server that may serve this operator" },
  ...CLAIM_OPTIONS,
];

export const OPERATOR_COMMANDS: readonly Command[] = [
  {
    name: "operator add",
    operands: ["NAME"],
    options: [DIR_OPTION, ...OPERATOR_OPTIONS],
    doc: 'Makes an operator without accounts. "midge init" makes all that a server needs.',
    run: (args, session) => {
      const store = Store.create(args.text("dir") ?? ".", args.operand(0));
      const claims = newOperator(store.createKey("operator").publicKey, args.operand(0));
      saveEdited(store, claims, args, session);
      session.print(`operator ${claims.name} ${claims.subject}`);
    },
  },
  {
    name: "operator edit",
    operands: [],
    options: [...STORE_OPTIONS, ...OPERATOR_OPTIONS],
    doc: "Changes what is given. Servers read the operator from their configuration: give it to them again.",
    run: (args, session) => {
      const store = openStore(args);
      saveEdited(store, store.operator().claims, args, session);
      session.print(`operator ${store.operatorName} is signed again; put it into the servers' configuration`);
    },
  },
  {
    name: "operator sign",
    operands: [],
    options: [...STORE_OPTIONS],
    doc: "Signs the operator again, and its accounts with its first signing key: after keys were changed.",
    run: (args, session) => {
      const store = openStore(args);
      saveOperator(store, store.operator().claims, session.nowSeconds());
      for (const { claims } of store.accounts()) saveAccount(store, claims, session.nowSeconds());
      session.print(
        `signed ${store.operatorName} and ${store.accountNames().length} accounts: midge push --all`,
      );
    },
  },
  {
    name: "operator describe",
    operands: [],
    options: [...STORE_OPTIONS, JSON_OPTION, { name: "raw", doc: "print the token" }],
    doc: "Shows what the operator's token says.",
    run: (args, session) => {
      const { claims, token } = openStore(args).operator();
      session.print(args.has("raw") ? token : showClaims(claims, { asJson: args.has("json") }));
    },
  },
  {
    name: "operator list",
    operands: [],
    options: [DIR_OPTION],
    doc: "Lists the operators of the folder.",
    run: (args, session) => {
      const folder = args.text("dir") ?? ".";
      for (const name of Store.operatorsIn(folder)) {
        session.print(`${name}  ${Store.open(folder, name).operator().claims.subject}`);
      }
    },
  },
];

function saveEdited(store: Store, claims: OperatorClaims, args: Arguments, session: Session): void {
  const edited = editClaims(claims, args, session);
  const { nats } = edited;
  saveOperator(
    store,
    {
      ...edited,
      nats: {
        ...nats,
        signingKeys: editList(nats.signingKeys, {
          add: args.texts("sk").map((text) => readSigningKey(store, text)),
          remove: args.texts("rm-sk"),
        }),
        operatorServiceUrls: editList(nats.operatorServiceUrls, {
          add: args.texts("service-url"),
          remove: args.texts("rm-service-url"),
        }),
        accountServerUrl: args.text("account-server-url") ?? nats.accountServerUrl,
        systemAccount: readSystemAccount(store, args.text("system-account")) ?? nats.systemAccount,
        strictSigningKeyUsage: yesNoOf(args, "strict", nats.strictSigningKeyUsage),
        assertServerVersion: args.text("assert-server-version") ?? nats.assertServerVersion,
      },
    },
    session.nowSeconds(),
  );
}

function readSigningKey(store: Store, text: string): string {
  if (text === "generate") return store.createKey("operator").publicKey;
  if (roleOf(text) === "operator") return text;
  throw new CommandError(`--sk ${JSON.stringify(text)}: use an operator's public key, O…, or generate`);
}

function readSystemAccount(store: Store, text: string | undefined): string | undefined {
  if (text === undefined || roleOf(text) === "account") return text;
  return store.account(text).claims.subject;
}
