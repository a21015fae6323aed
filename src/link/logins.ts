/** Judges the logins that take more than comparing texts. */
import type { LoginRequest, Verdict } from "../auth/login.ts";
import { decideLogin } from "../auth/login_flow.ts";
import { type JudgeTools, LoginJudge } from "../auth/login_judge.ts";
import { type LoginRules, needsHashComparison } from "../auth/login_rules.ts";
import { verifySignature } from "../auth/nkey.ts";
import { loadHashComparison } from "../auth/password.ts";
import type { OperatorMode } from "./operator_mode.ts";

export class Logins {
  readonly #operator: OperatorMode | null;
  #judge: Promise<LoginJudge>;

  constructor(rules: LoginRules, operator: OperatorMode | null) {
    this.#operator = operator;
    this.#judge = this.#createJudge(rules);
  }

  /** After a reload. Logins that wait are judged by what was in force when they came. */
  changeRules(rules: LoginRules): void {
    this.#judge = this.#createJudge(rules);
  }

  async judge(request: LoginRequest): Promise<Verdict> {
    return await decideLogin(await this.#judge, this.#operator ?? undefined, request);
  }

  async #createJudge(rules: LoginRules): Promise<LoginJudge> {
    const operator = this.#operator;
    const tools: JudgeTools = {
      verifySignature,
      compareHash: needsHashComparison(rules) ? await loadHashComparison() : () => false,
      nowMs: () => Date.now(),
      operatorMode:
        operator === null
          ? undefined
          : { trust: operator.trust, findAccount: (key) => operator.book.find(key) },
    };
    return new LoginJudge(rules, tools);
  }
}
