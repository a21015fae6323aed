/**
 * The options in the body of a request, read as Go's encoding/json reads them into a struct: unknown keys are ignored,
 * keys match whatever their case, null changes nothing but lists, and the first value of a wrong type is the error. Its
 * text names Go's types, for operators see it.
 */
import { describeJsonFault } from "../auth/jwt/json_syntax.ts";
import { parseInt64 } from "../base/int64.ts";
import type { Integer } from "../protocol/go_json.ts";
import { jsonMembers } from "../protocol/json_members.ts";

export type OptionType =
  | "string"
  | "bool"
  | "int"
  | "uint64"
  | "time.Duration"
  | "server.ConnState"
  | "server.SortOpt"
  | "[]string";

/** Keys and their types. */
export type OptionFields = Readonly<Record<string, OptionType>>;

/** A struct that holds others: `ConnzEventOptions` has the fields of `ConnzOptions` and of `EventFilterOptions`. */
export interface OptionStruct {
  readonly name: string;
  /** By the struct a field belongs to; "" for its own. */
  readonly parts: Readonly<Record<string, OptionFields>>;
}

export type OptionsResult =
  | { readonly ok: true; readonly options: RequestOptions }
  | { readonly ok: false; readonly problem: string };

type OptionValue = string | boolean | Integer | readonly string[];

/** What a body said; a key that it does not have reads as zero. */
export class RequestOptions {
  readonly #values: ReadonlyMap<string, OptionValue>;

  constructor(values: ReadonlyMap<string, OptionValue> = new Map()) {
    this.#values = values;
  }

  text(key: string, absent = ""): string {
    const value = this.#values.get(key);
    return typeof value === "string" ? value : absent;
  }

  boolean(key: string): boolean {
    return this.#values.get(key) === true;
  }

  integer(key: string): Integer {
    const value = this.#values.get(key);
    return typeof value === "number" || typeof value === "bigint" ? value : 0;
  }

  texts(key: string): readonly string[] {
    const value = this.#values.get(key);
    return Array.isArray(value) ? (value as readonly string[]) : [];
  }
}

/** Reads a body; an empty one has no options. */
export function readOptions(body: Uint8Array, struct: OptionStruct): OptionsResult {
  if (body.length === 0) return { ok: true, options: new RequestOptions() };
  const text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(body);
  const members = jsonMembers(text);
  if (members === null) return { ok: false, problem: describeBody(text, body, struct) };

  const fields = new Map(
    Object.entries(struct.parts).flatMap(([part, types]) =>
      Object.entries(types).map(([key, type]) => [key.toLowerCase(), { key, type, part }] as const),
    ),
  );
  const values = new Map<string, OptionValue>();
  for (const member of members) {
    const field = fields.get(member.key.toLowerCase());
    const json: unknown = JSON.parse(member.json);
    if (field === undefined) continue;
    const { key, type, part } = field;
    if (json === null) {
      // Go empties a list, and leaves anything else as it is.
      if (type === "[]string") values.delete(key);
      continue;
    }
    const read = readValue(json, member.json, type);
    if ("value" in read) values.set(key, read.value);
    else {
      const path = [struct.name, part, key].filter((name) => name !== "").join(".");
      return {
        ok: false,
        problem: `json: cannot unmarshal ${read.found} into Go struct field ${path} of type ${read.wanted}`,
      };
    }
  }
  return { ok: true, options: new RequestOptions(values) };
}

/** Why a body that is no object cannot be read. */
function describeBody(text: string, body: Uint8Array, { name }: OptionStruct): string {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return describeJsonFault(body);
  }
  return `json: cannot unmarshal ${kindOf(json)} into Go value of type server.${name}`;
}

type ValueResult =
  | { readonly value: OptionValue }
  /** What stands there, and what should. */
  | { readonly found: string; readonly wanted: string };

function readValue(json: unknown, source: string, type: OptionType): ValueResult {
  const mismatch = { found: kindOf(json), wanted: type };
  switch (type) {
    case "string":
    case "server.SortOpt":
      return typeof json === "string" ? { value: json } : mismatch;
    case "bool":
      return typeof json === "boolean" ? { value: json } : mismatch;
    case "[]string": {
      if (!Array.isArray(json)) return mismatch;
      const other = json.find((item) => typeof item !== "string" && item !== null);
      if (other !== undefined) return { found: kindOf(other), wanted: "string" };
      return { value: json.map((item) => item ?? "") as string[] };
    }
    default: {
      if (typeof json !== "number") return mismatch;
      const value = wholeNumber(source, type === "uint64");
      return value === undefined ? { found: `number ${source}`, wanted: type } : { value };
    }
  }
}

/** A 64-bit integer as JSON writes one; undefined for a fraction, an exponent, what is out of range, an unsigned -0. */
function wholeNumber(source: string, isUnsigned: boolean): Integer | undefined {
  if (isUnsigned && source.startsWith("-")) return undefined;
  const value = parseInt64(source, isUnsigned);
  if (value === undefined) return undefined;
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

function kindOf(json: unknown): string {
  if (Array.isArray(json)) return "array";
  return typeof json === "boolean" ? "bool" : typeof json;
}
