import { judgeByRules } from "./config_judge.ts";
import type { LoginRequest, Verdict } from "./login.ts";
import type { LoginRules } from "./login_rules.ts";
import { type CredentialChecks, UserTable } from "./user_login.ts";

/**
 * The judge of a shard: for logins that need no more than comparing texts. It loads nothing that verifies signatures or
 * hashes: those checks take from 0.1 ms to some hundred milliseconds and belong to the logins thread.
 */
export class InlineJudge {
  readonly #rules: LoginRules;
  readonly #table: UserTable;

  constructor(rules: LoginRules) {
    this.#rules = rules;
    this.#table = new UserTable(rules);
  }

  /** The verdict, or null if it takes a check that only the logins thread makes. */
  judge(request: LoginRequest): Verdict | null {
    if (this.#rules.isOperatorMode && request.server === undefined) return null;
    const checks = new AbsentChecks();
    const verdict = judgeByRules(this.#rules, this.#table, request, checks);
    return checks.wereAsked || verdict.kind === "needs callout" ? null : verdict;
  }
}

/** Notes that such a check was asked for. Its answers mean nothing: what is decided with them is thrown away. */
class AbsentChecks implements CredentialChecks {
  wereAsked = false;

  readonly verifySignature = (): boolean => this.#note();
  readonly compareHash = (): boolean => this.#note();

  #note(): false {
    this.wereAsked = true;
    return false;
  }
}
