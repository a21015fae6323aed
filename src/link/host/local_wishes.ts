/**
 * Reads from the journal of the shared index what this server's own clients and services want, and tells the ledger.
 * Interest in imported streams is also told as interest in the accounts that export them.
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

/** The last known contents of one entry of the index. */
interface Known {
  readonly accountId: number;
  readonly subject: string;
  /** Members by queue group; "" with 1 for plain interest. */
  readonly groups: ReadonlyMap<string, number>;
  /** The name under which it is told in its own account; null if it is not told there. */
  readonly account: string | null;
  /** Where it is told in addition: in accounts whose streams it matches. */
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
   * By entry id: subjects with plain interest only, told only in their own account and under its name; "" for all other
   * entries. There may be millions of these, and only a few others.
   */
  readonly #subjects: string[] = [];
  #accountIds = new Int32Array(1024);
  /** All other entries that somebody wants. */
  readonly #known = new Map<number, Known>();
  /** The names of accounts, by id; null if a subject may have to be told elsewhere or not at all. */
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

  /** Tells all current interest. From then on read() tells what changes. */
  start(): void {
    this.#journal.enable(this.#node);
    this.#core.wantedAlready(() => {
      for (let id = 0; id < this.#index.entryIdEnd; id++) this.#compare(id);
    });
  }

  get hasNews(): boolean {
    return !this.#journal.isEmpty;
  }

  /** Tells everything that has changed since the last call. Every turn asks, so without news it allocates nothing. */
  read(): void {
    if (!this.hasNews) return;
    this.#journal.take((entryId) => this.#compare(entryId));
  }

  /** The name of a queue group that somebody here is a member of. */
  queueName(queueId: number): string | undefined {
    return this.#queueNames.get(queueId);
  }

  /**
   * The accounts with these ids were defined again or are gone. Tells what changes because of imported streams, or
   * because an account now has a name.
   */
  accountsChanged(changed: ReadonlySet<number>): void {
    this.#renamePlain();
    for (const [entryId, known] of this.#known) {
      if (!changed.has(known.accountId)) continue;
      const places = this.#placesOf(known);
      if (places.account === known.account && StreamShadows.areSame(places.shadows, known.shadows)) continue;
      const anew = { ...known, ...places };
      this.#known.set(entryId, anew);
      // Interest in its own account stays told, unless that account has another name now.
      const own = anew.account === known.account ? { account: null } : {};
      this.#tell({ ...anew, ...own }, NOTHING, anew.groups);
      this.#tell({ ...known, ...own }, known.groups, NOTHING);
    }
  }

  /** Moves subjects of accounts whose names have changed from `#subjects` to `#known`. */
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
   * The known contents of an entry are gone. Ids are used again, and the journal lists each id where it changed first.
   * So the subject may have moved to an entry that was looked at before; what that one holds stays told.
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

  /** Whether an entry has plain interest only, and is told only in its own account. */
  #isOwnPlain(view: EntryView): boolean {
    return view.memberCount === 0 && this.#isPlain(view) && this.#nameOf(view.accountId) !== null;
  }

  /** Tells and notes an entry of that kind. */
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
   * Tells the difference between two states of one subject. What has not changed is told as well, because another entry
   * that had the subject may have taken it back meanwhile; the ledger tells nobody anything twice.
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

  /** Sets interest in its own account; `account` null means that it is not told there. */
  #want(account: string | null, subject: string, queue: string, weight: number): void {
    if (account !== null) this.#core.wantsHere("own", { account, subject, queue, origin: "" }, weight);
  }

  #placesOf({
    accountId,
    subject,
  }: Pick<Known, "accountId" | "subject">): Pick<Known, "account" | "shadows"> {
    const account = this.#accounts.byId(accountId);
    // Every server answers these subjects for itself alone.
    const isPrivate = accountId === SYSTEM_ACCOUNT_ID && PRIVATE_SUBJECTS.has(subject);
    const name = account === undefined || isPrivate ? null : account.byteName;
    return { account: name, shadows: StreamShadows.of(account, subject) };
  }
}
