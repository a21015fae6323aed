/**
 * Errors that keep two ends of a leaf connection apart: loops, equal cluster names, versions that are too old. The side
 * that dialled waits longer before it dials again. Source: leafnodes.md 8; nats-server leafnode.go, leafProcessErr,
 * handleLeafNodeLoop.
 */
import { CloseReason } from "../../protocol/close_reason.ts";
import { textOf } from "../../subject/byte_string.ts";
import { quoted } from "../core/quoted.ts";
import type { LeafChannel } from "./leaf_channel.ts";

const LOOP_DELAY_MS = 30_000;
const SAME_CLUSTER_DELAY_MS = 30_000;
const OLD_VERSION_DELAY_MS = 5_000;

/** Takes an `-ERR` of the peer; only a loop ends the connection. `account` is the local one; texts are byte strings. */
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

/**
 * Ends a connection with a loop: this server's own loop subject has come back to it, or the hub's cluster is among its
 * own leaf nodes.
 */
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
