/** The addresses of hosts, for connections that we open. */
import { lookupErrorText } from "./posix/listen.ts";

export interface HostAddresses {
  /** IP addresses in the order of the system's resolver; empty if there are none. */
  readonly addresses: readonly string[];
  /** Why there are none, in nats-server's words; "" if there are some. */
  readonly problem: string;
}

/**
 * All addresses of a host name or IP address. It may take as long as the system's resolver does.
 * Source: nats-server `getRandomIP`.
 */
export async function lookUpHost(host: string): Promise<HostAddresses> {
  // The module is loaded here, because most servers open no connections.
  const { lookup } = process.getBuiltinModule("node:dns/promises");
  try {
    const found = await lookup(host, { all: true });
    if (found.length > 0) return { addresses: found.map(({ address }) => address), problem: "" };
    return { addresses: [], problem: problemText(host, "no such host") };
  } catch (error) {
    return { addresses: [], problem: problemText(host, lookupErrorText(error as Error)) };
  }
}

function problemText(host: string, why: string): string {
  return `lookup for host ${JSON.stringify(host)}: lookup ${host}: ${why}`;
}
