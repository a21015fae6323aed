import type { ConnectionLimits, Permissions, UserRights } from "../../auth/jwt/claims.ts";
import { type Arguments, CommandError, type Option } from "./command.ts";
import { editList } from "./list_edits.ts";
import { readDurationNs, readLimit, readYesNo, refuse } from "./values.ts";

/** Options that say what users may do: for a user, a role, or an account's default. */

export const PERMISSION_OPTIONS: readonly Option[] = [
  { name: "allow-pub", value: "SUBJECT", isRepeated: true, doc: "allow to publish" },
  {
    name: "allow-sub",
    value: "SUBJECT",
    isRepeated: true,
    doc: 'allow to subscribe, in a queue too: "jobs.> workers"',
  },
  { name: "allow-pubsub", value: "SUBJECT", isRepeated: true, doc: "allow both" },
  { name: "deny-pub", value: "SUBJECT", isRepeated: true, doc: "forbid to publish" },
  { name: "deny-sub", value: "SUBJECT", isRepeated: true, doc: "forbid to subscribe" },
  { name: "deny-pubsub", value: "SUBJECT", isRepeated: true, doc: "forbid both" },
  { name: "rm", value: "SUBJECT", isRepeated: true, doc: "remove a subject from all these lists" },
  { name: "allow-responses", value: "COUNT", doc: "allow so many answers to each request, or no" },
  { name: "response-ttl", value: "TIME", doc: "how long after a request, such as 90s" },
];

export const LIMIT_OPTIONS: readonly Option[] = [
  { name: "subscriptions", value: "COUNT", doc: "subscriptions of a connection, or unlimited" },
  { name: "payload", value: "BYTES", doc: "bytes of a message, such as 64K, or unlimited" },
];

export const RIGHTS_OPTIONS: readonly Option[] = [
  ...PERMISSION_OPTIONS,
  ...LIMIT_OPTIONS,
  {
    name: "source-network",
    value: "CIDR",
    isRepeated: true,
    doc: "where clients may come from, such as 10.0.0.0/8",
  },
  { name: "rm-source-network", value: "CIDR", isRepeated: true, doc: "remove such a network" },
  {
    name: "time",
    value: "FROM-TO",
    isRepeated: true,
    doc: "when to be connected, such as 08:00:00-17:30:00",
  },
  { name: "rm-time", value: "FROM-TO", isRepeated: true, doc: "remove such a window" },
  { name: "locale", value: "ZONE", doc: "time zone of --time, such as Europe/Berlin" },
  { name: "bearer", value: "YES|NO", doc: "log in with the token alone, without its key" },
  { name: "proxy-required", value: "YES|NO", doc: "only through a trusted proxy" },
  { name: "conn-type", value: "TYPE", isRepeated: true, doc: "allow STANDARD, WEBSOCKET, LEAFNODE, … only" },
  { name: "rm-conn-type", value: "TYPE", isRepeated: true, doc: "remove such a type" },
];

/** Whether any option was given that sets rights. */
export function hasRights(args: Arguments): boolean {
  return RIGHTS_OPTIONS.some(({ name }) => args.has(name));
}

export function editPermissions<P extends Permissions>(before: P, args: Arguments): P {
  const remove = args.texts("rm");
  const edit = (list: readonly string[], ...options: string[]) =>
    editList(list, { add: options.flatMap((option) => args.texts(option)), remove });
  return {
    ...before,
    publish: {
      allow: edit(before.publish.allow, "allow-pub", "allow-pubsub"),
      deny: edit(before.publish.deny, "deny-pub", "deny-pubsub"),
    },
    subscribe: {
      allow: edit(before.subscribe.allow, "allow-sub", "allow-pubsub"),
      deny: edit(before.subscribe.deny, "deny-sub", "deny-pubsub"),
    },
    responses: editResponses(before.responses, args),
  };
}

function editResponses(before: Permissions["responses"], args: Arguments): Permissions["responses"] {
  const count = args.text("allow-responses");
  const ttl = args.text("response-ttl");
  if (count === "no") return undefined;
  if (count === undefined && ttl === undefined) return before;
  return {
    maxMessages: count === undefined ? (before?.maxMessages ?? 1) : readLimit("allow-responses", count),
    ttlNs: ttl === undefined ? (before?.ttlNs ?? 0) : readDurationNs("response-ttl", ttl),
  };
}

export function editLimits<L extends ConnectionLimits>(before: L, args: Arguments): L {
  return {
    ...before,
    maxSubscriptions: limitOf(args, "subscriptions", before.maxSubscriptions),
    maxPayloadBytes: limitOf(args, "payload", before.maxPayloadBytes),
  };
}

/** The limit that the option sets; the limit as it was if the option was not given. */
export function limitOf(args: Arguments, option: string, before: number): number {
  const text = args.text(option);
  return text === undefined ? before : readLimit(option, text);
}

/** The yes or no that the option sets; the value as it was if the option was not given. */
export function yesNoOf(args: Arguments, option: string, before: boolean): boolean {
  const text = args.text(option);
  return text === undefined ? before : readYesNo(option, text);
}

export function editRights<R extends UserRights>(before: R, args: Arguments): R {
  const edited = editLimits(editPermissions(before, args), args);
  const removed = args.texts("rm-time");
  const times = [...before.times, ...args.texts("time").map(readWindow)];
  return {
    ...edited,
    sources: editList(before.sources, {
      add: args.texts("source-network"),
      remove: args.texts("rm-source-network"),
    }),
    times: times.filter(({ start, end }) => !removed.includes(`${start}-${end}`)),
    timesLocation: args.text("locale") ?? before.timesLocation,
    bearerToken: yesNoOf(args, "bearer", before.bearerToken),
    proxyRequired: yesNoOf(args, "proxy-required", before.proxyRequired),
    allowedConnectionTypes: editList(before.allowedConnectionTypes, {
      add: args.texts("conn-type").map(readConnectionType),
      remove: args.texts("rm-conn-type").map((type) => type.toUpperCase()),
    }),
  };
}

function readWindow(text: string): { readonly start: string; readonly end: string } {
  const [, start, end] = /^(\d\d:\d\d:\d\d)-(\d\d:\d\d:\d\d)$/.exec(text) ?? [];
  if (start === undefined || end === undefined)
    refuse("time", text, "use a window such as 08:00:00-17:30:00");
  return { start, end };
}

const CONNECTION_TYPES = [
  "STANDARD",
  "WEBSOCKET",
  "LEAFNODE",
  "LEAFNODE_WS",
  "MQTT",
  "MQTT_WS",
  "IN_PROCESS",
];

function readConnectionType(text: string): string {
  const type = text.toUpperCase();
  if (CONNECTION_TYPES.includes(type)) return type;
  throw new CommandError(`--conn-type ${JSON.stringify(text)}: use ${CONNECTION_TYPES.join(", ")}`);
}
