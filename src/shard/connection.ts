/**
 * One connection of a shard: its cold half. What the engine needs per message is the connection's record in the shared
 * memory.
 */
import type { ClientInfo } from "../account/client_info.ts";
import type { ResponsePermits } from "../account/response_permits.ts";
import type { Login, LoginRefusal } from "../auth/login.ts";
import { accountInLogs, identityInLogs, type Statement, statementInLogs } from "../auth/login_in_logs.ts";
import type { HeldMessage } from "../fabric/held_message.ts";
import type { ClientListenerKind } from "../fabric/listeners.ts";
import type { CloseReason } from "../protocol/close_reason.ts";
import { type ConnectOptions, DEFAULT_CONNECT_OPTIONS } from "../protocol/connect_options.ts";
import { goQuoteText } from "../protocol/go_quote.ts";
import type { CookieNames } from "../protocol/websocket/upgrade.ts";
import { hostText } from "../runtime/posix/socket_address.ts";
import type { TlsSession } from "../runtime/tls.ts";
import type { ShardAccount } from "./accounts.ts";
import type { ProxyHeader } from "./client/proxy_header.ts";
import type { PendingQueue } from "./output/pending_queue.ts";

/** Accepted; no CONNECT has come yet. */
export const STATE_NEW = 0;
/** CONNECT is being judged elsewhere; no input is taken meanwhile. */
export const STATE_WAITING = 1;
/** CONNECT accepted. */
export const STATE_CONNECTED = 2;
/** No input is read and nothing new is queued; what is queued is still sent. */
export const STATE_CLOSING = 3;
/** The socket is gone and the slot is released. */
export const STATE_CLOSED = 4;

/** No context: the connection is in no account yet. */
export const NO_CONTEXT = 0;

/** Phases: what stands between a connection and its protocol; see `handshakes.ts`. */
export const PHASE_SETTLED = 0;
/** Nothing is sent yet: a client that begins with TLS has a moment to do so. */
export const PHASE_AWAITS_HELLO = 1;
/** INFO is sent; the client's first byte decides between TLS and plain text. */
export const PHASE_AWAITS_FIRST_BYTE = 2;
/** The TLS handshake is under way. */
export const PHASE_HANDSHAKE = 3;
/**
 * The handshake is done, and main is asked whether the client's certificates still hold. No input is taken meanwhile.
 */
export const PHASE_PEER_CHECK = 4;
/** INFO is sent, unless TLS comes first; the header of a proxy may come. */
export const PHASE_AWAITS_HEADER = 5;

/** The peer of a connection, and what its TLS handshake agreed on. */
export interface Arrival {
  readonly ip: string;
  readonly port: number;
  readonly tls: TlsSession | null;
}

/** What the upgrade request of a WebSocket said of its client. */
export interface WebSocketPeer {
  /** Credentials from cookies, "" for those that are absent. */
  readonly cookies: CookieNames;
  /** The client's address according to a proxy, "" if there is none. */
  readonly forwardedFor: string;
}

/** What log lines tell of a client. Kept as its parts, since hardly any client ever has a line. */
interface Told {
  readonly options: ConnectOptions;
  readonly login: Login | null;
  readonly account: string;
}

export class Connection {
  readonly slot: number;
  /** Address of the connection's record in the shared memory. */
  readonly address: number;
  readonly clientId: number;
  /** The address of the peer, or the one that a proxy tells. */
  ip: string;
  port: number;
  readonly startMs: number;
  /** The nonce that the client is to sign, "" if the server asks for no signature. */
  readonly nonce: string;
  /** Null for a connection that came in by the client port. */
  readonly webSocket: WebSocketPeer | null;
  state = STATE_NEW;
  phase = PHASE_SETTLED;
  /** What the TLS handshake agreed on; null on a plain connection. */
  tls: TlsSession | null;
  /** The header of a proxy, while it is being read. */
  proxyHeader: ProxyHeader | null = null;
  /** Whether the TLS handshake comes, or came, before INFO. */
  isTlsFirst = false;
  options: ConnectOptions = DEFAULT_CONNECT_OPTIONS;
  /** Who the client is; null before CONNECT was accepted. */
  login: Login | null = null;
  /** Number of the login rules by which the login is being judged elsewhere. */
  judgedByRules = 0;
  /** Counts the questions and decisions about the login: a verdict on an earlier question comes too late. */
  loginNumber = 0;
  /** Why the client was not let in; such a connection is about to close. */
  refusal: LoginRefusal | null = null;
  account: ShardAccount;
  /** What the client publishes under: its account with its user's permissions. */
  context = NO_CONTEXT;
  /** Reply subjects on which the client may answer whatever its permissions say; null without allow_responses. */
  permits: ResponsePermits | null = null;
  /** Id of the account in which the connection is counted, 0 for none. */
  countedIn = 0;
  /** The account in which the connection was counted before a second CONNECT, until that has been reported. */
  leftAccount = "";
  /** Whether the connection has as many subscriptions as a limit that came later allows, or more. */
  isOverSubscribed = false;
  maxPayloadBytes: number;
  maxSubscriptions: number;

  firstSubscription = 0;
  subscriptionCount = 0;

  /** Input that has been received but not taken yet, such as an unfinished operation. */
  kept: Uint8Array<ArrayBuffer> | null = null;
  keptLength = 0;
  /** Whether the next turn takes the kept input before it reads the connection again. */
  isPostponed = false;
  /** The parser's state while it skips a line whose bytes mean nothing. */
  skipState = 0;
  /** A message too large for the receive buffer, while it arrives. */
  large: HeldMessage | null = null;

  /** Output that the kernel has not taken yet; null if there is none. */
  pending: PendingQueue | null = null;
  isWriteWanted = false;
  /** Bytes handed to the kernel so far, and the count that they must reach by the write deadline. */
  writtenBytes = 0;
  deadlineMark = 0;
  isDeadlineSet = false;
  /**
   * Whether the connection has more pending than it may have, and the count of written bytes at which all of that has
   * left.
   */
  isInExcess = false;
  excessMark = 0;
  /** When the deadline was set, and in how many chunks the bytes that must leave by then were queued. */
  deadlineSinceMs = 0;
  deadlineChunks = 0;
  /** Whether the connection has missed a write deadline and was given another. */
  isSlow = false;
  /** Whether the connection leads to another server and not to a client; see `links/link_host.ts`. */
  isLink = false;
  /** What services are told of a leaf node's link; null before it is up, and for all other connections. */
  leafDetails: ClientInfo | null = null;
  /** Whether the bytes read and written are in WebSocket frames. */
  hasFrames: boolean;
  /** False only for a link that could not be dialled and has no socket. */
  hasStream = true;
  deadlineWrittenBytes = 0;

  /** The connection is not read before this time; 0 while it is read. */
  pausedUntilMs = 0;
  pausedSinceMs = 0;
  /** Whether the connection publishes to one with more pending than allowed: then little is read of it next. */
  readsLittle = false;
  /** How often a producer was slowed for this connection. */
  stalls = 0;

  lastActivityMs: number;
  /** Steady clock at the last write of messages that `lastActivityMs` does not include yet; 0 if it does. */
  lastOutputMs = 0;
  /** The low word of the number of messages delivered by then. */
  writtenMessages = 0;
  /** Steady clock at the last input that makes a PING unnecessary. */
  lastInputMs = 0;
  pingsOutstanding = 0;
  pingSentMs = 0;
  /** Round-trip time in milliseconds; 0 before it is known. */
  rttMs = 0;
  hasSentFirstPong = false;
  /** Whether a CONNECT has been accepted, or the client was let in without one: the next one is its second. */
  hasConnected = false;
  /** Whether the pedantic error about the message being received was sent. */
  hasComplained = false;

  closeReason: CloseReason | 0 = 0;
  /** The other end of the socket, as log lines name it. */
  readonly #socket: string;
  /** What the first accepted CONNECT told; log lines repeat it behind the connection's id. */
  #told: Told | null = null;

  constructor(fields: {
    slot: number;
    address: number;
    clientId: number;
    ip: string;
    port: number;
    startMs: number;
    nonce: string;
    webSocket: WebSocketPeer | null;
    tls: TlsSession | null;
    account: ShardAccount;
    maxPayloadBytes: number;
    maxSubscriptions: number;
  }) {
    this.slot = fields.slot;
    this.address = fields.address;
    this.clientId = fields.clientId;
    this.ip = fields.ip;
    this.port = fields.port;
    this.#socket = `${fields.ip}:${fields.port}`;
    this.startMs = fields.startMs;
    this.nonce = fields.nonce;
    this.webSocket = fields.webSocket;
    this.hasFrames = fields.webSocket !== null;
    this.tls = fields.tls;
    this.account = fields.account;
    this.maxPayloadBytes = fields.maxPayloadBytes;
    this.maxSubscriptions = fields.maxSubscriptions;
    this.lastActivityMs = fields.startMs;
  }

  /** Whether the input waits for the next turn, or for something that is decided elsewhere. */
  get isHeld(): boolean {
    return this.isPostponed || this.state === STATE_WAITING || this.phase === PHASE_PEER_CHECK;
  }

  /** The name that the client authenticated under, or tried to; "" if there is none. */
  get user(): string {
    return this.login?.user ?? this.refusal?.user ?? "";
  }

  /** The kind of port that a client came in by. */
  get listener(): ClientListenerKind {
    return this.webSocket === null ? "client" : "websocket";
  }

  /** The options of CONNECT; fields that it leaves empty are taken from cookies. */
  withCookies(options: ConnectOptions): ConnectOptions {
    if (this.webSocket === null) return options;
    const { jwt, user, password, token } = this.webSocket.cookies;
    if (jwt === "" && user === "" && password === "" && token === "") return options;
    return {
      ...options,
      jwt: options.jwt || jwt,
      user: options.user || user,
      password: options.password || password,
      authToken: options.authToken || token,
    };
  }

  /** The connection as log lines name it: address and id and, from the first accepted CONNECT on, what that told. */
  get label(): string {
    const id = `${this.webSocket === null ? "cid" : "wid"}:${this.clientId}`;
    return `${this.#address} - ${id}${this.#told === null ? "" : toldText(this.#told)}`;
  }

  /**
   * The first CONNECT is accepted: from now on log lines tell the client's software and who it is. Source: nats-server
   * `processConnect`.
   */
  showInLogs(): void {
    const { options, login } = this;
    this.#told = { options, login, account: this.account.name };
  }

  /**
   * A statement about this connection for a line that names account and user; other connections share the line's
   * wording.
   */
  statement(text: string): Statement {
    if (this.#told === null) return statementInLogs(text, "", "");
    return statementInLogs(text, accountTold(this.#told), identityOf(this.login));
  }

  get #address(): string {
    const { forwardedFor } = this.webSocket ?? { forwardedFor: "" };
    if (forwardedFor === "") return this.#socket;
    return `${hostText(forwardedFor)}/${this.#socket}`;
  }
}

function toldText(told: Told): string {
  const { name, lang, version } = told.options;
  const client = [version === "" ? "" : `v${version}`, lang, name].filter((part) => part !== "").join(":");
  const identity = identityOf(told.login);
  const parts = [client, identity === "" ? "" : `${accountTold(told)}/${identity}`];
  // A name may contain a line break.
  return parts.map((part) => (part === "" ? "" : ` - ${goQuoteText(part)}`)).join("");
}

function accountTold({ account, login }: Told): string {
  return accountInLogs(account, login?.accountNameTag ?? "");
}

function identityOf(login: Login | null): string {
  return login === null ? "" : identityInLogs(login);
}
