/**
 * Converts parsed JSON to typed values and back, with the habits of Go's encoding/json that tokens rely on. Keys match
 * in any case. Null and an absent key leave the zero value. Unknown keys are ignored, empty fields are not written, and
 * a value of another type is an error.
 */
import { Buffer } from "node:buffer";

export interface Codec<T> {
  /** The value of an absent field. */
  readonly absent: T;
  /** Throws `Mismatch` if `json`, which is not null, has another type. */
  read(json: unknown): T;
  /** A value for JSON.stringify(); undefined to leave the field out. */
  write(value: T): unknown;
}

/** A value has another type than its field. Codecs throw it; it is caught where a token is decoded. */
export class Mismatch extends Error {
  override name = "Mismatch";

  static of(json: unknown, type: string): Mismatch {
    return new Mismatch(`json: cannot unmarshal ${kindOf(json)} into Go value of type ${type}`);
  }
}

function kindOf(json: unknown): string {
  if (json === null || json === undefined) return "null";
  if (Array.isArray(json)) return "array";
  return typeof json === "boolean" ? "bool" : typeof json;
}

export function isJsonObject(json: unknown): json is Readonly<Record<string, unknown>> {
  return typeof json === "object" && json !== null && !Array.isArray(json);
}

/** Reads a value that may be null or absent. */
export function readValue<T>(codec: Codec<T>, json: unknown): T {
  return json === null || json === undefined ? codec.absent : codec.read(json);
}

export const text: Codec<string> = {
  absent: "",
  read: (json) => {
    if (typeof json !== "string") throw Mismatch.of(json, "string");
    return json;
  },
  write: (value) => (value === "" ? undefined : value),
};

export const bool: Codec<boolean> = {
  absent: false,
  read: (json) => {
    if (typeof json !== "boolean") throw Mismatch.of(json, "bool");
    return json;
  },
  write: (value) => (value ? true : undefined),
};

/** The largest int64 that a number can hold; the next one is already 2^63. */
const INT64_MAX = 2 ** 63 - 1024;

function wholeNumber(type: string, min: number, max: number): Codec<number> {
  return {
    absent: 0,
    read: (json) => {
      if (typeof json !== "number" || !Number.isInteger(json) || json < min || json > max) {
        throw Mismatch.of(json, type);
      }
      return json;
    },
    write: (value) => (value === 0 ? undefined : Math.min(value, INT64_MAX)),
  };
}

/** An int64. Values beyond 2^53 are rounded to what a number can hold. */
export const integer: Codec<number> = wholeNumber("int64", -(2 ** 63), 2 ** 63);
export const unsigned: Codec<number> = wholeNumber("uint64", 0, 2 ** 64);
/** 0 to 255. */
export const unsigned8: Codec<number> = wholeNumber("uint8", 0, 255);

/** A list. A null entry becomes the absent value of its codec, such as an empty text. */
export function list<T>(item: Codec<T>): Codec<readonly T[]> {
  return {
    absent: [],
    read: (json) => {
      if (!Array.isArray(json)) throw Mismatch.of(json, "array");
      return json.map((entry) => readValue(item, entry));
    },
    write: (values) =>
      values.length === 0 ? undefined : values.map((value) => item.write(value) ?? item.absent),
  };
}

export const texts: Codec<readonly string[]> = list(text);

/** A map, written in the order of its keys. */
export function mapOf<T>(item: Codec<T>): Codec<ReadonlyMap<string, T>> {
  return {
    absent: new Map(),
    read: (json) => {
      if (!isJsonObject(json)) throw Mismatch.of(json, "map");
      return new Map(Object.entries(json).map(([key, entry]) => [key, readValue(item, entry)]));
    },
    write: (map) => {
      if (map.size === 0) return undefined;
      const entries = [...map].map(([key, value]) => [key, item.write(value) ?? item.absent] as const);
      return Object.fromEntries(entries.sort(([a], [b]) => compareUtf8(a, b)));
    },
  };
}

/** Orders texts by their bytes in UTF-8, as Go does; JavaScript's own order goes by UTF-16. */
export function compareUtf8(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

/** A value that may be missing. */
export function optional<T>(codec: Codec<T>): Codec<T | undefined> {
  return {
    absent: undefined,
    read: codec.read,
    write: (value) => (value === undefined ? undefined : codec.write(value)),
  };
}

export interface Field<T> {
  readonly key: string;
  readonly codec: Codec<T>;
  /** Whether it is also written when empty. */
  readonly isAlwaysWritten: boolean;
}

/** A field for each property, in the order they are written. */
export type Fields<T> = { readonly [Property in keyof T]-?: Field<T[Property]> };

export function at<T>(key: string, codec: Codec<T>): Field<T> {
  return { key, codec, isAlwaysWritten: false };
}

export function always<T>(key: string, codec: Codec<T>): Field<T> {
  return { key, codec, isAlwaysWritten: true };
}

/** An object is written even if all its fields are absent, as Go writes a struct. */
export function object<T extends object>(fields: Fields<T>): Codec<T> {
  const table = Object.entries(fields) as [keyof T & string, Field<unknown>][];
  const byKey = new Map(table.map(([property, { key, codec }]) => [key, { property, codec }]));
  const absent = Object.fromEntries(table.map(([property, { codec }]) => [property, codec.absent])) as T;
  return {
    absent,
    read: (json) => {
      if (!isJsonObject(json)) throw Mismatch.of(json, "struct");
      const read = { ...absent };
      for (const [key, entry] of Object.entries(json)) {
        const field = byKey.get(key) ?? byKey.get(key.toLowerCase());
        if (field !== undefined && entry !== null && entry !== undefined)
          Object.assign(read, { [field.property]: field.codec.read(entry) });
      }
      return read;
    },
    write: (value) => {
      const written: [string, unknown][] = [];
      for (const [property, { key, codec, isAlwaysWritten }] of table) {
        const entry = codec.write(value[property]);
        if (entry !== undefined) written.push([key, entry]);
        else if (isAlwaysWritten) written.push([key, codec.absent]);
      }
      return Object.fromEntries(written);
    },
  };
}

/** Writes JSON byte for byte as Go does, because hashes are computed over it. */
export function goJson(value: unknown): string {
  return JSON.stringify(value)
    .toWellFormed()
    .replace(
      /[<>&\u2028\u2029]/g,
      (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
    );
}
