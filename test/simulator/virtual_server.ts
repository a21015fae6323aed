/**
 * A server on the virtual network: the real protocols and rules of links, and a model of everything else, which is
 * clients, their interest, and how shards choose who serves a queue group.
 */
import { systemAccountOf } from "../../src/account/config_accounts.ts";
import { loginOf } from "../../src/auth/verdict.ts";
import { loadConfigText } from "../../src/config/load.ts";
import type { Options } from "../../src/config/option_table.ts";
import type {
  InterestKey,
  Link,
  LinkClock,
  LinkConnection,
  LinkEvents,
  LinkKind,
  LinkMessage,
  LinkPeer,
} from "../../src/link/core/link.ts";
import { LinkCore, type LinkFabric, type Matches } from "../../src/link/core/link_core.ts";
import { RECENT_MS, type RecentLiterals } from "../../src/link/core/recent_interest.ts";
import type { LinkInterest } from "../../src/link/core/routing.ts";
import { TimedMap } from "../../src/link/core/testing/timed_map.ts";
import { GatewayReplies } from "../../src/link/gateway/gateway_replies.ts";
import { ReplyAddress } from "../../src/link/gateway/reply_mapping.ts";
import { Protocols } from "../../src/link/host/protocols.ts";
import { MAPPED_REPLY_MS, MAPPED_REPLY_PREFIX_BYTES } from "../../src/memory/layout.ts";
import type { LinksSetup } from "../../src/shard/links/links_setup.ts";
import { byteStringOf, byteStringOfText, bytesOf, textOf } from "../../src/subject/byte_string.ts";
import { isSubset } from "../../src/subject/subset.ts";
import { OwnInterest, type OwnWish } from "./own_interest.ts";
import type { SeededRandom } from "./random.ts";
import type { NetworkHost, VirtualNetwork } from "./virtual_network.ts";
import type { VirtualTime } from "./virtual_time.ts";

/** What a client of a server subscribes to. */
export interface VirtualSubscription extends OwnWish {
  readonly id: string;
  readonly server: VirtualServer;
}

/** A server of a topology: what its configuration says. */
export interface ServerPlan {
  readonly name: string;
  /** As a configuration file has it, without name and accounts. */
  readonly config: string;
}

/** Links look at what has changed here at most this much later. */
const LOOK_MS_MAX = 2;

export type Deliver = (subscription: VirtualSubscription, message: LinkMessage) => void;

/** Ports, the same on all servers: each has an address of its own. */
export const ROUTE_PORT = 6222;
export const GATEWAY_PORT = 7222;
export const LEAF_PORT = 7422;

/** A wish of a link, as the links shard would have it among its subscriptions. */
interface Wish extends LinkInterest {
  readonly account: string;
  readonly subject: string;
}

export class VirtualServer implements NetworkHost, LinkFabric, LinkEvents {
  readonly name: string;
  readonly accounts: readonly string[];
  isUp = false;
  readonly subscriptions = new Set<VirtualSubscription>();
  readonly #options: Options;
  readonly #time: VirtualTime;
  readonly #network: VirtualNetwork;
  readonly #random: SeededRandom;
  readonly #deliver: Deliver;
  /** Each life has its own id. */
  #lives = 0;
  #core: LinkCore | null = null;
  /** Mapped replies, by what they were delivered as. */
  #memory: TimedMap | null = null;
  #young: TimedMap | null = null;
  readonly recentLiterals: RecentLiterals = {
    note: (account, subject) => this.#young!.set(account, subject, subject),
    has: (account, subject) => this.#young!.get(account, subject) !== undefined,
  };
  #protocols: Protocols | null = null;
  #own: OwnInterest | null = null;
  #wishes: Wish[] = [];

  constructor(
    plan: ServerPlan,
    accounts: readonly string[],
    network: VirtualNetwork,
    random: SeededRandom,
    deliver: Deliver,
  ) {
    this.name = plan.name;
    this.accounts = accounts;
    this.#network = network;
    this.#time = network.time;
    this.#random = random;
    this.#deliver = deliver;
    this.#options = optionsOf(plan);
    network.listen(this, "route", plan.name, ROUTE_PORT);
    network.listen(this, "gateway", plan.name, GATEWAY_PORT);
    network.listen(this, "leaf", plan.name, LEAF_PORT);
  }

  /** Comes up, with no clients. */
  start(): void {
    const life = ++this.#lives;
    this.isUp = true;
    this.#wishes = [];
    const clock = this.#time.clock(this.#random, () => this.isUp && this.#lives === life);
    const setup = this.#setup(`N${this.name.toUpperCase()}${life}`);
    this.#young = new TimedMap(clock, RECENT_MS);
    const replies = this.#replies(setup, clock);
    const core = new LinkCore(this, clock, replies, { gateways: true, leafs: true });
    this.#core = core;
    this.#own = new OwnInterest(this.accounts, core);
    this.#protocols = new Protocols(setup, {
      clock,
      dialer: this.#network.dialerOf(this),
      log: () => {},
      events: this,
      ledger: core.ledger,
      logins: {
        judge: (_connection, { connect }, answer) => {
          const account = connect.user === "" ? "$G" : connect.user;
          answer(loginOf({ ...NOBODY, user: connect.user }, { account, permissions: null, proxyKey: "" }));
        },
        judgeServer: (_kind, _connection, _login, _isAgain, answer) => answer(true),
      },
      notices: { opened() {}, closed() {}, failed() {}, refused() {}, accountConnected() {} },
      hasAccount: (name) => this.accounts.includes(name) || name === setup.systemAccount,
      account: (name) => (this.accounts.includes(name) ? { ...LEAF_ACCOUNT, label: name } : undefined),
      wanted: (link) => this.#wishes.filter((wish) => wish.link === link),
      isWanted: (link, key) => this.#wishes.some((wish) => isWish(wish, link, key)),
      wantedCount: (link) => this.#wishes.filter((wish) => wish.link === link).length,
      tell: () => {},
    });
    for (const account of this.accounts) this.#protocols.gateways?.accountKnown(account);
    this.#protocols.start();
  }

  /** Goes without a word, clients and all. */
  crash(): void {
    this.isUp = false;
    this.subscriptions.clear();
    this.#network.crash(this);
    this.#core = null;
    this.#own = null;
    this.#protocols = null;
  }

  accept(kind: LinkKind, connection: LinkConnection): LinkPeer {
    return this.#protocols!.accept(kind, connection, null);
  }

  // Clients.

  subscribe(id: string, account: string, subject: string, queue: string): VirtualSubscription {
    const shard = this.#random.below(2);
    const subscription = { id, server: this, account, subject, queue, shard };
    this.subscriptions.add(subscription);
    this.#own!.add(subscription);
    this.#lookSoon();
    return subscription;
  }

  unsubscribe(subscription: VirtualSubscription): void {
    if (!this.subscriptions.delete(subscription)) return;
    this.#own!.remove(subscription);
    this.#lookSoon();
  }

  #lookSoon(): void {
    const own = this.#own!;
    this.#time.after(this.#random.between(0, LOOK_MS_MAX), () => {
      if (this.#own === own && own.hasNews) own.read();
    });
  }

  /** A client publishes: shards serve their own, and leave to the links what is theirs. */
  publish(account: string, subject: string, payload: string, reply = ""): void {
    const content = { bytes: Uint8Array.from(bytesOf(payload)), headerBytes: 0 };
    const message: LinkMessage = { account, origin: "", subject, reply, content };
    // Links look before they take what shards have for them.
    this.#own!.read();
    const matching = this.#matching(account, subject);
    for (const subscription of matching) if (subscription.queue === "") this.#deliver(subscription, message);
    const wishes = this.#wishesFor(account, subject);
    const groups = new Set(
      [...matching, ...wishes].map(({ queue }) => queue).filter((queue) => queue !== ""),
    );
    const forLinks: string[] = [];
    for (const queue of groups) {
      const members = matching.filter((subscription) => subscription.queue === queue);
      const wanted = wishes.filter((wish) => wish.queue === queue);
      const near = wanted.filter(({ link, origin }) => link.kind === "route" && origin === "");
      const weight = near.reduce((sum, wish) => sum + wish.weight, 0);
      const isFar = members.length === 0 && weight === 0;
      if (isFar || this.#random.below(members.length + weight) >= members.length) forLinks.push(queue);
      else this.#deliver(this.#random.pick(members), message);
    }
    const isPlain = wishes.some(({ queue }) => queue === "");
    if (isPlain || forLinks.length > 0) this.#core!.fromHere(message, isPlain, forLinks);
    else if (this.#memory!.get(account, subject) !== undefined) this.#core!.fromHere(message, false, []);
  }

  // The rest of the server, as links see it.

  want(link: Link, key: InterestKey, weight: number): void {
    this.#wishes = this.#wishes.filter((wish) => !isWish(wish, link, key));
    if (weight > 0) this.#wishes.push({ ...key, link, weight });
  }

  forget(link: Link): void {
    this.#wishes = this.#wishes.filter((wish) => wish.link !== link);
  }

  match(account: string, subject: string): Matches {
    const membersHere = new Map<string, number>();
    let isPlainHere = false;
    for (const { queue } of this.#matching(account, subject)) {
      if (queue === "") isPlainHere = true;
      else membersHere.set(queue, (membersHere.get(queue) ?? 0) + 1);
    }
    const links = this.#wishesFor(account, subject);
    const deliver: Matches["deliver"] = (...delivery) => this.#deliverHere(...delivery);
    return { isPlainHere, membersHere, links, imports: [], deliver };
  }

  #deliverHere(message: LinkMessage, isPlain: boolean, queues: readonly string[]): void {
    const matching = this.#matching(message.account, message.subject);
    for (const subscription of matching) {
      if (isPlain && subscription.queue === "") this.#deliver(subscription, message);
    }
    for (const queue of queues) {
      const members = matching.filter((subscription) => subscription.queue === queue);
      if (members.length > 0) this.#deliver(this.#random.pick(members), message);
    }
  }

  enter(_link: Link, message: LinkMessage): LinkMessage {
    return message;
  }

  linkChanged(): void {}

  plansChanged(): void {}

  // What protocols tell.

  joined(link: Link): void {
    this.#core!.joined(link);
  }

  left(link: Link): void {
    this.#core?.left(link);
  }

  interest(link: Link, key: InterestKey, weight: number): void {
    this.#core!.interest(link, key, weight);
  }

  message(link: Link, message: LinkMessage, queues: readonly string[]): void {
    this.#core!.message(link, message, queues);
  }

  changed(link: Link): void {
    this.#core!.changed(link);
  }

  #matching(account: string, subject: string): VirtualSubscription[] {
    return [...this.subscriptions].filter((subscription) => {
      return subscription.account === account && isSubset(subject, subscription.subject);
    });
  }

  #wishesFor(account: string, subject: string): Wish[] {
    return this.#wishes.filter((wish) => wish.account === account && isSubset(subject, wish.subject));
  }

  #replies(setup: LinksSetup, clock: LinkClock): GatewayReplies {
    const memory = new TimedMap(clock, MAPPED_REPLY_MS);
    this.#memory = memory;
    const cluster = setup.gateway?.options.name;
    const address =
      cluster === undefined
        ? null
        : new ReplyAddress(byteStringOfText(cluster), byteStringOfText(setup.serverId));
    return new GatewayReplies(address, {
      wasSubscribedLately: (account, reply) => this.#core?.recent.covers(account, reply) ?? false,
      routeTo: (hash, account) => this.#protocols?.routeTo(hash, account),
      gatewayTo: (hash) => this.#protocols?.gateways?.outboundTo(hash),
      memory: {
        remember: (account, mapped) => memory.set(account, mapped.slice(MAPPED_REPLY_PREFIX_BYTES), mapped),
        recall: (account, subject) => memory.get(account, subject),
      },
    });
  }

  #setup(serverId: string): LinksSetup {
    const { cluster, gateway, leafnodes } = this.#options;
    return {
      serverId,
      serverName: this.name,
      version: "2.15.2",
      goVersion: "simulator",
      gitCommit: "",
      maxPayloadBytes: 1 << 20,
      maxControlLineBytes: 4096,
      pingIntervalMs: 120_000,
      webSocketPingIntervalMs: 120_000,
      pingsOutMax: 2,
      supportsHeaders: true,
      maxSubscriptions: -1,
      isOperatorMode: false,
      isLameDuck: false,
      clusterName: cluster.name ?? gateway.name ?? (leafnodes.remotes.length > 0 ? this.name : ""),
      systemAccount: systemAccountOf(this.#options) ?? "",
      connectErrorReports: 3600,
      reconnectErrorReports: 1,
      connectUrls: [`${this.name}:4222`],
      webSocketUrls: [],
      ownAddresses: [this.name],
      tls: {},
      cluster: cluster.port === 0 ? null : { options: cluster, port: ROUTE_PORT },
      gateway: gateway.name === undefined ? null : { options: gateway, port: GATEWAY_PORT },
      leafnodes:
        leafnodes.port === 0 && leafnodes.remotes.length === 0
          ? null
          : { options: leafnodes, port: leafnodes.port === 0 ? 0 : LEAF_PORT },
    };
  }
}

const NOBODY = { nkey: "", user: "", password: "", authToken: "", jwt: "", publicKey: "" };

const LEAF_ACCOUNT = {
  isSystem: false,
  leafsMax: -1,
  leafsElsewhere: 0,
  payloadBytesMax: -1,
  subscriptionsMax: -1,
  alwaysWanted: [],
};

function isWish(wish: Wish, link: Link, { account, subject, queue, origin }: InterestKey): boolean {
  return (
    wish.link === link &&
    wish.account === account &&
    wish.subject === subject &&
    wish.queue === queue &&
    wish.origin === origin
  );
}

function optionsOf({ name, config }: ServerPlan): Options {
  const loaded = loadConfigText(`server_name: ${name}\n${config}`, `${name}.conf`, {
    readFile: () => "",
    environment: {},
  });
  if (!loaded.ok) throw new Error(loaded.lines.join("\n"));
  return loaded.options;
}

/** The text of a payload. */
export function payloadText({ content }: LinkMessage): string {
  return textOf(byteStringOf(content.bytes));
}
