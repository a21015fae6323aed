import { connect, type NatsConnection } from "@nats-io/transport-node";

/** A time during which messages to or from a client may be lost: from before its connection ended until it is back. */
interface Gap {
  readonly fromMs: number;
  untilMs: number;
}

/**
 * How long before the client notices bytes may have been lost on their way, and how long after it is back all servers
 * know of it.
 */
const BEFORE_MS = 500;
const AFTER_MS = 1000;

/**
 * A client of the NATS project, which is told of one server and learns the others from INFO. Keeps the times at which
 * it was between two servers.
 */
export class RoamingClient {
  readonly connection: NatsConnection;
  readonly gaps: Gap[] = [];
  isConnected = true;

  private constructor(connection: NatsConnection) {
    this.connection = connection;
    void this.#watch();
  }

  static async open(port: number, login: { user?: string; pass?: string } = {}): Promise<RoamingClient> {
    const connection = await connect({
      ...login,
      servers: [`127.0.0.1:${port}`],
      maxReconnectAttempts: -1,
      reconnectTimeWait: 50,
      reconnectJitter: 10,
      // What a client would send anew after a gap is not told from what a server sends twice.
      noEcho: true,
    });
    return new RoamingClient(connection);
  }

  /** Whether what happened at this time may be lost to this client. */
  isInGap(atMs: number): boolean {
    return this.gaps.some(({ fromMs, untilMs }) => atMs >= fromMs && atMs <= untilMs);
  }

  async #watch(): Promise<void> {
    for await (const { type } of this.connection.status()) {
      if (type === "disconnect") {
        this.isConnected = false;
        this.gaps.push({ fromMs: performance.now() - BEFORE_MS, untilMs: Number.POSITIVE_INFINITY });
      } else if (type === "reconnect") {
        const gap = this.gaps.at(-1);
        if (gap !== undefined) gap.untilMs = performance.now() + AFTER_MS;
        this.isConnected = true;
      }
    }
  }
}
