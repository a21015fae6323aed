import { afterEach, describe, expect, test } from "bun:test";
import { connect as connectPlain, createServer } from "node:net";
import { connect as connectTls } from "node:tls";
import { HttpMonitor, type HttpMonitorOptions, type MonitorTls } from "./http_server.ts";
import { FakeSource, serverSnapshot } from "./testing/fake_source.ts";

/** For 127.0.0.1 and localhost, made for these tests alone, valid until 2126. */
const TLS: MonitorTls = {
  key: `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgdG8OgEKML3PluK2C
qV3vuMrdTsoPdSsrjg62elSSOmShRANCAARobWdF+p9M/mYh3ii7GLP+PgP/ZVEk
wQYrxWk7Z8yvcELHDBn4vJl87QdbOgGN62xvYdnX6mT5zvYIOwhP+s+0
-----END PRIVATE KEY-----
`,
  cert: `-----BEGIN CERTIFICATE-----
MIIBmzCCAUGgAwIBAgIUQ1CerQEkecr9f9WIQp6wimSQ4VowCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyMjEwNTkwM1oYDzIxMjYxMDI5
MTA1OTAzWjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAARobWdF+p9M/mYh3ii7GLP+PgP/ZVEkwQYrxWk7Z8yvcELHDBn4vJl8
7QdbOgGN62xvYdnX6mT5zvYIOwhP+s+0o28wbTAdBgNVHQ4EFgQUe6TzMVhCPODD
pQ6F+V0spBQiopIwHwYDVR0jBBgwFoAUe6TzMVhCPODDpQ6F+V0spBQiopIwDwYD
VR0TAQH/BAUwAwEB/zAaBgNVHREEEzARgglsb2NhbGhvc3SHBH8AAAEwCgYIKoZI
zj0EAwIDSAAwRQIhAOECe81aaoPTdf3nNmPfq04ZQkDrSIkpdbr8JikuvEzbAiAF
0IThtaY/ICxL6USjoTpuPtjNtiFkQpmO/Rd7Y2o28w==
-----END CERTIFICATE-----
`,
};

/** Another certificate for the same key. */
const NEXT_TLS: MonitorTls = {
  key: TLS.key,
  cert: `-----BEGIN CERTIFICATE-----
MIIBkTCCATegAwIBAgIUevf9adOAxMJiUcC6Q42e18ES2jcwCgYIKoZIzj0EAwIw
DzENMAsGA1UEAwwEbmV4dDAgFw0yNjExMjIxMDU5MzJaGA8yMTI2MTAyOTEwNTkz
MlowDzENMAsGA1UEAwwEbmV4dDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABGht
Z0X6n0z+ZiHeKLsYs/4+A/9lUSTBBivFaTtnzK9wQscMGfi8mXztB1s6AY3rbG9h
2dfqZPnO9gg7CE/6z7SjbzBtMB0GA1UdDgQWBBR7pPMxWEI84MOlDoX5XSykFCKi
kjAfBgNVHSMEGDAWgBR7pPMxWEI84MOlDoX5XSykFCKikjAPBgNVHRMBAf8EBTAD
AQH/MBoGA1UdEQQTMBGCCWxvY2FsaG9zdIcEfwAAATAKBggqhkjOPQQDAgNIADBF
AiA178sPqotyzF2C2gRHZwRionZL6M9vftm25Q2EqmGq4AIhAPHUVtjMWUF51Akz
7sT5zar9QXF3EiqxWA1WXX3xpds4
-----END CERTIFICATE-----
`,
};

interface Started {
  readonly monitor: HttpMonitor;
  readonly source: FakeSource;
  readonly logged: string[];
}

const running: HttpMonitor[] = [];

afterEach(async () => {
  await Promise.all(running.splice(0).map((monitor) => monitor.stop()));
});

function optionsOf(changes: Partial<HttpMonitorOptions>, logged: string[] = []): HttpMonitorOptions {
  const write = (level: string) => (message: string) => void logged.push(`${level} ${message}`);
  return {
    host: "127.0.0.1",
    httpPort: -1,
    httpsPort: 0,
    basePath: "",
    tls: null,
    requestCounts: new Map(),
    log: { notice: write("INF"), warn: write("WRN"), error: write("ERR") },
    onRequest: () => {},
    ...changes,
  };
}

async function start(changes: Partial<HttpMonitorOptions> = {}): Promise<Started> {
  const logged: string[] = [];
  const source = new FakeSource();
  const options = optionsOf(changes, logged);
  source.snapshot = serverSnapshot({ httpRequestCounts: options.requestCounts });
  const monitor = await HttpMonitor.start(source, options);
  if (monitor === null) throw new Error("the monitor is off");
  running.push(monitor);
  return { monitor, source, logged };
}

async function startError(changes: Partial<HttpMonitorOptions>): Promise<string> {
  try {
    const monitor = await HttpMonitor.start(new FakeSource(), optionsOf(changes));
    if (monitor !== null) running.push(monitor);
    return "started";
  } catch (error) {
    return (error as Error).message;
  }
}

/** Sends bytes as they are and resolves to all that came back until the other side closed. */
function exchange(monitor: HttpMonitor, request: string, usesTls = false): Promise<string> {
  return new Promise((resolve, reject) => {
    const target = { host: "127.0.0.1", port: monitor.port };
    const socket = usesTls
      ? connectTls({ ...target, rejectUnauthorized: false }, () => socket.write(request))
      : connectPlain(target, () => socket.write(request));
    let received = "";
    socket.on("data", (bytes) => {
      received += bytes.toString();
    });
    socket.on("close", () => resolve(received));
    socket.on("error", reject);
  });
}

/** The common name in the certificate that the listener shows. */
function certificateName(monitor: HttpMonitor): Promise<string> {
  return new Promise((resolve, reject) => {
    const target = { host: "127.0.0.1", port: monitor.port, rejectUnauthorized: false };
    const socket = connectTls(target, () => {
      resolve(String(socket.getPeerCertificate().subject.CN));
      socket.destroy();
    });
    socket.on("error", reject);
  });
}

interface Answer {
  readonly status: string;
  readonly headers: Map<string, string>;
  readonly body: string;
}

async function request(
  monitor: HttpMonitor,
  target: string,
  method = "GET",
  usesTls = false,
): Promise<Answer> {
  const head = `${method} ${target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`;
  const text = await exchange(monitor, head, usesTls);
  const end = text.indexOf("\r\n\r\n");
  const [status = "", ...lines] = text.slice(0, end).split("\r\n");
  const headers = new Map(
    lines.map((line) => {
      const colon = line.indexOf(":");
      return [line.slice(0, colon), line.slice(colon + 2)] as const;
    }),
  );
  return { status, headers, body: text.slice(end + 4) };
}

const ENDPOINTS = [
  "/varz",
  "/connz",
  "/routez",
  "/gatewayz",
  "/leafz",
  "/subsz",
  "/subscriptionsz",
  "/accountz",
  "/accstatz",
  "/jsz",
  "/healthz",
  "/ipqueuesz",
];

describe("HttpMonitor answers", () => {
  test("reports as JSON that any origin may read", async () => {
    const { monitor } = await start();
    for (const path of ENDPOINTS) {
      const { status, headers, body } = await request(monitor, path);
      expect([path, status]).toEqual([path, "HTTP/1.1 200 OK"]);
      expect(headers.get("Content-Type")).toBe("application/json");
      expect(headers.get("Access-Control-Allow-Origin")).toBe("*");
      expect(headers.get("Content-Length")).toBe(String(new TextEncoder().encode(body).length));
      expect(typeof JSON.parse(body)).toBe("object");
    }
  });

  test("with two spaces, three for /ipqueuesz and none for /healthz", async () => {
    const { monitor, source } = await start();
    source.queueMap.set("links", { pending: 2, inProgress: 1 });
    source.queueMap.set("main", { pending: 0, inProgress: 0 });
    expect((await request(monitor, "/varz")).body).toContain('{\n  "server_id": "NSERVER",\n');
    expect((await request(monitor, "/ipqueuesz")).body).toBe(
      '{\n   "links": {\n      "pending": 2,\n      "in_progress": 1\n   }\n}',
    );
    expect((await request(monitor, "/ipqueuesz?all=1&queues=mai")).body).toBe(
      '{\n   "main": {\n      "pending": 0\n   }\n}',
    );
    expect((await request(monitor, "/healthz")).body).toBe('{"status":"ok"}');
  });

  test("the index in ASCII with relative links, for itself alone", async () => {
    const { monitor } = await start();
    const { status, headers, body } = await request(monitor, "/?x=1");
    expect(status).toBe("HTTP/1.1 200 OK");
    expect(headers.get("Content-Type")).toBe("text/html; charset=utf-8");
    expect(headers.has("Access-Control-Allow-Origin")).toBe(false);
    expect(/^[\x20-\x7e\n]*$/.test(body)).toBe(true);
    expect(body).toContain("v2.15.2");
    for (const path of [
      "varz",
      "jsz",
      "connz",
      "accountz",
      "accstatz",
      "subsz",
      "routez",
      "leafz",
      "gatewayz",
    ]) {
      expect(body).toContain(`href=./${path}>`);
    }
    for (const path of ["raftz", "healthz", "debug/vars"]) expect(body).toContain(`href=./${path}>`);
  });

  test("paths nobody knows with 404", async () => {
    const { monitor } = await start();
    for (const path of ["/nosuch", "/varz/", "/VARZ", "/index.html", "/debug"]) {
      const { status, headers, body } = await request(monitor, path);
      expect([path, status, body]).toEqual([path, "HTTP/1.1 404 Not Found", "404 page not found\n"]);
      expect(headers.get("Content-Type")).toBe("text/plain; charset=utf-8");
      expect(headers.get("X-Content-Type-Options")).toBe("nosniff");
      expect(headers.has("Access-Control-Allow-Origin")).toBe(false);
    }
  });

  test("paths that are not clean with a redirect", async () => {
    const { monitor } = await start();
    const get = await request(monitor, "//varz?a=1&b=<");
    expect(get.status).toBe("HTTP/1.1 307 Temporary Redirect");
    expect(get.headers.get("Location")).toBe("/varz?a=1&b=<");
    expect(get.headers.get("Content-Type")).toBe("text/html; charset=utf-8");
    expect(get.body).toBe('<a href="/varz?a=1&amp;b=&lt;">Temporary Redirect</a>.\n\n');
    const post = await request(monitor, "//varz", "POST");
    expect([post.status, post.body, post.headers.has("Content-Type")]).toEqual([
      "HTTP/1.1 307 Temporary Redirect",
      "",
      false,
    ]);
  });

  test("parameters it cannot read with 400 and the bare message", async () => {
    const { monitor } = await start();
    const cases: [string, string][] = [
      ["/connz?auth=2", `Error decoding boolean for 'auth': strconv.ParseBool: parsing "2": invalid syntax`],
      ["/connz?offset=x", `Error decoding int for 'offset': strconv.Atoi: parsing "x": invalid syntax`],
      ["/connz?cid=abc", `Error decoding uint64 for 'cid': strconv.ParseUint: parsing "abc": invalid syntax`],
      ["/connz?state=foo", "Error decoding state for foo"],
      ["/connz?sort=foo", "invalid sorting option: foo"],
      ["/connz?sort=stop", "sort by stop only valid on closed connections"],
      ["/connz?sort=reason&state=all", "sort by reason only valid on closed connections"],
      ["/subsz?test=a.*", "invalid test subject, must be valid publish subject: a.*"],
      [
        "/leafz?subs=detail",
        `Error decoding boolean for 'subs': strconv.ParseBool: parsing "detail": invalid syntax`,
      ],
      ["/accountz?acc=X", "Account X does not exist"],
      [
        "/accstatz?unused=x",
        `Error decoding boolean for 'unused': strconv.ParseBool: parsing "x": invalid syntax`,
      ],
      ["/jsz?leader-only=true", "filtered response: not leader"],
      ["/jsz?raft=x", `Error decoding boolean for 'raft': strconv.ParseBool: parsing "x": invalid syntax`],
      [
        "/healthz?details=x",
        `Error decoding boolean for 'details': strconv.ParseBool: parsing "x": invalid syntax`,
      ],
      [
        "/ipqueuesz?all=x",
        `Error decoding boolean for 'all': strconv.ParseBool: parsing "x": invalid syntax`,
      ],
    ];
    for (const [target, message] of cases) {
      const { status, headers, body } = await request(monitor, target);
      expect([status, body]).toEqual(["HTTP/1.1 400 Bad Request", message]);
      expect(headers.get("Content-Type")).toBe("text/plain; charset=utf-8");
      expect(headers.has("Access-Control-Allow-Origin")).toBe(false);
    }
  });

  test("any method like GET, HEAD without the body, and no callback", async () => {
    const { monitor } = await start();
    const get = await request(monitor, "/connz");
    for (const method of ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"]) {
      expect((await request(monitor, "/connz?callback=cb", method)).body).toBe(get.body);
    }
    const head = await request(monitor, "/connz", "HEAD");
    expect([head.status, head.body]).toEqual(["HTTP/1.1 200 OK", ""]);
    expect(head.headers.get("Content-Length")).toBe(get.headers.get("Content-Length"));
  });

  test("a body it never reads, and the request after it", async () => {
    const { monitor } = await start();
    const text = await exchange(
      monitor,
      "POST /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc" +
        "GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    );
    expect(text.split('{"status":"ok"}').length).toBe(3);
    // Both headers belong to the second answer.
    expect(text.match(/^Connection: .*$/gim)).toEqual(["Connection: close"]);
  });

  test("requests of one connection in turn, however many come at once", async () => {
    const { monitor, source } = await start();
    let begun = 0;
    let atOnceMax = 0;
    let atOnce = 0;
    source.server = async () => {
      begun++;
      atOnceMax = Math.max(atOnceMax, ++atOnce);
      await new Promise((resolve) => setTimeout(resolve, 1));
      atOnce--;
      return source.snapshot;
    };
    const count = 100;
    const ask = "GET /varz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    const last = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    const text = await exchange(monitor, ask.repeat(count) + last);
    expect(text.match(/HTTP\/1\.1 200 OK/g)?.length).toBe(count + 1);
    expect(text).toEndWith('{"status":"ok"}');
    expect([begun, atOnceMax]).toEqual([count, 1]);
  });

  test("nobody who asks a thousand times more than it is answered", async () => {
    const { monitor, source } = await start();
    let begun = 0;
    source.server = () => {
      begun++;
      return new Promise(() => {});
    };
    const ask = "GET /varz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    expect(await exchange(monitor, ask.repeat(1500)).catch(() => "")).toBe("");
    expect(begun).toBeLessThan(2);
    expect((await request(monitor, "/healthz")).status).toBe("HTTP/1.1 200 OK");
  });

  test("requests without a host or with a broken head with 400", async () => {
    const { monitor } = await start();
    expect(await exchange(monitor, "GET /healthz HTTP/1.1\r\n\r\n")).toBe(
      "HTTP/1.1 400 Bad Request: missing required Host header\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n400 Bad Request: missing required Host header",
    );
    expect(await exchange(monitor, "garbage\r\n\r\n")).toBe(
      "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n400 Bad Request",
    );
    expect(await exchange(monitor, "GET /healthz HTTP/1.0\r\n\r\n")).toContain('{"status":"ok"}');
  });

  test("a listener that is not open with 500, and logs it", async () => {
    const { monitor, source, logged } = await start();
    source.listenersNotReady = ["server"];
    const { status, headers, body } = await request(monitor, "/healthz?js-enabled=1");
    expect(status).toBe("HTTP/1.1 500 Internal Server Error");
    expect(headers.get("Content-Type")).toBe("application/json");
    expect(body).toBe('{"status":"error","error":"failed to be ready for connections after 1ms: server"}');
    expect(logged.slice(1)).toEqual([
      "WRN Healthcheck: js-enabled deprecated, use js-enabled-only instead",
      'WRN Healthcheck failed: "failed to be ready for connections after 1ms: server"',
    ]);
  });

  test("what only Go servers have in a small form", async () => {
    const { monitor } = await start();
    const raft = await request(monitor, "/raftz");
    expect([raft.status, raft.body]).toEqual(["HTTP/1.1 404 Not Found", "No Raft nodes registered"]);
    expect((await request(monitor, "/stacksz")).body).toContain("main:\nat start");
    const debug = await request(monitor, "/debug/vars");
    expect(debug.headers.get("Content-Type")).toBe("application/json; charset=utf-8");
    expect(JSON.parse(debug.body)).toEqual({
      cmdline: ["midge", "-c", "a.conf"],
      memstats: { Sys: 41_000_000, HeapAlloc: 5_000_000, HeapSys: 9_000_000 },
    });
    const jsz = await request(monitor, "/jsz?accounts=true&streams=1&config=true&limit=3");
    expect(JSON.parse(jsz.body).disabled).toBe(true);
  });
});

describe("HttpMonitor counts requests", () => {
  test("under one name for aliases, and only readable ones for /connz and /routez", async () => {
    const { monitor } = await start();
    const targets = [
      "/",
      "/subsz",
      "/subscriptionsz",
      "/connz",
      "/connz?auth=x",
      "/connz?sort=x",
      "/routez?subs=x",
    ];
    for (const target of [
      ...targets,
      "/jsz?raft=x",
      "/ipqueuesz",
      "/stacksz",
      "/raftz",
      "/nosuch",
      "//varz",
    ]) {
      await request(monitor, target);
    }
    const { http_req_stats: counts } = JSON.parse((await request(monitor, "/varz")).body);
    expect(counts).toEqual({ "/": 1, "/connz": 2, "/jsz": 1, "/subsz": 2, "/varz": 1 });
  });

  test("without the base path", async () => {
    const { monitor } = await start({ basePath: "nats/mon/" });
    await request(monitor, "/nats/mon");
    const { http_req_stats: counts } = JSON.parse((await request(monitor, "/nats/mon/varz")).body);
    expect(counts).toEqual({ "/": 1, "/varz": 1 });
  });
});

test("HttpMonitor moves everything below the base path", async () => {
  const { monitor } = await start({ basePath: "nats/mon/" });
  expect((await request(monitor, "/nats/mon")).body).toContain("href=./nats/mon/varz>");
  expect((await request(monitor, "/nats/mon/healthz")).body).toBe('{"status":"ok"}');
  for (const path of ["/", "/varz", "/nats", "/nats/mon/", "/nats/monvarz"]) {
    expect([path, (await request(monitor, path)).status]).toEqual([path, "HTTP/1.1 404 Not Found"]);
  }
});

describe("HttpMonitor over HTTPS", () => {
  test("answers without asking for a client certificate", async () => {
    const { monitor, logged } = await start({ httpPort: 0, httpsPort: -1, tls: TLS });
    expect(logged).toEqual([`INF Starting https monitor on 127.0.0.1:${monitor.port}`]);
    expect((await request(monitor, "/healthz", "GET", true)).body).toBe('{"status":"ok"}');
  });

  test("tells a client that speaks plain HTTP", async () => {
    const { monitor } = await start({ httpPort: 0, httpsPort: -1, tls: TLS });
    expect(await exchange(monitor, "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")).toBe(
      "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n",
    );
  });

  test("takes a new certificate without a new listener", async () => {
    const { monitor } = await start({ httpPort: 0, httpsPort: -1, tls: TLS });
    expect(await certificateName(monitor)).toBe("localhost");
    monitor.prepareTls(NEXT_TLS)();
    expect(await certificateName(monitor)).toBe("next");
  });
});

describe("HttpMonitor.start()", () => {
  test("is off without a port", async () => {
    expect(await HttpMonitor.start(new FakeSource(), optionsOf({ httpPort: 0 }))).toBe(null);
  });

  test("refuses two ports, HTTPS without a certificate and a port that does not exist or is taken", async () => {
    expect(await startError({ httpPort: 8222, httpsPort: 8443 })).toBe(
      "Can't start monitoring: can't specify both HTTP (8222) and HTTPs (8443) ports",
    );
    expect(await startError({ httpPort: 0, httpsPort: 8443 })).toBe(
      "Can't start monitoring: TLS cert and key required for HTTPS",
    );
    expect(await startError({ httpPort: 70_000 })).toContain(
      "Can't start monitoring: can't listen to the monitor port:",
    );
    const blocker = createServer();
    await new Promise<void>((resolve) => blocker.listen(0, "127.0.0.1", resolve));
    const { port } = blocker.address() as { port: number };
    expect(await startError({ httpPort: port })).toBe(
      `Can't start monitoring: can't listen to the monitor port: listen tcp 127.0.0.1:${port}: bind: address already in use`,
    );
    expect(await startError({ host: "nowhere.invalid" })).toBe(
      "Can't start monitoring: can't listen to the monitor port: listen tcp: lookup nowhere.invalid: no such host",
    );
    await new Promise((resolve) => blocker.close(resolve));
  });

  test("logs where it listens, and stop() closes that", async () => {
    const { monitor, logged } = await start();
    expect(logged).toEqual([`INF Starting http monitor on 127.0.0.1:${monitor.port}`]);
    await monitor.stop();
    let refused = false;
    await exchange(monitor, "GET / HTTP/1.1\r\nHost: a\r\n\r\n").catch(() => {
      refused = true;
    });
    expect(refused).toBe(true);
  });
});
