/** Whether the accounts of a configuration fit one another, found out where the configuration is read. */
import { AccountIds } from "../../account/account_ids.ts";
import {
  type AccountsOptions,
  type ConfiguredAccounts,
  configureAccounts,
  systemAccountOf,
} from "../../account/config_accounts.ts";
import { formatProblem } from "../../config/config_tree.ts";
import type { LoadResult } from "../../config/load.ts";
import type { Options } from "../../config/option_table.ts";
import { isOperatorMode } from "./operator_mode.ts";

/**
 * Checks a configuration that was read; refuses it, with the place of each problem, if its accounts do not fit
 * together.
 */
export function checkAccounts(loaded: LoadResult): LoadResult {
  if (!loaded.ok || !loaded.options.accounts.some(sharesSomething)) return loaded;
  const { options, places } = loaded;
  const { problems } = accountsOf(options, new AccountIds(systemAccountOf(options)));
  if (problems.length === 0) return loaded;
  const lines = problems.map(({ text, part }) =>
    formatProblem({ text, at: places.get(part) ?? places.get(options.accounts) }),
  );
  return { ok: false, lines: [...loaded.warnings, ...lines] };
}

function sharesSomething({ imports, exports }: Options["accounts"][number]): boolean {
  return imports.length > 0 || exports.length > 0;
}

/** The accounts of the configuration. With an operator accounts come from JWTs, the system account too. */
export function accountsOf(options: Options, ids: AccountIds): ConfiguredAccounts {
  const configured: AccountsOptions = isOperatorMode(options)
    ? { ...options, systemAccount: undefined, noSystemAccount: true }
    : options;
  return configureAccounts(configured, ids);
}
