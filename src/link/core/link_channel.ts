/** How every link says what it has to say: to the log under its name, to its peer while it is open, to both when it ends. */
import { type LineLimit, onceASecond } from "../../log/line_limit.ts";
import { type CloseReason, closeReasonEntry } from "../../protocol/close_reason.ts";
import { hostPortText } from "../../runtime/posix/socket_address.ts";
import { textOf } from "../../subject/byte_string.ts";
import type { LinkConnection, LinkKind, LinkLog, LinkLogLevel } from "./link.ts";
import { errorLine, faultOf, type LinkFault } from "./link_fault.ts";

const IDS: Readonly<Record<LinkKind, string>> = { route: "rid", gateway: "gid", leaf: "lid" };
const NAMES: Readonly<Record<LinkKind, string>> = { route: "Router", gateway: "Gateway", leaf: "Leafnode" };

/** How log lines name a link. */
export function linkLabel(
  kind: LinkKind,
  { remoteIp, remotePort, id }: Pick<LinkConnection, "remoteIp" | "remotePort" | "id">,
  isWebSocket = false,
): string {
  return `${hostPortText(remoteIp, remotePort)} - ${IDS[kind]}${isWebSocket ? "_ws" : ""}:${id}`;
}

export class LinkChannel {
  readonly connection: LinkConnection;
  /** Of the other side, a byte string: named when the connection closes, once it is known. */
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

  /** Nothing once the connection is being closed. */
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

  /** The same in the same words, as far as `differences` says nothing else. */
  fail(text: string, closeReason: CloseReason, differences: Partial<LinkFault> = {}): void {
    this.refuse({ ...faultOf(text, closeReason), ...differences });
  }

  /** Ends the connection, quietly. */
  close(reason: CloseReason): void {
    if (this.#isClosed) return;
    this.#stop();
    this.connection.close(reason);
  }

  /** The connection is gone; says so. */
  ended(reason: CloseReason): void {
    this.#stop();
    const remote = this.serverName === "" ? "" : ` - Remote: ${textOf(this.serverName)}`;
    this.say("info", `${NAMES[this.#kind]} connection closed: ${closeReasonEntry(reason).text}${remote}`);
  }

  /** Says once a second what it says of all whom it concerns. */
  protected sayLimited(level: LinkLogLevel, text: string): void {
    this.say(level, text, onceASecond(text));
  }

  #stop(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#onClosed();
  }
}
