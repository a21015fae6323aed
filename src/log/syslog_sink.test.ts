import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { openLocalSyslog, openRemoteSyslog, type SyslogOptions } from "./syslog_sink.ts";

const options: SyslogOptions = { tag: "nats-server", processId: 7, clock: () => 1_795_344_120_716_083 };

/** As in Go's log/syslog: `<PRI>TIMESTAMP HOSTNAME TAG[PID]: MSG`, without the host on this machine. */
const REMOTE = new RegExp(
  `^<(\\d+)>2026-11-2\\dT\\d\\d:\\d\\d:00(?:Z|[+-]\\d\\d:\\d\\d) ${hostname()} nats-server\\[7\\]: (.*)\\n$`,
);
const LOCAL = /^<(\d+)>Nov 2\d \d\d:\d\d:00 nats-server\[7\]: (.*)\n$/;

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "midge-syslog-"));
});

afterEach(() => {
  rmSync(directory, { recursive: true });
});

/** A daemon on a stream: `received` resolves with what the next connection sent first. */
async function listen(where: { port: number; host: string } | { path: string }) {
  const server: Server = createServer();
  const sockets: Socket[] = [];
  server.on("connection", (socket) => sockets.push(socket));
  server.listen(where);
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    sockets,
    async received(): Promise<string> {
      const [socket] = (await once(server, "connection")) as [Socket];
      const [bytes] = (await once(socket, "data")) as [Buffer];
      return bytes.toString();
    },
    close(): void {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

describe("openRemoteSyslog()", () => {
  test("sends one datagram a message over udp, each level with its severity", async () => {
    const daemon = createSocket("udp4");
    const messages: string[] = [];
    daemon.bind(0, "127.0.0.1");
    await once(daemon, "listening");
    const sink = await openRemoteSyslog(`udp://127.0.0.1:${daemon.address().port}`, options);
    for (const level of ["info", "trace", "warn", "error", "fatal", "debug"] as const) {
      const received = once(daemon, "message");
      sink.write(level, level);
      messages.push(String((await received)[0]));
    }
    sink.close();
    daemon.close();
    const parts = messages.map((message) => REMOTE.exec(message)?.slice(1));
    expect(parts).toEqual([
      ["5", "info"],
      ["5", "trace"],
      ["4", "warn"],
      ["3", "error"],
      ["2", "fatal"],
      ["7", "debug"],
    ]);
  });

  test("writes to a tcp stream and connects again after it broke", async () => {
    const daemon = await listen({ port: 0, host: "127.0.0.1" });
    const first = daemon.received();
    const sink = await openRemoteSyslog(`tcp://127.0.0.1:${daemon.port}`, options);
    sink.write("warn", "one");
    expect(REMOTE.exec(await first)?.slice(1)).toEqual(["4", "one"]);

    const second = daemon.received();
    daemon.sockets[0]!.destroy();
    // What is written before the break is noticed is lost, in nats-server too.
    const timer = setInterval(() => sink.write("info", "two"), 5);
    expect(REMOTE.exec(`${(await second).split("\n")[0]}\n`)?.slice(1)).toEqual(["5", "two"]);
    clearInterval(timer);
    sink.close();
    daemon.close();
  });

  test("leaves out the host on a unix stream", async () => {
    const path = join(directory, "log");
    const daemon = await listen({ path });
    const received = daemon.received();
    const sink = await openRemoteSyslog(`unix://${path}`, options);
    sink.write("error", "text");
    expect(LOCAL.exec(await received)?.slice(1)).toEqual(["3", "text"]);
    sink.close();
    daemon.close();
  });

  test("refuses another scheme with nats-server's text", async () => {
    await expect(openRemoteSyslog("http://127.0.0.1:514", options)).rejects.toThrow(
      'error invalid network type: "http"',
    );
  });

  test("rejects when nobody listens", async () => {
    await expect(openRemoteSyslog(`unix://${join(directory, "none")}`, options)).rejects.toThrow(
      "error connecting to syslog: ",
    );
    await expect(openRemoteSyslog("tcp://127.0.0.1", options)).rejects.toThrow("missing or bad port");
  });
});

describe("openLocalSyslog()", () => {
  test("prefers a datagram socket and speaks as the daemon facility", async () => {
    const sent: string[] = [];
    const paths: string[] = [];
    const openUnixDatagram = (path: string) => {
      paths.push(path);
      if (path !== "/b") return undefined;
      return { send: (message: Uint8Array) => void sent.push(Buffer.from(message).toString()), close() {} };
    };
    const sink = await openLocalSyslog(options, openUnixDatagram, ["/a", "/b", "/c"]);
    sink.write("info", "text");
    expect(paths).toEqual(["/a", "/b"]);
    expect(LOCAL.exec(sent[0]!)?.slice(1)).toEqual([String(3 * 8 + 5), "text"]);
  });

  test("falls back to a stream", async () => {
    const path = join(directory, "log");
    const daemon = await listen({ path });
    const received = daemon.received();
    const sink = await openLocalSyslog(options, undefined, [join(directory, "none"), path]);
    sink.write("debug", "text");
    expect(LOCAL.exec(await received)?.slice(1)).toEqual([String(3 * 8 + 7), "text"]);
    sink.close();
    daemon.close();
  });

  test("rejects when no daemon listens", async () => {
    await expect(openLocalSyslog(options, undefined, [join(directory, "none")])).rejects.toThrow(
      "Unix syslog delivery error",
    );
  });
});
