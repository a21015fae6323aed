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
}

interface Row {
  readonly account: string;
  readonly subject: string;
  readonly queue: string;
  /** Members by where they come from, each > 0. */
  readonly weights: Map<Source, number>;
  /** What was said over each link: weights by origin, "" for those said without. */
  readonly told: Map<Link, Map<string, number>>;
}

/** Names one of several wishes of this server for the same thing: its own clients', those that stream imports turn into, … */
export type LocalTag = string;

export class InterestLedger {
  readonly #rows = new Map<string, Map<string, Row>>();
  readonly #links = new Set<Link>();
  readonly #local = new Map<string, Source>();
  readonly #remote = new Map<Link, Map<string, Source>>();

  /** What this server wants: `weight` members, 1 for a plain wish, 0 for none any more. `key.origin` is as to be said. */
  setLocal(tag: LocalTag, key: InterestKey, weight: number): void {
    const source = this.#local.getOrInsertComputed(`${tag} ${key.origin}`, () => ({
      link: null,
      origin: key.origin,
    }));
    this.#set(source, key, weight);
  }

  /** What the peer of a link wants. */
  setRemote(link: Link, key: InterestKey, weight: number): void {
    const sources = this.#remote.getOrInsertComputed(link, () => new Map());
    const source = sources.getOrInsertComputed(key.origin, () => ({ link, origin: key.origin }));
    this.#set(source, key, weight);
  }

  /** Tells a new link everything it is to know, and from now on what changes. */
  attach(link: Link): void {
    this.#links.add(link);
    const accounts = link.account === null ? this.#rows.keys() : [link.account];
    for (const account of accounts) {
      for (const row of this.#rows.get(account)?.values() ?? []) this.#tell(link, row);
    }
  }

  /** Forgets a link and what its peer wanted. */
  detach(link: Link): void {
    this.#links.delete(link);
    const sources = [...(this.#remote.get(link)?.values() ?? [])];
    this.#remote.delete(link);
    for (const rows of [...this.#rows.values()]) {
      for (const row of [...rows.values()]) {
        row.told.delete(link);
        let hasChanged = false;
        for (const source of sources) hasChanged = row.weights.delete(source) || hasChanged;
        if (hasChanged) this.#tellAll(row);
        this.#dropIfEmpty(row);
      }
    }
  }

  /** Everything of one account that a link is to know, as it was told: for protocols that repeat it. */
  toldOf(link: Link, account: string): { readonly key: InterestKey; readonly weight: number }[] {
    const known: { key: InterestKey; weight: number }[] = [];
    for (const { subject, queue, told } of this.#rows.get(account)?.values() ?? []) {
      for (const [origin, weight] of told.get(link) ?? [])
        known.push({ key: { account, subject, queue, origin }, weight });
    }
    return known;
  }

  /** Everything that a link was told. */
  *announcedTo(link: Link): Iterable<{ readonly key: InterestKey; readonly weight: number }> {
    for (const account of this.#rows.keys()) yield* this.toldOf(link, account);
  }

  #set(source: Source, { account, subject, queue }: InterestKey, weight: number): void {
    const rows = this.#rows.getOrInsertComputed(account, () => new Map<string, Row>());
    const name = queue === "" ? subject : `${subject} ${queue}`;
    let row = rows.get(name);
    if (row === undefined) {
      if (weight === 0) return;
      row = { account, subject, queue, weights: new Map(), told: new Map() };
      rows.set(name, row);
    }
    if ((row.weights.get(source) ?? 0) === weight) return;
    if (weight === 0) row.weights.delete(source);
    else row.weights.set(source, weight);
    this.#tellAll(row);
    this.#dropIfEmpty(row);
  }

  #dropIfEmpty({ account, subject, queue, weights }: Row): void {
    if (weights.size > 0) return;
    const rows = this.#rows.get(account);
    rows?.delete(queue === "" ? subject : `${subject} ${queue}`);
    if (rows?.size === 0) this.#rows.delete(account);
  }

  #tellAll(row: Row): void {
    for (const link of this.#links)
      if (link.account === null || link.account === row.account) this.#tell(link, row);
  }

  #tell(link: Link, row: Row): void {
    const wanted = totalsFor(link, row);
    const told = row.told.get(link);
    if (told !== undefined) {
      for (const origin of [...told.keys()]) {
        if (wanted?.has(origin)) continue;
        told.delete(origin);
        this.#say(link, row, origin, 0);
      }
      if (told.size === 0 && wanted === null) row.told.delete(link);
    }
    if (wanted === null) return;
    const said = told ?? new Map<string, number>();
    if (told === undefined) row.told.set(link, said);
    for (const [origin, weight] of wanted) {
      if (said.get(origin) === weight) continue;
      said.set(origin, weight);
      this.#say(link, row, origin, weight);
    }
  }

  #say(link: Link, { account, subject, queue }: Row, origin: string, weight: number): void {
    link.announce({ account, subject, queue, origin }, weight);
  }
}

/** What a link is to be told of a row: members by the origin they are said with; null for nothing. */
function totalsFor(link: Link, { queue, weights }: Row): Map<string, number> | null {
  let totals: Map<string, number> | null = null;
  for (const [source, weight] of weights) {
    if (!isToldOf(link, source)) continue;
    const origin = link.kind === "route" ? originTold(source) : "";
    totals ??= new Map();
    const isOne = queue === "" || link.kind === "gateway";
    totals.set(
      origin,
      isOne ? 1 : (totals.get(origin) ?? 0) + (source.link?.kind === "gateway" ? 1 : weight),
    );
  }
  return totals;
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
