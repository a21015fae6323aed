/**
 * What this server's own clients and services want, read from the journal of the shared index and told to the ledger: as it
 * is, and as what it amounts to in accounts whose streams are imported.
 */
import { shadowSubject } from "../../account/shadow_interest.ts";
import { EntryView } from "../../interest/entry_view.ts";
import type { InterestIndex } from "../../interest/interest_index.ts";
import type { InterestJournal } from "../../interest/journal.ts";
import { NODE_FAR } from "../../memory/map.ts";
import type { ShardAccounts } from "../../shard/accounts.ts";
import { byteStringOfText } from "../../subject/byte_string.ts";
import type { InterestKey } from "../core/link.ts";
import type { LinkCore } from "../core/link_core.ts";

/** What one entry of the index was known to hold. */
interface Known {
  readonly accountId: number;
  readonly subject: string;
  /** Members by queue group, "" for plain interest (1). */
  readonly groups: ReadonlyMap<string, number>;
  /** Where it is told: in its account, and in those whose streams it meets. */
  readonly places: readonly Place[];
}

interface Place {
  readonly account: string;
  readonly subject: string;
  readonly isImport: boolean;
}

const NOTHING: ReadonlyMap<string, number> = new Map();

export class LocalWishes {
  readonly #journal: InterestJournal;
  readonly #index: InterestIndex;
  readonly #node: number;
  readonly #accounts: ShardAccounts;
  readonly #core: LinkCore;
  readonly #known = new Map<number, Known>();
  readonly #queueNames = new Map<number, string>();
  /** Members of this server that a stream import makes of exporters' subjects, by (account, subject, queue). */
  readonly #imported = new Map<string, number>();
  readonly #view = new EntryView();

  constructor(index: InterestIndex, node: number, accounts: ShardAccounts, core: LinkCore) {
    this.#journal = index.journal!;
    this.#index = index;
    this.#node = node;
    this.#accounts = accounts;
    this.#core = core;
  }

  /** Tells of everything there is; from then on read() tells what changes. */
  start(): void {
    this.#journal.enable(this.#node);
    for (let id = 0; id < this.#index.entryIdEnd; id++) this.#compare(id);
  }

  get hasNews(): boolean {
    return !this.#journal.isEmpty;
  }

  /** Tells of everything that changed since the last call. */
  read(): void {
    this.#journal.take((entryId) => this.#compare(entryId));
  }

  /** The name of a queue group that somebody here is a member of. */
  queueName(queueId: number): string | undefined {
    return this.#queueNames.get(queueId);
  }

  /** Accounts were defined anew: streams that are imported, and accounts that have got a name. */
  accountsChanged(): void {
    for (const [entryId, known] of this.#known) {
      const places = this.#placesOf(known);
      if (JSON.stringify(places) === JSON.stringify(known.places)) continue;
      const anew = { ...known, places };
      this.#known.set(entryId, anew);
      this.#tell(anew, NOTHING, anew.groups);
      this.#tell(known, known.groups, NOTHING);
    }
  }

  #compare(entryId: number): void {
    const known = this.#known.get(entryId);
    const found = this.#index.read(entryId, this.#view) ? this.#knownOf(this.#view) : undefined;
    const isSame = known?.accountId === found?.accountId && known?.subject === found?.subject;
    if (known !== undefined && !isSame) this.#tell(known, known.groups, NOTHING);
    if (found === undefined || found.groups.size === 0) {
      if (isSame && known !== undefined) this.#tell(known, known.groups, NOTHING);
      this.#known.delete(entryId);
      return;
    }
    const before = isSame && known !== undefined ? known.groups : NOTHING;
    this.#tell(found, before, found.groups);
    this.#known.set(entryId, found);
  }

  #knownOf(view: EntryView): Known {
    const { accountId, subject, plainNodes } = view;
    const groups = new Map<string, number>();
    if ((plainNodes & ~(1 << this.#node) & ~(1 << NODE_FAR)) !== 0) groups.set("", 1);
    for (let i = 0; i < view.memberCount; i++) {
      const node = view.nodes[i]!;
      if (node === this.#node || node === NODE_FAR) continue;
      const queue = view.queues[i]!;
      this.#queueNames.set(view.queueIds[i]!, queue);
      groups.set(queue, (groups.get(queue) ?? 0) + view.members[i]!);
    }
    return { accountId, subject, groups, places: this.#placesOf({ accountId, subject }) };
  }

  /** Says what is different between two states of one subject. */
  #tell({ places }: Known, before: ReadonlyMap<string, number>, after: ReadonlyMap<string, number>): void {
    for (const queue of new Set([...before.keys(), ...after.keys()])) {
      const weight = after.get(queue) ?? 0;
      const more = weight - (before.get(queue) ?? 0);
      if (more === 0) continue;
      for (const { account, subject, isImport } of places) {
        const key = { account, subject, queue, origin: "" };
        if (isImport) this.#core.wantsHere("imports", key, this.#count(key, more));
        else this.#core.wantsHere("own", key, weight);
      }
    }
  }

  /** How many want something through imports, of all local subjects that amount to it. */
  #count({ account, subject, queue }: InterestKey, more: number): number {
    const name = `${account} ${subject} ${queue}`;
    const total = (this.#imported.get(name) ?? 0) + more;
    if (total === 0) this.#imported.delete(name);
    else this.#imported.set(name, total);
    return queue === "" ? Math.min(total, 1) : total;
  }

  #placesOf({ accountId, subject }: { readonly accountId: number; readonly subject: string }): Place[] {
    const account = this.#accounts.byId(accountId);
    if (account === undefined) return [];
    const places: Place[] = [{ account: byteStringOfText(account.name), subject, isImport: false }];
    for (const imported of account.definition.streamImports) {
      const shadow = shadowSubject(imported, subject);
      if (shadow === null) continue;
      places.push({ account: byteStringOfText(imported.exporterName), subject: shadow, isImport: true });
    }
    return places;
  }
}
