import { statementInLogs } from "../../auth/login_in_logs.ts";
import { type LineLimit, onceASecond } from "../../log/line_limit.ts";
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
  #account = "";
  #identity = "";

  constructor(connection: LinkConnection, isWebSocket: boolean, log: LinkLog, forwardedFor = "") {
    this.connection = connection;
    this.isWebSocket = isWebSocket;
    this.#log = log;
    const { remoteIp, remotePort, id } = connection;
    const origin = forwardedFor === "" ? "" : `${hostText(forwardedFor)}/`;
    this.#label = `${origin}${hostPortText(remoteIp, remotePort)} - lid${isWebSocket ? "_ws" : ""}:${id}`;
  }

  say(level: LinkLogLevel, text: string, limit?: LineLimit): void {
    this.#log(level, `${this.#label} - ${text}`, limit);
  }

  /** Says what it says of the account as a whole once a second. */
  sayLimited(level: LinkLogLevel, text: string): void {
    const { statement, line } = statementInLogs(text, this.#account, this.#identity);
    this.say(level, line, onceASecond(statement));
  }

  /** Whose login it is, told by lines that are limited. */
  loggedIn(account: string, identity: string): void {
    this.#account = account;
    this.#identity = identity;
  }

  send(bytes: Uint8Array | string): void {
    if (!this.isClosed) this.connection.send(bytes);
  }

  /** Tells peer and log what it did not get, the log once in a while, of an account; the connection stays. */
  complain(text: string, logText: string, logEveryMs: number): void {
    this.send(errorLine(byteStringOfText(text)));
    const { statement } = statementInLogs(logText, this.#account, "");
    this.say("error", logText, logEveryMs === 0 ? undefined : { statement, everyMs: logEveryMs });
  }

  /** Tells peer and log what is wrong, and ends the connection. */
  fail(text: string, reason: CloseReason, level: LinkLogLevel = "error", logText = text): void {
    if (this.isClosed) return;
    this.send(errorLine(byteStringOfText(text)));
    if (logText !== "") this.say(level, logText);
    this.close(reason);
  }

  /** The same, where the log says it once a second of an account. */
  failLimited(text: string, reason: CloseReason, level: LinkLogLevel = "error"): void {
    if (!this.isClosed) this.sayLimited(level, text);
    this.fail(text, reason, level, "");
  }

  refuse({ logText, wireText, closeReason, isLimited }: LinkFault): void {
    if (this.isClosed) return;
    if (isLimited) this.sayLimited("error", logText);
    else if (logText !== "") this.say("error", logText);
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
