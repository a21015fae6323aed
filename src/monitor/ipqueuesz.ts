import { omitEmpty, sortedRecord } from "./go_json.ts";
import type { QueueSnapshot } from "./snapshots/server.ts";

export interface IpqueueszOptions {
  /** Empty queues too. */
  readonly includesEmpty: boolean;
  /** Only queues whose name contains this; empty: all. */
  readonly nameFilter: string;
}

const IPQUEUESZ_DEFAULTS: IpqueueszOptions = { includesEmpty: false, nameFilter: "" };

export type Ipqueuesz = ReturnType<typeof ipqueuesz>;

/** What waits in the queues between the server's threads. Source: nats-server `Ipqueuesz`. */
export function ipqueuesz(
  queues: ReadonlyMap<string, QueueSnapshot>,
  options: Partial<IpqueueszOptions> = {},
) {
  const { includesEmpty, nameFilter } = { ...IPQUEUESZ_DEFAULTS, ...options };
  const shown = [...queues].filter(
    ([name, { pending, inProgress }]) =>
      (includesEmpty || pending > 0 || inProgress > 0) && name.includes(nameFilter),
  );
  return sortedRecord(
    shown.map(
      ([name, { pending, inProgress }]) => [name, { pending, in_progress: omitEmpty(inProgress) }] as const,
    ),
  );
}
