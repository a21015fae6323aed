/** What crosses links, as lines of the trace log: nats-server's lines, without INFO. Cold. */
import {
  type PayloadTraceOptions,
  traceConnect,
  traceOperation,
  tracePayload,
} from "../../protocol/trace.ts";
import { byteStringOf, bytesOf, textOf } from "../../subject/byte_string.ts";
import type { LinkKind } from "../core/link.ts";
import type { LinkOperation } from "../core/operation.ts";

type Message = Extract<LinkOperation, { kind: "message" }>;
type Interest = Extract<LinkOperation, { kind: "subscribe" | "unsubscribe" }>;

/** Lines of the handshake, which are not traced when sent. */
const UNTRACED = /^(?:INFO|CONNECT|\+OK)\b/i;
const MESSAGE = /^(?:[RLH]MSG) /;

/** The lines for an operation of the peer. */
export function traceTaken(
  operation: LinkOperation,
  kind: LinkKind,
  options: PayloadTraceOptions,
): readonly string[] {
  switch (operation.kind) {
    case "info":
    case "ok":
      return [];
    case "connect": {
      const json = bytesOf(operation.json);
      return [traceConnect(json, 0, json.length)];
    }
    case "ping":
    case "pong":
      return [traceOperation("in", operation.kind.toUpperCase())];
    case "error":
      return [traceOperation("in", "-ERR", textOf(operation.text))];
    case "account":
      return [traceOperation("in", operation.hasInterest ? "A+" : "A-", textOf(operation.account))];
    case "subscribe":
    case "unsubscribe":
      return [traceOperation("in", interestVerb(operation, kind), textOf(interestWords(operation)))];
    case "message": {
      const { bytes, headerBytes } = operation.content;
      const line = traceOperation("in", messageVerb(operation, kind), textOf(messageWords(operation)));
      const payload = tracePayload("in", bytes, headerBytes, options);
      return payload === null ? [line] : [line, payload];
    }
  }
}

/** The trace lines for what is sent to the peer: protocol lines, or one message. */
export function traceSent(bytes: Uint8Array, options: PayloadTraceOptions): readonly string[] {
  const text = byteStringOf(bytes);
  if (!MESSAGE.test(text)) {
    const lines = text.split("\r\n").filter((line) => line !== "" && !UNTRACED.test(line));
    return lines.map((line) => traceOperation("out", textOf(line)));
  }
  const lineEnd = text.indexOf("\r\n");
  const line = text.slice(0, lineEnd);
  const hasHeaders = line.startsWith("HMSG ");
  const headerBytes = hasHeaders ? Number(line.split(" ").at(-2)) : 0;
  const payload = tracePayload("out", bytes.subarray(lineEnd + 2, -2), headerBytes, options);
  const traced = traceOperation("out", textOf(line));
  return payload === null ? [traced] : [traced, payload];
}

function interestVerb({ kind, isLeaf }: Interest, link: LinkKind): string {
  return `${isLeaf || link === "leaf" ? "LS" : "RS"}${kind === "subscribe" ? "+" : "-"}`;
}

function interestWords(operation: Interest): string {
  const { origin, account, subject, queue } = operation;
  const weight = queue !== "" && operation.kind === "subscribe" ? String(operation.weight) : "";
  return [origin, account, subject, queue, weight].filter((word) => word !== "").join(" ");
}

function messageVerb({ origin, content }: Message, kind: LinkKind): string {
  if (origin !== "") return "LMSG";
  if (content.headerBytes > 0) return "HMSG";
  return kind === "leaf" ? "LMSG" : "RMSG";
}

function messageWords({ origin, account, subject, reply, queues, content }: Message): string {
  const groups = queues.length === 0 ? [reply] : [reply === "" ? "|" : "+", reply, ...queues];
  const { bytes, headerBytes } = content;
  const sizes = headerBytes > 0 ? [`${headerBytes}`, `${bytes.length}`] : [`${bytes.length}`];
  return [origin, account, subject, ...groups, ...sizes].filter((word) => word !== "").join(" ");
}
