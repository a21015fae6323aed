/**
 * Whether a message that asks for a trace gets one, and what happens to the message if not. Source: nats-server
 * `initMsgTrace`.
 */
import { isLiteralText, isValidSubscriptionText } from "../../subject/text.ts";
import { goQuoteText } from "../go_quote.ts";
import { TRACE_ORIGIN_ACCOUNT, type TraceRequest } from "./trace_request.ts";

/** An account's rule for messages with a `traceparent`. */
export interface AccountTrace {
  readonly destination: string;
  /** Percent of them that are traced, 1 to 100. */
  readonly sampling: number;
}

/** The connection that the message came in by. */
export interface TraceSource {
  /** Whether this is the message's first server. */
  readonly isClient: boolean;
  readonly accountTrace: AccountTrace | undefined;
  /** Whether traces may be published there on its behalf. */
  mayPublish(destination: string): boolean;
  /** A whole number from 0 on, below the bound. */
  randomBelow(bound: number): number;
}

export type TraceAdmission =
  | { readonly kind: "traced"; readonly destination: string }
  /** It goes on like any other message. `log` is the error line that says why. */
  | { readonly kind: "untraced"; readonly log?: string }
  /** It goes on, and later servers must not trace it either. */
  | { readonly kind: "disabled"; readonly log?: string }
  /** It is dropped. */
  | { readonly kind: "dropped"; readonly log?: string }
  /** It is dropped, because its sender may not publish to this destination. */
  | { readonly kind: "refused"; readonly destination: string };

const ALWAYS = 100;

export function admitTrace(request: TraceRequest, source: TraceSource): TraceAdmission {
  const { isOnly, originAccount } = request;
  if (originAccount !== "") {
    const log = `Message tracing disabled because of header ${goQuoteText(TRACE_ORIGIN_ACCOUNT)} with value=${goQuoteText(originAccount)}`;
    return { kind: isOnly ? "dropped" : "disabled", log };
  }
  let { destination } = request;
  if (destination === null) {
    if (source.accountTrace === undefined) return { kind: "untraced" };
    const { sampling } = source.accountTrace;
    const isSampled = sampling >= ALWAYS || source.randomBelow(ALWAYS) <= sampling;
    if (source.isClient && !isSampled) return { kind: "disabled" };
    destination = source.accountTrace.destination;
  }
  if (!isLiteralText(destination) || !isValidSubscriptionText(destination)) {
    const log = `Destination ${goQuoteText(destination)} is not valid, won't be able to trace events`;
    return { kind: isOnly ? "dropped" : "untraced", log };
  }
  if (!source.mayPublish(destination)) return { kind: "refused", destination };
  return { kind: "traced", destination };
}
