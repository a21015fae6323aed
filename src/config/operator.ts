import { withoutUser } from "../base/redacted_url.ts";
import { publicKey } from "./authorization.ts";
import type { ConfigValue } from "./config_tree.ts";
import { formatDuration } from "./duration.ts";
import { block, option, type Reader, type ReloadStep, readBlock, type Site, wrongType } from "./option.ts";
import { bool, durationText, integer, string, strings } from "./readers.ts";
import { compareOptions, fixed, isEqual } from "./reload.ts";
import { isFields, refuseGiven, spellBlock, spellItems, spellPlain } from "./spelling.ts";

/** Operator mode: where account JWTs come from. The JWTs themselves are read where they are verified. */
export type ResolverOptions =
  /** Only what `resolver_preload` holds. */
  | { readonly kind: "memory" }
  /** `<url><account key>` by HTTP. */
  | { readonly kind: "url"; readonly url: string }
  /** All accounts, in a folder, shared with other servers over NATS. */
  | {
      readonly kind: "full";
      readonly dir: string;
      /** Whether a delete request is obeyed: by renaming the file, or by removing it. */
      readonly deletes: "no" | "rename" | "remove";
      /** How often servers compare notes. */
      readonly intervalMs: number;
      /** Accounts kept; 0 for any number. */
      readonly limit: number;
      readonly timeoutMs: number;
    }
  /** The accounts in use, in a folder, fetched from full resolvers. */
  | {
      readonly kind: "cache";
      readonly dir: string;
      readonly limit: number;
      /** How long an account is kept; 0 for as long as its JWT says. */
      readonly ttlMs: number;
      readonly timeoutMs: number;
    };

const TIMEOUT_MS = 1900;

const RESOLVER_BLOCK = block("resolver", {
  type: option({
    key: "type",
    reader: string,
    default: "",
    reload: fixed("resolver.type"),
    doc: "full, cache or mem.",
  }),
  dir: option({
    key: "dir",
    reader: string,
    default: "",
    reload: fixed("resolver.dir"),
    doc: "The folder accounts are kept in.",
  }),
  allowDelete: option({
    key: "allow_delete",
    reader: bool,
    default: false,
    reload: fixed("resolver.allow_delete"),
    doc: "Obeys requests to delete accounts.",
  }),
  hardDelete: option<boolean | undefined>({
    key: "hard_delete",
    reader: bool,
    default: undefined,
    reload: fixed("resolver.hard_delete"),
    doc: "Deletes files instead of renaming them.",
  }),
  limit: option({
    key: "limit",
    reader: integer(),
    default: 0,
    reload: fixed("resolver.limit"),
    doc: "How many accounts are kept.",
  }),
  ttlMs: option({
    key: "ttl",
    reader: durationText,
    default: 0,
    reload: fixed("resolver.ttl"),
    doc: "How long a cached account is kept.",
  }),
  intervalMs: option({
    key: "interval",
    reader: durationText,
    default: 0,
    reload: fixed("resolver.interval"),
    doc: "How often full resolvers compare notes.",
  }),
  timeoutMs: option({
    key: "timeout",
    reader: durationText,
    default: TIMEOUT_MS,
    reload: fixed("resolver.timeout"),
    doc: "How long fetching an account may take.",
  }),
});

const BAD_FORM =
  'error parsing account resolver, should be MEM or  URL("url") or a map containing dir and type state=[FULL|CACHE])';

export const resolver: Reader<ResolverOptions> = {
  type: 'MEM, URL("…") or resolver block',
  blocks: [RESOLVER_BLOCK],
  read: (value, site) => {
    if (value.kind === "string") return readResolverText(value.value, site);
    if (value.kind !== "map") return wrongType(value, site, "a resolver");
    // Unlike other blocks this one tolerates keys it does not know.
    const known = new Set(Object.values(RESOLVER_BLOCK.table).map(({ key }) => key));
    const entries = new Map([...value.entries].filter(([key]) => known.has(key)));
    return toResolver(readBlock(RESOLVER_BLOCK, { ...value, entries }, site), site);
  },
  spell: (value, site) => {
    if (!isFields(value)) return spellPlain(value, site, "a resolver");
    const { kind: type, deletes = "no", ...others } = value;
    if (type === "url") return spellPlain(`URL("${others.url}")`, site, "a resolver");
    if (deletes !== "no" && deletes !== "rename" && deletes !== "remove")
      return site.field("deletes").error('deletes: expected "no", "rename" or "remove"');
    const allowDelete = deletes === "no" ? undefined : true;
    const hardDelete = deletes === "remove" ? true : undefined;
    return spellBlock(RESOLVER_BLOCK, { ...others, type, allowDelete, hardDelete }, site);
  },
};

function readResolverText(text: string, site: Site): ResolverOptions | undefined {
  if (/mem/i.test(text)) return { kind: "memory" };
  const url = /url\(\s*"?([^\s"]*)"?\s*\)/i.exec(text)?.[1];
  if (url === undefined) return site.error(BAD_FORM);
  if (!URL.canParse(url)) return site.error(`error parsing account resolver url ["${withoutUser(url)}"]`);
  return { kind: "url", url: url.endsWith("/") ? url : `${url}/` };
}

type ResolverBlock = ReturnType<typeof readBlock<typeof RESOLVER_BLOCK.table>>;

function toResolver(read: ResolverBlock, site: Site): ResolverOptions | undefined {
  const { dir, allowDelete, hardDelete, limit, ttlMs, intervalMs, timeoutMs } = read;
  const type = read.type.toLowerCase();
  if (type === "mem" || type === "memory") return { kind: "memory" };
  if (type !== "full" && type !== "cache") return site.error(BAD_FORM);
  if (dir === "") return site.error("dir has no value and needs to point to a directory");
  if (timeoutMs <= 0) return site.error(`Fetch timeout ${formatDuration(timeoutMs)} is too small`);
  if (type === "full") {
    if (ttlMs !== 0) return site.error("FULL does not accept ttl");
    if (hardDelete !== undefined && !allowDelete)
      return site.error("hard_delete has no effect without delete");
    const deletes = !allowDelete ? "no" : hardDelete ? "remove" : "rename";
    const syncMs = intervalMs > 0 ? intervalMs : 60_000;
    return site.place<ResolverOptions>({
      kind: "full",
      dir,
      deletes,
      intervalMs: syncMs,
      limit: Math.max(limit, 0),
      timeoutMs,
    });
  }
  if (intervalMs !== 0) return site.error("CACHE does not accept sync");
  if (allowDelete) return site.error("CACHE does not accept allow_delete");
  if (hardDelete !== undefined) return site.error("CACHE does not accept hard_delete");
  return site.place<ResolverOptions>({
    kind: "cache",
    dir,
    limit: limit <= 0 ? 1000 : limit,
    ttlMs,
    timeoutMs,
  });
}

/**
 * A running server can change from one URL to another, and between URLs and memory. A folder cannot change: it is
 * opened, watched and announced to other servers for as long as the server runs.
 */
export function compareResolver(
  before: ResolverOptions | undefined,
  after: ResolverOptions | undefined,
): readonly ReloadStep[] {
  if (isEqual(before, after)) return [];
  if (before === undefined || after === undefined) {
    const presence = (resolver: ResolverOptions | undefined) =>
      resolver === undefined ? "absent" : "configured";
    return [{ kind: "refusal", name: "AccountResolver", old: presence(before), new: presence(after) }];
  }
  if (!("dir" in before || "dir" in after)) {
    return [{ kind: "change", key: "resolver", old: before, new: after, logLine: "Reloaded: accounts" }];
  }
  return compareOptions(RESOLVER_BLOCK.table, toBlock(before), toBlock(after));
}

/** The resolver as a block of options, with defaults filled in. */
function toBlock(resolver: ResolverOptions): ResolverBlock {
  const unsaid = { dir: "", limit: 0, ttlMs: 0, intervalMs: 0, timeoutMs: TIMEOUT_MS };
  const deletes = "deletes" in resolver ? resolver.deletes : "no";
  return {
    ...unsaid,
    ...resolver,
    type: resolver.kind,
    allowDelete: deletes !== "no",
    hardDelete: deletes === "remove",
  };
}

/** Operator public keys, when no operator JWT is given. */
export const trustedKeys: Reader<readonly string[]> = {
  type: "operator key or keys",
  read: (value, site) => {
    const key = publicKey(
      "operator",
      (text) => `trust key ${JSON.stringify(text)} required to be a valid public operator nkey`,
    );
    const items = value.kind === "array" ? value.items : [value];
    return items.flatMap((item) => key.read(item, site) ?? []);
  },
};

/** Account key → account JWT. The shape is checked here, the signature where accounts are verified. */
export const preload: Reader<ReadonlyMap<string, string>> = {
  type: "map of account key to JWT",
  read: (value, site) => {
    if (value.kind !== "map") return site.error("preload should be a map of account_public_key:account_jwt");
    const jwts = new Map<string, string>();
    for (const entry of value.entries.values()) {
      const at = site.entry(entry);
      if (entry.value.kind !== "string") at.error("preload map value should be a string JWT");
      else if (!isJwtShaped(entry.value.value)) at.error("invalid account JWT");
      else jwts.set(entry.key, entry.value.value);
    }
    return site.place(jwts);
  },
};

function isJwtShaped(text: string): boolean {
  return /^eyJ[\w-]*\.[\w-]+\.[\w-]+$/.test(text);
}

const PROXY_BLOCK = block("trusted proxy", {
  key: option({
    key: "key",
    aliases: ["public_key"],
    reader: publicKey("any", (text) => `invalid proxy key ${JSON.stringify(text)}`),
    default: "",
    doc: "The public key a proxy signs with.",
  }),
});

/** `proxies { trusted: [ { key } ] }`: the keys of the proxies that are believed. */
export const trustedProxies: Reader<readonly string[]> = {
  type: "proxies block",
  blocks: [PROXY_BLOCK],
  read: (value, site) => {
    if (value.kind !== "map") return wrongType(value, site, "proxies to be a map");
    const keys: string[] = [];
    for (const entry of value.entries.values()) {
      const at = site.entry(entry);
      if (entry.key.toLowerCase() === "trusted") keys.push(...readTrusted(entry.value, at));
      else if (!entry.isUsedAsVariable) at.error(`unknown field "${entry.key}"`);
    }
    return keys;
  },
  spell: (value, site) => {
    if (!Array.isArray(value)) return refuseGiven(value, site, "an array of public keys");
    const keys = spellItems(value, site, (key, at) => spellBlock(PROXY_BLOCK, { key }, at));
    const trusted = { key: "trusted", at: site.at, value: keys, isUsedAsVariable: false };
    return { kind: "map", entries: new Map([["trusted", trusted]]), at: site.at };
  },
};

function readTrusted(value: ConfigValue, site: Site): readonly string[] {
  if (value.kind !== "array") return wrongType(value, site, "proxies' trusted field to be an array") ?? [];
  return value.items.flatMap((item) => {
    const at = site.item(item);
    if (item.kind !== "map") return wrongType(item, at, "a trusted proxy to be a map") ?? [];
    return readBlock(PROXY_BLOCK, item, at).key;
  });
}

/** Operator JWTs, or the paths of files that hold one. */
export const operators: Reader<readonly string[]> = {
  type: "operator JWT or file, or several",
  read: (value, site) => {
    const read = strings.read(value, site);
    for (const text of read ?? [])
      if (!isJwtShaped(text)) site.needsFile(text, "error parsing operator JWT: ");
    return read && site.place(read);
  },
};
