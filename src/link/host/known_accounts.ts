/**
 * The accounts of this server as links call them, and what they want of other servers that no subscription stands for.
 * Cold: when accounts change, and once per message that is not the engine's.
 */
import { leafnodesElsewhereWord } from "../../memory/map.ts";
import type { LinkShard } from "../../shard/links/link_host.ts";
import { byteStringOfText } from "../../subject/byte_string.ts";
import type { InterestKey } from "../core/link.ts";
import type { LinkCore } from "../core/link_core.ts";
import type { LeafAccount } from "../leaf/leaf_context.ts";

/** Empty before the first refresh(), which comes once there are links: no message is for any of them until then. */
export class KnownAccounts {
  readonly #shard: LinkShard;
  /** By id. */
  #names: ReadonlyMap<number, string> = new Map();
  /** Answers to services that are waited for, as interest of the accounts that offer them. */
  #serviceReplies: ReadonlyMap<string, InterestKey> = new Map();

  constructor(shard: LinkShard) {
    this.#shard = shard;
  }

  nameOf(id: number): string | undefined {
    return this.#names.get(id);
  }

  names(): Iterable<string> {
    return this.#names.values();
  }

  /** Accounts were defined anew: returns the names of those that there were not before, and of those that are no more. */
  refresh(): { readonly come: readonly string[]; readonly gone: readonly string[] } {
    const before = this.#names;
    const now = new Map(Array.from(this.#shard.accounts.all(), ({ id, byteName }) => [id, byteName]));
    this.#names = now;
    return { come: namesBeside(now, before), gone: namesBeside(before, now) };
  }

  /** Answers to requests of this server's accounts come from wherever the service is. */
  announceReplies(core: Pick<LinkCore, "wantsHere">): void {
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
    for (const [account, key] of this.#serviceReplies)
      if (!replies.has(account)) core.wantsHere("answers", key, 0);
    for (const key of replies.values()) core.wantsHere("answers", key, 1);
    this.#serviceReplies = replies;
  }

  /** What leaf links go by in an account. */
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

/** The names of those that are not among the others. */
function namesBeside(accounts: ReadonlyMap<number, string>, others: ReadonlyMap<number, string>): string[] {
  return [...accounts].filter(([id]) => !others.has(id)).map(([, name]) => name);
}
