// What Go's `url.Parse` refuses, and with it nats-server wherever its configuration has a URL.

const BAD_ESCAPE = '"%" stands for itself only as "%25"';
const BAD_HOST = "a character that no host has; is a password escaped?";

/** Returns what is wrong with a URL, without showing any of it, since it may hold a password; null if nothing is. */
export function urlProblem(text: string): string | null {
  const [whole, fragment] = cut(text, "#");
  if (hasBadEscape(fragment)) return BAD_ESCAPE;
  if (/[\x00-\x1f\x7f]/.test(whole)) return "a control character";
  if (whole.startsWith(":")) return "nothing stands before the colon of the scheme";
  const scheme = /^[a-z][a-z\d+.-]*:/i.exec(whole)?.[0] ?? "";
  // A query may hold anything.
  const [rest] = cut(whole.slice(scheme.length), "?");
  if (!rest.startsWith("/")) {
    // Behind a scheme such as that of `localhost:4222`, what is no path may be anything as well.
    if (scheme !== "") return null;
    if (cut(rest, "/")[0].includes(":")) return "a colon, and no scheme such as nats:// before it";
  }
  if (!rest.startsWith("//") || (scheme === "" && rest.startsWith("///")))
    return hasBadEscape(rest) ? BAD_ESCAPE : null;
  const slash = rest.indexOf("/", 2);
  const authority = slash < 0 ? rest.slice(2) : rest.slice(2, slash);
  const path = slash < 0 ? "" : rest.slice(slash);
  return authorityProblem(authority) ?? (hasBadEscape(path) ? BAD_ESCAPE : null);
}

function authorityProblem(authority: string): string | null {
  const at = authority.lastIndexOf("@");
  const user = authority.slice(0, Math.max(0, at));
  if (/[^\w.:~!$&'()*+,;=%@-]/.test(user)) return "a character that user and password must have escaped";
  if (hasBadEscape(user)) return BAD_ESCAPE;
  return hostProblem(authority.slice(at + 1));
}

function hostProblem(host: string): string | null {
  if (!host.includes("[")) {
    const [name, port] = cut(host, ":");
    // Go takes these, and every attempt to connect fails.
    if (port.includes(":")) return "more than one colon in host and port; an IPv6 address stands in brackets";
    if (!/^\d*$/.test(port)) return "the port is no number";
    return hasBadHostCharacter(name) ? BAD_HOST : null;
  }
  const [, address = "", zone] = /^\[([^[\]%]*)(?:%25([^[\]]+))?\](?::\d*)?$/.exec(host) ?? [];
  const { isIPv6 } = process.getBuiltinModule("node:net");
  if (!isIPv6(address)) return "no IPv6 address in brackets, with a port behind them";
  return zone !== undefined && /[^\w.~!$&'()*+,;=:<>"%\x80-\uffff-]|%(?![\da-f]{2})/i.test(zone)
    ? BAD_HOST
    : null;
}

/** Whether a host has a character that it must not have; only bytes beyond ASCII may be escaped in one. */
function hasBadHostCharacter(host: string): boolean {
  return /[^\w.~!$&'()*+,;=\]<>"%\x80-\uffff-]|%(?!25|[89a-f][\da-f])/i.test(host);
}

function hasBadEscape(text: string): boolean {
  return /%(?![\da-f]{2})/i.test(text);
}

/** The text before and after the first `separator`; the whole text and "" without one. */
function cut(text: string, separator: string): [before: string, after: string] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
}
