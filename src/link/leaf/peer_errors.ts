/**
 * Errors by which two leaf ends keep apart: loops, clusters of one name, versions too old. The side that dialled stays
 * away for a while. Source: leafnodes.md 8; nats-server leafnode.go, leafProcessErr, handleLeafNodeLoop.
 */
import { CloseReason } from "../../protocol/close_reason.ts";
import { textOf } from "../../subject/byte_string.ts";
import { quoted } from "../core/quoted.ts";
import type { LeafChannel } from "./leaf_channel.ts";

const LOOP_DELAY_MS = 30_000;
const SAME_CLUSTER_DELAY_MS = 30_000;
const OLD_VERSION_DELAY_MS = 5_000;

/** Takes an `-ERR` of the peer; only a loop ends the connection. `account` is the one here, texts are byte strings. */
export function takePeerError(
  channel: LeafChannel,
  account: string,
  text: string,
  delayReconnect: (ms: number) => void,
): void {
  channel.say("error", `Leafnode Error '${textOf(text)}'`);
  if (text.includes("remote leafnode has same cluster name")) {
    delayReconnect(SAME_CLUSTER_DELAY_MS);
    channel.say(
      "error",
      "Leafnode connection dropped with same cluster name error. Delaying attempt to reconnect for 30s",
    );
  } else if (text.includes("connection rejected since minimum version required is")) {
    delayReconnect(OLD_VERSION_DELAY_MS);
    channel.say(
      "error",
      "Leafnode connection dropped due to minimum version requirement. Delaying attempt to reconnect for 5s",
    );
  } else if (text.includes("Loop detected")) {
    delayReconnect(LOOP_DELAY_MS);
    channel.say("error", loopText(account));
    channel.close(CloseReason.ProtocolViolation);
  }
}

/** This server's own subject, or its hub's cluster, has come back to it over the link. */
export function failWithLoop(
  channel: LeafChannel,
  account: string,
  delayReconnect: (ms: number) => void,
): void {
  delayReconnect(LOOP_DELAY_MS);
  channel.fail(loopText(account), CloseReason.ProtocolViolation);
}

function loopText(account: string): string {
  return `Loop detected for leafnode account=${quoted(account)}. Delaying attempt to reconnect for 30s`;
}
