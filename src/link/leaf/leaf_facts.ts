import type { Login } from "../../auth/login.ts";
import type { LinkCompression } from "../core/compression.ts";
import type { LeafGrants } from "./leaf_permissions.ts";

/** The results of the handshake. Texts are byte strings. */
export interface LeafFacts {
  readonly account: string;
  readonly remoteAccount: string;
  readonly serverName: string;
  readonly version: string;
  /** The protocol version that the other side has told. */
  readonly protocol: number;
  readonly cluster: string;
  /** Whether this server is the leaf node of the other. */
  readonly isSpoke: boolean;
  readonly isSolicited: boolean;
  readonly isIsolated: boolean;
  readonly takesHeaders: boolean;
  readonly compression: LinkCompression;
  readonly grants: LeafGrants;
  /** The subjects that a leaf node of ours has asked not to be sent. */
  readonly denyPublish: readonly string[];
  /** Null on the side that dialled. */
  readonly login: Login | null;
}
