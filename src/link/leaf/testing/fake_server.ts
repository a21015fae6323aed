/** A server with nothing but its leaf links, on virtual time and connections in memory. For tests. */
import type { Login, LoginRefusal } from "../../../auth/login.ts";
import { loginOf, refusalOf } from "../../../auth/verdict.ts";
import type { LeafRemoteOptions } from "../../../config/leaf_remotes.ts";
import { LEAFNODES_DEFAULTS } from "../../../config/leafnodes.ts";
import { loadConfigText } from "../../../config/load.ts";
import { closeReasonEntry } from "../../../protocol/close_reason.ts";
import { byteStringOf, bytesOf } from "../../../subject/byte_string.ts";
import type {
  DialTarget,
  InterestKey,
  Link,
  LinkConnection,
  LinkDialer,
  LinkMessage,
  LinkPeer,
} from "../../core/link.ts";
import { parseOperation } from "../../core/operation_parser.ts";
import type { FakeClock } from "../../core/testing/fake_clock.ts";
import { FakeConnection } from "../../core/testing/fake_connection.ts";
import { NotedWishes } from "../../core/testing/noted_wishes.ts";
import type { LeafWebSocket } from "../leaf_channel.ts";
import type { LeafAccount, LeafContext, LeafLoginRequest, LeafOptions } from "../leaf_context.ts";
import { LeafNodes } from "../leaf_nodes.ts";

export const LEAF_OPTIONS: LeafOptions = {
  serverId: "NSERVER",
  serverName: "S",
  version: "2.15.2",
  goVersion: "go1",
  gitCommit: "",
  protocol: 1,
  hasHeaders: true,
  payloadBytesMax: 1024,
  subscriptionsMax: -1,
  controlLineBytesMax: 4096,
  pingIntervalMs: 120_000,
  webSocketPingIntervalMs: 120_000,
  pingsOutMax: 2,
  hasGateways: false,
  isStandAlone: false,
  connectErrorReports: 3600,
  reconnectErrorReports: 1,
  host: "127.0.0.1",
  port: 7422,
  tls: null,
  authTimeoutMs: 2000,
  hasOwnCredentials: false,
  versionMin: null,
  compression: { mode: "s2_auto", rttThresholdsMs: [10, 50, 100] },
  isolatesInterest: false,
  reconnectIntervalMs: 1000,
  dialTimeoutMs: 1000,
};

export const LEAF_ACCOUNT: LeafAccount = {
  label: "A",
  isSystem: false,
  leafsMax: -1,
  leafsElsewhere: 0,
  payloadBytesMax: -1,
  subscriptionsMax: -1,
  alwaysWanted: [],
};

/** The users that may log in, by name; the password is the name. */
export type FakeUser = Pick<Login, "account" | "permissions"> & Partial<Login>;

/** One end of a connection in memory: bytes go in as text, and come out as text. */
export class FakeEnd {
  readonly connection: FakeConnection;
  readonly peer: LinkPeer;
  #rest = new Uint8Array(0);
  #isEnded = false;

  constructor(connection: FakeConnection, peer: LinkPeer) {
    this.connection = connection;
    this.peer = peer;
  }

  /** Bytes from the other side. */
  feed(text: string): void {
    let bytes = bytesOf(byteStringOf(this.#rest) + text);
    while (!this.#isOver()) {
      const parsed = parseOperation(bytes, 0, bytes.length, this.peer.rules);
      if (parsed.state === "error") {
        this.peer.refuse(parsed.fault);
        break;
      }
      bytes = bytes.slice(parsed.next);
      if (parsed.state === "incomplete") break;
      this.peer.take(parsed.operation);
    }
    this.#rest = Uint8Array.from(bytes);
    this.#isOver();
  }

  /** What this side has sent since the last call, one line each, `-ERR` and payloads included. */
  lines(): readonly string[] {
    this.#isOver();
    return this.connection
      .take()
      .split("\r\n")
      .filter((line) => line !== "");
  }

  /** Ends the connection because the other side is gone. */
  lose(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.connection.close(1);
    this.peer.ended(1);
  }

  /** Tells the protocol that it has closed the connection, as a host does. */
  #isOver(): boolean {
    const { closeReason } = this.connection;
    if (closeReason !== null && !this.#isEnded) {
      this.#isEnded = true;
      this.peer.ended(closeReason);
    }
    return this.#isEnded;
  }
}

export interface Dialled {
  readonly target: DialTarget;
  readonly open: () => FakeEnd;
  readonly fail: (reason: string) => void;
}

let connectionIds = 0;

export class FakeServer {
  readonly nodes: LeafNodes;
  readonly logs: string[] = [];
  /** What the core was told, one line each. */
  readonly told: string[] = [];
  readonly links: Link[] = [];
  readonly wishes = new NotedWishes();
  /** Connections that ended before they became a link. */
  readonly failed: string[] = [];
  readonly messages: { readonly message: LinkMessage; readonly queues: readonly string[] }[] = [];
  readonly dialled: Dialled[] = [];
  readonly requests: LeafLoginRequest[] = [];
  readonly accounts = new Map<string, LeafAccount>([["A", LEAF_ACCOUNT]]);
  readonly users = new Map<string, FakeUser>();
  /** The login of peers that name no user. */
  anonymous: FakeUser | null = { account: "A", permissions: null };
  cluster = "";
  leafUrls: readonly string[] = ["127.0.0.1:7422"];
  files = new Map<string, string>();
  /** How far the wall clock is ahead of the monotonic one. */
  wallOffsetMs = 0;
  /** Called for each link that comes up, to announce what is wanted here. */
  onJoined: (link: Link) => void = () => {};
  /** Called for each link that ends. */
  onLeft: (link: Link) => void = () => {};
  /** Called for each change of what peers want. */
  onInterest: (link: Link, key: InterestKey, weight: number) => void = () => {};
  /** Verdicts wait until the test lets them go. */
  holdsVerdicts = false;
  readonly held: (() => void)[] = [];

  constructor(clock: FakeClock, options: Partial<LeafOptions> = {}) {
    const dialer: LinkDialer = {
      dial: (target, opened, failed) => {
        this.dialled.push({
          target,
          open: () => begin(target.host, target.port, opened),
          fail: (reason) => failed(reason, false),
        });
      },
    };
    this.nodes = new LeafNodes(this.#context(clock, options), dialer);
  }

  /** A connection to the leaf listener. */
  accept(webSocket: LeafWebSocket | null = null): FakeEnd {
    return begin("127.0.0.1", 50_000, (connection) => this.nodes.accept(connection, webSocket));
  }

  /** Makes the last dial succeed, and returns its connection. */
  open(): FakeEnd {
    return this.dialled.at(-1)!.open();
  }

  #context(clock: FakeClock, options: Partial<LeafOptions>): Omit<LeafContext, "register"> {
    return {
      options: { ...LEAF_OPTIONS, ...options },
      clusterName: () => this.cluster,
      leafUrls: () => this.leafUrls,
      webSocketUrls: () => [],
      account: (name) => this.accounts.get(name),
      logins: {
        judge: (_connection, request, answer) => {
          this.requests.push(request);
          const give = () => answer(this.#judge(request));
          if (this.holdsVerdicts) this.held.push(give);
          else give();
        },
      },
      events: {
        joined: (link) => {
          this.links.push(link);
          this.told.push(`joined ${link.account} ${link.role} ${link.cluster}`);
          this.onJoined(link);
        },
        left: (link) => {
          this.told.push(`left ${link.account}`);
          this.wishes.forget(link);
          this.onLeft(link);
        },
        interest: (link, key, weight) => {
          const { account, subject, queue, origin } = key;
          this.told.push(`interest ${account} ${subject} ${queue} ${origin} ${weight}`);
          this.wishes.set(link, key, weight);
          this.onInterest(link, key, weight);
        },
        message: (_link, message, queues) => void this.messages.push({ message, queues }),
        changed: () => void this.told.push("changed"),
      },
      wanted: (link) => this.wishes.list(link).map(({ key }) => key),
      isWanted: (link, key) => this.wishes.has(link, key),
      wantedCount: (link) => this.wishes.list(link).length,
      notices: {
        opened: ({ serverName }, announces) => void this.told.push(`opened ${serverName} ${announces}`),
        closed: ({ serverName }, reason) =>
          void this.told.push(`closed ${serverName} ${closeReasonEntry(reason).text}`),
        failed: ({ serverName, account, verdict }, reason) =>
          void this.failed.push(
            `${serverName} ${account} ${verdict?.user ?? ""} ${closeReasonEntry(reason).text}`,
          ),
        refused: (_connection, { reason }) => void this.told.push(`refused ${reason}`),
        accountConnected: (account) => void this.told.push(`account ${account}`),
      },
      readFile: (path) => {
        const text = this.files.get(path);
        if (text === undefined) throw new Error(`open ${path}: no such file or directory`);
        return text;
      },
      newNonce: () => "aN5b3xZ9QwErTyU",
      wallMs: () => clock.nowMs() + this.wallOffsetMs,
      clock,
      log: (level, text) => void this.logs.push(`${level} ${text.replace(/^\S+ - lid(_ws)?:\d+ - /, "")}`),
    };
  }

  #judge({ connect }: LeafLoginRequest): Login | LoginRefusal {
    const { user, password, nkey, jwt, authToken } = connect;
    const claimed = { nkey, user, password, authToken, jwt, publicKey: "" };
    const found = user === "" ? this.anonymous : password === user ? this.users.get(user) : undefined;
    if (!found) return refusalOf(claimed, "authorization violation", "$G", []);
    return loginOf(claimed, { proxyKey: "", ...found });
  }
}

function begin(host: string, port: number, make: (connection: LinkConnection) => LinkPeer): FakeEnd {
  const connection = new FakeConnection(++connectionIds, host, port);
  const end = new FakeEnd(connection, make(connection));
  end.peer.begin();
  end.feed("");
  return end;
}

/** Parses the remotes of a `leafnodes` block, whose text is given. */
export function remotesOf(text: string): readonly LeafRemoteOptions[] {
  const loaded = loadConfigText(`accounts { A {}, B {} }, leafnodes { remotes: [${text}] }`, "x.conf", {
    readFile: () => "",
    environment: {},
  });
  if (!loaded.ok) throw new Error(loaded.lines.join("\n"));
  return loaded.options.leafnodes.remotes ?? LEAFNODES_DEFAULTS.remotes;
}

/** Carries bytes between two ends until both are silent. A closed end reaches the other as a lost connection. */
export function carry(a: FakeEnd, b: FakeEnd): void {
  for (;;) {
    const [fromA, fromB] = [a, b].map(({ connection }) => connection.take().replaceAll(/<s2_\w+>\r\n/g, ""));
    if (fromA === "" && fromB === "") break;
    if (fromA !== "" && b.connection.closed === "") b.feed(fromA!);
    if (fromB !== "" && a.connection.closed === "") a.feed(fromB!);
  }
  if (a.connection.closed !== "") b.lose();
  if (b.connection.closed !== "") a.lose();
}
