import { ANY_CLUSTER } from "../core/link.ts";

/** What became of another server's cluster name: it is ours, it is ours from now on, or the two cannot be one cluster. */
export type NameMeeting = "same" | "adopted" | "conflict";

/**
 * The name of this server's cluster. One that was generated gives way to a configured one, and of two generated ones to
 * the greater, so that servers without configured names end up in one cluster.
 *
 * Source: nats-server `processRouteConnect`, `processRouteInfo`; clusters.md 3.6.
 */
export class ClusterName {
  /** A byte string. */
  name: string;
  /** Whether it may still give way. */
  isDynamic: boolean;
  /** Whether INFO calls it generated: it does for good once it was. */
  readonly wasGenerated: boolean;

  constructor(name: string, isGenerated: boolean) {
    this.name = name;
    this.isDynamic = isGenerated;
    this.wasGenerated = isGenerated;
  }

  /** Compares with a peer's name. `isFinal`: one adopted from a peer that configured it is kept from now on. */
  meet(peerName: string, isPeerDynamic: boolean, isFinal: boolean): NameMeeting {
    if (peerName === this.name) return "same";
    const givesWay = this.isDynamic && (!isPeerDynamic || this.name < peerName);
    if (!givesWay || peerName === ANY_CLUSTER) return "conflict";
    this.name = peerName;
    if (isFinal && !isPeerDynamic) this.isDynamic = false;
    return "adopted";
  }

  /** The configuration names the cluster now. */
  configure(name: string): void {
    this.name = name;
    this.isDynamic = false;
  }
}
