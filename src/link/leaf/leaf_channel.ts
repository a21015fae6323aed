import { statementInLogs } from "../../auth/login_in_logs.ts";
import { onceASecond } from "../../log/line_limit.ts";
import { hostText } from "../../runtime/posix/socket_address.ts";
import { byteStringOfText } from "../../subject/byte_string.ts";
import type { LinkConnection, LinkLog, LinkLogLevel } from "../core/link.ts";
import { LinkChannel, linkLabel } from "../core/link_channel.ts";
import { errorLine } from "../core/link_fault.ts";

/** What is known of a leaf node that came in by the WebSocket listener. */
export interface LeafWebSocket {
  readonly isCompressed: boolean;
  /** The address that a proxy says the leaf node has, "" if none does. For the log only. */
  readonly forwardedFor: string;
}

/** The channel of one leaf connection. Limited log lines name the account once it is known. */
export class LeafChannel extends LinkChannel {
  readonly isWebSocket: boolean;
  #account = "";
  #identity = "";

  constructor(connection: LinkConnection, isWebSocket: boolean, log: LinkLog, forwardedFor = "") {
    const origin = forwardedFor === "" ? "" : `${hostText(forwardedFor)}/`;
    super("leaf", connection, log, () => {}, origin + linkLabel("leaf", connection, isWebSocket));
    this.isWebSocket = isWebSocket;
  }

  /** Sets the account and identity of the login, which limited log lines name. */
  loggedIn(account: string, identity: string): void {
    this.#account = account;
    this.#identity = identity;
  }

  /**
   * Tells the peer and the log about an operation that was refused; the connection stays. The log says it at most once
   * in `logEveryMs` for each account, or always if that is 0.
   */
  complain(text: string, logText: string, logEveryMs: number): void {
    this.send(errorLine(byteStringOfText(text)));
    const { statement } = statementInLogs(logText, this.#account, "");
    this.say("error", logText, logEveryMs === 0 ? undefined : { statement, everyMs: logEveryMs });
  }

  /** Logs a text at most once a second for each account. */
  protected override sayLimited(level: LinkLogLevel, text: string): void {
    const { statement, line } = statementInLogs(text, this.#account, this.#identity);
    this.say(level, line, onceASecond(statement));
  }
}
