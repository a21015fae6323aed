/**
 * The server as a client of its own system account: it sends events about clients and itself, and answers requests.
 * Everything here is a message; the host knows the server and acts for it.
 */
import type { ClientInfo } from "../account/client_info.ts";
import { readRemoteLatency } from "../account/latency.ts";
import {
  invalidLinkSubject,
  lameDuckSubject,
  leafConnectSubject,
  peerRejectedSubject,
  shutdownSubject,
  statisticsSubject,
} from "../account/system_events.ts";
import { errorText } from "../base/error_text.ts";
import { GLOBAL_ACCOUNT } from "../config/account_names.ts";
import type { InternalClient } from "../fabric/internal_client.ts";
import type { GatewayQuery } from "../monitor/snapshots/links.ts";
import type { ServerIdentity, ServerObjects } from "../protocol/server_object.ts";
import { encodeTrace } from "../protocol/tracing/message_trace.ts";
import type { TraceResult } from "../shard/shard_messages.ts";
import { ClientAnnouncer, type ClientChange } from "./client_announcer.ts";
import type { SystemHost } from "./host.ts";
import { Messenger } from "./messenger.ts";
import { invalidLinkEvent, peerRejectedEvent, type ToldCertificate } from "./ocsp_events.ts";
import { RequestService } from "./request_service.ts";
import { ServerWatch } from "./server_watch.ts";
import { statsz } from "./statistics.ts";
import { StatisticsSchedule } from "./statistics_schedule.ts";
import { SubscriberCount } from "./subscriber_count.ts";

const ALL_GATEWAYS: GatewayQuery = {
  gateway: "",
  listsAccounts: false,
  account: "",
  listsSubscriptions: false,
};

export class SystemServices {
  readonly #host: SystemHost;
  readonly #client: InternalClient;
  readonly #messenger: Messenger;
  readonly #announcer: ClientAnnouncer;
  readonly #watch: ServerWatch;
  readonly #schedule = new StatisticsSchedule(performance.now());
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isStopped = false;
  /** In lame duck mode others already count this server as gone, so it sends no summary that nobody has asked for. */
  #isLameDuck = false;

  /** Serves while `client` runs, until `stop()` stops that. `serverHash` names the server in subjects. */
  constructor(client: InternalClient, servers: ServerObjects, host: SystemHost, serverHash: string) {
    this.#host = host;
    this.#client = client;
    this.#messenger = new Messenger(client, servers, host);
    this.#announcer = new ClientAnnouncer(host, this.#messenger);
    this.#watch = new ServerWatch(host, this.#messenger, () => void this.#onNewServer());
    this.#messenger.subscribe(`$SYS.LATENCY.M2.${serverHash}`, ({ content: { bytes, headerBytes } }) => {
      const latency = readRemoteLatency(bytes.subarray(headerBytes));
      if (latency !== null) host.takeRemoteLatency(latency);
    });
    const subscribers = new SubscriberCount(host, this.#messenger, serverHash, () => this.#watch.count);
    const send = (reply: string) => this.#sendRequested(reply);
    new RequestService(host, this.#messenger, this.#announcer, send, subscribers);
    this.#watchSchedule();
  }

  /** A leaf node came to an account, or went. Null if only the account's number of connections is to be told. */
  announceLeaf(leaf: ClientInfo | null, account: string, end: ClientChange["end"]): void {
    const countedAccounts = account === GLOBAL_ACCOUNT ? [] : [account];
    this.announce({ client: leaf, countedAccounts, failure: null, end });
  }

  /** A leaf node could not log in. */
  announceRefusedLeaf(leaf: ClientInfo, reason: string): void {
    if (!this.#isStopped) this.#announcer.tellRefusal({ ...leaf, stoppedAtMs: Date.now() }, reason);
  }

  /** With gateways: a leaf node is in the account, whose messages other clusters are to send by interest. */
  announceLeafAccount(account: string): void {
    if (this.#isStopped || !this.#messenger.isHeard(leafConnectSubject(account))) return;
    const server = this.#messenger.server();
    this.#messenger.send(leafConnectSubject(account), { server, acc: account });
  }

  /** Operator mode: an account has come to be known here. */
  accountKnown(account: string): void {
    if (!this.#isStopped) this.#watch.askFor(account);
  }

  /** A client came or went, and somebody listened. */
  announce(change: ClientChange): void {
    if (!this.#isStopped) this.#announcer.announce(change);
  }

  /** A message has been traced: what this server did with it goes where the message, or its account, says. */
  async publishTrace({ account, destination, acceptEncoding, report }: TraceResult): Promise<void> {
    if (this.#isStopped) return;
    const text = encodeTrace(this.#messenger.server(), report);
    const sent = await this.#messenger.sendTextAs(acceptEncoding, destination, text, account);
    this.#host.askServices(account, destination, sent.payload, sent.headers);
  }

  /** A peer is turned away because its certificates failed the check; `kind` is that of its connection. */
  tellOfRejectedPeer(kind: string, peer: ToldCertificate, reason: string): void {
    const subject = peerRejectedSubject(this.#id);
    if (this.#isStopped || !this.#messenger.isHeard(subject)) return;
    this.#messenger.send(subject, peerRejectedEvent(this.#messenger.head(), kind, peer, reason));
  }

  /** One certificate of a peer's chain failed the check. */
  tellOfInvalidLink(peer: ToldCertificate, link: ToldCertificate, reason: string): void {
    const subject = invalidLinkSubject(this.#id);
    if (this.#isStopped || !this.#messenger.isHeard(subject)) return;
    this.#messenger.send(subject, invalidLinkEvent(this.#messenger.head(), peer, link, reason));
  }

  /** A reload took place; the summary tells what servers are tagged with. */
  changeIdentity(identity: ServerIdentity): void {
    const before = this.#messenger.servers.identity;
    this.#messenger.servers.identity = identity;
    const tellable = ({ tags, metadata }: ServerIdentity) => JSON.stringify([tags, [...metadata]]);
    if (tellable(before) !== tellable(identity)) void this.#sendToAll();
  }

  /** The server takes no more clients. */
  enterLameDuck(): void {
    this.#isLameDuck = true;
    this.#sendServer(lameDuckSubject(this.#id));
  }

  /** The last message: the server stops. */
  stop(): void {
    if (this.#isStopped) return;
    this.#sendServer(shutdownSubject(this.#id));
    this.#isStopped = true;
    clearTimeout(this.#timer);
    this.#announcer.stop();
    this.#watch.stop();
    this.#client.stop();
  }

  get #id(): string {
    return this.#messenger.servers.identity.id;
  }

  #sendServer(subject: string): void {
    if (this.#messenger.isHeard(subject)) this.#messenger.send(subject, this.#messenger.server());
  }

  #watchSchedule(): void {
    clearTimeout(this.#timer);
    const waitMs = Math.max(this.#schedule.dueMs - performance.now(), 0);
    this.#timer = setTimeout(() => {
      this.#schedule.advance(performance.now());
      void this.#sendToAll();
    }, waitMs);
  }

  /** A server that has just come is to hear of this one, and of the accounts that its leaf nodes are in. */
  async #onNewServer(): Promise<void> {
    try {
      void this.#sendToAll();
      const { monitor } = this.#host;
      if ((await monitor.gateways(ALL_GATEWAYS)) === null) return;
      const leafs = await monitor.leafnodes({ account: "", listsSubscriptions: false });
      for (const account of new Set(leafs.map((leaf) => leaf.account))) this.announceLeafAccount(account);
    } catch (error) {
      this.#host.logError(`A new server is not told of leaf nodes: ${(error as Error).message}`);
    }
  }

  /** Sends the summary to everybody who listens, if it is time. Never rejects: a failed summary is no reason to end. */
  async #sendToAll(): Promise<void> {
    const isTime = this.#schedule.maySend(performance.now());
    this.#watchSchedule();
    if (!isTime || this.#isLameDuck) return;
    try {
      await this.#sendStatistics(statisticsSubject(this.#id));
    } catch (error) {
      this.#host.logError(`The server's summary is not sent: ${errorText(error)}`);
    }
  }

  /** A request without a reply subject asks for one more summary to everybody. */
  async #sendRequested(reply: string): Promise<void> {
    if (reply !== "") {
      await this.#sendStatistics(reply);
      return;
    }
    this.#schedule.forgetLast();
    await this.#sendToAll();
  }

  async #sendStatistics(subject: string): Promise<void> {
    if (this.#isStopped || !this.#messenger.isHeard(subject)) return;
    const { monitor } = this.#host;
    const [snapshot, routes, gateways] = await Promise.all([
      monitor.server(),
      monitor.routes(false),
      monitor.gateways(ALL_GATEWAYS),
    ]);
    const { systemAccount } = snapshot.identity;
    const activeAccounts = this.#host
      .accounts()
      .filter(({ name, connections }) => connections > 0 || name === systemAccount).length;
    if (this.#isStopped) return;
    const server = this.#messenger.server();
    const surroundings = { activeAccounts, activeServers: this.#watch.count + 1, routes, gateways };
    this.#messenger.send(subject, { server, statsz: statsz(snapshot, surroundings) });
  }
}
