/**
 * What this server's own clients and services want, read from the journal of the shared index and told to the ledger: as it
 * is, and as what it amounts to in accounts whose streams are imported.
 */
import { EntryView } from "../../interest/entry_view.ts";
import type { InterestIndex } from "../../interest/interest_index.ts";
import type { InterestJournal } from "../../interest/journal.ts";
import { NODE_FAR } from "../../memory/map.ts";
import type { ShardAccounts } from "../../shard/accounts.ts";
import type { LinkCore } from "../core/link_core.ts";
import { type Shadow, StreamShadows } from "./stream_shadows.ts";

/** What one entry of the index was known to hold. There may be millions, nearly all of them wanted plainly and in one place. */
interface Known {
  readonly accountId: number;
  readonly subject: string;
  /** Members by queue group, "" for plain interest (1). */
  readonly groups: ReadonlyMap<string, number>;
  /** What its account is called; null for one that is not defined. */
  readonly account: string | null;
  /** Where it is told besides: in accounts whose streams it meets. */
  readonly shadows: readonly Shadow[];
}

const NOTHING: ReadonlyMap<string, number> = new Map();
const PLAINLY: ReadonlyMap<string, number> = new Map([["", 1]]);

export class LocalWishes {
  readonly #journal: InterestJournal;
  readonly #index: InterestIndex;
  readonly #node: number;
  readonly #accounts: ShardAccounts;
  readonly #core: Pick<LinkCore, "wantsHere">;
  readonly #known = new Map<number, Known>();
  readonly #queueNames = new Map<number, string>();
  readonly #imports: StreamShadows;
  readonly #view = new EntryView();

  constructor(
    index: InterestIndex,
    node: number,
    accounts: ShardAccounts,
    core: Pick<LinkCore, "wantsHere">,
  ) {
    this.#journal = index.journal!;
    this.#index = index;
    this.#node = node;
    this.#accounts = accounts;
    this.#core = core;
    this.#imports = new StreamShadows(core, "imports", "");
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
      const anew = { ...known, ...this.#placesOf(known) };
      if (anew.account === known.account && StreamShadows.areSame(anew.shadows, known.shadows)) continue;
      this.#known.set(entryId, anew);
      // What is told in its own account goes on, unless that is called something else now.
      const own = anew.account === known.account ? { account: null } : {};
      this.#tell({ ...anew, ...own }, NOTHING, anew.groups);
      this.#tell({ ...known, ...own }, known.groups, NOTHING);
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
    const { accountId, subject } = view;
    const groups = this.#groupsOf(view);
    return { accountId, subject, groups, ...this.#placesOf({ accountId, subject }) };
  }

  #groupsOf(view: EntryView): ReadonlyMap<string, number> {
    const isPlain = (view.plainNodes & ~(1 << this.#node) & ~(1 << NODE_FAR)) !== 0;
    const few = isPlain ? PLAINLY : NOTHING;
    if (view.memberCount === 0) return few;
    const groups = new Map(few);
    for (let i = 0; i < view.memberCount; i++) {
      const node = view.nodes[i]!;
      if (node === this.#node || node === NODE_FAR) continue;
      const queue = view.queues[i]!;
      this.#queueNames.set(view.queueIds[i]!, queue);
      groups.set(queue, (groups.get(queue) ?? 0) + view.members[i]!);
    }
    return groups;
  }

  /** Says what is different between two states of one subject. */
  #tell(known: Known, before: ReadonlyMap<string, number>, after: ReadonlyMap<string, number>): void {
    if (before === after) return;
    for (const [queue, weight] of before) if (!after.has(queue)) this.#tellGroup(known, queue, 0, -weight);
    for (const [queue, weight] of after)
      this.#tellGroup(known, queue, weight, weight - (before.get(queue) ?? 0));
  }

  /** `more`: by how much the members have become more than they were. */
  #tellGroup({ account, subject, shadows }: Known, queue: string, weight: number, more: number): void {
    if (more === 0) return;
    if (account !== null) this.#core.wantsHere("own", { account, subject, queue, origin: "" }, weight);
    this.#imports.add(shadows, queue, more);
  }

  #placesOf({
    accountId,
    subject,
  }: Pick<Known, "accountId" | "subject">): Pick<Known, "account" | "shadows"> {
    const account = this.#accounts.byId(accountId);
    return { account: account?.byteName ?? null, shadows: StreamShadows.of(account, subject) };
  }
}
