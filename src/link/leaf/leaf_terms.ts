/** What both sides of a leaf connection do alike when the link comes up. */
import { textOf } from "../../subject/byte_string.ts";
import { quoted } from "../core/quoted.ts";
import type { LeafChannel } from "./leaf_channel.ts";
import type { LeafAccount } from "./leaf_context.ts";
import { JETSTREAM_DENIES, SYSTEM_JETSTREAM_DENIES } from "./leaf_permissions.ts";

/** The subjects that a server without JetStream lets through no leaf link of this account. */
export function deniesOf({ isSystem }: LeafAccount): readonly string[] {
  return isSystem ? SYSTEM_JETSTREAM_DENIES : JETSTREAM_DENIES;
}

/** Logs that JetStream does not extend over the link, as nats-server does. */
export function announceJetStream(
  channel: LeafChannel,
  { isSystem }: LeafAccount,
  serverName: string,
  cluster: string,
  remoteDomain: string,
): void {
  if (isSystem) {
    const from = cluster === "" ? serverName : `${serverName}/${cluster}`;
    channel.say("info", `System account connected from ${textOf(from)}`);
    channel.say("info", "JetStream not extended, domains differ");
  } else {
    channel.say("info", `JetStream using domains: local "", remote ${quoted(remoteDomain)}`);
  }
}
