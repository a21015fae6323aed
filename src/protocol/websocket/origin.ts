/** Whether a page may connect, by where it comes from. Source: nats-server `checkOrigin`, `wsGetHostAndPort`. Cold. */

/** Scheme, host and port of a page or server, host and scheme in lower case. */
export interface Origin {
  readonly scheme: string;
  readonly host: string;
  readonly port: string;
}

export interface OriginRules {
  /** A page must come from the server's own address. */
  readonly isSameRequired: boolean;
  /** It must come from one of these; empty for anywhere. */
  readonly allowed: readonly Origin[];
}

/** Reads `http://host[:port]`; undefined where it is no absolute URL with a host that can be compared. */
export function parseOrigin(text: string): Origin | undefined {
  const found = /^([a-z][a-z0-9+.-]*):\/\/(?:[^/?#@]*@)?([^/?#]*)(?:[/?]|$)/i.exec(text);
  if (found === null) return undefined;
  const scheme = found[1]!.toLowerCase();
  const address = splitAddress(found[2]!, scheme === "https");
  return address && { scheme, ...address };
}

/** What is wrong with a request's origin, undefined for nothing. `origin` is "" for a client that is no page. */
export function findOriginProblem(
  { isSameRequired, allowed }: OriginRules,
  origin: string,
  host: string,
  isSecure: boolean,
): string | undefined {
  if ((!isSameRequired && allowed.length === 0) || origin === "") return undefined;
  const from = parseOrigin(origin);
  if (from === undefined) return `parse ${JSON.stringify(origin)}: invalid URI for request`;
  if (isSameRequired) {
    const own = splitAddress(host, isSecure);
    const isSame =
      own?.host === from.host && own.port === from.port && from.scheme === (isSecure ? "https" : "http");
    if (!isSame) return "not same origin";
  }
  const isAllowed = ({ scheme, host: name, port }: Origin) =>
    scheme === from.scheme && name === from.host && port === from.port;
  return allowed.length === 0 || allowed.some(isAllowed) ? undefined : "not in the allowed list";
}

/** Host and port of `host[:port]` or `[v6][:port]`; undefined where it is neither. */
function splitAddress(address: string, isSecure: boolean): Omit<Origin, "scheme"> | undefined {
  const found = /^(\[[^\]]*\]|[^:]*)(?::(.*))?$/.exec(address);
  if (found === null) return undefined;
  const port = found[2] ?? (isSecure ? "443" : "80");
  return { host: found[1]!.toLowerCase(), port };
}
