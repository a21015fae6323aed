/** Works out options that take more than reading: accounts with their imports, and who may log in. */
import { AccountIds } from "../../account/account_ids.ts";
import { importsService } from "../../account/applied_imports.ts";
import { systemAccountOf } from "../../account/config_accounts.ts";
import { compileCalloutTargets } from "../../auth/callout_targets.ts";
import { compileLoginRules } from "../../auth/login_rules.ts";
import { AUTH_CALLOUT_SUBJECT } from "../../auth/verdict.ts";
import type { Options } from "../../config/option_table.ts";
import { accountsOf } from "./load_accounts.ts";
import type { ResolvedOptions } from "./shard_settings.ts";

const AUTOMATIC_USER_CHARACTERS = 8;

export type Resolution =
  | { readonly ok: true; readonly resolved: ResolvedOptions }
  | { readonly ok: false; readonly problem: string };

/** There is one for the life of a server, because it remembers what a reload must not change. */
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
    const { definitions, exports, problems } = accountsOf(options, this.#ids);
    if (problems[0] !== undefined) return { ok: false, problem: problems[0].text };
    const rules = compileLoginRules(options, this.#automaticUser);
    const { callout } = rules;
    const asked = definitions.find(({ name }) => name === callout?.account);
    return {
      ok: true,
      resolved: {
        rules,
        accounts: definitions,
        exports,
        calloutAccounts: callout && {
          askedId: asked?.id,
          importsService: asked !== undefined && importsService(asked, AUTH_CALLOUT_SUBJECT),
          targets: compileCalloutTargets(options),
          limited: new Map(
            definitions
              .filter(({ limits }) => limits.maxConnections >= 0)
              .map(({ id, name, limits: { maxConnections } }) => [name, { id, maxConnections }]),
          ),
        },
        replySecret: this.#replySecret,
        serverHash: this.#serverHash,
      },
    };
  }
}
