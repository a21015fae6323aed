/**
 * The server's side of the handshake: accepts a request to become a WebSocket, or answers one that cannot.
 * Source: RFC 6455, section 4.2; nats-server `wsUpgrade`. Cold.
 */
import { byteStringOfText, bytesOf } from "../../subject/byte_string.ts";
import { acceptKey, isWebSocketKey } from "./accept_key.ts";
import { cookiesIn } from "./cookies.ts";
import {
  compressionIn,
  DEFLATE_EXTENSION,
  type FrameTerms,
  NO_MASKING_HEADER,
  NO_MASKING_VALUE,
} from "./extensions.ts";
import { type BadHead, type HeaderLines, type HttpHead, headerListHas, headerValue } from "./http_head.ts";
import { findOriginProblem, type OriginRules } from "./origin.ts";

/** The size of frames that browsers handle well. Source: nats-server `wsFrameSizeForBrowsers`. */
const BROWSER_FRAME_BYTES_MAX = 4096;
const STATUS_TEXTS = {
  400: "Bad Request",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
} as const;

/** How a listener upgrades. Plain data: it crosses threads. */
export interface UpgradeRules {
  readonly isSecure: boolean;
  readonly origins: OriginRules;
  readonly allowsCompression: boolean;
  /** Lines that are added to the answer. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly cookieNames: CookieNames;
}

/** Names of the cookies that stand in for fields of CONNECT; "" for none. */
export interface CookieNames {
  readonly jwt: string;
  readonly user: string;
  readonly password: string;
  readonly token: string;
}

/** What the peer asks to be. */
export type Endpoint = "client" | "leafnode";

export interface Upgrade {
  readonly kind: "upgrade";
  readonly endpoint: Endpoint;
  readonly response: Uint8Array;
  readonly terms: FrameTerms;
  /** What the cookies say, "" for nothing. */
  readonly cookies: CookieNames;
  /**
   * The peer's address according to a proxy, "" if no proxy names one. Nothing vouches for it, so it is only logged.
   */
  readonly forwardedFor: string;
}

export interface Refusal {
  readonly kind: "refusal";
  readonly response: Uint8Array;
  /** For the log; "" where there is nothing to say. */
  readonly problem: string;
  /** The peer may try again on the same connection. */
  readonly staysOpen: boolean;
}

/** Judges a request; `date` is as HTTP writes it. */
export function answerUpgrade(head: HttpHead, rules: UpgradeRules, date: string): Upgrade | Refusal {
  const request = readRequestLine(head.firstLine);
  if (request === null) return refuseBadHead("");
  const isOld = request.version === "HTTP/1.0";
  const { headers } = head;
  const hosts = headers.get("host") ?? [];
  if (hosts.length === 0 && !isOld) return refuseBadHead("missing required Host header");
  if (hosts.length > 1 || !isLength(headers)) return refuseBadHead("");
  if (!isOld && !isKnownEncoding(headers)) {
    return plainRefusal("501 Not Implemented", "Unsupported transfer encoding");
  }
  if (!/^[!$%&'()*+,\-.:;=[\]_~0-9A-Za-z]*$/.test(hosts[0] ?? ""))
    return refuseBadHead("malformed Host header");
  const host = request.host || (hosts[0] ?? "");
  const refusal = findRefusal(request, host, headers, rules);
  if (refusal !== null) return refuse(request, headers, date, ...refusal);
  const endpoint = request.path.endsWith("/leafnode") ? "leafnode" : "client";
  const terms = termsOf(headers, endpoint, rules);
  return {
    kind: "upgrade",
    endpoint,
    response: switchingProtocols(headerValue(headers, "sec-websocket-key"), terms, rules),
    terms,
    cookies: cookiesIn(headers, rules.cookieNames),
    forwardedFor: forwardedFor(headers),
  };
}

/** The refusal of a malformed first line, before anything else is there; null if the line may be good. */
export function refuseFirstLine(line: string): Refusal | null {
  const version = /^\S+ \S+ HTTP\/(\d)\.\d$/.exec(line)?.[1];
  if (version !== undefined && version !== "1") {
    return plainRefusal("505 HTTP Version Not Supported: unsupported protocol version");
  }
  return readRequestLine(line) === null ? refuseBadHead("") : null;
}

export function refuseHead({ isTooLong, text }: BadHead): Refusal {
  return isTooLong ? plainRefusal("431 Request Header Fields Too Large") : refuseBadHead(text);
}

interface RequestLine {
  readonly method: string;
  readonly path: string;
  /** The host, if the target is a whole URL; else "". */
  readonly host: string;
  readonly version: string;
}

function readRequestLine(line: string): RequestLine | null {
  const found =
    /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+) (?:[A-Za-z][A-Za-z0-9+.-]*:\/\/([^/?#]*))?([/*](?:[^?%]|%[0-9A-Fa-f]{2})*|)(?:\?.*)? (HTTP\/1\.\d)$/.exec(
      line,
    );
  if (found === null || line.split(" ").length !== 3 || /[\0-\x1f\x7f]/.test(line)) return null;
  const [, method, host = "", path, version] = found;
  return host === "" && path === "" ? null : { method: method!, host, path: path!, version: version! };
}

/** Whether the length of a body is one, if the request tells it. */
function isLength(headers: HeaderLines): boolean {
  const lengths = headers.get("content-length") ?? [];
  return lengths.every((length) => /^\d+$/.test(length) && length === lengths[0]);
}

function isKnownEncoding(headers: HeaderLines): boolean {
  const [encoding = "chunked", ...more] = headers.get("transfer-encoding") ?? [];
  return more.length === 0 && encoding.toLowerCase() === "chunked";
}

type Status = keyof typeof STATUS_TEXTS;

/** The first thing that keeps a request from being an upgrade. */
function findRefusal(
  { method, path }: RequestLine,
  host: string,
  headers: HeaderLines,
  rules: UpgradeRules,
): [status: Status, problem: string] | null {
  const key = headerValue(headers, "sec-websocket-key");
  if (path.endsWith("/mqtt")) return [404, "mqtt websocket endpoint not enabled"];
  if (method !== "GET") return [405, "request method must be GET"];
  if (host === "") return [400, "'Host' missing in request"];
  if (!headerListHas(headers, "upgrade", "websocket")) return [400, "invalid value for header 'Upgrade'"];
  if (!headerListHas(headers, "connection", "upgrade")) return [400, "invalid value for header 'Connection'"];
  if (key === "") return [400, "key missing"];
  if (!isWebSocketKey(key)) return [400, "invalid websocket key"];
  if (!headerListHas(headers, "sec-websocket-version", "13")) return [400, "invalid version"];
  const origin = headerValue(headers, "origin") || headerValue(headers, "sec-websocket-origin");
  const problem = findOriginProblem(rules.origins, origin, host, rules.isSecure);
  return problem === undefined ? null : [403, `origin not allowed: ${problem}`];
}

function termsOf(headers: HeaderLines, endpoint: Endpoint, { allowsCompression }: UpgradeRules): FrameTerms {
  const agent = headerValue(headers, "user-agent");
  const isBrowser = endpoint === "client" && agent.startsWith("Mozilla/");
  // Chrome names Safari as well, but without `Version`. Safari fails on compressed messages in several frames.
  const isSafari = agent.includes("Version/") && agent.includes("Safari/");
  return {
    isMasked: headerValue(headers, NO_MASKING_HEADER.toLowerCase()) !== NO_MASKING_VALUE,
    isCompressed: allowsCompression && compressionIn(headers) !== "none",
    frameBytesMax: isBrowser ? BROWSER_FRAME_BYTES_MAX : 0,
    compressedFrameBytesMax: isBrowser && !isSafari ? BROWSER_FRAME_BYTES_MAX : 0,
  };
}

function switchingProtocols(key: string, terms: FrameTerms, rules: UpgradeRules): Uint8Array {
  const lines = [
    "HTTP/1.1 101 Switching Protocols",
    "Upgrade: websocket",
    "Connection: Upgrade",
    `Sec-WebSocket-Accept: ${acceptKey(key)}`,
    ...(terms.isCompressed ? [`Sec-WebSocket-Extensions: ${DEFLATE_EXTENSION}`] : []),
    ...(terms.isMasked ? [] : [`${NO_MASKING_HEADER}: ${NO_MASKING_VALUE}`]),
    ...rules.headers.map(([name, value]) => `${name}: ${value}`),
  ];
  return bytesOf(byteStringOfText(`${lines.join("\r\n")}\r\n\r\n`));
}

/** The answer of the HTTP server, in the order of Go's. */
function refuse(
  { method, version }: RequestLine,
  headers: HeaderLines,
  date: string,
  status: Status,
  problem: string,
): Refusal {
  const text = `${STATUS_TEXTS[status]}\n`;
  const isOld = version === "HTTP/1.0";
  const keepsAlive = isOld && headerListHas(headers, "connection", "keep-alive");
  // A body that would have to be read first ends the connection instead.
  const hasBody = headers.has("transfer-encoding") || !/^0*$/.test(headerValue(headers, "content-length"));
  const staysOpen = (isOld ? keepsAlive : !headerListHas(headers, "connection", "close")) && !hasBody;
  const lines = [
    `${isOld ? "HTTP/1.0" : "HTTP/1.1"} ${status} ${STATUS_TEXTS[status]}`,
    "Content-Type: text/plain; charset=utf-8",
    "Sec-Websocket-Version: 13",
    "X-Content-Type-Options: nosniff",
    `Date: ${date}`,
    `Content-Length: ${text.length}`,
    ...(!staysOpen && !isOld ? ["Connection: close"] : []),
    ...(staysOpen && isOld ? ["Connection: keep-alive"] : []),
  ];
  const body = method === "HEAD" ? "" : text;
  return { kind: "refusal", response: bytesOf(`${lines.join("\r\n")}\r\n\r\n${body}`), problem, staysOpen };
}

function refuseBadHead(text: string): Refusal {
  return plainRefusal(`400 Bad Request${text === "" ? "" : `: ${text}`}`);
}

/** The answer to bytes that are not a request, or to one whose body nobody can find. */
function plainRefusal(status: string, body = status): Refusal {
  const head = `HTTP/1.1 ${status}\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n`;
  return { kind: "refusal", response: bytesOf(head + body), problem: "", staysOpen: false };
}

/** The address in `X-Forwarded-For`, where it is one address and nothing else. */
function forwardedFor(headers: HeaderLines): string {
  const text = headerValue(headers, "x-forwarded-for");
  return isAddress(text) ? text : "";
}

function isAddress(text: string): boolean {
  if (/^(0|[1-9]\d{0,2})(\.(0|[1-9]\d{0,2})){3}$/.test(text)) {
    return text.split(".").every((part) => Number(part) < 256);
  }
  return text.includes(":") && /^[0-9a-fA-F:.]+$/.test(text) && URL.canParse(`http://[${text}]/`);
}
