import {
  createServer,
  type IncomingMessage,
  type Server,
  type ServerResponse,
  STATUS_CODES,
} from "node:http";
import {
  type AddressInfo,
  createServer as createSocketServer,
  type Socket,
  type Server as SocketServer,
} from "node:net";
import { createSecureContext, type SecureContext, TLSSocket } from "node:tls";
import { errnoTextOf } from "../runtime/posix/errno.ts";
import { resolveForListening } from "../runtime/posix/listen.ts";
import { hostPortText } from "../runtime/posix/socket_address.ts";
import { normalizeBasePath, parseTarget } from "./http_path.ts";
import { answerRequest, type HttpContext, type HttpReply } from "./http_routes.ts";
import type { MonitorSource } from "./source.ts";

export interface HttpMonitorOptions {
  /** Address to listen on. */
  readonly host: string;
  /** -1 picks a free one; 0 is off. */
  readonly httpPort: number;
  readonly httpsPort: number;
  /** As configured, any spelling. */
  readonly basePath: string;
  /** Certificate of the client listener, for HTTPS; client certificates are never asked for. */
  readonly tls: MonitorTls | null;
  /** What the requests are counted in, the same map that the server snapshot shows. */
  readonly requestCounts: Map<string, number>;
  readonly log: MonitorLog;
  /** Called for each request, because many at once leave much garbage behind. */
  readonly onRequest: () => void;
}

/** PEM texts. */
export interface MonitorTls {
  readonly cert: string;
  readonly key: string;
  readonly minVersion?: "TLSv1" | "TLSv1.1" | "TLSv1.2" | "TLSv1.3";
  readonly ciphers?: string;
}

export interface MonitorLog {
  notice(message: string): void;
  warn(message: string): void;
  error(message: string): void;
}

/** Thrown by `HttpMonitor.start`; the message is fit for the log as it is. */
class MonitorStartError extends Error {
  override name = "MonitorStartError";

  constructor(reason: string) {
    super(`Can't start monitoring: ${reason}`);
  }
}

/** A whole request head must have arrived by then. */
const HEAD_TIMEOUT_MS = 5_000;
const HEAD_BYTES_MAX = 1 << 20;
/** node:http looks for late requests this often. */
const HEAD_TIMEOUT_CHECK_MS = 250;
/**
 * How many requests of one connection may wait for their turn. A client that sends more without taking answers is
 * disconnected.
 */
const WAITING_MAX = 1000;
/** First byte of a TLS handshake record. */
const TLS_HANDSHAKE_BYTE = 22;

/**
 * The HTTP or HTTPS listener of the monitoring reports.
 *
 * It stays up until `stop`, through lame duck too. Source: nats-server `StartMonitoring`.
 */
export class HttpMonitor {
  /** The port in use. */
  readonly port: number;
  readonly isSecure: boolean;
  readonly #listener: SocketServer;
  readonly #sockets: Set<Socket>;
  readonly #tls: TlsState | null;

  private constructor(listener: SocketServer, sockets: Set<Socket>, tls: TlsState | null) {
    this.#listener = listener;
    this.#sockets = sockets;
    this.#tls = tls;
    this.port = (listener.address() as AddressInfo).port;
    this.isSecure = tls !== null;
  }

  /** Listens, or resolves to `null` if neither port is configured. Rejects with `MonitorStartError`. */
  static async start(source: MonitorSource, options: HttpMonitorOptions): Promise<HttpMonitor | null> {
    const { httpPort, httpsPort, host, log } = options;
    if (httpPort !== 0 && httpsPort !== 0) {
      throw new MonitorStartError(`can't specify both HTTP (${httpPort}) and HTTPs (${httpsPort}) ports`);
    }
    if (httpPort === 0 && httpsPort === 0) return null;
    const isSecure = httpsPort !== 0;
    if (isSecure && options.tls === null) throw new MonitorStartError("TLS cert and key required for HTTPS");

    const http = createHttpServer({
      source,
      basePath: normalizeBasePath(options.basePath),
      requestCounts: options.requestCounts,
      log,
      onRequest: options.onRequest,
    });
    const tls = isSecure ? { context: secureContext(options.tls!) } : null;
    const listener = tls === null ? http : createTlsListener(http, tls);
    const sockets = new Set<Socket>();
    listener.on("connection", (socket: Socket) => {
      sockets.add(socket);
      socket.on("close", () => sockets.delete(socket));
      // A peer that resets its connection is not worth a log line.
      socket.on("error", () => socket.destroy());
    });
    await listen(listener, Math.max(isSecure ? httpsPort : httpPort, 0), host);

    const monitor = new HttpMonitor(listener, sockets, tls);
    log.notice(`Starting ${isSecure ? "https" : "http"} monitor on ${hostPortText(host, monitor.port)}`);
    return monitor;
  }

  /**
   * Returns a function after which handshakes use this certificate. Without effect on plain HTTP. Throws if the texts
   * cannot be used.
   */
  prepareTls(tls: MonitorTls): () => void {
    const state = this.#tls;
    if (state === null) return () => {};
    const context = secureContext(tls);
    return () => {
      state.context = context;
    };
  }

  /** Closes the listener and every connection. */
  async stop(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#listener.close(() => resolve()));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }
}

interface TlsState {
  context: SecureContext;
}

function secureContext({ cert, key, minVersion, ciphers }: MonitorTls): SecureContext {
  return createSecureContext({
    cert,
    key,
    ...(minVersion === undefined ? {} : { minVersion }),
    ...(ciphers === undefined ? {} : { ciphers }),
  });
}

async function listen(listener: SocketServer, port: number, host: string): Promise<void> {
  const fail = (reason: string) =>
    new MonitorStartError(`can't listen to the monitor port: listen tcp${reason}`);
  // Looked up first: of a name that nobody knows node:http on Bun says that the port is in use.
  const resolved = await resolveForListening(host || "0.0.0.0");
  if (!resolved.ok) throw fail(`: lookup ${host}: ${resolved.error}`);
  try {
    await new Promise<void>((resolve, reject) => {
      listener.once("error", reject);
      listener.listen(port, resolved.ip, resolve);
    });
  } catch (error) {
    throw fail(` ${hostPortText(host, port)}: bind: ${errnoTextOf(error as Error)}`);
  }
}

/**
 * Accepts sockets, puts TLS on them and hands them to `http`. One that starts in plain text is told so
 * and closed, which is why the first byte is looked at before the TLS library sees it.
 */
function createTlsListener(http: Server, tls: TlsState): SocketServer {
  // node:http does not time the request heads on a socket that it did not accept.
  const headTimers = new WeakMap<object, ReturnType<typeof setTimeout>>();
  http.on("request", ({ socket }: IncomingMessage) => clearTimeout(headTimers.get(socket)));

  return createSocketServer((socket) => {
    const timer = setTimeout(() => socket.destroy(), HEAD_TIMEOUT_MS);
    socket.once("close", () => clearTimeout(timer));
    socket.once("data", (bytes: Uint8Array) => {
      if (bytes[0] !== TLS_HANDSHAKE_BYTE) {
        socket.end("HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n");
        return;
      }
      socket.pause();
      socket.unshift(bytes);
      const secure = new TLSSocket(socket, { isServer: true, secureContext: tls.context });
      secure.on("error", () => socket.destroy());
      headTimers.set(secure, timer);
      http.emit("connection", secure);
    });
  });
}

/**
 * Answers the requests of each connection one after the other, as Go's server does: the next report is made once the
 * one before has been sent. A client that asks without end and takes no answers could otherwise make the server hold
 * gigabytes.
 */
class Lines {
  readonly #lines = new WeakMap<Socket, { waiting: number; last: Promise<unknown> }>();

  add({ socket }: IncomingMessage, response: ServerResponse, answer: () => void): void {
    let line = this.#lines.get(socket);
    if (line === undefined) {
      line = { waiting: 0, last: Promise.resolve() };
      this.#lines.set(socket, line);
    }
    if (line.waiting === WAITING_MAX) {
      socket.destroy();
      return;
    }
    line.waiting++;
    const { last } = line;
    line.last = new Promise((resolve) => {
      response.once("finish", resolve);
      response.once("close", resolve);
    });
    void last.then(() => {
      line.waiting--;
      if (!socket.destroyed) answer();
    });
  }
}

function createHttpServer(context: HttpContext & { log: MonitorLog; onRequest(): void }): Server {
  const lines = new Lines();
  const server = createServer(
    {
      headersTimeout: HEAD_TIMEOUT_MS,
      connectionsCheckingInterval: HEAD_TIMEOUT_CHECK_MS,
      // Bodies are ignored and connections may stay idle for as long as they like.
      requestTimeout: 0,
      keepAliveTimeout: 0,
      maxHeaderSize: HEAD_BYTES_MAX,
      requireHostHeader: false,
    },
    (request, response) => {
      context.onRequest();
      // The body is never read, but what follows it is the next request.
      request.resume();
      lines.add(request, response, () => {
        respond(request, response, context).catch((error: unknown) => {
          context.log.error(`Error answering monitoring request ${request.url}: ${error}`);
          response.destroy();
        });
      });
    },
  );
  server.on("clientError", (error: Error & { code?: string }, socket: Socket) => {
    const status = HEAD_ERROR_STATUS.get(error.code ?? "");
    // Whoever is late gets nothing at all.
    if (status === undefined && error.code?.endsWith("TIMEOUT")) socket.destroy();
    else refuse(socket, status ?? "400 Bad Request");
  });
  return server;
}

const HEAD_ERROR_STATUS = new Map([["HPE_HEADER_OVERFLOW", "431 Request Header Fields Too Large"]]);

/** Answers a request whose head made no sense, and closes. */
function refuse(socket: { end(text: string): unknown }, status: string): void {
  socket.end(
    `HTTP/1.1 ${status}\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n${status}`,
  );
}

async function respond(
  request: IncomingMessage,
  response: ServerResponse,
  context: HttpContext,
): Promise<void> {
  if (request.httpVersion === "1.1" && request.headers.host === undefined) {
    refuse(request.socket, "400 Bad Request: missing required Host header");
    return;
  }
  const target = parseTarget(request.url ?? "/");
  switch (target.kind) {
    case "invalid":
      refuse(request.socket, "400 Bad Request");
      break;
    case "server":
      send(response, 200, {}, "");
      break;
    case "redirect":
      redirect(request, response, target.location);
      break;
    case "path":
      reply(response, await answerRequest(target.path, target.query, context));
      break;
  }
}

function reply(response: ServerResponse, answer: HttpReply | null): void {
  if (answer === null) {
    const headers = { "Content-Type": "text/plain; charset=utf-8", "X-Content-Type-Options": "nosniff" };
    send(response, 404, headers, "404 page not found\n");
    return;
  }
  const anyOrigin: Record<string, string> = answer.allowsAnyOrigin
    ? { "Access-Control-Allow-Origin": "*" }
    : {};
  send(
    response,
    answer.status,
    { ...anyOrigin, ...answer.headers, "Content-Type": answer.contentType },
    answer.body,
  );
}

/** Source: Go net/http, `Redirect`. */
function redirect({ method }: IncomingMessage, response: ServerResponse, location: string): void {
  if (method !== "GET" && method !== "HEAD") {
    send(response, 307, { Location: location }, "");
    return;
  }
  const headers = { "Content-Type": "text/html; charset=utf-8", Location: location };
  send(response, 307, headers, `<a href="${escapeHtml(location)}">${STATUS_CODES[307]}</a>.\n\n`);
}

const HTML_ESCAPES: Record<string, string> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&#34;",
  "'": "&#39;",
};

function escapeHtml(value: string): string {
  return value.replace(/[&<>"']/g, (character) => HTML_ESCAPES[character]!);
}

function send(response: ServerResponse, status: number, headers: Record<string, string>, body: string): void {
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
  const bytes = new TextEncoder().encode(body);
  response.setHeader("Content-Length", bytes.length);
  // Keep-alive is what HTTP/1.1 does anyway; nats-server does not say so.
  const { httpVersion, headers: asked } = response.req;
  if (httpVersion === "1.1" && !/\bclose\b/i.test(asked.connection ?? ""))
    response.removeHeader("Connection");
  response.statusCode = status;
  response.end(bytes);
}
