import { type CloseReason, closeReasonEntry } from "../../protocol/close_reason.ts";
import { hostPortText, hostText } from "../../runtime/posix/socket_address.ts";
import { byteStringOfText, textOf } from "../../subject/byte_string.ts";
import type { LinkConnection, LinkLog, LinkLogLevel } from "../core/link.ts";
import { errorLine, type LinkFault } from "../core/link_fault.ts";

/** How a leaf node came by the WebSocket listener. */
export interface LeafWebSocket {
  readonly isCompressed: boolean;
  /** The address that a proxy says it has, "" where none does. For the log alone. */
  readonly forwardedFor: string;
}

/** One leaf connection as its log lines and errors see it: nothing is said or sent once it is closed. */
export class LeafChannel {
  readonly connection: LinkConnection;
  readonly isWebSocket: boolean;
  /** Once known, named when the connection closes. */
  serverName = "";
  isClosed = false;
  readonly #log: LinkLog;
  readonly #label: string;

  constructor(connection: LinkConnection, isWebSocket: boolean, log: LinkLog, forwardedFor = "") {
    this.connection = connection;
    this.isWebSocket = isWebSocket;
    this.#log = log;
    const { remoteIp, remotePort, id } = connection;
    const origin = forwardedFor === "" ? "" : `${hostText(forwardedFor)}/`;
    this.#label = `${origin}${hostPortText(remoteIp, remotePort)} - lid${isWebSocket ? "_ws" : ""}:${id}`;
  }

  say(level: LinkLogLevel, text: string): void {
    this.#log(level, `${this.#label} - ${text}`);
  }

  send(bytes: Uint8Array | string): void {
    if (!this.isClosed) this.connection.send(bytes);
  }

  /** Tells peer and log what it did not get; the connection stays. */
  complain(text: string, logText: string): void {
    this.send(errorLine(byteStringOfText(text)));
    this.say("error", logText);
  }

  /** Tells peer and log what is wrong, and ends the connection. */
  fail(text: string, reason: CloseReason, level: LinkLogLevel = "error", logText = text): void {
    if (this.isClosed) return;
    this.send(errorLine(byteStringOfText(text)));
    if (logText !== "") this.say(level, logText);
    this.close(reason);
  }

  refuse({ logText, wireText, closeReason }: LinkFault): void {
    if (this.isClosed) return;
    if (logText !== "") this.say("error", logText);
    if (wireText !== null) this.send(errorLine(wireText));
    this.close(closeReason);
  }

  close(reason: CloseReason): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.connection.close(reason);
  }

  /** The connection is gone; says so. */
  ended(reason: CloseReason): void {
    this.isClosed = true;
    const remote = this.serverName === "" ? "" : ` - Remote: ${textOf(this.serverName)}`;
    this.say("info", `Leafnode connection closed: ${closeReasonEntry(reason).text}${remote}`);
  }
}
