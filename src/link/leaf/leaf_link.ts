/**
 * A leaf link that is up, on either side: dialled or accepted, hub or spoke.
 * Source: leafnodes.md 4, 5, 7, 8; nats-server leafnode.go, processLeafSub, processInboundLeafMsg.
 */

import { UserPermissions } from "../../account/permissions.ts";
import { ResponsePermits } from "../../account/response_permits.ts";
import type { AccountTerms } from "../../auth/account_terms.ts";
import type { Permissions } from "../../config/permissions.ts";
import { CloseReason } from "../../protocol/close_reason.ts";
import * as errors from "../../protocol/errors.ts";
import { byteStringOfText, bytesOf, textOf } from "../../subject/byte_string.ts";
import { isValidSubscriptionText } from "../../subject/text.ts";
import { frameMessage } from "../core/frame_message.ts";
import { Heartbeat } from "../core/heartbeat.ts";
import { ANY_CLUSTER, type InterestKey, type LinkMessage } from "../core/link.ts";
import { errorLine } from "../core/link_fault.ts";
import { TRACE_PROTOCOL } from "../core/link_info.ts";
import type { LinkOperation } from "../core/operation.ts";
import { quoted } from "../core/quoted.ts";
import type { LeafChannel } from "./leaf_channel.ts";
import type { LeafContext, RegisteredLeaf } from "./leaf_context.ts";
import type { LeafFacts } from "./leaf_facts.ts";
import { LeafInterest } from "./leaf_interest.ts";
import { type LeafLimits, leafLimits } from "./leaf_limits.ts";
import { hubGrants, keepsInterest, type LeafGrants, LeafPermissions } from "./leaf_permissions.ts";
import type { LeafReport } from "./leaf_report.ts";
import { applyTerms, failWith, watchExpiry } from "./login_end.ts";
import { failWithLoop } from "./peer_errors.ts";
import { withRemoteAccount } from "./request_account.ts";

/** How long a hub that dialled waits before it dials again a leaf node that violated permissions. */
const VIOLATION_DELAY_MS = 30_000;
/** How long a peer stays connected after limits were lowered to the number of its subscriptions or below. */
const OVER_SUBSCRIBED_MS = 20;

type Subscribe = LinkOperation & { readonly kind: "subscribe" };
type Unsubscribe = LinkOperation & { readonly kind: "unsubscribe" };
type Message = LinkOperation & { readonly kind: "message" };

export class LeafLink implements RegisteredLeaf {
  readonly kind = "leaf";
  readonly connection;
  readonly account: string;
  readonly remoteId = "";
  readonly cluster: string;
  readonly role: "spoke" | "hub";
  readonly isIsolated: boolean;
  readonly takesHeaders: boolean;
  readonly facts: LeafFacts;
  readonly #channel: LeafChannel;
  readonly #context: LeafContext;
  /** Makes the side that dialled wait longer before it dials again. */
  readonly #delayReconnect: (ms: number) => void;
  readonly #heartbeat: Heartbeat;
  readonly #interest: LeafInterest;
  #permissions: LeafPermissions;
  #permits: ResponsePermits | null;
  /** The permissions of the login, as the account has them now. */
  #userPermissions: Permissions | null;
  #limits: LeafLimits;
  #isJoined = false;
  #cancelExpiry = () => {};
  #cancelEnd = () => {};

  constructor(
    channel: LeafChannel,
    context: LeafContext,
    facts: LeafFacts,
    limits: LeafLimits,
    delayReconnect: (ms: number) => void,
  ) {
    this.connection = channel.connection;
    this.account = facts.account;
    this.cluster = facts.cluster;
    this.role = facts.isSpoke ? "hub" : "spoke";
    this.isIsolated = facts.isIsolated;
    this.takesHeaders = facts.takesHeaders;
    this.facts = facts;
    this.#channel = channel;
    this.#context = context;
    this.#delayReconnect = delayReconnect;
    this.#limits = limits;
    this.#permissions = new LeafPermissions(facts.isSpoke, facts.grants);
    this.#permits = permitsOf(this.#permissions);
    this.#userPermissions = facts.login?.permissions ?? null;
    this.#interest = new LeafInterest(
      {
        mayAnnounce: (subject) => this.#permissions.mayAnnounce(subject),
        checksAlwaysWanted: facts.isSpoke,
      },
      (lines) => channel.send(lines),
    );
    const heartbeat = () => {
      const { pingIntervalMs, webSocketPingIntervalMs, pingsOutMax } = context.options;
      return { intervalMs: channel.isWebSocket ? webSocketPingIntervalMs : pingIntervalMs, pingsOutMax };
    };
    this.#heartbeat = new Heartbeat(channel, context.clock, heartbeat, (fault) => channel.refuse(fault));
  }

  get serverName(): string {
    return this.facts.serverName;
  }

  get tracesMessages(): boolean {
    return this.facts.protocol >= TRACE_PROTOCOL;
  }

  /** The limits as of the last change of the account. */
  get limits(): LeafLimits {
    return this.#limits;
  }

  get rttMs(): number {
    return this.#heartbeat.rttMs || this.facts.compression.estimatedRttMs;
  }

  /** Whether `noteReply` has to be called for deliveries with a reply. */
  get notesReplies(): boolean {
    return this.#permits !== null;
  }

  /** Registers the link, and announces what this server wants over it. */
  join(): void {
    const { events, register, notices, clock, wallMs } = this.#context;
    register.add(this);
    this.#isJoined = true;
    this.#interest.together(() => {
      this.refreshAlwaysWanted();
      events.joined(this);
    });
    this.#heartbeat.start();
    const { login } = this.facts;
    if (login !== null) this.#cancelExpiry = watchExpiry(login, this.#channel, clock, wallMs);
    notices.opened(this.report(), !this.#hasOwnLogin());
    if (this.#wantsEnough) this.#endSoon();
  }

  /** The connection is gone. */
  leave(reason: CloseReason): void {
    this.#heartbeat.stop();
    this.#cancelExpiry();
    this.#cancelEnd();
    if (!this.#isJoined) return;
    this.#isJoined = false;
    const { events, register, notices } = this.#context;
    // The report must be made while the peer's interest is still known.
    notices.closed(this.report(), reason);
    register.remove(this);
    events.left(this);
  }

  refreshAlwaysWanted(): void {
    const { account, options, register } = this.#context;
    const subjects = [...(account(this.account)?.alwaysWanted ?? [])];
    if (options.hasGateways) subjects.push("_GR_.>");
    subjects.push(register.loopSubject(this.account));
    this.#interest.together(() => this.#interest.setAlwaysWanted(subjects));
  }

  /** The permissions have changed. */
  changeGrants(grants: LeafGrants): void {
    this.#permissions = new LeafPermissions(this.facts.isSpoke, grants);
    this.#permits = permitsOf(this.#permissions);
    this.#interest.refresh();
    if (this.#isJoined) this.#context.events.changed(this);
  }

  carries(account: string): boolean {
    return account === this.account;
  }

  announce({ account, subject, queue, origin }: InterestKey, weight: number): void {
    if (weight > 0 && !this.#permissions.mayAnnounce(subject)) {
      const text = `Not permitted to subscribe to ${quoted(subject)} on behalf of ${textOf(account)}`;
      this.#channel.say("debug", text);
    }
    this.#interest.set(subject, queue, origin, weight);
  }

  maySend(_account: string, subject: string): boolean {
    return this.#permissions.maySend(subject);
  }

  mayServe(subject: string, queue: string): boolean {
    return this.#permissions.mayServe(subject, queue);
  }

  isDenied(subject: string): boolean {
    return this.#permissions.isDenied(subject);
  }

  mayReceive(subject: string): boolean {
    return this.#permissions.mayReceive(subject);
  }

  /**
   * Whether a message from the peer is delivered; if not, `refuseMessage` has to be called. Uses up a permitted answer.
   */
  takesMessage(subject: string): boolean {
    if (this.mayReceive(subject)) return true;
    return this.#permits?.use(subject, this.#context.clock.nowMs()) ?? false;
  }

  /**
   * Refuses a message. A hub closes the connection of a leaf node that publishes what it may not; a spoke just drops
   * the message.
   */
  refuseMessage(subject: string): void {
    if (!this.facts.isSpoke) this.#violate("Publish", subject);
  }

  /** A message with this reply subject was sent, so the peer may answer it. */
  noteReply(reply: string): void {
    if (reply !== "") this.#permits?.add(reply, this.#context.clock.nowMs());
  }

  messagePrefix(_account: string, subject: string): string {
    return `LMSG ${subject} `;
  }

  sendMessage(message: LinkMessage, queues: readonly string[]): boolean {
    const { register } = this.#context;
    const { account, subject, reply, content } = message;
    if (!this.maySend(account, subject)) {
      this.#channel.say("debug", `Not permitted to deliver to ${quoted(subject)}`);
      return false;
    }
    this.noteReply(reply);
    const isRequest = reply !== "" && this.takesHeaders;
    const sent = isRequest ? withRemoteAccount(content, (name) => register.remoteAccountOf(name)) : content;
    const form = { hasOrigin: false, takesHeaders: this.takesHeaders };
    const prefix = this.messagePrefix(account, subject);
    this.#channel.send(frameMessage(prefix, { ...message, content: sent }, queues, form));
    this.connection.countSent?.(account, sent.bytes.length);
    return true;
  }

  /** The engine took something from the peer, so the peer is alive. */
  heard(): void {
    if (!this.facts.isSpoke) this.#heartbeat.heard();
  }

  take(operation: LinkOperation): void {
    this.heard();
    switch (operation.kind) {
      case "ping":
        this.#channel.send("PONG\r\n");
        break;
      case "pong":
        this.#heartbeat.pong();
        this.facts.compression.measured(this.rttMs);
        break;
      case "subscribe":
        this.#subscribe(operation);
        break;
      case "unsubscribe":
        this.#context.events.interest(this, this.#keyOf(operation), 0);
        break;
      case "message":
        this.#deliver(operation);
        break;
      case "ok":
      case "info":
      case "connect":
      case "account":
      case "error":
        break; // the handshake's code takes these, or they mean nothing here
    }
  }

  applyTerms(terms: AccountTerms): void {
    applyTerms(this.#channel, this.facts.login, terms);
    if (this.#channel.isClosed) return;
    if (this.facts.login?.hasDefaultPermissions) this.#changePermissions(terms.defaultPermissions);
    const account = this.#context.account(this.account);
    if (account === undefined) return;
    this.#limits = leafLimits(this.#context.options, account, this.facts.login);
    if (this.#wantsEnough) this.#endSoon();
  }

  /** Ends the connection because this server's own loop subject has come back to it. */
  refuseLoop(): void {
    failWithLoop(this.#channel, this.account, this.#delayReconnect);
  }

  report(): LeafReport {
    const { facts, connection } = this;
    return {
      id: connection.id,
      serverName: facts.serverName,
      version: facts.version,
      isSpoke: facts.isSpoke,
      isSolicited: facts.isSolicited,
      isIsolated: facts.isIsolated,
      account: facts.account,
      remoteAccount: facts.remoteAccount,
      cluster: facts.cluster,
      ip: connection.remoteIp,
      port: connection.remotePort,
      rttMs: this.rttMs,
      subscriptionCount: this.#context.wantedCount(this),
      compression: facts.compression.mode,
      isWebSocket: this.#channel.isWebSocket,
      login: facts.login,
    };
  }

  compressionChanged(): void {
    if (!this.facts.compression.reconsider()) this.#channel.close(CloseReason.ClientClosed);
  }

  close(reason: CloseReason): void {
    this.#channel.close(reason);
  }

  closeAsSurplus(): void {
    failWith(this.#channel, errors.ERROR_MAXIMUM_ACCOUNT_CONNECTIONS);
  }

  closeAsDuplicate(): void {
    const reason = CloseReason.DuplicateRemoteLeafNodeConnection;
    this.#channel.fail("Duplicate Remote LeafNode Connection", reason, { isLimited: true });
    // It must leave now. The newer connection would announce what the older one wants, and the peer would find its own
    // subject in that, and conclude that there is a loop.
    this.leave(reason);
  }

  sendInfo(line: string): void {
    this.#channel.send(line);
  }

  /** The account has other permissions for users without their own. Interest that they do not allow is removed. */
  #changePermissions(permissions: Permissions | null): void {
    if (JSON.stringify(permissions) === JSON.stringify(this.#userPermissions)) return;
    this.#userPermissions = permissions;
    const { denyPublish, grants, login } = this.facts;
    this.changeGrants(hubGrants(permissions, denyPublish, grants.denies));
    if (permissions === null) return;
    const user = new UserPermissions(permissions);
    const { wanted, events } = this.#context;
    for (const key of wanted(this)) {
      const { subject, queue } = key;
      if (keepsInterest(user, subject, queue)) continue;
      const [name, group] = [bytesOf(subject), queue === "" ? null : bytesOf(queue)];
      const sid = bytesOf(queue === "" ? subject : `${subject} ${queue}`);
      this.#channel.send(errorLine(byteStringOfText(errors.subscriptionRemovedText(name, group, sid))));
      this.#channel.say("info", errors.subscriptionRemovedLogText(name, sid, login?.user ?? ""));
      events.interest(this, key, 0);
    }
  }

  /** Ends the connection soon, because the peer has reached limits that have just been set. */
  #endSoon(): void {
    this.#cancelEnd();
    this.#cancelEnd = this.#context.clock.after(OVER_SUBSCRIBED_MS, () =>
      failWith(this.#channel, errors.ERROR_MAXIMUM_SUBSCRIPTIONS_LOWERED),
    );
  }

  /** Takes interest of the peer. A repeated line replaces the weight; a weight of 0 counts as 1. */
  #subscribe(operation: Subscribe): void {
    const { subject, queue, weight } = operation;
    const { register, events } = this.#context;
    if (subject === register.loopSubject(this.account)) {
      this.refuseLoop();
      return;
    }
    if (!this.#permissions.mayTakeInterest(subject)) {
      if (!this.facts.isSpoke) this.#violate("Subscription", subject);
      else this.#channel.say("debug", `Permissions Violation for Subscription to ${quoted(subject)}`);
      return;
    }
    const key = this.#keyOf(operation);
    if (this.#wantsEnough && !this.#context.isWanted(this, key)) {
      const { wireText, logEveryMs } = errors.errorEntry(errors.ERROR_MAXIMUM_SUBSCRIPTIONS);
      this.#channel.complain(wireText!, wireText!, logEveryMs);
    } else if (!isValidSubscriptionText(subject)) {
      const logText = "Could not insert subscription: sublist: invalid subject";
      this.#channel.complain("Invalid Subscription", logText, 0);
    } else events.interest(this, key, queue === "" ? 1 : Math.max(weight, 1));
  }

  /** Whether the peer has as many subscriptions as it may have, or more. */
  get #wantsEnough(): boolean {
    const { subscriptionsMax } = this.#limits;
    return subscriptionsMax >= 0 && this.#context.wantedCount(this) >= subscriptionsMax;
  }

  #keyOf({ subject, queue }: Subscribe | Unsubscribe): InterestKey {
    return { account: this.account, subject, queue, origin: this.cluster || ANY_CLUSTER };
  }

  #deliver({ subject, reply, content, queues }: Message): void {
    if (!this.takesMessage(subject)) {
      this.refuseMessage(subject);
      return;
    }
    const message = { account: this.account, origin: this.cluster, subject, reply, content };
    this.#context.events.message(this, message, queues);
  }

  #violate(action: "Publish" | "Subscription", subject: string): void {
    this.#delayReconnect(VIOLATION_DELAY_MS);
    const named = quoted(subject);
    this.#channel.fail(`Permissions Violation for ${action} to ${named}`, CloseReason.ProtocolViolation, {
      logText: `${action} Violation on ${named} - Check other side configuration`,
    });
  }

  /**
   * Whether the peer logged in with the credentials of the `leafnodes` block, so that its account is not told of it.
   */
  #hasOwnLogin(): boolean {
    return !this.facts.isSolicited && this.#context.options.hasOwnCredentials;
  }
}

function permitsOf({ responses }: LeafPermissions): ResponsePermits | null {
  return responses === null ? null : new ResponsePermits(responses);
}
