import { DEFAULT_SYSTEM_ACCOUNT, GLOBAL_ACCOUNT } from "../config/account_names.ts";
import type { Options } from "../config/option_table.ts";
import type { GrantTarget } from "./jwt_login.ts";

/** The accounts of the configuration, by name, that an auth callout service may put users into. */
export function compileCalloutTargets({
  accounts,
  systemAccount,
  noSystemAccount,
}: Options): ReadonlyMap<string, GrantTarget> {
  const builtIn = [GLOBAL_ACCOUNT, ...(noSystemAccount ? [] : [systemAccount || DEFAULT_SYSTEM_ACCOUNT])];
  const targets = new Map<string, GrantTarget>();
  for (const account of builtIn)
    targets.set(account, { account, accountNameTag: "", defaultPermissions: null });
  for (const { name, defaultPermissions = null } of accounts) {
    targets.set(name, { account: name, accountNameTag: "", defaultPermissions });
  }
  return targets;
}
