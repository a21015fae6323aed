import type { Login, LoginRefusal } from "../../auth/login.ts";

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
  readonly compression: string;
  readonly isWebSocket: boolean;
  /** Null on the side that dialled. */
  readonly login: Login | null;
}

/** A connection that ended before it became a leaf link, as far as the handshake got. Texts are byte strings. */
export interface FailedLeaf {
  readonly id: number;
  /** The name that the peer told in CONNECT, "" if it did not. */
  readonly serverName: string;
  readonly version: string;
  readonly isSolicited: boolean;
  /** "" if the peer has not logged in. */
  readonly account: string;
  readonly isWebSocket: boolean;
  /** Null on the side that dialled, and before CONNECT. */
  readonly verdict: Login | LoginRefusal | null;
}
