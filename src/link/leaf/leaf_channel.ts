import { statementInLogs } from "../../auth/login_in_logs.ts";
import { onceASecond } from "../../log/line_limit.ts";
import { hostText } from "../../runtime/posix/socket_address.ts";
import { byteStringOfText } from "../../subject/byte_string.ts";
import type { LinkConnection, LinkLog, LinkLogLevel } from "../core/link.ts";
import { LinkChannel, linkLabel } from "../core/link_channel.ts";
import { errorLine } from "../core/link_fault.ts";

/** How a leaf node came by the WebSocket listener. */
export interface LeafWebSocket {
  readonly isCompressed: boolean;
  /** The address that a proxy says it has, "" where none does. For the log alone. */
  readonly forwardedFor: string;
}

/** One leaf connection: its log lines tell of the account, once that is known. */
export class LeafChannel extends LinkChannel {
  readonly isWebSocket: boolean;
  #account = "";
  #identity = "";

  constructor(connection: LinkConnection, isWebSocket: boolean, log: LinkLog, forwardedFor = "") {
    const origin = forwardedFor === "" ? "" : `${hostText(forwardedFor)}/`;
    super("leaf", connection, log, () => {}, origin + linkLabel("leaf", connection, isWebSocket));
    this.isWebSocket = isWebSocket;
  }

  /** Whose login it is, told by lines that are limited. */
  loggedIn(account: string, identity: string): void {
    this.#account = account;
    this.#identity = identity;
  }

  /** Tells peer and log what it did not get, the log once in a while, of an account; the connection stays. */
  complain(text: string, logText: string, logEveryMs: number): void {
    this.send(errorLine(byteStringOfText(text)));
    const { statement } = statementInLogs(logText, this.#account, "");
    this.say("error", logText, logEveryMs === 0 ? undefined : { statement, everyMs: logEveryMs });
  }

  /** Says what it says of the account as a whole once a second. */
  protected override sayLimited(level: LinkLogLevel, text: string): void {
    const { statement, line } = statementInLogs(text, this.#account, this.#identity);
    this.say(level, line, onceASecond(statement));
  }
}
