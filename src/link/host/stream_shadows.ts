/**
 * Interest in imported streams, as interest in the accounts that export them: other servers publish there, and must
 * know of it. It is counted, because several local subjects may result in the same one.
 */
import { shadowSubject } from "../../account/shadow_interest.ts";
import type { ShardAccount } from "../../shard/accounts.ts";
import { byteStringOfText } from "../../subject/byte_string.ts";
import type { LinkCore } from "../core/link_core.ts";

export interface Shadow {
  readonly account: string;
  readonly subject: string;
}

const NONE: readonly Shadow[] = [];

export class StreamShadows {
  readonly #core: Pick<LinkCore, "wantsHere">;
  readonly #tag: string;
  /** The origin that routes are told: "" for this server's own interest, `_` for leaf nodes'. */
  readonly #origin: string;
  /** The total of members, by (account, subject, queue). */
  readonly #totals = new Map<string, number>();

  constructor(core: Pick<LinkCore, "wantsHere">, tag: string, origin: string) {
    this.#core = core;
    this.#tag = tag;
    this.#origin = origin;
  }

  /** The interest in streams of other accounts that an account's interest in a subject, a byte string, results in. */
  static of(account: ShardAccount | undefined, subject: string): readonly Shadow[] {
    const imports = account?.definition.streamImports ?? [];
    if (imports.length === 0) return NONE;
    return imports.flatMap((imported) => {
      const shadow = shadowSubject(imported, subject);
      return shadow === null ? [] : [{ account: byteStringOfText(imported.exporterName), subject: shadow }];
    });
  }

  static areSame(a: readonly Shadow[], b: readonly Shadow[]): boolean {
    return (
      a.length === b.length &&
      a.every(({ account, subject }, i) => b[i]!.account === account && b[i]!.subject === subject)
    );
  }

  /** Adds `more` members; a negative number removes some. */
  add(shadows: readonly Shadow[], queue: string, more: number): void {
    if (more === 0) return;
    for (const { account, subject } of shadows) {
      const name = `${account} ${subject} ${queue}`;
      const total = (this.#totals.get(name) ?? 0) + more;
      if (total === 0) this.#totals.delete(name);
      else this.#totals.set(name, total);
      const weight = queue === "" ? Math.min(total, 1) : total;
      this.#core.wantsHere(this.#tag, { account, subject, queue, origin: this.#origin }, weight);
    }
  }
}
