/** What an account takes from another. */
import { block, type OptionsOf, option, type Reader, readBlock, wrongType } from "./option.ts";
import { arrayOf, bool, string } from "./readers.ts";
import { isFields, refuseGiven, spellBlock } from "./spelling.ts";

/** What an account takes from another. */
export interface ImportOptions {
  readonly kind: "stream" | "service";
  /** The exporting account. */
  readonly account: string;
  /** The subject as the exporting account knows it. */
  readonly subject: string;
  /** The local subject; for a service the same as `subject` unless given. */
  readonly to: string | undefined;
  /** Streams only: put before the subject. */
  readonly prefix: string | undefined;
  /** Services only: tells the exporter who asks. */
  readonly share: boolean;
  /** Streams only. */
  readonly allowTrace: boolean;
}

const SOURCE_BLOCK = block("import source", {
  account: option({ key: "account", reader: string, default: "", doc: "The exporting account." }),
  subject: option({
    key: "subject",
    reader: string,
    default: "",
    doc: "The subject as that account knows it.",
  }),
});

type ImportSource = OptionsOf<typeof SOURCE_BLOCK.table>;

const importSource: Reader<ImportSource> = {
  type: "map of account and subject",
  blocks: [SOURCE_BLOCK],
  read: (value, site) => {
    if (value.kind !== "map") return wrongType(value, site, "a map of account and subject");
    const read = readBlock(SOURCE_BLOCK, value, site);
    if (read.account !== "" && read.subject !== "") return read;
    return site.error("Expect an account name and a subject");
  },
};

const IMPORT_BLOCK = block("import", {
  stream: option<ImportSource | undefined>({
    key: "stream",
    reader: importSource,
    default: undefined,
    doc: "The stream that is taken.",
  }),
  service: option<ImportSource | undefined>({
    key: "service",
    reader: importSource,
    default: undefined,
    doc: "The service that is used.",
  }),
  prefix: option<string | undefined>({
    key: "prefix",
    reader: string,
    default: undefined,
    doc: "Put before a stream's subject.",
  }),
  to: option<string | undefined>({
    key: "to",
    reader: string,
    default: undefined,
    doc: "The local subject.",
  }),
  share: option({ key: "share", reader: bool, default: false, doc: "Tells a service who asks." }),
  allowTrace: option<boolean | undefined>({
    key: "allow_trace",
    reader: bool,
    default: undefined,
    doc: "Lets traces of a stream go on in this account.",
  }),
});

const importItem: Reader<ImportOptions> = {
  type: "import",
  blocks: [IMPORT_BLOCK],
  read: (value, site) => {
    if (value.kind !== "map") return wrongType(value, site, "an import to be a map with a stream or service");
    const { stream, service, ...read } = readBlock(IMPORT_BLOCK, value, site);
    if (stream !== undefined && service !== undefined)
      return site.error("Detected stream but already saw a service");
    if (stream !== undefined && read.prefix && read.to) {
      return site.error("Stream import can not have a 'prefix' and a 'to' property");
    }
    if (service !== undefined && read.allowTrace !== undefined) {
      return site.error("Detected allow_trace directive on a non-stream");
    }
    const source = stream ?? service;
    if (source === undefined) return undefined;
    return site.place<ImportOptions>({
      ...read,
      ...source,
      kind: stream === undefined ? "service" : "stream",
      allowTrace: read.allowTrace ?? false,
    });
  },
  spell: (value, site) => {
    if (!isFields(value) || (value.kind !== "stream" && value.kind !== "service"))
      return refuseGiven(value, site, 'an object of the kind "stream" or "service"');
    const { kind, account, subject, allowTrace, ...fields } = value;
    // What stands there for a service, too, the file refuses.
    const ofStream = { allowTrace: kind === "service" && allowTrace === false ? undefined : allowTrace };
    return spellBlock(IMPORT_BLOCK, { ...fields, ...ofStream, [kind]: { account, subject } }, site);
  },
};

export const imports: Reader<readonly ImportOptions[]> = {
  ...arrayOf(importItem),
  type: "array of imports",
  read: (value, site) => {
    if (value.kind !== "array") return wrongType(value, site, "imports to be an array");
    const read: ImportOptions[] = [];
    for (const item of value.items) {
      const next = importItem.read(item, site.item(item));
      if (next === undefined) continue;
      const local = next.to ?? next.subject;
      const same = read.find(
        (other) =>
          next.kind === "service" &&
          other.kind === "service" &&
          other.account === next.account &&
          (other.to ?? other.subject) === local,
      );
      if (same === undefined) read.push(next);
      else {
        site
          .item(item)
          .error(
            `Duplicate service import subject "${local}", previously used in import for account "${same.account}", subject "${same.subject}"`,
          );
      }
    }
    return read;
  },
};
