/**
 * The contents of plans of the links shard: the links that get a message for plain interest, by how the message came
 * here. Queue groups, and replies that may have to find their way back through other clusters, are left to the host.
 * Once per cache miss.
 */
import {
  CONTEXT_ACCOUNTS,
  CONTEXT_FROM_GATEWAY,
  CONTEXT_FROM_ROUTE,
  CONTEXT_IS_ANSWER,
  LINK_COUNTERS_OUT,
  PLAN_HEADED_REPLIES_ARE_FOR_HOST,
  PLAN_REPLIES_ARE_FOR_HOST,
  TARGET_PREFIX_BYTES_MAX,
} from "../../memory/layout.ts";
import type { LinkShard } from "../../shard/links/link_host.ts";
import type { Leg } from "../../shard/plans/plan_match.ts";
import {
  NO_ROOM,
  type PlanRules,
  type Resolution,
  type TargetRules,
  type TargetWriter,
} from "../../shard/plans/plan_rules.ts";
import { byteStringOf, bytesOf } from "../../subject/byte_string.ts";
import type { Link } from "../core/link.ts";
import type { LinkCore } from "../core/link_core.ts";
import { type LinkInterest, LOCAL_ORIGIN, type Origin } from "../core/routing.ts";
import type { AccountTraffic } from "./account_traffic.ts";
import { type HostLink, hostOf } from "./host_link.ts";
import { standIn } from "./stand_in.ts";
import type { LinkWishes } from "./wishes.ts";

/** Set together with a slot, for messages from the leaf node or hub on that connection. */
export const CONTEXT_FROM_LEAF = 1 << 30;

const NO_WISHES: readonly LinkInterest[] = [];

/** The offset at which a mapped subject names the cluster. */
const CLUSTER_START = "_GR_.".length;

/**
 * Any route or any gateway as origin. Which one it is does not matter, because no link of its kind gets the message.
 */
const FROM_ROUTE: Origin = { link: standIn("route", "both"), cluster: "" };
const FROM_GATEWAY: Origin = { link: standIn("gateway", "inbound"), cluster: "" };

export interface LinkPlanSources {
  readonly shard: LinkShard;
  readonly wishes: LinkWishes;
  /** Null before there are any protocols of links. */
  core(): LinkCore | null;
  readonly traffic: AccountTraffic;
  linkOfSlot(slot: number): HostLink;
  /** Whether messages on this subject answer a request from another cluster. */
  isMapped(account: string, subject: string): boolean;
  /** The gateway to the cluster whose name has that hash. */
  gatewayTo(clusterHash: string): Link | undefined;
}

export class LinkPlanRules implements PlanRules, TargetRules {
  readonly members = null;
  readonly #sources: LinkPlanSources;

  constructor(sources: LinkPlanSources) {
    this.#sources = sources;
  }

  resolve(context: number, bytes: Uint8Array, start: number, end: number): Resolution {
    const { shard, isMapped, linkOfSlot } = this.#sources;
    if ((context & CONTEXT_FROM_LEAF) !== 0) {
      const { connection, registered } = linkOfSlot(context & ~CONTEXT_FROM_LEAF);
      const resolution = this.#inAccount(connection.context, bytes, start, end);
      const mayPass = registered?.mayReceive?.(byteStringOf(bytes, start, end)) ?? true;
      return mayPass ? resolution : { ...resolution, isForHost: true };
    }
    if (isAnswerAfar(context)) return this.#resolveAnswer(context);
    const resolution = this.#inAccount(context, bytes, start, end);
    if (isFromLink(context)) return resolution;
    const account = this.#nameOf(resolution.account);
    return shard.options.logsTrace || isMapped(account, byteStringOf(bytes, start, end))
      ? { ...resolution, isForHost: true }
      : resolution;
  }

  /**
   * Resolves a subject in its account. Requests to services are left to the host, because the requestor is no client of
   * this shard.
   */
  #inAccount(context: number, bytes: Uint8Array, start: number, end: number): Resolution {
    const { forward, ...resolution } = this.#sources.shard.contexts.resolve(context, bytes, start, end);
    return forward === undefined ? resolution : { ...resolution, isForHost: true };
  }

  /** Resolves an answer that goes to another cluster; nothing else about it matters here. */
  #resolveAnswer(context: number): Resolution {
    const { shard, core } = this.#sources;
    const id = context & (CONTEXT_ACCOUNTS - 1);
    const account = this.#nameOf(id);
    // A leaf node does not know which clusters its hubs can reach.
    const hasHubs = [...(core()?.links ?? [])].some(
      (link) => link.role === "hub" && link.account === account,
    );
    return { account: id, isForHost: shard.options.logsTrace || hasHubs, delivered: null, imports: [] };
  }

  flagsOf(context: number): number {
    if (isAnswerAfar(context)) return 0;
    const core = this.#sources.core();
    let flags = 0;
    for (const { kind, notesReplies } of core?.links ?? []) {
      // The account in the request info is renamed for the other side of a leaf link.
      if (kind === "leaf")
        flags |= notesReplies ? PLAN_REPLIES_ARE_FOR_HOST : PLAN_HEADED_REPLIES_ARE_FOR_HOST;
      if (kind === "gateway" && core!.recent.hasPatterns) flags |= PLAN_REPLIES_ARE_FOR_HOST;
    }
    return flags;
  }

  writePlain(leg: Leg, context: number, from: number, targets: TargetWriter): boolean {
    const { shard, wishes, core } = this.#sources;
    const isAfar = isAnswerAfar(context);
    const wanted = isAfar ? NO_WISHES : wishes.of(leg.match);
    if (!isAfar && wanted.length === 0) return true;
    const { bytes } = shard.shared;
    const subject = byteStringOf(leg.bytes ?? bytes, leg.start, leg.start + leg.length);
    const account = this.#nameOf(leg.account);
    if (isAfar) {
      const gateway = this.#sources.gatewayTo(subject.slice(CLUSTER_START, -1));
      if (from > 0 || gateway === undefined || !gateway.maySend(account, subject)) return true;
      // The engine appends the whole subject.
      return this.#writeTarget(gateway, leg, gateway.messagePrefix(account, "", "").slice(0, -1), targets);
    }
    const links = core();
    if (links === null) return true;
    const origin = this.#originOf(context);
    const isImport = leg.account !== this.#accountOf(context);
    const reached = links
      .plainLinks(origin, subject, account, wanted)
      // Other servers do their own imports; only leaf nodes, which are in one account, get what is imported here.
      .filter(({ kind }) => !isImport || kind === "leaf");
    for (const link of reached.slice(from)) {
      const prefix = link.messagePrefix(account, subject, origin.cluster);
      if (!this.#writeTarget(link, leg, prefix, targets)) return false;
    }
    return true;
  }

  /** Returns false if there is no room for the target. */
  #writeTarget(link: Link, leg: Leg, prefix: string, targets: TargetWriter): boolean {
    const { shard, traffic } = this.#sources;
    // No name that a configuration can contain is that long.
    if (prefix.length > TARGET_PREFIX_BYTES_MAX) return true;
    const counters = traffic.addressOf(leg.account, link.kind, LINK_COUNTERS_OUT);
    const at = targets.add(hostOf(link).connection.address, counters, prefix.length);
    if (at === NO_ROOM) return false;
    shard.shared.bytes.set(bytesOf(prefix), at);
    return true;
  }

  #originOf(context: number): Origin {
    if ((context & CONTEXT_FROM_LEAF) !== 0) {
      const link = this.#sources.linkOfSlot(context & ~CONTEXT_FROM_LEAF).registered;
      return link === null ? LOCAL_ORIGIN : { link, cluster: link.cluster };
    }
    const isAnswer = (context & CONTEXT_IS_ANSWER) !== 0;
    if ((context & CONTEXT_FROM_ROUTE) !== 0) return isAnswer ? { ...FROM_ROUTE, isAnswer } : FROM_ROUTE;
    if ((context & CONTEXT_FROM_GATEWAY) === 0) return LOCAL_ORIGIN;
    return isAnswer ? { ...FROM_GATEWAY, isAnswer } : FROM_GATEWAY;
  }

  #accountOf(context: number): number {
    if ((context & CONTEXT_FROM_LEAF) === 0) return context & (CONTEXT_ACCOUNTS - 1);
    return this.#sources.linkOfSlot(context & ~CONTEXT_FROM_LEAF).connection.account.id;
  }

  #nameOf(account: number): string {
    return this.#sources.shard.accounts.byId(account)?.byteName ?? "";
  }
}

/** Whether a context is for this server's answers to requests of other clusters. */
function isAnswerAfar(context: number): boolean {
  return (context & CONTEXT_IS_ANSWER) !== 0 && !isFromLink(context);
}

function isFromLink(context: number): boolean {
  return (context & (CONTEXT_FROM_ROUTE | CONTEXT_FROM_GATEWAY | CONTEXT_FROM_LEAF)) !== 0;
}
