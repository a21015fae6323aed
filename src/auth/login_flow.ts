import { type CalloutAnswerContext, judgeCalloutAnswer } from "./callout_answer.ts";
import type { Login, LoginRefusal, LoginRequest, NeedsCallout } from "./login.ts";
import type { LoginJudge } from "./login_judge.ts";
import type { AccountBook } from "./resolver/account_book.ts";

/** Where accounts are loaded from: the account book, or something that wraps it. */
export type AccountSource = Pick<AccountBook, "load">;

/** Verdicts that wait for an account, which only operator mode has. `book` is undefined elsewhere. */

/** Judges a login, and fetches the account if the verdict needs one. Never rejects. */
export async function decideLogin(
  judge: LoginJudge,
  book: AccountSource | undefined,
  request: LoginRequest,
): Promise<Login | LoginRefusal | NeedsCallout> {
  const verdict = judge.judge(request);
  if (verdict.kind !== "needs account") return verdict;
  const decided = judge.judge(request, await load(book, verdict.account));
  if (decided.kind !== "needs account") return decided;
  throw new Error("a login was judged by an account and asks for one again");
}

/** Judges the answer of a callout service, and fetches the account that it puts the user into. */
export async function decideCalloutAnswer(
  payload: Uint8Array,
  context: CalloutAnswerContext,
  book: AccountSource | undefined,
): Promise<Login | LoginRefusal> {
  const verdict = judgeCalloutAnswer(payload, context);
  if (verdict.kind !== "needs account") return verdict;
  const decided = judgeCalloutAnswer(payload, context, await load(book, verdict.account));
  if (decided.kind !== "needs account") return decided;
  throw new Error("an answer was judged by an account and asks for one again");
}

async function load(book: AccountSource | undefined, accountKey: string) {
  return book === undefined
    ? ({ ok: false, problem: "account missing" } as const)
    : await book.load(accountKey);
}
