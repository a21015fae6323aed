/**
 * The other servers that share the system account, by their own messages: which there are, and how many connections
 * each has of an account. Times are steady-clock milliseconds. Source: nats-server updateRemoteServer,
 * checkRemoteServers.
 */

/** How often to look for servers that have fallen silent, and after how long a silence they are forgotten. */
export const SILENCE_LOOK_MS = 90_000;
const SILENCE_MS_MAX = 150_000;

/** Of one account. */
export interface ConnectionsElsewhere {
  readonly clients: number;
  readonly leafnodes: number;
}

interface RemoteServer {
  /** The number of its last message. */
  sequence: number;
  heardMs: number;
  readonly accounts: Map<string, ConnectionsElsewhere>;
}

export type Heard = "new" | "known" | "out of order";

export class RemoteServers {
  readonly #servers = new Map<string, RemoteServer>();

  get count(): number {
    return this.#servers.size;
  }

  /** Notes a message of a server and its number. */
  heard(id: string, sequence: number, nowMs: number): Heard {
    const known = this.#servers.get(id);
    if (known === undefined) {
      this.#servers.set(id, { sequence, heardMs: nowMs, accounts: new Map() });
      return "new";
    }
    if (sequence <= known.sequence) return "out of order";
    known.sequence = sequence;
    known.heardMs = nowMs;
    return "known";
  }

  /** What a known server has of an account. */
  setConnections(id: string, account: string, connections: ConnectionsElsewhere): void {
    const accounts = this.#servers.get(id)?.accounts;
    if (connections.clients + connections.leafnodes === 0) accounts?.delete(account);
    else accounts?.set(account, connections);
  }

  /** What all of them together have of an account. */
  connectionsOf(account: string): ConnectionsElsewhere {
    let clients = 0;
    let leafnodes = 0;
    for (const { accounts } of this.#servers.values()) {
      const there = accounts.get(account);
      clients += there?.clients ?? 0;
      leafnodes += there?.leafnodes ?? 0;
    }
    return { clients, leafnodes };
  }

  /** A server is gone; returns the accounts that it had connections of. */
  remove(id: string): readonly string[] {
    const accounts = [...(this.#servers.get(id)?.accounts.keys() ?? [])];
    this.#servers.delete(id);
    return accounts;
  }

  /** Servers that have been silent for too long. */
  silent(nowMs: number): readonly string[] {
    return [...this.#servers].filter(([, { heardMs }]) => nowMs - heardMs > SILENCE_MS_MAX).map(([id]) => id);
  }
}
