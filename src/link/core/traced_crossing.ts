/** A traced message on its way over a link. Source: nats-server `setHopHeader`, `deliverMsg`. */
import { withHeader } from "../../protocol/set_header.ts";
import {
  type MessageTrace,
  TRACE_ERROR,
  TRACE_KIND,
  type TraceParty,
} from "../../protocol/tracing/message_trace.ts";
import { TRACE_HOP } from "../../protocol/tracing/trace_request.ts";
import { textOf } from "../../subject/byte_string.ts";
import type { Link, LinkMessage } from "./link.ts";

/** The description of a link in traces. */
export function partyOf({ account, connection, kind, serverName }: Link): TraceParty {
  return {
    kind: TRACE_KIND[kind],
    id: connection.id,
    name: textOf(serverName),
    account: textOf(account ?? ""),
  };
}

/**
 * Sends a message over a link. A traced message carries its hop in a header, and its trace is told that it went there.
 */
export function cross(link: Link, message: LinkMessage, queues: readonly string[]): void {
  const { trace } = message;
  if (trace === undefined) link.sendMessage(message, queues);
  else crossTraced(link, message, queues, trace);
}

function crossTraced(link: Link, message: LinkMessage, queues: readonly string[], trace: MessageTrace): void {
  const { tracesMessages } = link;
  const hop = trace.nextHop();
  // A peer that does not know tracing would deliver it.
  if (!tracesMessages && trace.isOnly) {
    trace.left(partyOf(link), { hop, error: TRACE_ERROR.onlyUnsupported });
    return;
  }
  const content = withHeader(message.content, TRACE_HOP, hop);
  if (!link.sendMessage({ ...message, content }, queues)) trace.takeBackHop();
  else trace.left(partyOf(link), tracesMessages ? { hop } : { hop, error: TRACE_ERROR.unsupported });
}

/** Tells a trace that a leaf node wants the message but may not get it. */
export function tellOfDenied(link: Link, subject: string, trace: MessageTrace): void {
  const error = link.isDenied?.(subject) ? TRACE_ERROR.subscriptionDenied : TRACE_ERROR.publishDenied;
  trace.left(partyOf(link), { hop: trace.nextHop(), error });
}
