/** One client of a shard: the cold half. What the engine needs per message is its record in the shared memory. */
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

/** Accepted; no CONNECT yet. */
export const STATE_NEW = 0;
/** CONNECT is being judged elsewhere; no input is taken meanwhile. */
export const STATE_WAITING = 1;
/** CONNECT accepted. */
export const STATE_CONNECTED = 2;
/** No input is read and nothing new is queued; what is queued is still sent. */
export const STATE_CLOSING = 3;
/** The socket is gone; the slot is free again once the turn ends. */
export const STATE_CLOSED = 4;

/** Of a connection that is in no account yet. */
export const NO_CONTEXT = 0;

/** What stands between a connection and its protocol; see `handshakes.ts`. */
export const PHASE_SETTLED = 0;
/** Nothing is sent: a client that comes with TLS first has a moment to do so. */
export const PHASE_AWAITS_HELLO = 1;
/** INFO is sent; the first byte decides between TLS and plain text. */
export const PHASE_AWAITS_FIRST_BYTE = 2;
/** In the TLS handshake. */
export const PHASE_HANDSHAKE = 3;
/** The handshake is done; main asks whether the client's certificates still hold. No input is taken meanwhile. */
export const PHASE_PEER_CHECK = 4;
/** INFO is sent, unless TLS comes first; a header of a proxy may come. */
export const PHASE_AWAITS_HEADER = 5;

/** Who connected, and what its handshake agreed on. */
export interface Arrival {
  readonly ip: string;
  readonly port: number;
  readonly tls: TlsSession | null;
}

/** What a WebSocket brought with it. */
export interface WebSocketPeer {
  /** What cookies say of who it is, "" for nothing. */
  readonly cookies: CookieNames;
  /** The address that a proxy says it has, "" where none does. */
  readonly forwardedFor: string;
}

/** What log lines tell of a client: kept as it was, since hardly any client has a line. */
interface Told {
  readonly options: ConnectOptions;
  readonly login: Login | null;
  readonly account: string;
}

export class Connection {
  readonly slot: number;
  /** Address of its record. */
  readonly address: number;
  readonly clientId: number;
  /** Its peer's, or what a proxy says that it is. */
  ip: string;
  port: number;
  readonly startMs: number;
  /** What a signed nonce must sign, "" when the server asks for none. */
  readonly nonce: string;
  /** Null where it came in by the client port. */
  readonly webSocket: WebSocketPeer | null;
  state = STATE_NEW;
  phase = PHASE_SETTLED;
  /** What a handshake agreed on; null on a plain connection. */
  tls: TlsSession | null;
  /** What a proxy says of it, while that is read. */
  proxyHeader: ProxyHeader | null = null;
  /** The handshake comes, or came, before INFO. */
  isTlsFirst = false;
  options: ConnectOptions = DEFAULT_CONNECT_OPTIONS;
  /** Who it is; null before CONNECT was accepted. */
  login: Login | null = null;
  /** Number of the login rules by which its login is judged elsewhere. */
  judgedByRules = 0;
  /** Counts what was asked or decided about its login: a verdict on something before that comes too late. */
  loginNumber = 0;
  /** Why it was not let in; then it is about to close. */
  refusal: LoginRefusal | null = null;
  account: ShardAccount;
  /** What it publishes under: its account with its user's permissions. */
  context = NO_CONTEXT;
  /** Reply subjects it may answer whatever else holds; null without allow_responses. */
  permits: ResponsePermits | null = null;
  /** Id of the account it is counted as a connection of, 0 for none. */
  countedIn = 0;
  /** The account it was counted in before a second CONNECT, until that is told. */
  leftAccount = "";
  /** It has as many subscriptions as a limit that came later allows, or more. */
  isOverSubscribed = false;
  maxPayloadBytes: number;
  maxSubscriptions: number;

  firstSubscription = 0;
  subscriptionCount = 0;

  /** Bytes of an unfinished operation. */
  kept: Uint8Array<ArrayBuffer> | null = null;
  keptLength = 0;
  /** What it has kept is for the next turn to take, before it is read again. */
  isPostponed = false;
  /** The parser's memory of a line whose bytes mean nothing. */
  skipState = 0;
  /** A message too large for the receive buffer, while it arrives. */
  large: HeldMessage | null = null;

  /** What the kernel did not take yet. */
  pending: PendingQueue | null = null;
  isWriteWanted = false;
  /** Bytes handed to the kernel so far, and the count that must be reached by the write deadline. */
  writtenBytes = 0;
  deadlineMark = 0;
  isDeadlineSet = false;
  /** It has more pending than it may, and what bytes written come to once that has left. */
  isInExcess = false;
  excessMark = 0;
  /** When it was set, and in how many chunks what must leave by then was queued. */
  deadlineSinceMs = 0;
  deadlineChunks = 0;
  /** It has missed a write deadline that it got anew. */
  isSlow = false;
  /** To another server, not to a client; see `links/link_host.ts`. */
  isLink = false;
  /** What services are told of a leaf link; null before it is up, and for all else. */
  leafDetails: ClientInfo | null = null;
  /** What is read and written is in frames of WebSocket. */
  hasFrames: boolean;
  /** It has a socket; false only for a link that could not be dialled. */
  hasStream = true;
  deadlineWrittenBytes = 0;

  /** Not read before this time, 0 when reading. */
  pausedUntilMs = 0;
  pausedSinceMs = 0;
  /** It publishes to somebody who has more pending than may be: of what it sends little is read next. */
  readsLittle = false;
  /** How often a producer was slowed for it. */
  stalls = 0;

  lastActivityMs: number;
  /** Steady clock, when it was last written messages to that `lastActivityMs` does not know of yet; 0 when it knows. */
  lastOutputMs = 0;
  /** The low word of what had been delivered to it by then. */
  writtenMessages = 0;
  /** Steady clock, when it last sent something that counts against a PING. */
  lastInputMs = 0;
  pingsOutstanding = 0;
  pingSentMs = 0;
  /** Milliseconds; 0 before it is known. */
  rttMs = 0;
  hasSentFirstPong = false;
  /** CONNECT was accepted at least once. */
  hasConnected = false;
  /** The pedantic error about the message being received was sent. */
  hasComplained = false;

  closeReason: CloseReason | 0 = 0;
  /** The other end of its socket, as log lines name it. */
  readonly #socket: string;
  /** What its first CONNECT told, once that is accepted: log lines tell it behind its id. */
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

  /** Its input waits: for the next turn, or for something about it that is decided elsewhere. */
  get isHeld(): boolean {
    return this.isPostponed || this.state === STATE_WAITING || this.phase === PHASE_PEER_CHECK;
  }

  /** Name it authenticated under, or tried to; "" if none. */
  get user(): string {
    return this.login?.user ?? this.refusal?.user ?? "";
  }

  /** Which port it came in by, if it is a client. */
  get listener(): ClientListenerKind {
    return this.webSocket === null ? "client" : "websocket";
  }

  /** What CONNECT says, and what cookies say in the fields that it leaves empty. */
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

  /** As log lines name it: address and id and, from its first CONNECT on, what that told. */
  get label(): string {
    const id = `${this.webSocket === null ? "cid" : "wid"}:${this.clientId}`;
    return `${this.#address} - ${id}${this.#told === null ? "" : toldText(this.#told)}`;
  }

  /** Its first CONNECT is accepted: log lines tell its client and who it is. Source: nats-server `processConnect`. */
  showInLogs(): void {
    const { options, login } = this;
    this.#told = { options, login, account: this.account.name };
  }

  /** What is said of it in a line that names account and user, and of others in the same words. */
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
  // A name may hold what would end the line.
  return parts.map((part) => (part === "" ? "" : ` - ${goQuoteText(part)}`)).join("");
}

function accountTold({ account, login }: Told): string {
  return accountInLogs(account, login?.accountNameTag ?? "");
}

function identityOf(login: Login | null): string {
  return login === null ? "" : identityInLogs(login);
}
