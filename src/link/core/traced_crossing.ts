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

/** A link as traces name it. */
export function partyOf({ account, connection, kind, serverName }: Link): TraceParty {
  return {
    kind: TRACE_KIND[kind],
    id: connection.id,
    name: textOf(serverName),
    account: textOf(account ?? ""),
  };
}

/** Sends a message over a link; a traced one says which of its ways that is, and the trace that it went there. */
export function cross(link: Link, message: LinkMessage, queues: readonly string[]): void {
  const { trace } = message;
  if (trace === undefined) link.sendMessage(message, queues);
  else crossTraced(link, message, queues, trace);
}

function crossTraced(link: Link, message: LinkMessage, queues: readonly string[], trace: MessageTrace): void {
  const { tracesMessages } = link;
  const hop = trace.nextHop();
  // Who does not know of traces would deliver it.
  if (!tracesMessages && trace.isOnly) {
    trace.left(partyOf(link), { hop, error: TRACE_ERROR.onlyUnsupported });
    return;
  }
  const content = withHeader(message.content, TRACE_HOP, hop);
  if (!link.sendMessage({ ...message, content }, queues)) trace.takeBackHop();
  else trace.left(partyOf(link), tracesMessages ? { hop } : { hop, error: TRACE_ERROR.unsupported });
}

/** A leaf node wants a message and may not have it. */
export function tellOfDenied(link: Link, subject: string, trace: MessageTrace): void {
  const error = link.isDenied?.(subject) ? TRACE_ERROR.subscriptionDenied : TRACE_ERROR.publishDenied;
  trace.left(partyOf(link), { hop: trace.nextHop(), error });
}
