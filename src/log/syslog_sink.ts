import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createConnection, type Socket } from "node:net";
import { hostname } from "node:os";
import type { WallClock } from "../base/wall_clock.ts";
import { splitTime } from "./line.ts";
import type { LogLevel, LogSink } from "./logger.ts";

/** RFC 3164 severities. Notice is the level of information and trace, as nats-server has it. */
const SEVERITY: Record<LogLevel, number> = {
  fatal: 2,
  error: 3,
  warn: 4,
  info: 5,
  trace: 5,
  debug: 7,
};

const FACILITY_KERNEL = 0;
const FACILITY_DAEMON = 3;

/** Where a syslog daemon of this machine listens, most usual place first. */
const LOCAL_PATHS = ["/dev/log", "/var/run/syslog", "/var/run/log"];

/** Bytes a stream may hold back while its reader is behind; past them messages are dropped. */
const STREAM_BACKLOG_BYTES_MAX = 1024 * 1024;

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** What goes before each message. */
export interface SyslogOptions {
  /** The name of the program, as it was started. */
  tag: string;
  processId: number;
  clock: WallClock;
}

/** Carries finished messages; `send` never throws. */
export interface SyslogTransport {
  send(message: Uint8Array): void;
  close(): void;
}

/**
 * Connects a Unix datagram socket to a path, or returns undefined where nobody listens. It is an
 * argument because `node:` has no such socket: where the runtime has none either, local syslog is
 * reached only if its daemon listens on a stream.
 */
export type OpenUnixDatagram = (path: string) => SyslogTransport | undefined;

/** The daemon of this machine. Rejects when there is none. Source: Go's log/syslog, `unixSyslog`. */
export async function openLocalSyslog(
  options: SyslogOptions,
  openUnixDatagram?: OpenUnixDatagram,
  paths: readonly string[] = LOCAL_PATHS,
): Promise<LogSink> {
  for (const path of paths) {
    const transport = openUnixDatagram?.(path);
    if (transport !== undefined) return createSink(transport, FACILITY_DAEMON, localPrefix(options));
  }
  for (const path of paths) {
    const connect = () => createConnection({ path });
    const socket = await connected(connect).catch(() => undefined);
    if (socket === undefined) continue;
    return createSink(new StreamTransport(socket, connect), FACILITY_DAEMON, localPrefix(options));
  }
  throw new Error('error connecting to syslog: "Unix syslog delivery error"');
}

/**
 * A daemon named by `udp://host:port`, `tcp://host:port` or `unix:///path`. Rejects for another
 * scheme, and when a stream cannot be connected. Source: nats-server logger/syslog.go, which sends
 * these messages with the facility 0.
 */
export async function openRemoteSyslog(url: string, options: SyslogOptions): Promise<LogSink> {
  const { scheme, host, port, path } = splitUrl(url);
  if (scheme === "udp") {
    const transport = await openUdp(host, port);
    return createSink(transport, FACILITY_KERNEL, remotePrefix(options));
  }
  const connect = () => (scheme === "tcp" ? createConnection({ host, port }) : createConnection({ path }));
  const socket = await connected(connect).catch((error: unknown) => {
    throw new Error(`error connecting to syslog: ${JSON.stringify((error as Error).message)}`);
  });
  const prefix = scheme === "tcp" ? remotePrefix(options) : localPrefix(options);
  return createSink(new StreamTransport(socket, connect), FACILITY_KERNEL, prefix);
}

function splitUrl(url: string): { scheme: string; host: string; port: number; path: string } {
  const parts = /^(?:([^:/]*):)?(?:\/\/([^/]*))?(.*)$/.exec(url);
  const [, scheme = "", authority = "", path = ""] = parts ?? [];
  if (scheme !== "udp" && scheme !== "tcp" && scheme !== "unix") {
    throw new Error(`error invalid network type: ${JSON.stringify(scheme)}`);
  }
  const colon = authority.lastIndexOf(":");
  const host = (colon < 0 ? authority : authority.slice(0, colon)).replace(/^\[|\]$/g, "");
  const port = colon < 0 ? Number.NaN : Number(authority.slice(colon + 1));
  if (scheme !== "unix" && !(port > 0 && port <= 65535)) {
    throw new Error(
      `error connecting to syslog: ${JSON.stringify(`address ${authority}: missing or bad port`)}`,
    );
  }
  return { scheme, host: host === "" ? "localhost" : host, port, path };
}

type Prefix = (timeMicros: number) => string;

function createSink(
  transport: SyslogTransport,
  facility: number,
  { prefix, clock }: { prefix: Prefix; clock: WallClock },
): LogSink {
  return {
    write(level: LogLevel, text: string): void {
      const priority = facility * 8 + SEVERITY[level];
      const lineEnd = text.endsWith("\n") ? "" : "\n";
      transport.send(Buffer.from(`<${priority}>${prefix(clock())}: ${text}${lineEnd}`));
    },
    close(): void {
      transport.close();
    },
  };
}

/** `Jan  2 15:04:05 tag[pid]`: a local daemon knows the host, and the time zone. */
function localPrefix({ tag, processId, clock }: SyslogOptions): { prefix: Prefix; clock: WallClock } {
  const prefix = (timeMicros: number) => {
    const { month, day, hour, minute, second } = splitTime(timeMicros, "local");
    const dayOfMonth = String(Number(day)).padStart(2, " ");
    return `${MONTHS[Number(month) - 1]} ${dayOfMonth} ${hour}:${minute}:${second} ${tag}[${processId}]`;
  };
  return { prefix, clock };
}

/** `2006-01-02T15:04:05+01:00 host tag[pid]`. */
function remotePrefix({ tag, processId, clock }: SyslogOptions): { prefix: Prefix; clock: WallClock } {
  const host = hostname();
  const prefix = (timeMicros: number) => {
    const { year, month, day, hour, minute, second } = splitTime(timeMicros, "local");
    const zone = formatZone(new Date(Math.floor(timeMicros / 1000)).getTimezoneOffset());
    return `${year}-${month}-${day}T${hour}:${minute}:${second}${zone} ${host} ${tag}[${processId}]`;
  };
  return { prefix, clock };
}

/** `Z`, or hours and minutes east of UTC; `Date` counts minutes west. */
function formatZone(minutesWest: number): string {
  if (minutesWest === 0) return "Z";
  const minutes = Math.abs(minutesWest);
  const hourDigits = String(Math.floor(minutes / 60)).padStart(2, "0");
  const minuteDigits = String(minutes % 60).padStart(2, "0");
  return `${minutesWest < 0 ? "+" : "-"}${hourDigits}:${minuteDigits}`;
}

async function openUdp(host: string, port: number): Promise<SyslogTransport> {
  const socket = createSocket(host.includes(":") ? "udp6" : "udp4");
  // An ICMP refusal of an earlier datagram is no reason to stop: the daemon may come back.
  socket.on("error", () => {});
  socket.connect(port, host);
  await once(socket, "connect");
  socket.unref();
  return {
    send(message: Uint8Array): void {
      socket.send(message, () => {});
    },
    close(): void {
      socket.close();
    },
  };
}

async function connected(connect: () => Socket): Promise<Socket> {
  const socket = connect();
  await once(socket, "connect");
  return socket;
}

/** A TCP or Unix stream that is connected again, for the next message, after it broke. */
class StreamTransport implements SyslogTransport {
  readonly #connect: () => Socket;
  #socket: Socket;
  #isBroken = false;

  constructor(socket: Socket, connect: () => Socket) {
    this.#connect = connect;
    this.#socket = socket;
    this.#watch();
  }

  send(message: Uint8Array): void {
    if (this.#isBroken) {
      this.#socket = this.#connect();
      this.#isBroken = false;
      this.#watch();
    }
    if (this.#socket.writableLength + message.length > STREAM_BACKLOG_BYTES_MAX) return;
    this.#socket.write(message);
  }

  close(): void {
    this.#socket.end();
  }

  #watch(): void {
    const socket = this.#socket;
    // A log must not keep a process alive that has nothing else to do.
    socket.unref();
    // A daemon says nothing; reading is how the end of the stream is noticed.
    socket.resume();
    socket.on("error", () => {});
    socket.on("close", () => {
      if (socket === this.#socket) this.#isBroken = true;
    });
  }
}
