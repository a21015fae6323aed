/** How a link logs under its name, sends to its peer while the connection is open, and does both when it ends. */
import { type LineLimit, onceASecond } from "../../log/line_limit.ts";
import { type CloseReason, closeReasonEntry } from "../../protocol/close_reason.ts";
import { hostPortText } from "../../runtime/posix/socket_address.ts";
import { textOf } from "../../subject/byte_string.ts";
import type { LinkConnection, LinkKind, LinkLog, LinkLogLevel } from "./link.ts";
import { errorLine, faultOf, type LinkFault } from "./link_fault.ts";

const IDS: Readonly<Record<LinkKind, string>> = { route: "rid", gateway: "gid", leaf: "lid" };
const NAMES: Readonly<Record<LinkKind, string>> = { route: "Router", gateway: "Gateway", leaf: "Leafnode" };

/** The name of a link in log lines. */
export function linkLabel(
  kind: LinkKind,
  { remoteIp, remotePort, id }: Pick<LinkConnection, "remoteIp" | "remotePort" | "id">,
  isWebSocket = false,
): string {
  return `${hostPortText(remoteIp, remotePort)} - ${IDS[kind]}${isWebSocket ? "_ws" : ""}:${id}`;
}

export class LinkChannel {
  readonly connection: LinkConnection;
  /** The other side's name, a byte string. The log names it when the connection closes; "" until it is known. */
  serverName = "";
  readonly #kind: LinkKind;
  readonly #label: string;
  readonly #log: LinkLog;
  readonly #onClosed: () => void;
  #isClosed = false;

  /** `onClosed` is called once: when this side closes the connection, or when it is gone. */
  constructor(
    kind: LinkKind,
    connection: LinkConnection,
    log: LinkLog,
    onClosed: () => void,
    label = linkLabel(kind, connection),
  ) {
    this.connection = connection;
    this.#kind = kind;
    this.#label = label;
    this.#log = log;
    this.#onClosed = onClosed;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  say(level: LinkLogLevel, text: string, limit?: LineLimit): void {
    this.#log(level, `${this.#label} - ${text}`, limit);
  }

  /** Sends nothing once the connection is being closed. */
  send(bytes: Uint8Array | string): void {
    if (!this.#isClosed && bytes.length > 0) this.connection.send(bytes);
  }

  /** Tells the log and the peer what is wrong, and ends the connection. */
  refuse({ logText, wireText, closeReason, logLevel = "error", isLimited = false }: LinkFault): void {
    if (this.#isClosed) return;
    if (isLimited) this.sayLimited(logLevel, logText);
    else if (logText !== "") this.say(logLevel, logText);
    if (wireText !== null) this.send(errorLine(wireText));
    this.close(closeReason);
  }

  /** The same with one text for log and peer, except for what `differences` overrides. */
  fail(text: string, closeReason: CloseReason, differences: Partial<LinkFault> = {}): void {
    this.refuse({ ...faultOf(text, closeReason), ...differences });
  }

  /** Ends the connection without a word. */
  close(reason: CloseReason): void {
    if (this.#isClosed) return;
    this.#stop();
    this.connection.close(reason);
  }

  /** Logs that the connection is gone. */
  ended(reason: CloseReason): void {
    this.#stop();
    const remote = this.serverName === "" ? "" : ` - Remote: ${textOf(this.serverName)}`;
    this.say("info", `${NAMES[this.#kind]} connection closed: ${closeReasonEntry(reason).text}${remote}`);
  }

  /** Logs a text at most once a second, counting all links together. */
  protected sayLimited(level: LinkLogLevel, text: string): void {
    this.say(level, text, onceASecond(text));
  }

  #stop(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#onClosed();
  }
}
