/**
 * The rest of the server as links see it: who wants a message here, and the rings that take it there. Cold: what the engine
 * delivers by plans does not come here.
 */
import { isMeasuredReply } from "../../account/reply_subject.ts";
import { FABRIC_SLOT, HeldMessage } from "../../fabric/held_message.ts";
import { MatchResult } from "../../interest/match_result.ts";
import { CONTEXT_IS_RENAMED, CONTEXT_IS_RESPONSE } from "../../memory/layout.ts";
import { NODE_FAR } from "../../memory/map.ts";
import type { MessageBytes } from "../../protocol/set_header.ts";
import type { ShardAccount } from "../../shard/accounts.ts";
import type { LinkShard } from "../../shard/links/link_host.ts";
import { byteStringOf, bytesOf, textOf } from "../../subject/byte_string.ts";
import { splitAckReply } from "../core/ack_reply.ts";
import type { InterestKey, Link, LinkLog, LinkMessage } from "../core/link.ts";
import type { LinkFabric, Matches } from "../core/link_core.ts";
import type { RecentLiterals } from "../core/recent_interest.ts";
import type { LinkInterest } from "../core/routing.ts";
import { hostOf } from "./host_link.ts";
import type { LocalWishes } from "./local_wishes.ts";
import { WaitingWishes } from "./waiting_wishes.ts";
import type { LinkWishes } from "./wishes.ts";

interface Member {
  readonly node: number;
  readonly queueId: number;
  readonly members: number;
}

/** What of a message other threads want: plainly, and per queue group. */
interface NearMatch {
  plainNodes: number;
  readonly groups: Map<string, Member[]>;
}

const NO_QUEUES = new Int32Array(0);

const NOTHING: Matches = {
  isPlainHere: false,
  membersHere: new Map(),
  links: [],
  imports: [],
  deliver: () => {},
};

export class ShardFabric implements LinkFabric {
  readonly #shard: LinkShard;
  readonly #wishes: LinkWishes;
  readonly #log: LinkLog;
  readonly #match = new MatchResult();
  /** A request that another server measures goes to a client here. */
  onRequest: (account: string, reply: string) => void = () => {};
  /** Set once, right after both are made. */
  local: LocalWishes | null = null;
  readonly #waiting = new WaitingWishes();
  /** Of accounts, those that are away now among them: what was wanted of one may be taken back meanwhile. */
  readonly #ids = new Map<string, number>();

  readonly recentLiterals: RecentLiterals;

  constructor(shard: LinkShard, wishes: LinkWishes, recentLiterals: RecentLiterals, log: LinkLog) {
    this.#shard = shard;
    this.recentLiterals = recentLiterals;
    this.#wishes = wishes;
    this.#log = log;
  }

  want(link: Link, key: InterestKey, weight: number): void {
    const account = this.#account(key.account);
    if (account === undefined) {
      const id = this.#ids.get(key.account);
      if (weight === 0 && id !== undefined) this.#wishes.set(link, id, key, 0);
      this.#waiting.set(link, key, weight);
      return;
    }
    if (!this.#wishes.set(link, account.id, key, weight)) {
      this.#log(
        "error",
        `No room for interest in [${textOf(key.subject)}]: messages on it do not cross the link`,
      );
    }
  }

  /** What a link wants, and with what weight, of accounts that are not here as well. */
  weighedWishes(link: Link): (readonly [key: InterestKey, weight: number])[] {
    const names = new Map(Array.from(this.#ids, ([name, id]) => [id, name]));
    const wishes = this.#wishes.list(link).map(({ account, subject, queue, origin, weight }) => {
      return [{ account: names.get(account)!, subject, queue, origin }, weight] as const;
    });
    return [...wishes, ...this.#waiting.of(link).map(({ key, weight }) => [key, weight] as const)];
  }

  wanted(link: Link): InterestKey[] {
    return this.weighedWishes(link).map(([key]) => key);
  }

  /** How much of it there is. */
  wantedCount(link: Link): number {
    // A link that is for one account has that one.
    const waitingCount = link.account === null ? this.#waiting.of(link).length : 0;
    return this.#wishes.countOf(link) + waitingCount;
  }

  /** Whether `key` is among it. */
  isWanted(link: Link, key: InterestKey): boolean {
    const account = this.#account(key.account);
    return account !== undefined && this.#wishes.has(link, account.id, key);
  }

  forget(link: Link): void {
    this.#wishes.forget(link);
    this.#waiting.forget(link);
  }

  /** Whether somebody wants something of an account that is not here. */
  isAwaited(account: string): boolean {
    return this.#waiting.has(account);
  }

  /** Accounts were defined anew: wishes that waited for one are wishes now. */
  accountsChanged(): void {
    for (const { byteName, id } of this.#shard.accounts.all()) this.#ids.set(byteName, id);
    for (const name of this.#waiting.accounts) {
      if (this.#account(name) === undefined) continue;
      for (const { link, key, weight } of this.#waiting.take(name)) this.want(link, key, weight);
    }
  }

  match(account: string, subject: string): Matches {
    const own = this.#account(account);
    if (own === undefined) return NOTHING;
    const near = this.#near(own, subject);
    const membersHere = new Map<string, number>();
    for (const [queue, members] of near.groups) {
      membersHere.set(
        queue,
        members.reduce((sum, member) => sum + member.members, 0),
      );
    }
    const isPlainHere = near.plainNodes !== 0 || this.#shard.replySubjects.nodeOf(own.id, subject) >= 0;
    const links = this.#linksFor(own.id, bytesOf(subject));
    const imports = (own.isImported ? own.legsOf(subject) : []).flatMap((leg) => {
      const importer = this.#shard.accounts.byId(leg.account);
      if (importer === undefined) return [];
      const wishes = this.#linksFor(leg.account, leg.subject);
      return [{ account: importer.byteName, subject: byteStringOf(leg.subject), links: wishes }];
    });
    return {
      isPlainHere,
      membersHere,
      links,
      imports,
      deliver: (message, isPlain, queues) => this.#deliver(own, near, message, isPlain, queues),
    };
  }

  #linksFor(account: number, subject: Uint8Array): LinkInterest[] {
    this.#shard.index.match(account, subject, 0, subject.length, this.#match);
    return this.#wishes.of(this.#match);
  }

  /** `near`: who wants the message, in its account. */
  #deliver(
    account: ShardAccount,
    near: NearMatch,
    message: LinkMessage,
    isPlain: boolean,
    queues: readonly string[],
  ): void {
    const waiting = this.#shard.replySubjects.nodeOf(account.id, message.subject);
    if (waiting >= 0) {
      this.#shard.sendAnswer(waiting, held(account.id | CONTEXT_IS_RESPONSE, message));
      return;
    }
    if (isMeasuredReply(message.reply)) this.onRequest(message.account, message.reply);
    const queueIds = new Map<number, number[]>();
    for (const queue of queues) {
      const member = drawMember(near.groups.get(queue) ?? []);
      if (member !== null) queueIds.getOrInsertComputed(member.node, () => []).push(member.queueId);
    }
    const body = heldForClients(account.id, message);
    let nodes = isPlain ? near.plainNodes : 0;
    for (const node of queueIds.keys()) nodes |= 1 << node;
    for (; nodes !== 0; nodes &= nodes - 1) {
      const node = 31 - Math.clz32(nodes & -nodes);
      const isWanted = isPlain && (near.plainNodes & (1 << node)) !== 0;
      const ids = queueIds.get(node);
      const picked = ids === undefined ? NO_QUEUES : Int32Array.from(ids);
      if (!isWanted && picked.length === 0) continue;
      const delivery = { message: body, isPlain: isWanted, queues: picked, wantsTaker: false };
      this.#shard.sendToNode(node, delivery);
    }
  }

  enter(link: Link, message: LinkMessage): LinkMessage | null {
    const { connection } = hostOf(link);
    const { id } = connection.account;
    connection.rttMs = link.rttMs;
    const entered = this.#shard.enter(connection, held(id, message, connection.slot), message.subject);
    // An answer that somebody of this server waits for has reached its end.
    if (entered === null || this.#shard.replySubjects.nodeOf(id, entered) >= 0) return null;
    return { ...message, subject: entered };
  }

  plansChanged(): void {
    this.#shard.plans.forgetAll();
  }

  linkChanged(link: Link): void {
    this.#wishes.bumpAll(link);
  }

  /** What other threads of this server want of a message, in its account and where its streams are imported. */
  #near(account: ShardAccount, subject: string): NearMatch {
    const near: NearMatch = { plainNodes: 0, groups: new Map() };
    this.#addNear(near, account.id, bytesOf(subject));
    for (const leg of account.isImported ? account.legsOf(subject) : [])
      this.#addNear(near, leg.account, leg.subject);
    return near;
  }

  #addNear(near: NearMatch, account: number, subject: Uint8Array): void {
    const match = this.#match;
    const { node: own } = this.#shard;
    this.#shard.index.match(account, subject, 0, subject.length, match);
    near.plainNodes |= match.plainNodes & ~(1 << own) & ~(1 << NODE_FAR);
    for (let i = 0; i < match.queueCount; i++) {
      const [queueId, node, members] = match.queues.subarray(i * 3, i * 3 + 3);
      if (node === own || node === NODE_FAR) continue;
      const name = this.local?.queueName(queueId!);
      if (name === undefined) continue;
      near.groups
        .getOrInsertComputed(name, () => [])
        .push({ node: node!, queueId: queueId!, members: members! });
    }
  }

  #account(name: string): ShardAccount | undefined {
    return this.#shard.accounts.byByteName(name);
  }
}

/**
 * The message as subscribers of other threads see it: that of a JetStream consumer under the subject it was stored with. Its content may
 * be what came by the link, which is its own until the message is taken.
 */
function heldForClients(account: number, message: LinkMessage): HeldMessage {
  const ack = splitAckReply(message.reply);
  const content = contentInPlace(message);
  if (ack === null) return held(account, message, FABRIC_SLOT, content);
  const subject = `${message.subject} ${ack.subject}`;
  return held(account | CONTEXT_IS_RENAMED, { ...message, subject, reply: ack.reply }, FABRIC_SLOT, content);
}

/** `origin`: the slot of the link whose message services may take. */
function held(
  context: number,
  { subject, reply, content, trace }: LinkMessage,
  origin = FABRIC_SLOT,
  record = withLineBreak(content),
): HeldMessage {
  const message = HeldMessage.of(context, origin, bytesOf(subject), reply, record);
  return trace === undefined ? message : message.tracedBy(trace);
}

/** As below, without a copy where a line break lies behind the content, as it does behind what came by a link. */
function contentInPlace({ content, trace }: LinkMessage): MessageBytes {
  const { buffer, byteOffset, length } = content.bytes;
  if (trace !== undefined || byteOffset + length + 2 > buffer.byteLength) return withLineBreak(content);
  const bytes = new Uint8Array(buffer, byteOffset, length + 2);
  const endsInLineBreak = bytes[length] === 0x0d && bytes[length + 1] === 0x0a;
  return endsInLineBreak ? { ...content, bytes } : withLineBreak(content);
}

/** A copy: the content of records ends in CR LF. */
function withLineBreak({ bytes, headerBytes }: MessageBytes): MessageBytes {
  const longer = new Uint8Array(bytes.length + 2);
  longer.set(bytes);
  longer.set([0x0d, 0x0a], bytes.length);
  return { bytes: longer, headerBytes };
}

/** Each as likely as it has members; null for none. */
function drawMember(members: readonly Member[]): Member | null {
  let left = Math.random() * members.reduce((sum, member) => sum + member.members, 0);
  for (const member of members) {
    if (left < member.members) return member;
    left -= member.members;
  }
  return members[0] ?? null;
}
