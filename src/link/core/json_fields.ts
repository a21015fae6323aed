/**
 * JSON objects with a fixed set of members, read and written as Go's encoding/json treats a struct. Names match in any
 * case, unknown members are skipped, null has no effect, and a value of another type is refused. Cold.
 *
 * Text is held as byte strings, because it is compared with subjects and accounts, which are bytes.
 */
import { Buffer } from "node:buffer";
import { parseInt64 } from "../../base/int64.ts";
import type { SubjectPermission } from "../../config/permissions.ts";
import { encodeGoJson, omitEmpty } from "../../protocol/go_json.ts";
import { foldCase, type JsonMember, jsonMembers } from "../../protocol/json_members.ts";
import { byteStringOfText, textOf } from "../../subject/byte_string.ts";

/** The subjects that a side lets through, as INFO carries them. */
export interface LinkPermission {
  /** Empty means everything, because Go does not distinguish an empty list from none. */
  readonly allow: readonly string[];
  readonly deny: readonly string[];
}

/** The form in which INFO carries a permission of the configuration or of a login; null for none. */
export function linkPermission(permission: SubjectPermission | undefined): LinkPermission | null {
  if (permission === undefined) return null;
  const { allow = [], deny = [] } = permission;
  return { allow: allow.map(byteStringOfText), deny: deny.map(byteStringOfText) };
}

interface FieldTypes {
  text: string;
  texts: readonly string[];
  boolean: boolean;
  int: number;
  int32: number;
  byte: number;
  /** Bytes as base64, held as a byte string. */
  base64: string;
  permission: LinkPermission | null;
}

type FieldType = keyof FieldTypes;

export interface Field<Type extends FieldType = FieldType> {
  readonly name: string;
  readonly type: Type;
  /** Whether the field is left out when zero, empty or false. */
  readonly isOptional: boolean;
}

export type FieldTable = Readonly<Record<string, Field>>;

/** The values of an object with these fields. */
export type ValuesOf<Table extends FieldTable> = {
  readonly [K in keyof Table]: FieldTypes[Table[K]["type"]];
};

export function required<Type extends FieldType>(name: string, type: Type): Field<Type> {
  return { name, type, isOptional: false };
}

export function optional<Type extends FieldType>(name: string, type: Type): Field<Type> {
  return { name, type, isOptional: true };
}

const ZEROS: FieldTypes = {
  text: "",
  texts: [],
  boolean: false,
  int: 0,
  int32: 0,
  byte: 0,
  base64: "",
  permission: null,
};

/** The types' names in Go, for messages. */
const GO_TYPES: Readonly<Record<FieldType, string>> = {
  text: "string",
  texts: "[]string",
  boolean: "bool",
  int: "int",
  int32: "int32",
  byte: "uint8",
  base64: "[]uint8",
  permission: "server.SubjectPermission",
};

const INT_RANGES: Readonly<Record<"int" | "int32" | "byte", readonly [bigint, bigint]>> = {
  int: [-(2n ** 63n), 2n ** 63n - 1n],
  int32: [-(2n ** 31n), 2n ** 31n - 1n],
  byte: [0n, 255n],
};

/** All fields empty. */
export function zerosOf<Table extends FieldTable>(table: Table): ValuesOf<Table> {
  return Object.fromEntries(
    Object.entries(table).map(([key, { type }]) => [key, ZEROS[type]]),
  ) as ValuesOf<Table>;
}

/** The document in compact form, as a byte string, fields in the order of `table`. */
export function encodeFields<Table extends FieldTable>(table: Table, values: ValuesOf<Table>): string {
  const document: Record<string, unknown> = {};
  for (const [key, { name, type, isOptional }] of Object.entries(table)) {
    const value = toJson(type, values[key as keyof Table]);
    document[name] = isOptional ? omitEmpty(value) : value;
  }
  return byteStringOfText(encodeGoJson(document, 0));
}

export type FieldsReading<Values> =
  | { readonly ok: true; readonly values: Values }
  /** `problem` is in Go's words, unless the document is not JSON at all. */
  | { readonly ok: false; readonly problem: string };

/** Reads a document; messages call it `structName`. Fields that it lacks are empty. */
export function decodeFields<Table extends FieldTable>(
  table: Table,
  structName: string,
  json: string,
): FieldsReading<ValuesOf<Table>> {
  const members = jsonMembers(json);
  if (members === null) return { ok: false, problem: `the document of ${structName} is not a JSON object` };
  const keys = new Map(Object.entries(table).map(([key, { name }]) => [name, key]));
  const values: Record<string, unknown> = { ...zerosOf(table) };
  for (const member of members) {
    const key = keys.get(foldCase(member.key));
    if (key === undefined || member.json === "null") continue;
    const { name, type } = table[key]!;
    const value = fromJson(type, member);
    if (value === undefined) {
      const found = kindOf(member.json);
      const problem = `json: cannot unmarshal ${found} into Go struct field ${structName}.${name} of type ${GO_TYPES[type]}`;
      return { ok: false, problem };
    }
    values[key] = value;
  }
  return { ok: true, values: values as ValuesOf<Table> };
}

function toJson(type: FieldType, value: unknown): unknown {
  switch (type) {
    case "text":
      return textOf(value as string);
    case "texts":
      return (value as readonly string[]).map(textOf);
    case "base64":
      return Buffer.from(value as string, "latin1").toString("base64");
    case "permission": {
      const permission = value as LinkPermission | null;
      if (permission === null) return undefined;
      return { allow: omitEmpty(permission.allow.map(textOf)), deny: omitEmpty(permission.deny.map(textOf)) };
    }
    default:
      return value;
  }
}

/** Returns undefined for a value of another type. */
function fromJson(type: FieldType, { json }: JsonMember): FieldTypes[FieldType] | undefined {
  switch (type) {
    case "text":
      return json.startsWith('"') ? readText(JSON.parse(json)) : undefined;
    case "texts":
      return readTexts(JSON.parse(json));
    case "boolean":
      return json === "true" || json === "false" ? json === "true" : undefined;
    case "int":
    case "int32":
    case "byte":
      return readInteger(json, INT_RANGES[type]);
    case "base64":
      return readBase64(json);
    case "permission":
      return readPermission(json);
  }
}

function readText(value: unknown): string | undefined {
  return typeof value === "string" ? byteStringOfText(value.toWellFormed()) : undefined;
}

function readTexts(value: unknown): readonly string[] | undefined {
  if (!Array.isArray(value)) return undefined;
  const texts = value.map((entry: unknown) => (entry === null ? "" : readText(entry)));
  return texts.every((text) => text !== undefined) ? texts : undefined;
}

function readInteger(json: string, [min, max]: readonly [bigint, bigint]): number | undefined {
  const value = parseInt64(json);
  return value !== undefined && value >= min && value <= max ? Number(value) : undefined;
}

function readBase64(json: string): string | undefined {
  if (!json.startsWith('"')) return undefined;
  const text = (JSON.parse(json) as string).replace(/[\r\n]/g, "");
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(text) || text.length % 4 !== 0) return undefined;
  return Buffer.from(text, "base64").toString("latin1");
}

function readPermission(json: string): LinkPermission | undefined {
  if (!json.startsWith("{")) return undefined;
  const read = decodeFields(PERMISSION_TABLE, "SubjectPermission", json);
  return read.ok ? read.values : undefined;
}

const PERMISSION_TABLE = { allow: optional("allow", "texts"), deny: optional("deny", "texts") };

function kindOf(json: string): string {
  switch (json[0]) {
    case '"':
      return "string";
    case "t":
    case "f":
      return "bool";
    case "[":
      return "array";
    case "{":
      return "object";
    default:
      return /^-?\d+$/.test(json) ? "number" : `number ${json}`;
  }
}
