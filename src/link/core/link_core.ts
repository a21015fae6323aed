/**
 * What links of all kinds have in common: interest that comes over one is told to the others, and messages that the
 * engine leaves to the host are routed. Pure: the rest of the server is a `LinkFabric`, which is the links shard here
 * and a model of it in the simulator.
 */
import type { MessageTrace } from "../../protocol/tracing/message_trace.ts";
import { InterestLedger, type LocalTag } from "./ledger.ts";
import type { InterestKey, Link, LinkClock, LinkEvents, LinkMessage } from "./link.ts";
import { RecentInterest, type RecentLiterals } from "./recent_interest.ts";
import { isOfOrigin, type LinkInterest, LOCAL_ORIGIN, mayCross, type Origin, pickMember } from "./routing.ts";
import { cross, tellOfDenied } from "./traced_crossing.ts";

/** Who wants a message on a subject, on this server and behind its links. */
export interface Matches {
  /** Whether somebody here has plain interest. */
  readonly isPlainHere: boolean;
  /** The number of members on this server, by queue group. */
  readonly membersHere: ReadonlyMap<string, number>;
  /** Every wish of a link that matches. */
  readonly links: readonly LinkInterest[];
  /** The accounts that import the subject as a stream, and what links want of them. */
  readonly imports: readonly ImportMatch[];
  /**
   * Delivers the message to this server's own subscribers: to those with plain interest if `isPlain`, and to a member
   * of each of these groups.
   */
  deliver(message: LinkMessage, isPlain: boolean, queues: readonly string[]): void;
}

/** A message as another account imports it. */
export interface ImportMatch {
  readonly account: string;
  readonly subject: string;
  readonly links: readonly LinkInterest[];
}

/** The rest of the server, as links see it. */
export interface LinkFabric {
  /** A link wants these messages from now on; `weight` 0: no longer. */
  want(link: Link, key: InterestKey, weight: number): void;
  /** A link no longer wants anything. */
  forget(link: Link): void;
  match(account: string, subject: string): Matches;
  /**
   * A message of a leaf node enters an account as a client's does: mappings change its subject, and service imports
   * take it. Returns the message as it goes on in its account, or null if it does not.
   */
  enter(link: Link, message: LinkMessage): LinkMessage | null;
  readonly recentLiterals: RecentLiterals;
  /** The plans of messages with a reply are void. */
  plansChanged(): void;
  /** What may cross a link has changed. */
  linkChanged(link: Link): void;
}

/**
 * How replies find their way back through gateways: `gateway/reply_mapping.ts`. Without gateways no reply is mapped.
 */
export interface ReplyRouting {
  /** Whether replies are mapped, when they leave, if they match a recent subscription. */
  readonly mapsRecent: boolean;
  /** The reply that other clusters see. */
  outgoingReply(account: string, reply: string): string;
  /** The reply that clients here see. Remembers the mapped reply it stands for, so that answers come to `fromHere`. */
  incomingReply(account: string, reply: string): string;
  /**
   * If a subject is the reply of a request from another cluster, the mapped reply it stands for; otherwise undefined.
   */
  mappedSubject(account: string, subject: string): string | undefined;
  /** The gateway to the cluster that a mapped subject names, if there is one. */
  gatewayOf(mapped: string): Link | undefined;
  /** Decides what becomes of a message whose subject may be a mapped reply. */
  wayOf(from: Link, account: string, subject: string): MappedWay;
}

export type MappedWay =
  | { readonly kind: "ordinary" }
  | { readonly kind: "drop" }
  /** The message goes unchanged to the member of the cluster that asked. */
  | { readonly kind: "forward"; readonly to: Link }
  /** The message is for here: it goes on under the original subject, to everybody. */
  | { readonly kind: "strip"; readonly subject: string };

export class LinkCore implements LinkEvents {
  readonly ledger = new InterestLedger();
  readonly recent: RecentInterest;
  readonly #fabric: LinkFabric;
  readonly #clock: LinkClock;
  readonly #replies: ReplyRouting;
  readonly #hasGateways: boolean;
  #hasLeafs: boolean;
  #isWantedAlready = false;
  readonly #links = new Set<Link>();

  /** `has` says which links other than routes this server may have: see `leafsMayCome()`. */
  constructor(
    fabric: LinkFabric,
    clock: LinkClock,
    replies: ReplyRouting,
    has: { readonly gateways: boolean; readonly leafs: boolean },
  ) {
    this.#fabric = fabric;
    this.#clock = clock;
    this.recent = new RecentInterest(clock, fabric.recentLiterals, () => fabric.plansChanged());
    this.#replies = replies;
    this.#hasGateways = has.gateways;
    this.#hasLeafs = has.leafs;
  }

  /** Every link whose handshake is done. */
  get links(): ReadonlySet<Link> {
    return this.#links;
  }

  /** Whether nobody is told what members of the cluster want, because there are neither gateways nor leaf nodes. */
  get hasRoutesOnly(): boolean {
    return !this.#hasGateways && !this.#hasLeafs;
  }

  /**
   * There may be leaf nodes from now on, which are told what other servers want. `wishesOf` returns all wishes of a
   * link.
   */
  leafsMayCome(wishesOf: (link: Link) => Iterable<readonly [key: InterestKey, weight: number]>): void {
    if (this.#hasLeafs) return;
    const unheard = [...this.#links].filter((link) => !this.#isHeardOf(link));
    this.#hasLeafs = true;
    for (const link of unheard)
      for (const [key, weight] of wishesOf(link)) this.ledger.setRemote(link, key, weight);
  }

  /** Whether others may have to be told what a link wants. Members of a cluster tell each other directly. */
  #isHeardOf({ kind }: Link): boolean {
    return this.#hasLeafs || kind === "leaf" || (kind === "route" && this.#hasGateways);
  }

  /** This server's own interest has changed. */
  wantsHere(tag: LocalTag, key: InterestKey, weight: number): void {
    const isNew = this.ledger.setLocal(tag, key, weight) && !this.#isWantedAlready;
    if (isNew && weight > 0) this.#noteRecent(key);
  }

  /**
   * Runs `tell`, whose interest existed before there were links: no request can overtake it, so it does not count as
   * recent.
   */
  wantedAlready(tell: () => void): void {
    this.#isWantedAlready = true;
    tell();
    this.#isWantedAlready = false;
  }

  joined(link: Link): void {
    this.#links.add(link);
    this.ledger.attach(link);
  }

  left(link: Link): void {
    if (!this.#links.delete(link)) return;
    this.#fabric.forget(link);
    this.ledger.detach(link);
  }

  interest(link: Link, key: InterestKey, weight: number): void {
    this.#fabric.want(link, key, weight);
    const isNew = this.#isHeardOf(link) && this.ledger.setRemote(link, key, weight);
    if (isNew && weight > 0 && link.role === "spoke") this.#noteRecent(key);
  }

  #noteRecent({ account, subject }: InterestKey): void {
    if (this.#replies.mapsRecent) this.recent.note(account, subject);
  }

  changed(link: Link): void {
    this.#fabric.linkChanged(link);
  }

  /**
   * Routes a message of this server's own that the engine left to the host, for links with plain interest if `isPlain`,
   * and for the groups. Returns how many recipients take it.
   */
  fromHere(message: LinkMessage, isPlain: boolean, queues: readonly string[]): number {
    return this.#goesBack(message) ? 1 : this.#send(LOCAL_ORIGIN, message, isPlain, queues, false);
  }

  /**
   * Routes a message of this server's own that nobody else has got, because it answers a request from another cluster,
   * or did when it was published. Returns how many recipients take it.
   */
  answer(message: LinkMessage): number {
    return this.#goesBack(message) ? 1 : this.publish(message);
  }

  /** Sends a message back to the cluster whose request it answers. Returns false if it answers none. */
  #goesBack(message: LinkMessage): boolean {
    const mapped = this.#replies.mappedSubject(message.account, message.subject);
    if (mapped === undefined) return false;
    this.#answerAfar({ ...message, subject: mapped });
    return true;
  }

  /**
   * Sends a message of this server's to everybody, here and beyond. Returns how many recipients take it. If it is a
   * request or an answer from another account, `cause` is the link that it came over; else null.
   */
  publish(message: LinkMessage, cause: Link | null = null): number {
    // No cluster of leaf nodes has received it in this account.
    const origin = cause === null ? LOCAL_ORIGIN : { link: cause, cluster: "" };
    return this.#send(origin, message, true, null, true);
  }

  message(link: Link, message: LinkMessage, queues: readonly string[]): void {
    const { account } = message;
    const origin: Origin = { link, cluster: link.kind === "leaf" ? link.cluster : message.origin, account };
    const way = this.#replies.wayOf(link, message.account, message.subject);
    switch (way.kind) {
      case "drop":
        return;
      case "forward":
        cross(way.to, message, []);
        return;
      case "strip":
        this.#send({ ...origin, isAnswer: true }, { ...message, subject: way.subject }, true, null, true);
        return;
      case "ordinary":
        break;
    }
    if (link.kind !== "leaf") {
      this.#send(origin, message, true, queues, true);
      return;
    }
    if (link.role === "spoke" && message.subject.startsWith("_GR_.")) {
      this.#answerAfar(message);
      return;
    }
    const entered = this.#fabric.enter(link, { ...message, origin: link.cluster });
    if (entered === null) return;
    const isMapped = entered.subject !== message.subject;
    this.#send(origin, entered, true, isMapped && queues.length === 0 ? null : queues, true);
  }

  /** The links that a message goes to for plain interest; the links shard builds its plans from them. */
  plainLinks(origin: Origin, subject: string, account: string, wishes: readonly LinkInterest[]): Link[] {
    const links = new Set<Link>();
    for (const wish of wishes) {
      if (wish.queue !== "") continue;
      const link = carrierOf(wish, account);
      if (links.has(link) || !mayCross(origin, link, subject) || isOfOrigin(origin, wish)) continue;
      if (link.maySend(account, subject)) links.add(link);
    }
    return [...links];
  }

  /**
   * Sends a message to everybody who may get it; `queues` null means every group that matches. Returns how many take
   * it.
   */
  #send(
    origin: Origin,
    message: LinkMessage,
    isPlain: boolean,
    queues: readonly string[] | null,
    goesHere: boolean,
  ): number {
    const { account, subject } = message;
    const matches = this.#fabric.match(account, subject);
    const ways = waysOf(message, matches);
    if (isPlain) {
      for (const { subject, account, links, groups } of ways)
        for (const link of this.plainLinks(origin, subject, account, links)) groups.set(link, []);
      if (message.trace !== undefined) this.#tellOfDenied(origin, ways, message.trace);
    }
    const queuesHere: string[] = [];
    const wayOf = new Map<LinkInterest, Way>();
    for (const way of ways) for (const wish of way.links) wayOf.set(wish, way);
    const wishes = Map.groupBy(wayOf.keys(), ({ queue }) => queue);
    // A member of the cluster with plain interest has got the message from the server that sent it here. Named for a
    // group, it would deliver it again.
    const isFromRoute = origin.link?.kind === "route" && !origin.isAnswer;
    const served = new Set<Link>();
    for (const { link } of wishes.get("") ?? []) if (isFromRoute && link.kind === "route") served.add(link);
    // A peer may name a group twice; the group is served once.
    for (const queue of new Set(queues ?? [...matches.membersHere.keys(), ...wishes.keys()])) {
      if (queue === "") continue;
      const candidates = (wishes.get(queue) ?? []).filter((wish) => {
        const { link } = wish;
        const { account, subject } = wayOf.get(wish)!;
        return (
          link.maySend(account, subject) && (link.mayServe?.(subject, queue) ?? true) && !served.has(link)
        );
      });
      const membersHere = goesHere ? (matches.membersHere.get(queue) ?? 0) : 0;
      const picked = pickMember(origin, subject, membersHere, candidates, () => this.#clock.random());
      if (picked === "here") queuesHere.push(queue);
      else if (picked !== null) {
        const { groups, account } = wayOf.get(picked)!;
        groups.getOrInsertComputed(carrierOf(picked, account), () => []).push(queue);
      }
    }
    let afar: LinkMessage | null = null;
    for (const way of ways) {
      for (const [link, named] of way.groups) {
        if (link.kind === "gateway") {
          afar ??= withReply(message, this.#replies.outgoingReply(account, message.reply));
          cross(link, afar, named);
        } else if (link.kind === "route" && origin.link?.kind === "route") {
          // On its second route the message carries no origin.
          cross(link, { ...message, origin: "" }, named);
        } else cross(link, { ...message, account: way.account, subject: way.subject }, named);
      }
    }
    const isPlainHere = goesHere && isPlain && matches.isPlainHere;
    if (isPlainHere || queuesHere.length > 0) {
      const reply = this.#replies.incomingReply(account, message.reply);
      matches.deliver(withReply(message, reply), isPlainHere, queuesHere);
    }
    const taken = ways.reduce((sum, { groups }) => sum + groups.size, 0);
    return taken + queuesHere.length + (isPlainHere ? 1 : 0);
  }

  /** Tells a trace of the leaf nodes that want the message but may not get it. */
  #tellOfDenied(origin: Origin, ways: readonly Way[], trace: MessageTrace): void {
    for (const { account, subject, links } of ways) {
      const denied = links.filter(({ link, queue }) => {
        const isPlainLeaf = link.kind === "leaf" && queue === "";
        return isPlainLeaf && mayCross(origin, link, subject) && !link.maySend(account, subject);
      });
      for (const link of new Set(denied.map((wish) => wish.link))) tellOfDenied(link, subject, trace);
    }
  }

  /** Sends a client's answer straight back to the cluster that asked. */
  #answerAfar(message: LinkMessage): void {
    for (const link of this.#links) {
      const isHub = link.kind === "leaf" && link.role === "hub" && link.account === message.account;
      if (isHub && link.maySend(message.account, message.subject)) cross(link, message, []);
    }
    const gateway = this.#replies.gatewayOf(message.subject);
    if (gateway !== undefined) cross(gateway, message, []);
  }
}

/** The link by which a message leaves for the server that wants it. */
function carrierOf({ link }: LinkInterest, account: string): Link {
  return link.carrierOf?.(account) ?? link;
}

function withReply(message: LinkMessage, reply: string): LinkMessage {
  return reply === message.reply ? message : { ...message, reply };
}

/** An account in which a message is wanted, with the links that it leaves by and the groups it is to serve there. */
interface Way extends ImportMatch {
  readonly groups: Map<Link, string[]>;
}

/**
 * The accounts in which a message is wanted, its own first. Other servers do their own imports; only leaf nodes, which
 * are in one account, get what is imported here.
 */
function waysOf({ account, subject }: LinkMessage, { links, imports }: Matches): Way[] {
  const own = { account, subject, links, groups: new Map() };
  const others = imports.map((imported) => {
    const leafs = imported.links.filter(({ link }) => link.kind === "leaf");
    return { ...imported, links: leafs, groups: new Map() };
  });
  return [own, ...others];
}
