/**
 * The table by which the engine knows the accounts that links name in their messages. It holds each name it was last
 * asked for in one of its slots; two names of one slot push each other out, and are asked for again.
 */

import { assert } from "../base/assert.ts";
import type { Engine } from "../engine/engine.ts";
import {
  ACCOUNT_NAME_ID,
  ACCOUNT_NAME_LENGTH,
  ACCOUNT_NAME_LENGTH_MAX,
  ACCOUNT_NAME_SHIFT,
  ACCOUNT_NAME_SLOTS,
  ACCOUNT_NAME_TEXT,
  CONTEXT_ACCOUNTS,
} from "../memory/layout.ts";
import type { SharedMemory } from "../memory/shared_memory.ts";

export class AccountNames {
  readonly #words: Int32Array;
  readonly #bytes: Uint8Array;
  readonly #engine: Engine;
  readonly #table: number;

  constructor(shared: SharedMemory, engine: Engine, node: number) {
    this.#words = shared.words;
    this.#bytes = shared.bytes;
    this.#engine = engine;
    this.#table = shared.map.area(node).accountNames;
    this.clear();
  }

  /** After REASON_ACCOUNT: the name at `address` in the shared memory, of `length` bytes, is that of account `id`. */
  set(address: number, length: number, id: number): void {
    assert(length > 0 && length <= ACCOUNT_NAME_LENGTH_MAX, "an account name of the engine's fits its slot");
    assert(id >= 0 && id < CONTEXT_ACCOUNTS, "account ids leave room for the other bits of a context");
    const index = this.#engine.hash(address, length) & (ACCOUNT_NAME_SLOTS - 1);
    const slot = this.#table + (index << ACCOUNT_NAME_SHIFT);
    this.#words[(slot + ACCOUNT_NAME_LENGTH) >> 2] = length;
    this.#words[(slot + ACCOUNT_NAME_ID) >> 2] = id;
    this.#bytes.copyWithin(slot + ACCOUNT_NAME_TEXT, address, address + length);
  }

  /** Accounts have come, gone or changed: every name is asked for again. */
  clear(): void {
    const end = this.#table + (ACCOUNT_NAME_SLOTS << ACCOUNT_NAME_SHIFT);
    this.#words.fill(0, this.#table >> 2, end >> 2);
  }
}
