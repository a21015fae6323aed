/** What options mean where that takes more than reading them: accounts with their imports, and who may log in. */
import { AccountIds } from "../account/account_ids.ts";
import { configureAccounts, systemAccountOf } from "../account/config_accounts.ts";
import { compileLoginRules } from "../auth/login_rules.ts";
import type { Options } from "../config/option_table.ts";
import { isOperatorMode } from "./operator_mode.ts";
import type { ResolvedOptions } from "./shard_settings.ts";

const AUTOMATIC_USER_CHARACTERS = 8;

export type Resolution =
  | { readonly ok: true; readonly resolved: ResolvedOptions }
  | { readonly ok: false; readonly problem: string };

/** One for a server's life: what a reload must not change is remembered here. */
export class OptionResolver {
  readonly #ids: AccountIds;
  readonly #automaticUser = `nats-${crypto.randomUUID().slice(0, AUTOMATIC_USER_CHARACTERS)}`;
  readonly #replySecret = [...crypto.getRandomValues(new Uint32Array(8))];

  readonly #serverHash: string;

  /** `serverHash` names the server in subjects (`account/reply_subject.ts`). */
  constructor(options: Options, serverHash: string) {
    this.#serverHash = serverHash;
    this.#ids = new AccountIds(systemAccountOf(options));
  }

  resolve(options: Options): Resolution {
    const { definitions, exports, problems } = configureAccounts(
      // With an operator, accounts come from JWTs, the system account too.
      isOperatorMode(options) ? { ...options, systemAccount: undefined, noSystemAccount: true } : options,
      this.#ids,
    );
    if (problems.length > 0) return { ok: false, problem: problems[0]! };
    const rules = compileLoginRules(options, this.#automaticUser);
    return {
      ok: true,
      resolved: {
        rules,
        accounts: definitions,
        exports,
        replySecret: this.#replySecret,
        serverHash: this.#serverHash,
      },
    };
  }
}
