/** The `server` object of events and of answers to system requests. Source: nats-server `ServerInfo` of events.go. */
import { formatTime } from "./go_json.ts";

/** Who a server is. Plain data. */
export interface ServerIdentity {
  readonly name: string;
  /** The host that clients are told to use: the host it listens on, unless another is advertised. */
  readonly host: string;
  readonly id: string;
  readonly cluster: string;
  readonly version: string;
  readonly tags: readonly string[];
  readonly metadata: ReadonlyMap<string, string>;
  /** All feature flags, by name. */
  readonly featureFlags: ReadonlyMap<string, boolean>;
}

export type ServerObject = Readonly<Record<string, unknown>>;

/** Flags of features of JetStream, as nats-server has them; tools expect the object. */
const FEATURE_FLAGS: ReadonlyMap<string, boolean> = new Map([
  ["js_ack_fc_v2", false],
  ["js_api_reply_v2", false],
  ["js_raft_delete_range", true],
  ["js_snapshot_sources", false],
]);

/** All feature flags, with the values that a configuration gives to those that exist. */
export function featureFlags(configured: ReadonlyMap<string, boolean>): ReadonlyMap<string, boolean> {
  return new Map([...FEATURE_FLAGS].map(([name, isOn]) => [name, configured.get(name) ?? isOn]));
}

/** Makes the object for each message that carries it; these messages are numbered. */
export class ServerObjects {
  /** A reload may change it. */
  identity: ServerIdentity;
  readonly #nextSequence: () => number;

  /** `nextSequence` is shared by all threads of the server. */
  constructor(identity: ServerIdentity, nextSequence: () => number) {
    this.identity = identity;
    this.#nextSequence = nextSequence;
  }

  next(nowMs: number): ServerObject {
    const { name, host, id, cluster, version, tags, metadata, featureFlags } = this.identity;
    return {
      name,
      host,
      id,
      cluster: cluster || undefined,
      ver: version,
      tags: tags.length === 0 ? undefined : tags,
      metadata: metadata.size === 0 ? undefined : Object.fromEntries(metadata),
      feature_flags: Object.fromEntries(featureFlags),
      jetstream: false,
      flags: 0,
      seq: this.#nextSequence(),
      time: formatTime(nowMs),
    };
  }
}
