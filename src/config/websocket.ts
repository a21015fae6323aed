import { type SimpleAuthorization, simpleAuthorization } from "./authorization.ts";
import { hostOption, listenKey, portOption } from "./listener.ts";
import { block, blockReader, defaultsOf, type OptionsOf, option, type ReloadStep } from "./option.ts";
import { bool, duration, mapOf, string, strings, timeout } from "./readers.ts";
import { fixed, fixedPort, isEqual, nestedListener } from "./reload.ts";
import { type TlsOptions, tls } from "./tls.ts";

/** `websocket { … }`: the listener for browsers and other WebSocket clients. */

const WEBSOCKET_TABLE = {
  host: hostOption(fixed('field "Host"')),
  port: portOption(fixedPort('field "Port"')),
  advertise: option<string | undefined>({
    key: "advertise",
    reader: string,
    default: undefined,
    reload: fixed('field "Advertise"'),
    doc: "host:port that clients should use.",
  }),
  tls: option<TlsOptions | undefined>({
    key: "tls",
    reader: tls("listener"),
    default: undefined,
    reload: { kind: "compared", compare: compareTls },
    doc: "TLS for wss://; required unless no_tls is set.",
  }),
  noTls: option({
    key: "no_tls",
    reader: bool,
    default: false,
    reload: fixed('field "NoTLS"'),
    doc: "Serves plain ws://.",
  }),
  sameOrigin: option({
    key: "same_origin",
    reader: bool,
    default: false,
    reload: fixed('field "SameOrigin"'),
    doc: "Refuses pages of other origins.",
  }),
  allowedOrigins: option<readonly string[]>({
    key: "allowed_origins",
    aliases: ["allowed_origin", "allow_origins", "allow_origin", "origins", "origin"],
    reader: strings,
    default: [],
    reload: fixed('field "AllowedOrigins"'),
    doc: "The origins whose pages may connect; any if empty.",
  }),
  compression: option({
    key: "compression",
    aliases: ["compress"],
    reader: bool,
    default: false,
    reload: fixed('field "Compression"'),
    doc: "Agrees to compress frames.",
  }),
  handshakeTimeoutMs: option({
    key: "handshake_timeout",
    reader: timeout,
    default: 0,
    reload: fixed('field "HandshakeTimeout"'),
    doc: "How long TLS and the upgrade request may take; 0 for a minute.",
  }),
  authorization: option<SimpleAuthorization | undefined>({
    key: "authorization",
    aliases: ["authentication"],
    reader: simpleAuthorization,
    default: undefined,
    reload: fixed('field "Authorization"'),
    doc: "Replaces the server's credentials for WebSocket clients.",
  }),
  noAuthUser: option<string | undefined>({
    key: "no_auth_user",
    reader: string,
    default: undefined,
    reload: fixed('field "NoAuthUser"'),
    doc: "The user of clients that send no credentials.",
  }),
  jwtCookie: option<string | undefined>({
    key: "jwt_cookie",
    reader: string,
    default: undefined,
    reload: fixed('field "JWTCookie"'),
    doc: "The cookie that holds a user JWT.",
  }),
  userCookie: option<string | undefined>({
    key: "user_cookie",
    reader: string,
    default: undefined,
    reload: fixed('field "UsernameCookie"'),
    doc: "The cookie that holds the user name.",
  }),
  passCookie: option<string | undefined>({
    key: "pass_cookie",
    reader: string,
    default: undefined,
    reload: fixed('field "PasswordCookie"'),
    doc: "The cookie that holds the password.",
  }),
  tokenCookie: option<string | undefined>({
    key: "token_cookie",
    reader: string,
    default: undefined,
    reload: fixed('field "TokenCookie"'),
    doc: "The cookie that holds the token.",
  }),
  headers: option<ReadonlyMap<string, string>>({
    key: "headers",
    reader: mapOf(string),
    default: new Map(),
    reload: fixed('field "Headers"'),
    doc: "Headers added to the upgrade response.",
  }),
  pingIntervalMs: option<number | undefined>({
    key: "ping_interval",
    reader: duration,
    default: undefined,
    reload: fixed('field "PingInterval"'),
    doc: "Pause between pings; the server's if absent.",
  }),
};

export type WebSocketOptions = OptionsOf<typeof WEBSOCKET_TABLE>;

export const websocket = blockReader(block("websocket", WEBSOCKET_TABLE, { sharedKeys: [listenKey] }));

export const WEBSOCKET_DEFAULTS: WebSocketOptions = defaultsOf(WEBSOCKET_TABLE);

export const websocketReload = nestedListener("websocket", "Websocket: ", WEBSOCKET_TABLE);

/** Certificates and how handshakes are made may change; whom they admit, and whether there is TLS at all, may not. */
function compareTls(before: TlsOptions | undefined, after: TlsOptions | undefined): readonly ReloadStep[] {
  if (isEqual(before, after)) return [];
  const fixedParts = [
    { name: "TLSConfig", old: before !== undefined, now: after !== undefined },
    { name: "TLSMap", old: before?.verifyAndMap ?? false, now: after?.verifyAndMap ?? false },
    { name: "TLSPinnedCerts", old: before?.pinnedCerts ?? [], now: after?.pinnedCerts ?? [] },
  ];
  const changed = fixedParts.find(({ old, now }) => !isEqual(old, now));
  if (changed === undefined) return [{ kind: "change", key: "tls", old: before, new: after }];
  const { name, old, now } = changed;
  return [{ kind: "refusal", name: `field "${name}"`, old: `${old}`, new: `${now}` }];
}
