import { GLOBAL_ACCOUNT } from "../config/account_names.ts";
import { GLOBAL_ACCOUNT_ID, SYSTEM_ACCOUNT_ID } from "./definition.ts";

/**
 * The numbers by which accounts are known to shards and to the interest index. An account keeps its number for as long
 * as the process lives, because messages and interest under it may still be under way when it goes.
 */
export class AccountIds {
  readonly #ids = new Map<string, number>([[GLOBAL_ACCOUNT, GLOBAL_ACCOUNT_ID]]);
  #next = SYSTEM_ACCOUNT_ID + 1;

  /** `systemAccount` is undefined if there is none. */
  constructor(systemAccount: string | undefined) {
    if (systemAccount !== undefined && systemAccount !== GLOBAL_ACCOUNT)
      this.#ids.set(systemAccount, SYSTEM_ACCOUNT_ID);
  }

  /** The number of an account, a new one if it is not known yet. */
  of(name: string): number {
    const known = this.#ids.get(name);
    if (known !== undefined) return known;
    const id = this.#next++;
    this.#ids.set(name, id);
    return id;
  }
}
