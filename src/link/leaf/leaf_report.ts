/** A leaf link as /leafz and events show it. Texts are byte strings. */
export interface LeafReport {
  readonly id: number;
  /** The server at the other end. */
  readonly serverName: string;
  readonly version: string;
  readonly isSpoke: boolean;
  readonly isSolicited: boolean;
  readonly isIsolated: boolean;
  readonly account: string;
  readonly remoteAccount: string;
  readonly cluster: string;
  readonly ip: string;
  readonly port: number;
  readonly rttMs: number;
  readonly subscriptionCount: number;
  /** What the peer wants: subjects; none where they were not asked for. */
  readonly subscriptions: readonly string[];
  readonly compression: string;
  readonly isWebSocket: boolean;
  readonly proxyKey: string;
  /** Who logged in; "" for none, and on the side that dialled. */
  readonly user: string;
}
