/**
 * What interest each link is told of. Rows are (account, subject, queue); each adds up who wants it, by where the wish came
 * from. What was said of a row over which link follows from its wishes, for every change is told at once.
 *
 *   wish of ↓ told to →   routes         gateways (inbound)   leaf nodes of ours            our hubs
 *   this server           yes            yes                  yes                           yes
 *   a route's server      no             yes                  unless of the same cluster    no
 *   a leaf node           as its own     yes                  unless of the same cluster    yes
 *   our hub               no             no                   yes                           no
 *   a gateway             no             no                   yes, as one member            no
 *
 * Plain wishes are said once when the first comes and when the last is gone, those of a group whenever their number changes;
 * to gateways a group is there or not. Source: nats-server `updateRouteSubscriptionMap`, `updateLeafNodes`, `gatewayUpdateSubInterest`.
 */
import type { InterestKey, Link } from "./link.ts";

/** Whose wishes these are. */
interface Source {
  /** Null for this server. */
  readonly link: Link | null;
  /** Cluster of the leaf nodes it is of, "" for none. */
  readonly origin: string;
  /** The wishes of a plain row that this source alone has, and of a group that it alone has one member of. */
  readonly plain: readonly Wish[];
  readonly member: readonly Wish[];
  /** Of a link, by account: see `StandingRows`. */
  readonly rows: Map<string, StandingRows>;
}

interface Wish {
  readonly source: Source;
  /** Members, > 0. */
  readonly weight: number;
}

/** What a link is told of a row. */
interface Said {
  /** Of the leaf nodes it is said to be of, "" where it is said without. */
  readonly origin: string;
  readonly weight: number;
}

/**
 * By subject, and a blank and the queue behind it for a group: who wants it. There may be millions, nearly all of one
 * source: lists are never changed, so that rows share them.
 */
type Rows = Map<string, readonly Wish[]>;

/**
 * The rows of an account in which the peer of a link has wishes, and some in which it has none any more: its end is to take as
 * long as what it wanted, whatever else is wanted here. It may be millions, and a list takes a third of what a set does.
 */
interface StandingRows {
  names: string[];
  /** How often it took back the last wish of a row; as many names are there in vain. */
  goneCount: number;
}

/** Names one of several wishes of this server for the same thing: its own clients', those that stream imports turn into, … */
export type LocalTag = string;

const NONE: readonly never[] = [];
const NO_ROWS: ReadonlyMap<string, readonly Wish[]> = new Map();
/** What is told of most rows: that somebody is there. */
const PLAINLY: readonly Said[] = [{ origin: "", weight: 1 }];
/** Subjects told in one piece: the peer goes on with the first while others are written. */
const SUBJECTS_AT_ONCE = 4096;
/** So many names in vain are left, even if they are most. */
const GONE_MIN = 1024;

export class InterestLedger {
  readonly #rows = new Map<string, Rows>();
  readonly #listeners = new Set<Link>();
  /** Those that are told of an account, as far as it is known: a member of the cluster has several links. */
  readonly #listenersOf = new Map<string, readonly Link[]>();
  /** By whose they are and their origin. */
  readonly #sources = new Map<LocalTag | Link, Map<string, Source>>();

  /**
   * What this server wants: `weight` members, 1 for a plain wish, 0 for none any more. `key.origin` is as to be said. Returns
   * whether it wanted something else before.
   */
  setLocal(tag: LocalTag, key: InterestKey, weight: number): boolean {
    return this.#set(this.#source(tag, null, key.origin), key, weight);
  }

  /** What the peer of a link wants. Returns whether it wanted something else before. */
  setRemote(link: Link, key: InterestKey, weight: number): boolean {
    return this.#set(this.#source(link, link, key.origin), key, weight);
  }

  /** Tells a new link everything it is to know, and from now on what changes. */
  attach(link: Link): void {
    this.#listeners.add(link);
    this.#listenersOf.clear();
    const accounts = link.account === null ? this.#rows.keys() : [link.account];
    for (const account of accounts) if (link.carries(account)) this.#tellRows(link, account);
  }

  /**
   * A link carries an account from now on, or no more. It is told what it is to know; what it no longer is to know is
   * forgotten without a word, for its peer forgets it by itself.
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

  /** Everything of one account that a link was told: for protocols that repeat it. */
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
    // getOrInsertComputed() takes as long as all the rest of set().
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

  /** A source has no wish in one of its rows any more. Names in vain are dropped once they are most. */
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

  /** Who wants a row is different now: notes it, and tells everybody to whom it makes a difference. */
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

  /** Tells a link of everything in an account, of which it knows nothing. Most of it is of one kind, and told as a list. */
  #tellRows(link: Link, account: string): void {
    let plain: string[] = [];
    let last: readonly Wish[] = NONE;
    let isListed = false;
    for (const [name, wishes] of this.#rows.get(account) ?? NO_ROWS) {
      if (wishes !== last) {
        last = wishes;
        // Such a list is of plain rows alone.
        const isPlain = wishes === wishes[0]!.source.plain;
        isListed = link.announcePlain !== undefined && isPlain && wantedBy(link, name, wishes) === PLAINLY;
      }
      if (!isListed) tell(link, account, name, NONE, wantedBy(link, name, wishes));
      else if (plain.push(name) === SUBJECTS_AT_ONCE) {
        link.announcePlain!(account, plain);
        plain = [];
      }
    }
    if (plain.length > 0) link.announcePlain!(account, plain);
  }
}

/** Says over a link what has become different of a row. */
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

/** A source has a wish in a row in which it had none. */
function noteStanding({ rows }: Source, account: string, name: string): void {
  const standing = rows.get(account);
  if (standing === undefined) rows.set(account, { names: [name], goneCount: 0 });
  else standing.names.push(name);
}

function isAmong(wishes: readonly Wish[], source: Source): boolean {
  return wishes.some((wish) => wish.source === source);
}

/** The wishes of a row when `source` has one of that weight, 0 for none: the same list where that changes nothing. */
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

/** What a link is to be told of a row: one for each origin it is said with. */
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

/** The origin under which routes hear of a wish. */
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
