import type { StandardClaims } from "../../auth/jwt/claims.ts";
import { type Arguments, CommandError, type Option, type Session } from "./command.ts";
import { editTags } from "./list_edits.ts";
import { Store } from "./store.ts";
import { readTime } from "./values.ts";

/** Options that most commands take. */

export const STORE_OPTIONS: readonly Option[] = [
  { name: "dir", short: "d", value: "FOLDER", doc: 'the folder "midge init" made (default: here)' },
  { name: "operator", short: "o", value: "NAME", doc: "the operator, if the folder has several" },
];

export const ACCOUNT_OPTION: Option = {
  name: "account",
  short: "a",
  value: "NAME",
  doc: "the account (default: the only one that is not the system account)",
};

export const JSON_OPTION: Option = { name: "json", doc: "print JSON, as it stands in the token" };

export const CLAIM_OPTIONS: readonly Option[] = [
  { name: "expiry", value: "TIME", doc: "until when it is valid: 30d, 12h, a date, or never" },
  { name: "start", value: "TIME", doc: "from when on it is valid" },
  { name: "tag", value: "TAG", isRepeated: true, doc: "add a tag" },
  { name: "rm-tag", value: "TAG", isRepeated: true, doc: "remove a tag" },
];

export function openStore(args: Arguments): Store {
  return Store.open(args.text("dir") ?? ".", args.text("operator"));
}

/** The account that `--account` names, or the only one there is besides the system account. */
export function chooseAccount(args: Arguments, store: Store): string {
  const named = args.text("account");
  if (named !== undefined) return store.account(named).claims.name;
  const { systemAccount } = store.operator().claims.nats;
  const others = store.accounts().filter(({ claims }) => claims.subject !== systemAccount);
  const [only] = others;
  if (only !== undefined && others.length === 1) return only.claims.name;
  throw new CommandError(
    others.length === 0
      ? "there is no account yet: midge account add NAME"
      : `choose an account with --account ${others.map(({ claims }) => claims.name).join(" or ")}`,
  );
}

/** Applies the options of CLAIM_OPTIONS. */
export function editClaims<
  C extends StandardClaims & { readonly nats: { readonly tags: readonly string[] } },
>(claims: C, args: Arguments, session: Session): C {
  const timeOf = (option: string, before: number) => {
    const text = args.text(option);
    return text === undefined ? before : readTime(option, text, session.nowSeconds());
  };
  const tags = editTags(claims.nats.tags, { add: args.texts("tag"), remove: args.texts("rm-tag") });
  return {
    ...claims,
    expiresAtSeconds: timeOf("expiry", claims.expiresAtSeconds),
    notBeforeSeconds: timeOf("start", claims.notBeforeSeconds),
    nats: { ...claims.nats, tags },
  };
}
