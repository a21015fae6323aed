import { ANY_CLUSTER } from "../core/link.ts";

/**
 * The outcome of meeting another server's cluster name: it is ours, it becomes ours, or the two servers cannot be in
 * one cluster.
 */
export type NameMeeting = "same" | "adopted" | "conflict";

/**
 * The name of this server's cluster. A generated name gives way to a configured one, and the smaller of two generated
 * names to the greater, so that servers without configured names end up in one cluster.
 *
 * Source: nats-server `processRouteConnect`, `processRouteInfo`; clusters.md 3.6.
 */
export class ClusterName {
  /** A byte string. */
  name: string;
  /** Whether the name may still give way. */
  isDynamic: boolean;
  /** Whether INFO calls the name generated; it does for good if the first name was. */
  readonly wasGenerated: boolean;

  constructor(name: string, isGenerated: boolean) {
    this.name = name;
    this.isDynamic = isGenerated;
    this.wasGenerated = isGenerated;
  }

  /**
   * Compares the name with a peer's. If `isFinal`, a name adopted from a peer that has it configured no longer gives
   * way.
   */
  meet(peerName: string, isPeerDynamic: boolean, isFinal: boolean): NameMeeting {
    if (peerName === this.name) return "same";
    const givesWay = this.isDynamic && (!isPeerDynamic || this.name < peerName);
    if (!givesWay || peerName === ANY_CLUSTER) return "conflict";
    this.name = peerName;
    if (isFinal && !isPeerDynamic) this.isDynamic = false;
    return "adopted";
  }

  /** Takes a name from a changed configuration. */
  configure(name: string): void {
    this.name = name;
    this.isDynamic = false;
  }
}
