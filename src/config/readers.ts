import type { ConfigValue } from "./config_tree.ts";
import { parseDuration } from "./duration.ts";
import { type Reader, type Site, wrongType } from "./option.ts";
import { refuseGiven, spell, spellItems, spellPlain } from "./spelling.ts";
import { urlProblem } from "./url_syntax.ts";

/** Readers for the value types that options of several blocks share. */

export const bool: Reader<boolean> = {
  type: "bool",
  read: (value, site) => (value.kind === "bool" ? value.value : wrongType(value, site, "true or false")),
};

export const string: Reader<string> = {
  type: "string",
  read: (value, site) => (value.kind === "string" ? value.value : wrongType(value, site, "a string")),
};

/** A string that must never be shown. */
export const secret: Reader<string> = { ...string, type: "secret string" };

/** The path of a file that must be there; an empty one names none. */
export const file: Reader<string> = {
  type: "file",
  read: (value, site) => {
    const path = string.read(value, site);
    if (!path) return undefined;
    site.needsFile(path);
    return path;
  },
};

/** A string that names something and must not contain a space. */
export function nameWithoutSpaces(what: string): Reader<string> {
  return {
    type: "string",
    read: (value, site) => {
      const name = string.read(value, site);
      return name?.includes(" ") ? site.error(`${what} cannot contain spaces`) : name;
    },
  };
}

/** The name of a cluster, as a cluster or a gateway gives it; `_` stands for "no cluster" between servers. */
export function clusterName(what: string): Reader<string> {
  return {
    type: "string",
    read: (value, site) => {
      const name = nameWithoutSpaces(what).read(value, site);
      return name === "_" ? site.error("cluster name is reserved") : name;
    },
  };
}

/** A whole number within `[min, max]`; unit suffixes are allowed everywhere: `1k` is 1000. */
export function integer(
  min: number = Number.MIN_SAFE_INTEGER,
  max: number = Number.MAX_SAFE_INTEGER,
): Reader<number> {
  return {
    type: "integer",
    read: (value, site) => {
      if (value.kind !== "integer") return wrongType(value, site, "an integer");
      if (value.value > BigInt(max))
        return site.error(`${site.key} value is too big: ${value.value} is more than ${max}`);
      if (value.value < BigInt(min)) {
        const reason = min >= 0 && value.value < 0n ? "can not be negative" : "is too small";
        return site.error(`${site.key} value ${reason}: ${value.value} is less than ${min}`);
      }
      return Number(value.value);
    },
  };
}

/** Like `integer`, where 0 stands for the default. */
export function integerOrDefault(defaultValue: number, min?: number, max?: number): Reader<number> {
  return zeroMeans(defaultValue, integer(min, max));
}

/** Bytes, normally with a suffix. */
export function size(max?: number): Reader<number> {
  return { ...integer(0, max), type: "size" };
}

/** A port to listen on; -1 lets the system choose. */
export const port: Reader<number> = {
  type: "port",
  read: (value, site) => {
    if (value.kind !== "integer") return wrongType(value, site, "a port number");
    return checkPort(Number(value.value), site);
  },
};

/** Programs give milliseconds, whatever a number would mean in the file. */
function spellMilliseconds(value: unknown, site: Site): ConfigValue | undefined {
  if (typeof value !== "number" || !Number.isFinite(value))
    return refuseGiven(value, site, "a number of milliseconds");
  // In decimals down to nanoseconds: durations have no exponents.
  return { kind: "string", value: `${Number.isInteger(value) ? value : value.toFixed(6)}ms`, at: site.at };
}

/** Milliseconds from a duration such as `"2m"`; a bare integer is seconds and earns a warning. */
export const duration: Reader<number> = {
  type: "duration",
  read: (value, site) => {
    if (value.kind === "integer") {
      site.warn(`${site.key} should be converted to a duration`);
      return Number(value.value) * 1000;
    }
    return durationText.read(value, site);
  },
  spell: spellMilliseconds,
};

/** Milliseconds from a duration that must be text. */
export const durationText: Reader<number> = {
  type: "duration",
  read: (value, site) => {
    if (value.kind !== "string") return wrongType(value, site, 'a duration such as "30s"');
    const durationMs = parseDuration(value.value);
    return typeof durationMs === "string"
      ? site.error(`error parsing ${site.key}: ${durationMs}`)
      : durationMs;
  },
  spell: spellMilliseconds,
};

/** Milliseconds from a number of seconds, also fractional, or a duration. */
export const timeout: Reader<number> = {
  type: "timeout",
  read: (value, site) => {
    if (value.kind === "integer" || value.kind === "float") return Number(value.value) * 1000;
    if (value.kind !== "string")
      return wrongType(value, site, 'a number of seconds or a duration such as "2s"');
    return durationText.read(value, site);
  },
  spell: spellMilliseconds,
};

/** `timeout` for waiting on credentials: more than a minute is most likely a `1m` that was read as a million. */
export const authorizationTimeout: Reader<number> = {
  ...timeout,
  read: (value, site) => {
    const timeoutMs = timeout.read(value, site);
    if (timeoutMs !== undefined && timeoutMs > 60_000) {
      const written = "value" in value ? value.value : "";
      const seconds = (timeoutMs / 1000).toFixed(6);
      site.warn(
        `timeout of ${written} (${seconds} seconds) is high, consider keeping it under 60 seconds. ` +
          "possibly caused by unquoted duration; use '1m' instead of 1m, for example",
      );
    }
    return timeoutMs;
  },
};

/** A reader under which 0, and less, stands for the default. */
export function moreThanZero(defaultValue: number, reader: Reader<number>): Reader<number> {
  return defaultWhere((read) => read <= 0, defaultValue, reader);
}

/** A reader under which 0 stands for the default. */
export function zeroMeans(defaultValue: number, reader: Reader<number>): Reader<number> {
  return defaultWhere((read) => read === 0, defaultValue, reader);
}

function defaultWhere(
  isUnset: (read: number) => boolean,
  defaultValue: number,
  reader: Reader<number>,
): Reader<number> {
  return {
    ...reader,
    read: (value, site) => {
      const read = reader.read(value, site);
      return read !== undefined && isUnset(read) ? defaultValue : read;
    },
  };
}

export interface Address {
  /** Empty for every interface. */
  readonly host: string;
  readonly port: number;
}

/** `host:port`, `[v6]:port`, `:port`, or a port alone. */
export const address: Reader<Address> = {
  type: "address",
  read: (value, site) => {
    if (value.kind === "integer") {
      const portNumber = checkPort(Number(value.value), site);
      return portNumber === undefined ? undefined : { host: "", port: portNumber };
    }
    if (value.kind !== "string") return wrongType(value, site, "a port or host:port");
    const parts = splitHostPort(value.value);
    if (parts === undefined)
      return site.error(`could not parse address string "${value.value}"; expected host:port`);
    if (!/^[+-]?\d+$/.test(parts.port)) return site.error(`could not parse port "${parts.port}"`);
    const portNumber = checkPort(Number(parts.port), site);
    return portNumber === undefined ? undefined : { host: parts.host, port: portNumber };
  },
};

/** Splits `host:port` and `[v6]:port`; undefined for anything else. Source: Go `net.SplitHostPort`. */
export function splitHostPort(text: string): { host: string; port: string } | undefined {
  const match = /^(?:\[([^[\]]*)\]|([^:[\]]*)):([^:[\]]*)$/.exec(text);
  if (match === null) return undefined;
  return { host: match[1] ?? match[2] ?? "", port: match[3] ?? "" };
}

function checkPort(portNumber: number, site: Site): number | undefined {
  if (portNumber >= -1 && portNumber <= 65_535) return portNumber;
  return site.error(
    `${site.key}: port ${portNumber} is out of range; use 0 to 65535, or -1 for a random one`,
  );
}

/** An array of strings, or one string. */
export const strings: Reader<readonly string[]> = {
  type: "string or strings",
  read: (value, site) => (value.kind === "string" ? [value.value] : arrayOf(string).read(value, site)),
};

/** An array whose elements `reader` reads; elements it refuses are left out. */
export function arrayOf<T>(reader: Reader<T>): Reader<readonly T[]> {
  const type = `array of ${reader.type}`;
  return {
    type,
    ...blocksOf(reader),
    read: (value, site) => {
      if (value.kind !== "array") return wrongType(value, site, "an array");
      const items: T[] = [];
      for (const item of value.items) {
        const read = reader.read(item, site.item(item));
        if (read !== undefined) items.push(read);
      }
      return items;
    },
    spell: (value, site) =>
      Array.isArray(value)
        ? spellItems(value, site, (item, at) => spell(reader, item, at))
        : spellPlain(value, site, type),
  };
}

/** What a reader that wraps another one says of blocks. */
function blocksOf({ blocks }: Reader<unknown>): Pick<Reader<unknown>, "blocks"> {
  return blocks === undefined ? {} : { blocks };
}

/** A map with any keys whose values `reader` reads. */
export function mapOf<T>(reader: Reader<T>): Reader<ReadonlyMap<string, T>> {
  return {
    type: `map of ${reader.type}`,
    read: (value, site) => {
      if (value.kind !== "map") return wrongType(value, site, "a map");
      const entries = new Map<string, T>();
      for (const entry of value.entries.values()) {
        const read = reader.read(entry.value, site.entry(entry));
        if (read !== undefined) entries.set(entry.key, read);
      }
      return entries;
    },
  };
}

/** One of a few words. */
export function oneOf<const Word extends string>(...words: readonly Word[]): Reader<Word> {
  return {
    type: words.join(" | "),
    read: (value, site) => {
      const text = string.read(value, site);
      if (text === undefined) return undefined;
      const word = words.find((known) => known === text);
      return (
        word ??
        site.error(`${site.key} must be ${words.map((known) => `'${known}'`).join(", ")}, got "${text}"`)
      );
    },
  };
}

/** A reader of words in lower case that may be written in any. */
export function inAnyCase<Word extends string>(reader: Reader<Word>): Reader<Word> {
  return {
    ...reader,
    read: (value, site) =>
      reader.read(value.kind === "string" ? { ...value, value: value.value.toLowerCase() } : value, site),
  };
}

/** A URL, trimmed; kept as text, because routes and leaf nodes use schemes and ports of their own. */
export function url(what: string): Reader<string> {
  return {
    type: "URL",
    read: (value, site) => {
      const text = string.read(value, site)?.trim();
      if (text === undefined) return undefined;
      const problem = urlProblem(text);
      if (problem === null) return text;
      return site.error(
        `error parsing ${what} url: no valid URL (not shown, it may hold a password): ${problem}`,
      );
    },
  };
}

/** An array of URLs; a repeated one is dropped with a warning. */
export function urls(what: string): Reader<readonly string[]> {
  return {
    type: "array of URL",
    read: (value, site) => {
      const read = arrayOf(url(what)).read(value, site);
      if (read === undefined) return undefined;
      const unique = [...new Set(read)];
      if (unique.length < read.length) site.warn(`Duplicate ${what} entry detected`);
      return unique;
    },
  };
}

/** Reads the one shape or the other, by the kind of the value. */
export function boolOr<T>(
  fromBool: (value: boolean, site: Site) => T | undefined,
  otherwise: Reader<T>,
): Reader<T> {
  return {
    type: `bool or ${otherwise.type}`,
    ...blocksOf(otherwise),
    read: (value: ConfigValue, site) =>
      value.kind === "bool" ? fromBool(value.value, site) : otherwise.read(value, site),
  };
}
