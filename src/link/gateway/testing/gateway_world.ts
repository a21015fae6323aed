/** Gateways of several servers on a network of their own, in virtual time; what they send is kept. */
import { CloseReason } from "../../../protocol/close_reason.ts";
import { bytesOf } from "../../../subject/byte_string.ts";
import type {
  DialTarget,
  InterestKey,
  Link,
  LinkConnection,
  LinkMessage,
  LinkPeer,
} from "../../core/link.ts";
import { parseOperation } from "../../core/operation_parser.ts";
import { FakeClock } from "../../core/testing/fake_clock.ts";
import { FakeConnection } from "../../core/testing/fake_connection.ts";
import { GatewayGroup } from "../gateway_group.ts";
import type { GatewayHooks, GatewaySettings } from "../gateway_settings.ts";

/** Passes the operations in `bytes` to a protocol, as a host would. */
export function feed(peer: LinkPeer, bytes: string): void {
  const all = bytesOf(bytes);
  let at = 0;
  while (at < all.length) {
    const parsed = parseOperation(all, at, all.length, peer.rules);
    if (parsed.state === "error") {
      peer.refuse(parsed.fault);
      return;
    }
    if (parsed.state === "incomplete") throw new Error("not a whole operation");
    at = parsed.next;
    peer.take(parsed.operation);
  }
}

export function infoText(fields: Record<string, unknown>): string {
  return `INFO ${JSON.stringify(fields)}\r\n`;
}

export const SETTINGS: GatewaySettings = {
  name: "GA",
  serverId: "NA",
  serverName: "A",
  version: "2.15.2",
  headers: true,
  maxPayloadBytes: 1_048_576,
  host: "127.0.0.1",
  port: 1001,
  isAdvertised: false,
  credentials: null,
  authTimeoutMs: 2000,
  tls: null,
  remotes: [],
  rejectsUnknown: false,
  controlLineBytesMax: 65_536,
  pingIntervalMs: 120_000,
  pingsOutMax: 2,
  connectRetries: 0,
  connectBackoff: false,
  connectErrorReports: 3600,
  reconnectErrorReports: 1,
};

/** A dial that waits for an answer. */
type Dialled = {
  readonly target: DialTarget;
  opened(connection: LinkConnection): LinkPeer;
  failed(reason: string, isSelf?: boolean): void;
};

/** One server's gateways with nothing around them; dials wait to be answered. */
export class LoneGateways {
  readonly clock = new FakeClock();
  readonly log: string[] = [];
  readonly events: string[] = [];
  readonly links = new Set<Link>();
  readonly dialled: Dialled[] = [];
  readonly toldRoutes: string[] = [];
  /** Names, separated by blanks. */
  readonly toldClusters: string[] = [];
  readonly memberNames = new Set<string>();
  readonly messages: { readonly message: LinkMessage; readonly queues: readonly string[] }[] = [];
  /** The interest that a link is told when it joins. */
  interest: { readonly key: InterestKey; readonly weight: number }[] = [];
  readonly group: GatewayGroup;
  #lastId = 0;

  constructor(settings: Partial<GatewaySettings> = {}, hooks: Partial<GatewayHooks> = {}) {
    this.group = new GatewayGroup({ ...SETTINGS, ...settings }, { ...this.#hooks(), ...hooks });
  }

  connection(): FakeConnection {
    return new FakeConnection(++this.#lastId);
  }

  /** A connection that a peer opened, up to this server's INFO. */
  accept(): { readonly connection: FakeConnection; readonly peer: ReturnType<GatewayGroup["accept"]> } {
    const connection = this.connection();
    const peer = this.group.accept(connection);
    peer.begin();
    return { connection, peer };
  }

  /** Opens the oldest dial that waits. */
  open(): { readonly connection: FakeConnection; readonly peer: LinkPeer; readonly target: DialTarget } {
    const { target, opened } = this.dialled.shift()!;
    const connection = this.connection();
    const peer = opened(connection);
    peer.begin();
    return { connection, peer, target };
  }

  #hooks(): GatewayHooks {
    const say = (link: Link, what: string) => this.events.push(`${link.role} ${what}`);
    return {
      clock: this.clock,
      log: (level, text) => this.log.push(`${level} ${text}`),
      dialer: {
        dial: (target, opened, failed) =>
          this.dialled.push({ target, opened, failed: (reason, isSelf = false) => failed(reason, isSelf) }),
      },
      judge: (_connection, _login, _isAgain, answer) => answer({ isAuthorized: true, log: null }),
      isMemberName: (name) => this.memberNames.has(name),
      tellRoutes: (line) => this.toldRoutes.push(line),
      clustersChanged: (names) => this.toldClusters.push(names.join(" ")),
      events: {
        joined: (link) => {
          this.links.add(link);
          say(link, `joined ${link.cluster}`);
          for (const { key, weight } of this.interest) link.announce(key, weight);
        },
        left: (link) => {
          this.links.delete(link);
          say(link, `left ${link.cluster}`);
        },
        interest: (link, { account, subject, queue }, weight) => {
          say(link, [account, subject, queue, weight].filter((word) => word !== "").join(" "));
        },
        message: (link, message, queues) => {
          say(link, `message ${message.account} ${message.subject}`);
          this.messages.push({ message, queues });
        },
        changed: (link) => say(link, "changed"),
      },
    };
  }
}

/** Two connected ends: what one sends reaches the other at the next `settle()`. */
interface Wire {
  /** The servers, by their ports. */
  readonly from: number;
  readonly to: number;
  readonly near: FakeConnection;
  readonly far: FakeConnection;
  readonly nearPeer: LinkPeer;
  readonly farPeer: LinkPeer;
}

/** Several servers; a dial reaches a server if it is up. */
export class GatewayWorld {
  readonly servers = new Map<number, LoneGateways>();
  readonly down = new Set<number>();
  #wires: Wire[] = [];

  add(settings: Partial<GatewaySettings> & Pick<GatewaySettings, "name" | "port">): LoneGateways {
    const serverId = `N${settings.name}${settings.port}`;
    const server = new LoneGateways({ serverId, serverName: `S${settings.port}`, ...settings });
    this.servers.set(settings.port, server);
    return server;
  }

  /** Lets time pass on all servers. */
  advance(ms: number): void {
    for (let passed = 0; passed < ms; passed += 10) {
      this.settle();
      for (const server of this.servers.values()) server.clock.advance(10);
    }
    this.settle();
  }

  /** Carries what was sent and dialled until nothing is left. */
  settle(): void {
    let isBusy = true;
    while (isBusy) {
      isBusy = false;
      for (const server of this.servers.values()) {
        while (server.dialled.length > 0) {
          isBusy = true;
          this.#connect(server);
        }
      }
      for (const wire of [...this.#wires]) isBusy = this.#carry(wire) || isBusy;
    }
  }

  /** Breaks the connections that one server opened to another, by their ports. */
  break(from: number, to: number): void {
    for (const wire of this.#wires) {
      if (wire.from === from && wire.to === to) wire.near.close(CloseReason.ReadError);
    }
    this.settle();
  }

  #connect(from: LoneGateways): void {
    const { port } = from.dialled[0]!.target;
    const to = this.servers.get(port);
    if (to === undefined || this.down.has(port)) {
      from.dialled.shift()!.failed(`dial tcp 127.0.0.1:${port}: connect: connection refused`);
      return;
    }
    const { connection: far, peer: farPeer } = to.accept();
    const { connection: near, peer: nearPeer } = from.open();
    const fromPort = from.group.settings.port;
    this.#wires.push({ from: fromPort, to: port, near, far, nearPeer, farPeer });
  }

  #carry(wire: Wire): boolean {
    const { near, far, nearPeer, farPeer } = wire;
    const fromNear = near.take();
    const fromFar = far.take();
    if (fromFar !== "" && near.closed === "") feed(nearPeer, fromFar);
    if (fromNear !== "" && far.closed === "") feed(farPeer, fromNear);
    if (near.closed === "" && far.closed === "") return fromNear !== "" || fromFar !== "";
    this.#wires = this.#wires.filter((other) => other !== wire);
    for (const [end, peer] of [
      [near, nearPeer],
      [far, farPeer],
    ] as const) {
      peer.ended(end.closeReason ?? CloseReason.ClientClosed);
    }
    return true;
  }
}
