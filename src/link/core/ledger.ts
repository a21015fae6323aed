/**
 * What interest each link is told of. Rows are (account, subject, queue); each adds up who wants it, by where the wish came
 * from, and remembers what was said over which link.
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
  /** The wishes of a row that this source alone wants, as one member. */
  readonly alone: readonly Wish[];
}

interface Wish {
  readonly source: Source;
  /** Members, > 0. */
  readonly weight: number;
}

/** What a link was told of a row. */
interface Said {
  readonly link: Link;
  /** Of the leaf nodes it was said to be of, "" where it was said without. */
  readonly origin: string;
  readonly weight: number;
}

interface Listener {
  readonly link: Link;
  /** What it is told of most rows: that somebody is there. */
  readonly plainly: readonly Said[];
}

/**
 * There may be millions, nearly all of one source and told alike: lists are never changed, so that rows share them. A row
 * takes 64 bytes then.
 */
interface Row {
  readonly account: string;
  readonly subject: string;
  readonly queue: string;
  wishes: readonly Wish[];
  told: readonly Said[];
}

/** Names one of several wishes of this server for the same thing: its own clients', those that stream imports turn into, … */
export type LocalTag = string;

const NONE: readonly never[] = [];

export class InterestLedger {
  readonly #rows = new Map<string, Map<string, Row>>();
  readonly #listeners = new Map<Link, Listener>();
  /** Those that are told of an account, as far as it is known: a member of the cluster has several links. */
  readonly #listenersOf = new Map<string, readonly Listener[]>();
  /** By whose they are and their origin. */
  readonly #sources = new Map<LocalTag | Link, Map<string, Source>>();

  /** What this server wants: `weight` members, 1 for a plain wish, 0 for none any more. `key.origin` is as to be said. */
  setLocal(tag: LocalTag, key: InterestKey, weight: number): void {
    this.#set(this.#source(tag, null, key.origin), key, weight);
  }

  /** What the peer of a link wants. */
  setRemote(link: Link, key: InterestKey, weight: number): void {
    this.#set(this.#source(link, link, key.origin), key, weight);
  }

  /** Tells a new link everything it is to know, and from now on what changes. */
  attach(link: Link): void {
    const listener = { link, plainly: [{ link, origin: "", weight: 1 }] };
    this.#listeners.set(link, listener);
    this.#listenersOf.clear();
    const accounts = link.account === null ? this.#rows.keys() : [link.account];
    for (const account of accounts) if (link.carries(account)) this.#tellRows(listener, account);
  }

  /**
   * A link carries an account from now on, or no more. It is told what it is to know; what it no longer is to know is
   * forgotten without a word, for its peer forgets it by itself.
   */
  reassign(link: Link, account: string): void {
    const listener = this.#listeners.get(link);
    if (listener === undefined) return;
    this.#listenersOf.clear();
    if (link.carries(account)) this.#tellRows(listener, account);
    else for (const row of this.#rows.get(account)?.values() ?? NONE) untell(row, link);
  }

  /** Forgets a link and what its peer wanted. */
  detach(link: Link): void {
    this.#listeners.delete(link);
    this.#listenersOf.clear();
    const sources = [...(this.#sources.get(link)?.values() ?? NONE)];
    this.#sources.delete(link);
    for (const [account, rows] of [...this.#rows]) {
      if (sources.length === 0 && !link.carries(account)) continue;
      for (const row of rows.values()) {
        untell(row, link);
        const before = row.wishes;
        for (const source of sources) row.wishes = withWish(row.wishes, source, 0);
        if (row.wishes !== before) this.#tellAll(row);
        this.#dropIfEmpty(row);
      }
    }
  }

  /** Everything of one account that a link is to know, as it was told: for protocols that repeat it. */
  toldOf(link: Link, account: string): { readonly key: InterestKey; readonly weight: number }[] {
    const known: { key: InterestKey; weight: number }[] = [];
    for (const { subject, queue, told } of this.#rows.get(account)?.values() ?? NONE) {
      for (const { link: listener, origin, weight } of told)
        if (listener === link) known.push({ key: { account, subject, queue, origin }, weight });
    }
    return known;
  }

  /** Everything that a link was told. */
  *announcedTo(link: Link): Iterable<{ readonly key: InterestKey; readonly weight: number }> {
    for (const account of this.#rows.keys()) yield* this.toldOf(link, account);
  }

  #source(owner: LocalTag | Link, link: Link | null, origin: string): Source {
    const ofOwner = this.#sources.getOrInsertComputed(owner, () => new Map<string, Source>());
    return ofOwner.getOrInsertComputed(origin, () => newSource(link, origin));
  }

  #set(source: Source, { account, subject, queue }: InterestKey, weight: number): void {
    const rows = this.#rows.getOrInsertComputed(account, () => new Map<string, Row>());
    const name = rowName(subject, queue);
    let row = rows.get(name);
    if (row === undefined) {
      if (weight === 0) return;
      row = { account, subject, queue, wishes: NONE, told: NONE };
      rows.set(name, row);
    }
    const before = row.wishes;
    row.wishes = withWish(before, source, weight);
    if (row.wishes === before) return;
    this.#tellAll(row);
    this.#dropIfEmpty(row);
  }

  #dropIfEmpty({ account, subject, queue, wishes }: Row): void {
    if (wishes.length > 0) return;
    const rows = this.#rows.get(account);
    rows?.delete(rowName(subject, queue));
    if (rows?.size !== 0) return;
    this.#rows.delete(account);
    this.#listenersOf.delete(account);
  }

  #tellAll(row: Row): void {
    for (const listener of this.#listenersTo(row.account)) this.#tell(listener, row);
  }

  #listenersTo(account: string): readonly Listener[] {
    return this.#listenersOf.getOrInsertComputed(account, () =>
      [...this.#listeners.values()].filter(({ link }) => link.carries(account)),
    );
  }

  #tellRows(listener: Listener, account: string): void {
    for (const row of this.#rows.get(account)?.values() ?? NONE) this.#tell(listener, row);
  }

  #tell(listener: Listener, row: Row): void {
    const { link } = listener;
    const wanted = wantedBy(listener, row);
    const before = row.told;
    if (before.length === 0) {
      row.told = wanted;
      for (const { origin, weight } of wanted) this.#say(link, row, origin, weight);
      return;
    }
    const ofOthers = before.filter((said) => said.link !== link);
    if (ofOthers.length === before.length && wanted.length === 0) return;
    row.told = ofOthers.length === 0 ? wanted : [...ofOthers, ...wanted];
    for (const { link: to, origin } of before) {
      if (to === link && !wanted.some((said) => said.origin === origin)) this.#say(link, row, origin, 0);
    }
    for (const { origin, weight } of wanted) {
      const known = before.find((said) => said.link === link && said.origin === origin);
      if (known?.weight !== weight) this.#say(link, row, origin, weight);
    }
  }

  #say(link: Link, { account, subject, queue }: Row, origin: string, weight: number): void {
    link.announce({ account, subject, queue, origin }, weight);
  }
}

function untell(row: Row, link: Link): void {
  if (row.told.some((said) => said.link === link)) row.told = row.told.filter((said) => said.link !== link);
}

function rowName(subject: string, queue: string): string {
  return queue === "" ? subject : `${subject} ${queue}`;
}

function newSource(link: Link | null, origin: string): Source {
  const alone: Wish[] = [];
  const source: Source = { link, origin, alone };
  alone.push({ source, weight: 1 });
  return source;
}

/** The wishes of a row when `source` has one of that weight, 0 for none: the same list where that changes nothing. */
function withWish(wishes: readonly Wish[], source: Source, weight: number): readonly Wish[] {
  const known = wishes.find((wish) => wish.source === source);
  if ((known?.weight ?? 0) === weight) return wishes;
  const others = known === undefined ? wishes : wishes.filter((wish) => wish !== known);
  if (weight === 0) return others.length === 0 ? NONE : others;
  return others.length === 0 && weight === 1 ? source.alone : [...others, { source, weight }];
}

/** What a link is to be told of a row: one for each origin it is said with. */
function wantedBy({ link, plainly }: Listener, { queue, wishes }: Row): readonly Said[] {
  const isOne = queue === "" || link.kind === "gateway";
  let wanted: readonly Said[] = NONE;
  for (const { source, weight: members } of wishes) {
    if (!isToldOf(link, source)) continue;
    const origin = link.kind === "route" ? originTold(source) : "";
    const known = wanted.find((said) => said.origin === origin);
    const weight = isOne ? 1 : (known?.weight ?? 0) + (source.link?.kind === "gateway" ? 1 : members);
    if (known?.weight === weight) continue;
    if (wanted.length === 0 && origin === "" && weight === 1) wanted = plainly;
    else wanted = [...wanted.filter((said) => said !== known), { link, origin, weight }];
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
