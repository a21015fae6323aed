/**
 * Decides which interest each link is told. A row is an (account, subject, queue); it adds up the wishes for it by
 * where they come from. Every change is told at once, so what a link has been told about a row follows from the row's
 * wishes.
 *
 *   wish of ↓ told to →   routes         gateways (inbound)   leaf nodes of ours            our hubs
 *   this server           yes            yes                  yes                           yes
 *   a route's server      no             yes                  unless of the same cluster    no
 *   a leaf node           as its own     yes                  unless of the same cluster    yes
 *   our hub               no             no                   yes                           no
 *   a gateway             no             no                   yes, as one member            no
 *
 * Plain interest is told when the first wish comes and when the last one goes. A group is told whenever the number of
 * its members changes; gateways are told only whether it exists. Source: nats-server `updateRouteSubscriptionMap`,
 * `updateLeafNodes`, `gatewayUpdateSubInterest`.
 */
import type { InterestKey, Link } from "./link.ts";

/** Where wishes come from. */
interface Source {
  /** Null if the wishes are this server's own. */
  readonly link: Link | null;
  /** The cluster of the leaf nodes whose wishes these are, "" for none. */
  readonly origin: string;
  /**
   * The list of wishes shared by all plain rows that only this source wants; `member` is the same for groups of which
   * it alone has one member.
   */
  readonly plain: readonly Wish[];
  readonly member: readonly Wish[];
  /** By account, for a link: see `StandingRows`. */
  readonly rows: Map<string, StandingRows>;
}

interface Wish {
  readonly source: Source;
  /** The number of members, > 0. */
  readonly weight: number;
}

/** What a link is told about a row. */
interface Said {
  /** The cluster of leaf nodes that is named, "" if none is. */
  readonly origin: string;
  readonly weight: number;
}

/**
 * The wishes for each row, by `<subject>` or, for a group, `<subject> <queue>`. There may be millions, nearly all from
 * one source; lists are never changed, so that rows can share them.
 */
type Rows = Map<string, readonly Wish[]>;

/**
 * The rows of an account in which the peer of a link has wishes, and some in which it no longer has any. They let the
 * end of a link cost only as much as the peer wanted, whatever else is wanted here. There may be millions, and a list
 * takes a third of the memory of a set.
 */
interface StandingRows {
  names: string[];
  /** How many names are stale: how often the source took back its wish in a row. */
  goneCount: number;
}

/**
 * Tells apart the wishes of this server for the same thing: those of its clients, those that stream imports result in,
 * …
 */
export type LocalTag = string;

const NONE: readonly never[] = [];
const NO_ROWS: ReadonlyMap<string, readonly Wish[]> = new Map();
/** What is told about most rows: somebody wants them. */
const PLAINLY: readonly Said[] = [{ origin: "", weight: 1 }];
/** The most subjects that are told at once: the peer can begin with the first ones while others are written. */
const SUBJECTS_AT_ONCE = 4096;
/** Stale names are kept until there are this many, even if they are the majority. */
const GONE_MIN = 1024;

export class InterestLedger {
  readonly #rows = new Map<string, Rows>();
  readonly #listeners = new Set<Link>();
  /**
   * By account, a cache: the links that are told about it. A member of the cluster has several links, and only one of
   * them carries an account.
   */
  readonly #listenersOf = new Map<string, readonly Link[]>();
  /** By owner, and then by origin. */
  readonly #sources = new Map<LocalTag | Link, Map<string, Source>>();

  /**
   * Sets what this server wants: `weight` members, 1 for plain interest, 0 to take it back. `key.origin` is the origin
   * to be told. Returns whether anything changed.
   */
  setLocal(tag: LocalTag, key: InterestKey, weight: number): boolean {
    return this.#set(this.#source(tag, null, key.origin), key, weight);
  }

  /** Sets what the peer of a link wants. Returns whether anything changed. */
  setRemote(link: Link, key: InterestKey, weight: number): boolean {
    return this.#set(this.#source(link, link, key.origin), key, weight);
  }

  /** Tells a new link everything it should know, and from now on every change. */
  attach(link: Link): void {
    this.#listeners.add(link);
    this.#listenersOf.clear();
    const accounts = link.account === null ? this.#rows.keys() : [link.account];
    for (const account of accounts) if (link.carries(account)) this.#tellRows(link, account);
  }

  /**
   * A link carries an account from now on, or no longer. If it does, it is told what it should know. If not, nothing is
   * sent, because its peer forgets the account by itself.
   */
  reassign(link: Link, account: string): void {
    if (!this.#listeners.has(link)) return;
    this.#listenersOf.clear();
    if (link.carries(account)) this.#tellRows(link, account);
  }

  /** Forgets a link and what its peer wanted. */
  detach(link: Link): void {
    this.#listeners.delete(link);
    this.#listenersOf.clear();
    const sources = [...(this.#sources.get(link)?.values() ?? NONE)];
    this.#sources.delete(link);
    for (const { rows } of sources) {
      for (const [account, { names }] of rows) {
        for (const name of names) {
          const before = this.#wishesOf(account, name);
          const after = sources.reduce((wishes, source) => withWish(wishes, source, 0, false), before);
          if (after !== before) this.#change(account, name, before, after);
        }
      }
    }
  }

  /** Everything about one account that a link was told, for protocols that repeat it. */
  toldOf(link: Link, account: string): { readonly key: InterestKey; readonly weight: number }[] {
    const known: { key: InterestKey; weight: number }[] = [];
    if (!this.#listeners.has(link) || !link.carries(account)) return known;
    for (const [name, wishes] of this.#rows.get(account) ?? NO_ROWS) {
      for (const { origin, weight } of wantedBy(link, name, wishes))
        known.push({ key: keyOf(account, name, origin), weight });
    }
    return known;
  }

  /** Everything that a link was told. */
  *announcedTo(link: Link): Iterable<{ readonly key: InterestKey; readonly weight: number }> {
    for (const account of this.#rows.keys()) yield* this.toldOf(link, account);
  }

  #source(owner: LocalTag | Link, link: Link | null, origin: string): Source {
    // getOrInsertComputed() would take as long as the rest of #set().
    const known = this.#sources.get(owner)?.get(origin);
    if (known !== undefined) return known;
    const source = newSource(link, origin);
    this.#sources.getOrInsertComputed(owner, () => new Map<string, Source>()).set(origin, source);
    return source;
  }

  #set(source: Source, { account, subject, queue }: InterestKey, weight: number): boolean {
    const name = queue === "" ? subject : `${subject} ${queue}`;
    const before = this.#wishesOf(account, name);
    const after = withWish(before, source, weight, queue === "");
    if (after === before) return false;
    this.#change(account, name, before, after);
    if (source.link === null) return true;
    if (weight === 0) this.#noteGone(source, account);
    else if (!isAmong(before, source)) noteStanding(source, account, name);
    return true;
  }

  #wishesOf(account: string, name: string): readonly Wish[] {
    return this.#rows.get(account)?.get(name) ?? NONE;
  }

  /** A source no longer has a wish in one of its rows. Stale names are dropped once they are at least half of all. */
  #noteGone(source: Source, account: string): void {
    const standing = source.rows.get(account)!;
    const { length } = standing.names;
    standing.goneCount++;
    if (standing.goneCount === length) source.rows.delete(account);
    else if (standing.goneCount >= Math.max(GONE_MIN, length / 2)) this.#dropGone(standing, source, account);
  }

  #dropGone(standing: StandingRows, source: Source, account: string): void {
    const isStanding = (name: string) => isAmong(this.#wishesOf(account, name), source);
    standing.names = [...new Set(standing.names)].filter(isStanding);
    standing.goneCount = 0;
  }

  /** Stores the new wishes of a row, and tells every link for which that makes a difference. */
  #change(account: string, name: string, before: readonly Wish[], after: readonly Wish[]): void {
    let rows = this.#rows.get(account);
    if (rows === undefined) {
      rows = new Map();
      this.#rows.set(account, rows);
    }
    if (after.length > 0) rows.set(name, after);
    else rows.delete(name);
    for (const link of this.#listenersTo(account)) {
      tell(link, account, name, wantedBy(link, name, before), wantedBy(link, name, after));
    }
    if (rows.size > 0) return;
    this.#rows.delete(account);
    this.#listenersOf.delete(account);
  }

  #listenersTo(account: string): readonly Link[] {
    let listeners = this.#listenersOf.get(account);
    if (listeners === undefined) {
      listeners = [...this.#listeners].filter((link) => link.carries(account));
      this.#listenersOf.set(account, listeners);
    }
    return listeners;
  }

  /**
   * Tells a link everything about an account of which it knows nothing yet. Most rows are plain and alike, and are told
   * as a list.
   */
  #tellRows(link: Link, account: string): void {
    let plain: string[] = [];
    let last: readonly Wish[] = NONE;
    let isListed = false;
    // A loop over the entries would make an array of each.
    this.#rows.get(account)?.forEach((wishes, name) => {
      if (wishes !== last) {
        last = wishes;
        // Only plain rows have this list.
        const isPlain = wishes === wishes[0]!.source.plain;
        isListed = link.announcePlain !== undefined && isPlain && wantedBy(link, name, wishes) === PLAINLY;
      }
      if (!isListed) tell(link, account, name, NONE, wantedBy(link, name, wishes));
      else if (plain.push(name) === SUBJECTS_AT_ONCE) {
        link.announcePlain!(account, plain);
        plain = [];
      }
    });
    if (plain.length > 0) link.announcePlain!(account, plain);
  }
}

/** Announces over a link how a row has changed. */
function tell(
  link: Link,
  account: string,
  name: string,
  before: readonly Said[],
  after: readonly Said[],
): void {
  if (before === after) return;
  for (const { origin } of before)
    if (!after.some((said) => said.origin === origin)) link.announce(keyOf(account, name, origin), 0);
  for (const { origin, weight } of after) {
    const known = before.find((said) => said.origin === origin);
    if (known?.weight !== weight) link.announce(keyOf(account, name, origin), weight);
  }
}

function keyOf(account: string, name: string, origin: string): InterestKey {
  const [subject = "", queue = ""] = name.split(" ");
  return { account, subject, queue, origin };
}

function newSource(link: Link | null, origin: string): Source {
  const [plain, member]: Wish[][] = [[], []];
  const source: Source = { link, origin, plain: plain!, member: member!, rows: new Map() };
  for (const list of [plain!, member!]) list.push({ source, weight: 1 });
  return source;
}

/** Notes that a source has a wish in a row in which it had none. */
function noteStanding({ rows }: Source, account: string, name: string): void {
  const standing = rows.get(account);
  if (standing === undefined) rows.set(account, { names: [name], goneCount: 0 });
  else standing.names.push(name);
}

function isAmong(wishes: readonly Wish[], source: Source): boolean {
  return wishes.some((wish) => wish.source === source);
}

/** The wishes of a row after `source` has set its weight, 0 for none. Returns the same list if nothing changes. */
function withWish(
  wishes: readonly Wish[],
  source: Source,
  weight: number,
  isPlain: boolean,
): readonly Wish[] {
  const known = wishes.find((wish) => wish.source === source);
  if ((known?.weight ?? 0) === weight) return wishes;
  const others = known === undefined ? wishes : wishes.filter((wish) => wish !== known);
  if (weight === 0) return others.length === 0 ? NONE : others;
  if (others.length > 0 || weight > 1) return [...others, { source, weight }];
  return isPlain ? source.plain : source.member;
}

/** What a link is to be told about a row: one entry for each origin. */
function wantedBy(link: Link, name: string, wishes: readonly Wish[]): readonly Said[] {
  let wanted: readonly Said[] = NONE;
  for (const { source, weight: members } of wishes) {
    if (!isToldOf(link, source)) continue;
    const origin = link.kind === "route" ? originTold(source) : "";
    const known = wanted.find((said) => said.origin === origin);
    const isOne = link.kind === "gateway" || !name.includes(" ");
    const weight = isOne ? 1 : (known?.weight ?? 0) + (source.link?.kind === "gateway" ? 1 : members);
    if (known?.weight === weight) continue;
    if (wanted.length === 0 && origin === "" && weight === 1) wanted = PLAINLY;
    else wanted = [...wanted.filter((said) => said !== known), { origin, weight }];
  }
  return wanted;
}

/** The origin under which routes are told of a wish. */
function originTold({ link, origin }: Source): string {
  return link?.kind === "leaf" ? link.cluster : origin;
}

function isToldOf(to: Link, source: Source): boolean {
  const { link: from, origin } = source;
  if (from === to) return false;
  switch (to.role) {
    case "both":
      return from === null || (from.kind === "leaf" && from.role === "spoke");
    case "inbound":
      return from === null || from.kind === "route" || (from.kind === "leaf" && from.role === "spoke");
    case "outbound":
      return false;
    case "hub":
      return from === null || (from.kind === "leaf" && from.role === "spoke");
    case "spoke": {
      if (from === null) return origin === "" || !to.isIsolated;
      const leafCluster = from.kind === "leaf" && from.role === "spoke" ? from.cluster : origin;
      if (leafCluster === "") return true;
      return leafCluster !== to.cluster && !to.isIsolated;
    }
  }
}
