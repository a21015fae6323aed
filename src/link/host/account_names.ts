/** The table in which the engine looks up the accounts that links name: one slot for each hash. */
import {
  ACCOUNT_NAME_BYTES,
  ACCOUNT_NAME_ID,
  ACCOUNT_NAME_LENGTH,
  ACCOUNT_NAME_SLOTS,
  ACCOUNT_NAME_TEXT,
  AREA_ACCOUNT,
  AREA_ACCOUNT_LENGTH,
  AREA_ACCOUNT_NAMES,
} from "../../memory/layout.ts";
import type { ShardContext } from "../../shard/context.ts";
import { byteStringOf } from "../../subject/byte_string.ts";

export class AccountNames {
  readonly #shard: ShardContext;
  readonly #area: number;

  constructor(shard: ShardContext) {
    this.#shard = shard;
    this.#area = shard.shared.map.area(shard.node).area >> 2;
  }

  /** Enters the name that the engine asked for. Returns false if no account has it. */
  learn(): boolean {
    const { shared, engine, accounts } = this.#shard;
    const { words, bytes } = shared;
    const start = this.#word(AREA_ACCOUNT);
    const length = this.#word(AREA_ACCOUNT_LENGTH);
    const account = accounts.byByteName(byteStringOf(bytes, start, start + length));
    if (account === undefined) return false;
    const index = engine.hash(start, length) & (ACCOUNT_NAME_SLOTS - 1);
    const slot = this.#word(AREA_ACCOUNT_NAMES) + index * ACCOUNT_NAME_BYTES;
    bytes.copyWithin(slot + ACCOUNT_NAME_TEXT, start, start + length);
    words[(slot + ACCOUNT_NAME_ID) >> 2] = account.id;
    words[(slot + ACCOUNT_NAME_LENGTH) >> 2] = length;
    return true;
  }

  /** Accounts have changed. Empties the table, so that the engine asks for every name again. */
  forgetAll(): void {
    const { words } = this.#shard.shared;
    const table = this.#word(AREA_ACCOUNT_NAMES) >> 2;
    words.fill(0, table, table + ((ACCOUNT_NAME_SLOTS * ACCOUNT_NAME_BYTES) >> 2));
  }

  #word(offset: number): number {
    return this.#shard.shared.words[this.#area + (offset >> 2)]!;
  }
}
