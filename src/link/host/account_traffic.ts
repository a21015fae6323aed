/**
 * Counts the messages of each account that cross routes and gateways. Leaf links are not counted here: each is in one
 * account and has counters of its own.
 */
import {
  LINK_COUNTERS_BYTES,
  LINK_COUNTERS_IN,
  LINK_COUNTERS_OF_GATEWAYS,
  LINK_COUNTERS_OUT,
} from "../../memory/layout.ts";
import { counterValue, countMessage } from "../../memory/shared_memory.ts";
import type { ShardContext } from "../../shard/context.ts";
import type { LinkTraffic } from "../../shard/links/link_records.ts";
import { textOf } from "../../subject/byte_string.ts";
import type { LinkKind } from "../core/link.ts";

/** LINK_COUNTERS_IN or LINK_COUNTERS_OUT. */
type Direction = typeof LINK_COUNTERS_IN | typeof LINK_COUNTERS_OUT;

const COUNTER_BYTES = 8;

export class AccountTraffic {
  readonly #shard: Pick<ShardContext, "shared" | "node" | "accounts">;

  constructor(shard: Pick<ShardContext, "shared" | "node" | "accounts">) {
    this.#shard = shard;
  }

  /**
   * The address of the counters for an account's messages over links of one kind; 0 for leaf links, which are not
   * counted here.
   */
  addressOf(account: number, kind: LinkKind, direction: Direction): number {
    if (kind === "leaf") return 0;
    const { shared, node } = this.#shard;
    const ofAccount = shared.map.area(node).linkCounters + account * LINK_COUNTERS_BYTES;
    return ofAccount + direction + (kind === "gateway" ? LINK_COUNTERS_OF_GATEWAYS : 0);
  }

  /** Counts a message that the engine did not handle. */
  count(accountName: string, kind: LinkKind, direction: Direction, bytes: number): void {
    if (kind === "leaf") return;
    const account = this.#shard.accounts.byName(textOf(accountName));
    if (account === undefined) return;
    countMessage(this.#shard.shared.words, this.addressOf(account.id, kind, direction), bytes);
  }

  of(account: number, kind: "route" | "gateway"): LinkTraffic {
    const { words } = this.#shard.shared;
    const inward = this.addressOf(account, kind, LINK_COUNTERS_IN);
    const outward = this.addressOf(account, kind, LINK_COUNTERS_OUT);
    return {
      inMessages: counterValue(words, inward),
      inBytes: counterValue(words, inward + COUNTER_BYTES),
      outMessages: counterValue(words, outward),
      outBytes: counterValue(words, outward + COUNTER_BYTES),
    };
  }
}
