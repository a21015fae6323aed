import { type EpochMs, formatTime, omitEmpty } from "../protocol/go_json.ts";

/**
 * What servers tell one another, and operators, of a connection: in `Nats-Request-Info`, in latencies and in events.
 * Absent fields are left out. Source: nats-server ClientInfo.
 */
export interface ClientInfo {
  readonly startedAtMs?: EpochMs;
  /** Address without port. */
  readonly host?: string;
  readonly clientId?: number;
  readonly account: string;
  /** The account a request passed through on its way, other than where it began. */
  readonly serviceAccount?: string;
  readonly user?: string;
  readonly name?: string;
  readonly language?: string;
  readonly version?: string;
  readonly rttNs?: number;
  readonly server?: string;
  readonly cluster?: string;
  /** The other clusters, nearest first. */
  readonly alternates?: readonly string[];
  readonly stoppedAtMs?: EpochMs;
  readonly jwt?: string;
  readonly issuerKey?: string;
  readonly nameTag?: string;
  readonly tags?: readonly string[];
  /** `Client` or `Leafnode`. */
  readonly kind?: string;
  /** `nats`, `websocket` or `mqtt`. */
  readonly clientType?: string;
  readonly mqttClientId?: string;
  readonly nonce?: string;
  /** The reply a request had before it was rewritten, where somebody must know. */
  readonly reply?: string;
}

/** What is added of the server a connection is on. */
export type ServerPlace = Pick<ClientInfo, "server" | "cluster" | "alternates">;

type MemberKind = "text" | "number" | "texts" | "time";

/** In nats-server's order. */
const MEMBERS: readonly (readonly [field: keyof ClientInfo, member: string, kind: MemberKind])[] = [
  ["startedAtMs", "start", "time"],
  ["host", "host", "text"],
  ["clientId", "id", "number"],
  ["account", "acc", "text"],
  ["serviceAccount", "svc", "text"],
  ["user", "user", "text"],
  ["name", "name", "text"],
  ["language", "lang", "text"],
  ["version", "ver", "text"],
  ["rttNs", "rtt", "number"],
  ["server", "server", "text"],
  ["cluster", "cluster", "text"],
  ["alternates", "alts", "texts"],
  ["stoppedAtMs", "stop", "time"],
  ["jwt", "jwt", "text"],
  ["issuerKey", "issuer_key", "text"],
  ["nameTag", "name_tag", "text"],
  ["tags", "tags", "texts"],
  ["kind", "kind", "text"],
  ["clientType", "client_type", "text"],
  ["mqttClientId", "client_id", "text"],
  ["nonce", "nonce", "text"],
  ["reply", "reply", "text"],
];

/** The members of a `ClientInfo` as JSON has them, without those that are empty. */
export function clientInfoMembers(info: ClientInfo): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    MEMBERS.map(([field, member, kind]) => {
      const value = info[field];
      return [member, kind === "time" ? omitZeroTime(value as EpochMs | undefined) : omitEmpty(value)];
    }),
  );
}

/** The `ClientInfo` that another server sent, as parsed from JSON; what has the wrong type is left out. */
export function readClientInfo(members: object): ClientInfo {
  const given = members as Readonly<Record<string, unknown>>;
  const read = MEMBERS.flatMap(([field, member, kind]) => {
    const value = readMember(given[member], kind);
    return value === undefined ? [] : [[field, value] as const];
  });
  return { account: "", ...Object.fromEntries(read) };
}

function readMember(value: unknown, kind: MemberKind): unknown {
  switch (kind) {
    case "text":
      return typeof value === "string" ? value : undefined;
    case "number":
      return typeof value === "number" ? value : undefined;
    case "texts":
      return Array.isArray(value) && value.every((item) => typeof item === "string") ? value : undefined;
    case "time": {
      const time = typeof value === "string" ? Date.parse(value) : Number.NaN;
      return Number.isNaN(time) ? undefined : time;
    }
  }
}

function omitZeroTime(time: EpochMs | undefined): string | undefined {
  return time === undefined || time === null ? undefined : formatTime(time);
}
