/** Where an account's traces of messages go. */
import { isLiteralText, isValidSubscriptionText } from "../subject/text.ts";
import type { ConfigValue } from "./config_tree.ts";
import { block, option, readBlock, type Site, wrongType } from "./option.ts";
import { readPercent } from "./percent.ts";
import { string } from "./readers.ts";

/** Where traces of messages go that carry no destination of their own. */
export interface MessageTraceOptions {
  readonly destination: string;
  /** Percent of messages, 1 to 100. */
  readonly sampling: number;
}

export const TRACE_BLOCK = block(
  "account message trace",
  {
    destination: option<string | undefined>({
      key: "dest",
      reader: { type: "subject", read: readTraceDestination },
      default: undefined,
      doc: "Where traces are published.",
    }),
    sampling: option({
      key: "sampling",
      reader: { type: "percent", read: readTraceSampling },
      default: 100,
      doc: "The share of messages traced.",
    }),
  },
  { unknownKey: (key) => `Unknown field "${key}" parsing account message trace` },
);

function readTraceDestination(value: ConfigValue, site: Site): string | undefined {
  const text = string.read(value, site);
  if (text === undefined || (isValidSubscriptionText(text) && isLiteralText(text))) return text;
  return site.error(`Trace destination ${JSON.stringify(text)} is not valid`);
}

function readTraceSampling(value: ConfigValue, site: Site): number | undefined {
  const percent = readPercent(value, site, "Invalid trace destination sampling value");
  if (percent === undefined || (percent >= 1 && percent <= 100)) return percent;
  return site.error(`Trace destination sampling value ${percent} is invalid, needs to be [1..100]`);
}

export function readMessageTrace(value: ConfigValue, site: Site): MessageTraceOptions | undefined {
  if (value.kind === "string") {
    const destination = readTraceDestination(value, site);
    return destination === undefined ? undefined : { destination, sampling: 100 };
  }
  if (value.kind !== "map") return wrongType(value, site, "a subject or a map of dest and sampling");
  const errorsBefore = site.errorCount;
  const { destination, sampling } = readBlock(TRACE_BLOCK, value, site);
  if (destination !== undefined) return { destination, sampling };
  if (site.errorCount === errorsBefore && value.entries.size > 0) {
    site.warn("Trace destination sampling ignored since no destination was set");
  }
  return undefined;
}
