import type { AccountTerms } from "../auth/account_terms.ts";
import type { AccountDefinition } from "./definition.ts";

/** What shards are to go by from now on, in operator mode, where accounts come, change and go. Plain data. */
export interface AccountsChange {
  /** New accounts, and those that are not what they were. */
  readonly changed: readonly AccountDefinition[];
  /** Ids of accounts that are gone. */
  readonly removed: readonly number[];
  /** For those who are logged in already. */
  readonly terms: readonly AccountTerms[];
}
