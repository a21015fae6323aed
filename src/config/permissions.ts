import { isValidSubscriptionText } from "../subject/text.ts";
import type { ConfigValue } from "./config_tree.ts";
import {
  block,
  type Draft,
  type OptionsOf,
  option,
  type Reader,
  readBlock,
  type Site,
  wrongType,
} from "./option.ts";
import { durationText, integerOrDefault, string } from "./readers.ts";
import { isFields, spellBlock, spellPlain } from "./spelling.ts";

/** What a user may publish and subscribe to. */
export interface Permissions {
  readonly publish: SubjectPermission | undefined;
  /** Entries may name a queue group after a blank: `"orders.> workers"`. */
  readonly subscribe: SubjectPermission | undefined;
  /** Lets a client answer the requests it was sent, whatever `publish` says. */
  readonly responses: ResponsePermission | undefined;
}

export interface SubjectPermission {
  /** Undefined allows every subject; an empty list allows none. */
  readonly allow: readonly string[] | undefined;
  /** Wins over `allow`. */
  readonly deny: readonly string[] | undefined;
}

export interface ResponsePermission {
  /** Answers to one request; negative for any number. */
  readonly maxMessages: number;
  /** How long after a request it may be answered; negative for ever. */
  readonly ttlMs: number;
}

const RESPONSE_DEFAULTS: ResponsePermission = { maxMessages: 1, ttlMs: 120_000 };

const RESPONSE_BLOCK = block(
  "allow_responses",
  {
    maxMessages: option({
      key: "max",
      aliases: ["max_msgs", "max_messages", "max_responses"],
      reader: integerOrDefault(RESPONSE_DEFAULTS.maxMessages),
      default: RESPONSE_DEFAULTS.maxMessages,
      doc: "How many answers one request may get; negative for any number.",
    }),
    ttlMs: option({
      key: "expires",
      aliases: ["expiration", "ttl"],
      reader: {
        ...durationText,
        read: (value, site) => {
          const ttlMs = durationText.read(value, site);
          return ttlMs === 0 ? RESPONSE_DEFAULTS.ttlMs : ttlMs;
        },
      },
      default: RESPONSE_DEFAULTS.ttlMs,
      doc: "How long after a request it may be answered; negative for ever.",
    }),
  },
  { unknownKey: (key) => `Unknown field "${key}" parsing permissions` },
);

const responses: Reader<ResponsePermission | "none"> = {
  type: "bool or allow_responses block",
  blocks: [RESPONSE_BLOCK],
  read: (value, site) => {
    if (value.kind === "bool") return value.value ? RESPONSE_DEFAULTS : "none";
    if (value.kind === "map") return readBlock(RESPONSE_BLOCK, value, site);
    return site.error("error parsing response permissions, expected a boolean or a map");
  },
};

/** Subjects, as one string or an array; with `allowQueue` each may name a queue group. */
export function subjects(allowQueue: boolean): Reader<readonly string[]> {
  return {
    type: "subject or subjects",
    read: (value, site) => {
      const items = value.kind === "array" ? value.items : [value];
      const read: string[] = [];
      for (const item of items) {
        if (item.kind !== "string") {
          if (value.kind === "array")
            return site.item(item).error("Subject in permissions array cannot be cast to string");
          return wrongType(value, site, "a subject or an array of subjects");
        }
        const problem = checkSubject(item.value, allowQueue);
        if (problem !== undefined) return site.error(problem);
        read.push(item.value);
      }
      return read;
    },
  };
}

/** What is wrong with the subject of a permission, undefined for nothing. */
export function checkSubject(text: string, allowQueue: boolean): string | undefined {
  if (isValidSubscriptionText(text)) return undefined;
  const [subject = "", queue, ...rest] = text.split(/\s+/).filter((word) => word !== "");
  if (!allowQueue || queue === undefined || rest.length > 0)
    return `subject ${JSON.stringify(text)} is not a valid subject`;
  if (!isValidSubscriptionText(subject)) return `subject ${JSON.stringify(subject)} is not a valid subject`;
  return isValidSubscriptionText(queue) ? undefined : `queue ${JSON.stringify(queue)} is not a valid queue`;
}

function subjectPermission(allowQueue: boolean): Reader<SubjectPermission> {
  const list: Reader<readonly string[] | undefined> = subjects(allowQueue);
  const allowAndDeny = block(
    "subject permissions",
    {
      allow: option({ key: "allow", reader: list, default: undefined, doc: "The only subjects permitted." }),
      deny: option({
        key: "deny",
        reader: list,
        default: undefined,
        doc: "Subjects refused, whatever is allowed.",
      }),
    },
    {
      unknownKey: (key) =>
        `Unknown field name "${key}" parsing subject permissions, only 'allow' or 'deny' are permitted`,
    },
  );
  const type = "subjects or map of allow and deny";
  return {
    type,
    blocks: [allowAndDeny],
    spell: (value, site) => {
      if (!isFields(value)) return spellPlain(value, site, type);
      // The file takes an empty list for none; here it allows nothing.
      return spellBlock(allowAndDeny, isEmptyList(value.allow) ? { deny: [">"] } : value, site);
    },
    read: (value, site) => {
      if (value.kind === "map" && value.entries.size === 0) return undefined;
      const read =
        value.kind === "map" ? readBlock(allowAndDeny, value, site) : { allow: list.read(value, site) };
      // An empty list is the same as none.
      const { allow, deny } = { deny: undefined, ...read };
      return { allow: allow?.length ? allow : undefined, deny: deny?.length ? deny : undefined };
    },
  };
}

function isEmptyList(value: unknown): boolean {
  return Array.isArray(value) && value.length === 0;
}

const PERMISSIONS_TABLE = {
  publish: option<SubjectPermission | undefined>({
    key: "publish",
    aliases: ["pub", "import"],
    reader: subjectPermission(false),
    default: undefined,
    doc: "What may be published; in a cluster, what interest is sent to the other side.",
  }),
  subscribe: option<SubjectPermission | undefined>({
    key: "subscribe",
    aliases: ["sub", "export"],
    reader: subjectPermission(true),
    default: undefined,
    doc: "What may be subscribed to; in a cluster, what interest is accepted from the other side.",
  }),
  responses: option<ResponsePermission | "none" | undefined>({
    key: "allow_responses",
    aliases: ["publish_allow_responses"],
    reader: responses,
    default: undefined,
    doc: "Lets a client answer the requests it was sent.",
  }),
};

const PERMISSIONS_BLOCK = block("permissions", PERMISSIONS_TABLE, {
  unknownKey: (key) => `Unknown field "${key}" parsing permissions`,
});

/** The permissions of a user, of an account's users, or of a cluster. */
export const permissions: Reader<Permissions> = {
  type: "permissions block",
  blocks: [PERMISSIONS_BLOCK],
  read: (value: ConfigValue, site: Site) => {
    if (value.kind !== "map") return wrongType(value, site, "permissions to be a map");
    const read: Draft<OptionsOf<typeof PERMISSIONS_TABLE>> = readBlock(PERMISSIONS_BLOCK, value, site);
    if (read.responses === "none" || read.responses === undefined) return { ...read, responses: undefined };
    // A client that may answer requests may publish nothing else unless it is listed.
    const publish = { allow: read.publish?.allow ?? [], deny: read.publish?.deny };
    return { publish, subscribe: read.subscribe, responses: read.responses };
  },
  spell: (value, site) => {
    if (!isFields(value)) return spellPlain(value, site, "a permissions block");
    const { publish, responses: answers } = value;
    // Beside responses an empty list goes without saying, and denials would cover the answers, too.
    const isImplied = answers !== undefined && isFields(publish) && isEmptyList(publish.allow);
    const said = isImplied ? { ...value, publish: { ...publish, allow: undefined } } : value;
    return spellBlock(PERMISSIONS_BLOCK, said, site);
  },
};

/** A string that must be a valid subject, wildcards allowed. */
export const subject: Reader<string> = {
  type: "subject",
  read: (value, site) => {
    const text = string.read(value, site);
    if (text === undefined || isValidSubscriptionText(text)) return text;
    return site.error(`${site.key}: ${JSON.stringify(text)} is not a valid subject`);
  },
};
