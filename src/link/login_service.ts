/** Judges the logins that take more than comparing texts, one after the other. */
import type { LoginRequest, Verdict } from "../auth/login.ts";
import { type JudgeTools, LoginJudge } from "../auth/login_judge.ts";
import { type LoginRules, needsHashComparison } from "../auth/login_rules.ts";
import { verifySignature } from "../auth/nkey.ts";
import { loadHashComparison } from "../auth/password.ts";

export class LoginService {
  #judge: Promise<LoginJudge>;

  constructor(rules: LoginRules) {
    this.#judge = createJudge(rules);
  }

  /** After a reload. Logins that wait are judged by what was in force when they came. */
  changeRules(rules: LoginRules): void {
    this.#judge = createJudge(rules);
  }

  async judge(request: LoginRequest): Promise<Verdict> {
    return (await this.#judge).judge(request);
  }
}

async function createJudge(rules: LoginRules): Promise<LoginJudge> {
  const compareHash = needsHashComparison(rules) ? await loadHashComparison() : () => false;
  const tools: JudgeTools = {
    verifySignature,
    compareHash,
    nowMs: () => Date.now(),
    operatorMode: undefined,
  };
  return new LoginJudge(rules, tools);
}

/** Whether shards cannot judge every login by themselves. */
export function needsLoginService(rules: LoginRules): boolean {
  return (
    rules.isOperatorMode ||
    rules.nkeys.length > 0 ||
    rules.trustedProxies.length > 0 ||
    rules.callout !== null ||
    needsHashComparison(rules)
  );
}
