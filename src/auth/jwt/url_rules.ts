import { goQuoteText as quoted } from "../../protocol/go_quote.ts";
import type { Issues } from "./issues.ts";

/** The rules of validation for the URLs in tokens. Source: nats-io/jwt, types.go and operator_claims.go. */

const INFO_BYTES_MAX = 8 * 1024;

interface UrlParts {
  readonly scheme: string;
  readonly hasCredentials: boolean;
  readonly host: string;
  readonly path: string;
}

/** Splits a URL as far as the rules need; undefined if it is malformed. */
function splitUrl(url: string): UrlParts | undefined {
  if (/[\0-\x20\x7f]/.test(url)) return undefined;
  const [, scheme = "", , authority = "", path = ""] =
    /^(?:([a-z][a-z\d+.-]*):)?(\/\/([^/?#]*))?([^?#]*)/i.exec(url) ?? [];
  if (scheme === "" && authority === "" && path.split("/", 1)[0]?.includes(":")) return undefined;
  const at = authority.lastIndexOf("@");
  const host = authority.slice(at + 1).replace(/:\d*$/, "");
  return { scheme: scheme.toLowerCase(), hasCredentials: at >= 0, host, path };
}

/** Checks `description` and `info_url` of an account or an export. */
export function checkInfo(description: string, infoUrl: string, issues: Issues): void {
  if (description.length > INFO_BYTES_MAX) issues.block("Description is too long");
  if (infoUrl === "") return;
  if (infoUrl.length > INFO_BYTES_MAX) issues.block("Info URL is too long");
  const url = splitUrl(infoUrl);
  if (url === undefined) issues.block(`error parsing info url: ${quoted(infoUrl)} is no URL`);
  else if (url.host === "" || url.scheme === "") {
    issues.block("error parsing info url: no hostname or scheme");
  }
}

export function checkAccountServerUrl(accountServerUrl: string, issues: Issues): void {
  if (accountServerUrl === "") return;
  const url = splitUrl(accountServerUrl);
  if (url === undefined)
    issues.block(`error parsing account server url: ${quoted(accountServerUrl)} is no URL`);
  else if (url.scheme === "") {
    issues.block(`account server url ${quoted(accountServerUrl)} requires a protocol`);
  }
}

export function checkOperatorServiceUrl(serviceUrl: string, issues: Issues): void {
  if (serviceUrl === "") return;
  const url = splitUrl(serviceUrl);
  const about = `operator service url ${quoted(serviceUrl)}`;
  if (url === undefined) issues.block(`error parsing ${about}: no URL`);
  else if (url.hasCredentials) issues.block(`${about} - credentials are not supported`);
  else if (url.path !== "") issues.block(`${about} - paths are not supported`);
  else if (!["nats", "tls", "ws", "wss"].includes(url.scheme)) {
    issues.block(`${about} - protocol not supported (only 'nats', 'tls', 'ws', 'wss' only)`);
  }
}
