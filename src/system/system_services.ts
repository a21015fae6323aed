/**
 * The server as a client of its own system account: it tells of clients that come and go and of itself, and answers
 * who asks. Everything here is a message; what the server knows and does comes from its host.
 */
import {
  invalidLinkSubject,
  lameDuckSubject,
  peerRejectedSubject,
  shutdownSubject,
  statisticsSubject,
} from "../account/system_events.ts";
import type { InternalClient } from "../fabric/internal_client.ts";
import type { ServerIdentity, ServerObjects } from "../protocol/server_object.ts";
import { ClientAnnouncer, type ClientChange } from "./client_announcer.ts";
import type { SystemHost } from "./host.ts";
import { Messenger } from "./messenger.ts";
import { invalidLinkEvent, peerRejectedEvent, type ToldCertificate } from "./ocsp_events.ts";
import { RequestService } from "./request_service.ts";
import { statsz } from "./statistics.ts";
import { StatisticsSchedule } from "./statistics_schedule.ts";

export class SystemServices {
  readonly #host: SystemHost;
  readonly #client: InternalClient;
  readonly #messenger: Messenger;
  readonly #announcer: ClientAnnouncer;
  readonly #schedule = new StatisticsSchedule(performance.now());
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isStopped = false;

  /** Serves while `client` runs, until `stop()` stops that. */
  constructor(client: InternalClient, servers: ServerObjects, host: SystemHost) {
    this.#host = host;
    this.#client = client;
    this.#messenger = new Messenger(client, servers);
    this.#announcer = new ClientAnnouncer(host, this.#messenger);
    new RequestService(host, this.#messenger, this.#announcer, (reply) => this.#sendRequested(reply));
    this.#watchSchedule();
  }

  /** A client came or went, and somebody listened. */
  announce(change: ClientChange): void {
    if (!this.#isStopped) this.#announcer.announce(change);
  }

  /** A peer is turned away, since its certificates do not hold; `kind` is that of its connection. */
  tellOfRejectedPeer(kind: string, peer: ToldCertificate, reason: string): void {
    const subject = peerRejectedSubject(this.#id);
    if (this.#isStopped || !this.#messenger.isHeard(subject)) return;
    this.#messenger.send(subject, peerRejectedEvent(this.#messenger.head(), kind, peer, reason));
  }

  /** One certificate of a peer's chain does not hold. */
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
    this.#sendServer(lameDuckSubject(this.#id));
  }

  /** The last message: the server stops. */
  stop(): void {
    if (this.#isStopped) return;
    this.#sendServer(shutdownSubject(this.#id));
    this.#isStopped = true;
    clearTimeout(this.#timer);
    this.#announcer.stop();
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

  /** Sends the summary to everybody, if it is time. A server alone has nobody to tell but who listens. */
  async #sendToAll(): Promise<void> {
    const isTime = this.#schedule.maySend(performance.now());
    this.#watchSchedule();
    if (isTime) await this.#sendStatistics(statisticsSubject(this.#id));
  }

  /** A request without a reply asks for one more for everybody. */
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
    const snapshot = await this.#host.monitor.server();
    const activeAccounts = this.#host.accounts().filter(({ connections }) => connections > 0).length;
    if (this.#isStopped) return;
    const server = this.#messenger.server();
    this.#messenger.send(subject, { server, statsz: statsz(snapshot, { activeAccounts, activeServers: 1 }) });
  }
}
