import { byteStringOfText } from "../subject/byte_string.ts";
import { intersection } from "../subject/subset.ts";
import { isLiteralText } from "../subject/text.ts";
import type { StreamImport } from "./definition.ts";
import { referenceOf } from "./import_subjects.ts";

/**
 * The interest in the exporting account that a local subscription has through a stream import: the part of the stream
 * that it can match, under the exporter's subject. Null if it matches none of it. Byte strings.
 *
 * Source: nats-server addShadowSubscriptions.
 */
export function shadowSubject({ from, to, local }: StreamImport, subject: string): string | null {
  const common = intersection(subject, byteStringOfText(local));
  if (common === null || from === to) return common;
  const source = byteStringOfText(from);
  if (isLiteralText(from)) return source;
  const tokens = common.split(".");
  const destination = byteStringOfText(to).split(".");
  const wildcards = new Map<number, string>();
  for (const [i, token] of destination.entries()) {
    const reference = referenceOf(token);
    if (reference > 0) wildcards.set(reference, tokens[i]!);
  }
  let count = 0;
  return source
    .split(".")
    .map((token) => {
      if (token === "*") return wildcards.get(++count) ?? token;
      return token === ">" ? tokens.slice(destination.length - 1).join(".") : token;
    })
    .join(".");
}
