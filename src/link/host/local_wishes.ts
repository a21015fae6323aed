/**
 * What this server's own clients and services want, read from the journal of the shared index and told to the ledger: as it
 * is, and as what it amounts to in accounts whose streams are imported.
 */

import { SYSTEM_ACCOUNT_ID } from "../../account/definition.ts";
import { PRIVATE_SUBJECTS } from "../../account/system_services.ts";
import { grown } from "../../base/grown_array.ts";
import { EntryView } from "../../interest/entry_view.ts";
import type { InterestIndex } from "../../interest/interest_index.ts";
import type { InterestJournal } from "../../interest/journal.ts";
import { NODE_FAR } from "../../memory/map.ts";
import type { ShardAccounts } from "../../shard/accounts.ts";
import { bytesOf } from "../../subject/byte_string.ts";
import type { LinkCore } from "../core/link_core.ts";
import { type Shadow, StreamShadows } from "./stream_shadows.ts";

/** What one entry of the index was known to hold. */
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
const NO_SHADOWS: readonly Shadow[] = [];

export class LocalWishes {
  readonly #journal: InterestJournal;
  readonly #index: InterestIndex;
  readonly #node: number;
  readonly #accounts: ShardAccounts;
  readonly #core: Pick<LinkCore, "wantsHere" | "wantedAlready">;
  /**
   * By entry id: subjects that are wanted plainly and told in their own account alone, under its name; "" for all others. There
   * may be millions, and few others.
   */
  readonly #subjects: string[] = [];
  #accountIds = new Int32Array(1024);
  /** Everything else that somebody wants. */
  readonly #known = new Map<number, Known>();
  /** What accounts are called, by id; null where a subject may be told elsewhere, or not at all. */
  #names = new Map<number, string | null>();
  readonly #queueNames = new Map<number, string>();
  readonly #imports: StreamShadows;
  readonly #view = new EntryView();

  constructor(
    index: InterestIndex,
    node: number,
    accounts: ShardAccounts,
    core: Pick<LinkCore, "wantsHere" | "wantedAlready">,
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
    this.#core.wantedAlready(() => {
      for (let id = 0; id < this.#index.entryIdEnd; id++) this.#compare(id);
    });
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

  /** Accounts of these ids were defined anew, or are gone: streams that are imported, and accounts that have got a name. */
  accountsChanged(changed: ReadonlySet<number>): void {
    this.#renamePlain();
    for (const [entryId, known] of this.#known) {
      if (!changed.has(known.accountId)) continue;
      const places = this.#placesOf(known);
      if (places.account === known.account && StreamShadows.areSame(places.shadows, known.shadows)) continue;
      const anew = { ...known, ...places };
      this.#known.set(entryId, anew);
      // What is told in its own account goes on, unless that is called something else now.
      const own = anew.account === known.account ? { account: null } : {};
      this.#tell({ ...anew, ...own }, NOTHING, anew.groups);
      this.#tell({ ...known, ...own }, known.groups, NOTHING);
    }
  }

  /** Notes one by one what stands under names that accounts do not have any more. */
  #renamePlain(): void {
    const names = this.#names;
    this.#names = new Map();
    const renamed = new Set([...names.keys()].filter((id) => names.get(id) !== this.#nameOf(id)));
    if (renamed.size === 0) return;
    for (let id = 0; id < this.#subjects.length; id++) {
      const accountId = this.#accountIds[id]!;
      if (this.#subjects[id] === "" || !renamed.has(accountId)) continue;
      this.#known.set(id, this.#plainlyKnown(id, names.get(accountId)!));
      this.#subjects[id] = "";
    }
  }

  #compare(entryId: number): void {
    const view = this.#view;
    const isThere = this.#index.read(entryId, view);
    const known = this.#knownAt(entryId);
    const isSame = isThere && known?.accountId === view.accountId && known.subject === view.subject;
    if (known !== undefined && !isSame) this.#takeBack(entryId, known);
    if (!isThere) return;
    const before = isSame ? known.groups : NOTHING;
    if ((before === NOTHING || before === PLAINLY) && this.#isOwnPlain(view)) {
      this.#forget(entryId);
      this.#addPlain(entryId, view);
      return;
    }
    const found = this.#knownOf(view);
    this.#tell(found, before, found.groups);
    this.#forget(entryId);
    if (found.groups.size > 0) this.#known.set(entryId, found);
  }

  /**
   * What an entry was known to hold is no more. Ids are used again, and the journal has each where it changed first: the
   * subject may have moved to an entry that was looked at before, and what that one holds stays told.
   */
  #takeBack(entryId: number, { accountId, account, subject, groups, shadows }: Known): void {
    this.#forget(entryId);
    const bytes = bytesOf(subject);
    const moved = this.#knownAt(this.#index.find(accountId, bytes, 0, bytes.length));
    const isMoved = moved?.accountId === accountId && moved.subject === subject;
    const now = isMoved ? moved.groups : NOTHING;
    for (const [queue, weight] of groups) {
      if (!now.has(queue)) this.#want(account, subject, queue, 0);
      this.#imports.add(shadows, queue, -weight);
    }
  }

  #forget(entryId: number): void {
    if (entryId < this.#subjects.length) this.#subjects[entryId] = "";
    this.#known.delete(entryId);
  }

  #knownAt(entryId: number): Known | undefined {
    if ((this.#subjects[entryId] ?? "") === "") return this.#known.get(entryId);
    return this.#plainlyKnown(entryId, this.#names.get(this.#accountIds[entryId]!)!);
  }

  #plainlyKnown(entryId: number, account: string): Known {
    const accountId = this.#accountIds[entryId]!;
    return { accountId, subject: this.#subjects[entryId]!, groups: PLAINLY, account, shadows: NO_SHADOWS };
  }

  /** Whether an entry is wanted plainly, and told in its own account alone. */
  #isOwnPlain(view: EntryView): boolean {
    return view.memberCount === 0 && this.#isPlain(view) && this.#nameOf(view.accountId) !== null;
  }

  /** Tells of an entry of that kind, and notes it. */
  #addPlain(entryId: number, { accountId, subject }: EntryView): void {
    const subjects = this.#subjects;
    while (subjects.length <= entryId) subjects.push("");
    if (entryId >= this.#accountIds.length) this.#accountIds = grown(this.#accountIds, entryId + 1);
    subjects[entryId] = subject;
    this.#accountIds[entryId] = accountId;
    this.#want(this.#nameOf(accountId), subject, "", 1);
  }

  #isPlain(view: EntryView): boolean {
    return (view.plainNodes & ~(1 << this.#node) & ~(1 << NODE_FAR)) !== 0;
  }

  /** See `#names`. */
  #nameOf(accountId: number): string | null {
    let name = this.#names.get(accountId);
    if (name !== undefined) return name;
    const account = this.#accounts.byId(accountId);
    const isSimple = accountId !== SYSTEM_ACCOUNT_ID && account?.definition.streamImports.length === 0;
    name = isSimple ? account!.byteName : null;
    this.#names.set(accountId, name);
    return name;
  }

  #knownOf(view: EntryView): Known {
    const { accountId, subject } = view;
    const groups = this.#groupsOf(view);
    const { account, shadows } = this.#placesOf({ accountId, subject });
    return { accountId, subject, groups, account, shadows };
  }

  #groupsOf(view: EntryView): ReadonlyMap<string, number> {
    const few = this.#isPlain(view) ? PLAINLY : NOTHING;
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

  /**
   * Says what is different between two states of one subject. What is as it was is said as well, for another entry that had
   * the subject may have taken it back meanwhile; the ledger tells nobody anything twice.
   */
  #tell(
    { account, subject, shadows }: Known,
    before: ReadonlyMap<string, number>,
    after: ReadonlyMap<string, number>,
  ): void {
    for (const [queue, weight] of before) {
      if (after.has(queue)) continue;
      this.#want(account, subject, queue, 0);
      this.#imports.add(shadows, queue, -weight);
    }
    for (const [queue, weight] of after) {
      this.#want(account, subject, queue, weight);
      this.#imports.add(shadows, queue, weight - (before.get(queue) ?? 0));
    }
  }

  /** `account` null: it is not told in its own. */
  #want(account: string | null, subject: string, queue: string, weight: number): void {
    if (account !== null) this.#core.wantsHere("own", { account, subject, queue, origin: "" }, weight);
  }

  #placesOf({
    accountId,
    subject,
  }: Pick<Known, "accountId" | "subject">): Pick<Known, "account" | "shadows"> {
    const account = this.#accounts.byId(accountId);
    // What every server answers for itself alone.
    const isPrivate = accountId === SYSTEM_ACCOUNT_ID && PRIVATE_SUBJECTS.has(subject);
    const name = account === undefined || isPrivate ? null : account.byteName;
    return { account: name, shadows: StreamShadows.of(account, subject) };
  }
}
