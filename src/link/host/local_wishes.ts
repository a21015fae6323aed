/**
 * What this server's own clients and services want, read from the journal of the shared index and told to the ledger: as it
 * is, and as what it amounts to in accounts whose streams are imported.
 */
import { SYSTEM_ACCOUNT_ID } from "../../account/definition.ts";
import { PRIVATE_SUBJECTS } from "../../account/system_services.ts";
import { EntryView } from "../../interest/entry_view.ts";
import type { InterestIndex } from "../../interest/interest_index.ts";
import type { InterestJournal } from "../../interest/journal.ts";
import { NODE_FAR } from "../../memory/map.ts";
import type { ShardAccounts } from "../../shard/accounts.ts";
import { byteStringOfText } from "../../subject/byte_string.ts";
import type { LinkCore } from "../core/link_core.ts";
import { type Shadow, StreamShadows } from "./stream_shadows.ts";

/** What one entry of the index was known to hold. */
interface Known {
  readonly accountId: number;
  readonly subject: string;
  /** Members by queue group, "" for plain interest (1). */
  readonly groups: ReadonlyMap<string, number>;
  /** Its account as links call it; undefined while nobody has defined it. */
  readonly account: string | undefined;
  readonly shadows: readonly Shadow[];
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
  readonly #imports: StreamShadows;
  readonly #view = new EntryView();

  constructor(index: InterestIndex, node: number, accounts: ShardAccounts, core: LinkCore) {
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
      const anew = this.#named(known);
      const isSame = anew.account === known.account && isEqual(anew.shadows, known.shadows);
      if (isSame) continue;
      this.#known.set(entryId, anew);
      if (anew.account !== known.account) {
        this.#tellOwn(known, known.groups, NOTHING);
        this.#tellOwn(anew, NOTHING, anew.groups);
      }
      this.#tellImports(anew, NOTHING, anew.groups);
      this.#tellImports(known, known.groups, NOTHING);
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
    return this.#named({ accountId, subject, groups });
  }

  #named({ accountId, subject, groups }: Pick<Known, "accountId" | "subject" | "groups">): Known {
    const account = this.#accounts.byId(accountId);
    // What every server answers for itself alone.
    const isPrivate = accountId === SYSTEM_ACCOUNT_ID && PRIVATE_SUBJECTS.has(subject);
    const name = account === undefined || isPrivate ? undefined : byteStringOfText(account.name);
    return { accountId, subject, groups, account: name, shadows: StreamShadows.of(account, subject) };
  }

  /** Says what is different between two states of one subject. */
  #tell(known: Known, before: ReadonlyMap<string, number>, after: ReadonlyMap<string, number>): void {
    this.#tellOwn(known, before, after);
    if (known.shadows.length > 0) this.#tellImports(known, before, after);
  }

  #tellOwn(
    { account, subject }: Known,
    before: ReadonlyMap<string, number>,
    after: ReadonlyMap<string, number>,
  ): void {
    if (account === undefined) return;
    for (const queue of queuesOf(before, after)) {
      const weight = after.get(queue) ?? 0;
      if (weight === (before.get(queue) ?? 0)) continue;
      this.#core.wantsHere("own", { account, subject, queue, origin: "" }, weight);
    }
  }

  #tellImports(
    { shadows }: Known,
    before: ReadonlyMap<string, number>,
    after: ReadonlyMap<string, number>,
  ): void {
    for (const queue of queuesOf(before, after)) {
      this.#imports.add(shadows, queue, (after.get(queue) ?? 0) - (before.get(queue) ?? 0));
    }
  }
}

function queuesOf(before: ReadonlyMap<string, number>, after: ReadonlyMap<string, number>): Iterable<string> {
  if (before.size === 0) return after.keys();
  return after.size === 0 ? before.keys() : new Set([...before.keys(), ...after.keys()]);
}

function isEqual(a: readonly Shadow[], b: readonly Shadow[]): boolean {
  return (
    a.length === b.length &&
    a.every(({ account, subject }, i) => b[i]!.account === account && b[i]!.subject === subject)
  );
}
