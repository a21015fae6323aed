/** Credentials in cookies, which are parsed as Go's net/http does. Source: nats-server `wsUpgrade`. Cold. */
import { type HeaderLines, isToken } from "./http_head.ts";

/** The values of the cookies with these names, "" where one is not there; of several with one name the last. */
export function cookiesIn<Field extends string>(
  headers: HeaderLines,
  names: Readonly<Record<Field, string>>,
): Record<Field, string> {
  const cookies = new Map(
    (headers.get("cookie") ?? []).flatMap((line) => line.split(";").flatMap(readCookie)),
  );
  const values = Object.entries<string>(names).map(([field, name]) => [
    field,
    (name !== "" && cookies.get(name)) || "",
  ]);
  return Object.fromEntries(values) as Record<Field, string>;
}

/** One cookie as name and value, none where it is not valid. */
function readCookie(text: string): [name: string, value: string][] {
  const found = /^[ \t]*([^=]*?)[ \t]*(?:=(.*?))?[ \t]*$/s.exec(text)!;
  const value = (found[2] ?? "").replace(/^"(.*)"$/s, "$1");
  const isValid = isToken(found[1]!) && /^[\x20\x21\x23-\x3a\x3c-\x5b\x5d-\x7e]*$/.test(value);
  return isValid ? [[found[1]!, value]] : [];
}
