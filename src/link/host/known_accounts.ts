/**
 * The accounts of this server by the names that links use, and the interest they have on other servers that is not from
 * a subscription. Cold: used when accounts change, and once for each message that the engine leaves to the host.
 */
import { leafnodesElsewhereWord } from "../../memory/map.ts";
import type { ShardAccount } from "../../shard/accounts.ts";
import type { LinkShard } from "../../shard/links/link_host.ts";
import { byteStringOfText } from "../../subject/byte_string.ts";
import type { InterestKey } from "../core/link.ts";
import type { LinkCore } from "../core/link_core.ts";
import type { LeafAccount } from "../leaf/leaf_context.ts";

export interface AccountNews {
  /** The accounts that are new, and those that are gone. */
  readonly come: readonly ShardAccount[];
  readonly gone: readonly ShardAccount[];
  /** The accounts whose definition has changed, including new ones. */
  readonly changed: readonly ShardAccount[];
}

/**
 * Empty before the first refresh(), which happens once there are links. No message concerns any account before that.
 */
export class KnownAccounts {
  readonly #shard: LinkShard;
  /** The accounts by id, as of the last refresh(). */
  #accounts: ReadonlyMap<number, ShardAccount> = new Map();
  /** The answers that requestors of this server wait for, as interest in the accounts that export the services. */
  #serviceReplies: ReadonlyMap<string, InterestKey> = new Map();

  constructor(shard: LinkShard) {
    this.#shard = shard;
  }

  nameOf(id: number): string | undefined {
    return this.#accounts.get(id)?.byteName;
  }

  /** Some accounts were defined again. In operator mode they come one at a time, by the thousand. */
  refresh(): AccountNews {
    const before = this.#accounts;
    const now = new Map(Array.from(this.#shard.accounts.all(), (account) => [account.id, account]));
    this.#accounts = now;
    const all = [...now.values()];
    return {
      come: all.filter(({ id }) => !before.has(id)),
      gone: [...before.values()].filter(({ id }) => !now.has(id)),
      changed: all.filter((account) => before.get(account.id) !== account),
    };
  }

  /**
   * Announces interest in answers to requests of this server's accounts, which come from wherever the service is.
   * Returns the names of the accounts whose interest in answers has changed.
   */
  announceReplies(core: Pick<LinkCore, "wantsHere">): string[] {
    const replies = new Map<string, InterestKey>();
    for (const { definition } of this.#shard.accounts.all()) {
      for (const { exporter } of definition.serviceImports) {
        const account = this.nameOf(exporter);
        if (account === undefined) continue;
        replies.set(account, {
          account,
          subject: this.#shard.replySubjects.patternOf(exporter),
          queue: "",
          origin: "",
        });
      }
    }
    const before = this.#serviceReplies;
    this.#serviceReplies = replies;
    const gone = [...before.keys()].filter((account) => !replies.has(account));
    const come = [...replies.keys()].filter((account) => !before.has(account));
    for (const account of gone) core.wantsHere("answers", before.get(account)!, 0);
    for (const account of come) core.wantsHere("answers", replies.get(account)!, 1);
    return [...gone, ...come];
  }

  /** What leaf links need to know of an account. */
  leafAccount(name: string): LeafAccount | undefined {
    const account = this.#shard.accounts.byByteName(name);
    if (account === undefined) return undefined;
    const { definition } = account;
    const { limits, serviceImports, mappings } = definition;
    const { words, map } = this.#shard.shared;
    const wanted = [...serviceImports.map(({ local }) => local), ...mappings.map(({ source }) => source)];
    const answers = this.#serviceReplies.get(name);
    return {
      label: definition.name,
      isSystem: definition.isSystem,
      leafsMax: limits.maxLeafnodes,
      leafsElsewhere: Atomics.load(words, leafnodesElsewhereWord(map, account.id)),
      payloadBytesMax: limits.maxPayloadBytes,
      subscriptionsMax: limits.maxSubscriptions,
      alwaysWanted: [...wanted.map(byteStringOfText), ...(answers === undefined ? [] : [answers.subject])],
    };
  }
}
