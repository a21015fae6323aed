/** Listens to the other servers of the system account. Source: nats-server remoteServerUpdate, remoteConnsUpdate. */
import { LAME_DUCK_SUBJECTS, SHUTDOWN_SUBJECTS, STATISTICS_SUBJECTS } from "../account/system_events.ts";
import type { InternalMessage } from "../fabric/internal_client.ts";
import type { SystemHost } from "./host.ts";
import type { Messenger } from "./messenger.ts";
import { RemoteServers, SILENCE_LOOK_MS } from "./remote_servers.ts";

const COUNT_SUBJECTS = "$SYS.SERVER.ACCOUNT.*.CONNS";

type Json = Readonly<Record<string, unknown>>;

export class ServerWatch {
  readonly #host: SystemHost;
  readonly #messenger: Messenger;
  readonly #servers = new RemoteServers();
  readonly #onNew: () => void;
  readonly #timer: ReturnType<typeof setInterval>;

  /** `onNew` is called for a server that this one did not know. */
  constructor(host: SystemHost, messenger: Messenger, onNew: () => void) {
    this.#host = host;
    this.#messenger = messenger;
    this.#onNew = onNew;
    const { id } = messenger.servers.identity;
    messenger.subscribe(STATISTICS_SUBJECTS, (message) => {
      const server = objectIn(objectOf(message), "server");
      if (server !== null) this.#hear(server);
    });
    for (const subject of [COUNT_SUBJECTS, answersSubject(id)]) {
      messenger.subscribe(subject, (message) => this.#takeCount(objectOf(message)));
    }
    for (const subject of [SHUTDOWN_SUBJECTS, LAME_DUCK_SUBJECTS]) {
      messenger.subscribe(subject, (message) => this.#takeEnd(message));
    }
    this.#timer = setInterval(() => {
      for (const silent of this.#servers.silent(performance.now())) this.#forget(silent);
    }, SILENCE_LOOK_MS);
  }

  /** How many other servers there are. */
  get count(): number {
    return this.#servers.count;
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** An account has become known here: asks the other servers how many connections they have of it. */
  askFor(account: string): void {
    const subject = `$SYS.REQ.ACCOUNT.${account}.CONNS`;
    if (!this.#messenger.isHeard(subject)) return;
    const { id } = this.#messenger.servers.identity;
    this.#messenger.request(subject, answersSubject(id), { server: this.#messenger.server(), acc: account });
  }

  /** False for a message to ignore: this server's own, or one that comes late. */
  #hear({ id, seq }: Json): boolean {
    if (typeof id !== "string" || id === this.#messenger.servers.identity.id) return false;
    const heard = this.#servers.heard(id, typeof seq === "number" ? seq : 0, performance.now());
    if (heard === "out of order") {
      this.#host.logError(`Received out of order remote server update from: ${JSON.stringify(id)}`);
    }
    if (heard === "new") this.#onNew();
    return heard !== "out of order";
  }

  #takeCount(event: Json | null): void {
    const server = objectIn(event, "server");
    if (event === null || server === null || typeof server.id !== "string") return;
    const { acc: account, conns: clients, leafnodes } = event;
    if (typeof account !== "string" || this.#host.account(account) === undefined) return;
    if (typeof clients !== "number" || typeof leafnodes !== "number" || !this.#hear(server)) return;
    this.#servers.setConnections(server.id, account, { clients, leafnodes });
    this.#tell(account);
  }

  /** The third token names the server. */
  #takeEnd({ subject }: InternalMessage): void {
    this.#forget(subject.split(".")[2] ?? "");
  }

  #forget(id: string): void {
    for (const account of this.#servers.remove(id)) this.#tell(account);
  }

  #tell(account: string): void {
    this.#host.setConnectionsElsewhere(account, this.#servers.connectionsOf(account));
  }
}

/** The subject on which others answer this server's requests for numbers of connections. */
function answersSubject(serverId: string): string {
  return `$SYS._INBOX_.${serverId}`;
}

/** The body of a message; null for what is no JSON object. */
function objectOf({ content: { bytes, headerBytes } }: InternalMessage): Json | null {
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(bytes.slice(headerBytes)));
    return isObject(value) ? value : null;
  } catch {
    return null;
  }
}

function objectIn(json: Json | null, key: string): Json | null {
  const value = json?.[key];
  return isObject(value) ? value : null;
}

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
