/**
 * Begins traces for messages of other servers that ask for it. Cold. Source: nats-server `initMsgTrace`,
 * `allowedToPublishOnMsgTraceDest`.
 */
import { publishViolationLogText, publishViolationText } from "../../protocol/errors.ts";
import { withHeader } from "../../protocol/set_header.ts";
import { TRACE_DESTINATION, TRACE_DISABLED } from "../../protocol/tracing/trace_request.ts";
import { isReservedSubject } from "../../shard/client/reserved.ts";
import type { LinkShard } from "../../shard/links/link_host.ts";
import { byteStringOfText, bytesOf } from "../../subject/byte_string.ts";
import type { Link, LinkMessage } from "../core/link.ts";
import { errorLine } from "../core/link_fault.ts";
import { partyOf } from "../core/traced_crossing.ts";
import { hostOf } from "./host_link.ts";

export class TracedArrivals {
  readonly #shard: LinkShard;

  constructor(shard: LinkShard) {
    this.#shard = shard;
  }

  /**
   * Returns the message as it goes on, or null if it does not. When everything is done with a traced message, the
   * caller ends its trace.
   */
  begin(link: Link, message: LinkMessage): LinkMessage | null {
    const { bytes, headerBytes } = message.content;
    const account = this.#shard.accounts.byByteName(message.account);
    if (headerBytes === 0 || account === undefined) return message;
    const subject = bytesOf(message.subject);
    const { label } = hostOf(link);
    const start = this.#shard.tracing.start(bytes, headerBytes, bytes.length, subject, {
      party: { ...partyOf(link), account: account.name },
      account,
      label,
      mayPublish: (destination) => mayPublish(link, account.isSystem, destination),
      refuse: (destination) => this.#refuse(link, label, bytesOf(destination)),
    });
    if (start === null) return null;
    if (start.isDisabled)
      return { ...message, content: withHeader(message.content, TRACE_DESTINATION, TRACE_DISABLED) };
    return start.trace === null ? message : { ...message, trace: start.trace };
  }

  #refuse(link: Link, label: string, destination: Uint8Array): void {
    if (link.kind === "leaf")
      link.connection.send(errorLine(byteStringOfText(publishViolationText(destination))));
    this.#shard.log("error", `${label} - ${publishViolationLogText(destination)}`);
  }
}

/**
 * Whether the link's peer may send a trace to this subject. A leaf node may if it could publish there itself; members
 * of the cluster and other clusters are trusted.
 */
function mayPublish(link: Link, isInSystemAccount: boolean, destination: string): boolean {
  const bytes = bytesOf(destination);
  if (isReservedSubject(bytes, 0, bytes.length, isInSystemAccount)) return false;
  return link.kind !== "leaf" || (link.mayReceive?.(destination) ?? true);
}
