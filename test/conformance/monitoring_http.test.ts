import { expect } from "bun:test";
import { RawClient } from "../support/raw_client.ts";
import { row, sharedServer } from "../support/row.ts";
import { ServerProcess } from "../support/server_process.ts";

const server = sharedServer({ monitoring: true });

/** Every JSON page a server without users has. */
const PAGES = [
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
];

row("§12.1 the index is ASCII HTML with the version and relative links", async () => {
  const response = await server().http("/");
  expect(response.status).toBe(200);
  expect(response.headers.get("content-type")).toBe("text/html; charset=utf-8");
  expect(response.body).toMatch(/^[\x09\x0a\x0d\x20-\x7e]*$/);
  expect(response.body).toMatch(/v2\.\d+\.\d+/);
  for (const page of [
    "varz",
    "jsz",
    "connz",
    "accountz",
    "accstatz",
    "subsz",
    "routez",
    "leafz",
    "gatewayz",
    "healthz",
  ]) {
    expect(response.body).toMatch(new RegExp(`href=["']?\\./${page}\\b`));
  }
});

row("§12.2 an unknown path is a text 404", async () => {
  for (const path of ["/nosuch", "/varz/", "/VARZ", "/varz/x", "/connz/"]) {
    const response = await server().http(path);
    expect([path, response.status]).toEqual([path, 404]);
    expect(response.body).toBe("404 page not found\n");
    expect(response.headers.get("content-type")).toBe("text/plain; charset=utf-8");
    expect(response.headers.get("x-content-type-options")).toBe("nosniff");
  }
});

row("§12.2 an unclean path is redirected", async () => {
  for (const path of ["//varz", "/./varz", "//varz?"]) {
    const response = await server().http(path);
    expect([path, response.status]).toEqual([path, 307]);
    expect(response.headers.get("location")).toBe("/varz");
  }
});

row("§12.3 JSON pages: content type and CORS on 200", async () => {
  for (const path of [...PAGES, "/healthz"]) {
    const response = await server().http(path);
    expect([path, response.status]).toEqual([path, 200]);
    expect(response.headers.get("content-type")).toBe("application/json");
    expect(response.headers.get("access-control-allow-origin")).toBe("*");
    JSON.parse(response.body);
  }
});

row("§12.3 no CORS on 400, on 404 and on the index", async () => {
  for (const path of ["/connz?sort=bad", "/nosuch", "/"]) {
    expect((await server().http(path)).headers.has("access-control-allow-origin")).toBe(false);
  }
});

row("§12.4 pages are indented by two spaces without a final newline, healthz is compact", async () => {
  for (const path of PAGES) {
    const { body } = await server().http(path);
    expect([path, body.startsWith('{\n  "')]).toEqual([path, true]);
    expect(body.endsWith("\n}")).toBe(true);
  }
  expect((await server().http("/healthz")).body).toBe(`{"status":"ok"}`);
});

row("§12.4 a page is what JSON.stringify with two spaces gives, with < > & escaped", async () => {
  const client = await server().connectAs({ name: "<a&b>" });
  client.send("SUB a.> 1\r\n");
  await client.roundTrip();
  const { body } = await server().http(`/connz?subs=1&cid=${client.info.client_id}`);
  expect(body).toContain(`"name": "\\u003ca\\u0026b\\u003e"`);
  expect(body).toContain(`"a.\\u003e"`);
  const again = JSON.stringify(JSON.parse(body), null, 2);
  expect(body).toBe(again.replaceAll("<", "\\u003c").replaceAll(">", "\\u003e").replaceAll("&", "\\u0026"));
  client.destroy();
});

row("§12.5 callback is ignored", async () => {
  const response = await server().http("/connz?callback=cb");
  expect(response.headers.get("content-type")).toBe("application/json");
  expect(response.body.startsWith("{")).toBe(true);
});

row("§12.5 every method is served like GET, HEAD without body", async () => {
  for (const method of ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"]) {
    const response = await server().http("/healthz", { method });
    expect([method, response.status, response.body]).toEqual([method, 200, `{"status":"ok"}`]);
  }
  const head = await server().http("/varz", { method: "HEAD" });
  expect([head.status, head.body, head.headers.get("content-type")]).toEqual([200, "", "application/json"]);
});

row("§1.1 keep-alive: two requests on one connection", async () => {
  const client = await RawClient.open(server().monitoringPort);
  for (let request = 0; request < 2; request++) {
    client.send("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    const head = await client.readUntil("\r\n\r\n");
    expect(head).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    const length = Number(/content-length: (\d+)/i.exec(head)?.[1]);
    expect(new TextDecoder().decode(await client.readBytes(length))).toBe(`{"status":"ok"}`);
  }
  client.destroy();
});

row("§1.1 HTTP/1.1 without Host is a bad request", async () => {
  expect((await server().http("/healthz", { headers: ["Connection: close"] })).status).toBe(400);
});

row("§12.8 a base path moves every page, the index is exactly it, old paths are gone", async () => {
  await using based = await ServerProcess.start({ config: `http_base_path: "nats/mon/"`, monitoring: true });
  expect((await based.http("/nats/mon")).headers.get("content-type")).toBe("text/html; charset=utf-8");
  expect((await based.http("/nats/mon")).body).toMatch(/href=["']?\.\/nats\/mon\/varz\b/);
  expect((await based.http("/nats/mon/")).status).toBe(404);
  for (const page of [...PAGES, "/healthz"]) {
    expect([page, (await based.http(`/nats/mon${page}`)).status]).toEqual([page, 200]);
    expect([page, (await based.http(page)).status]).toEqual([page, 404]);
  }
  expect((await based.http("/")).status).toBe(404);
  const varz = await based.json<{ http_base_path: string; http_req_stats: Record<string, number> }>(
    "/nats/mon/varz",
  );
  expect(varz.http_base_path).toBe("nats/mon/");
  expect(Object.keys(varz.http_req_stats).some((key) => key.includes("mon"))).toBe(false);
  expect(varz.http_req_stats["/connz"]).toBe(1);
});

row(
  "§12.9 http_req_stats counts requests, the alias as /subsz, connz only once its parameters are decoded",
  async () => {
    await using fresh = await ServerProcess.start({ monitoring: true });
    for (const path of [
      "/",
      "/connz",
      "/connz?auth=2",
      "/connz?sort=bad",
      "/subsz",
      "/subscriptionsz",
      "/routez",
      "/healthz",
      "/nosuch",
    ]) {
      await fresh.http(path);
    }
    const { http_req_stats } = await fresh.json<{ http_req_stats: Record<string, number> }>("/varz");
    expect(http_req_stats).toEqual({
      "/": 1,
      "/connz": 2,
      "/healthz": 1,
      "/routez": 1,
      "/subsz": 2,
      "/varz": 1,
    });
  },
);

row("§12.16 parameter errors: 400, the bare text, exact", async () => {
  for (const [path, message] of [
    ["/connz?auth=2", `Error decoding boolean for 'auth': strconv.ParseBool: parsing "2": invalid syntax`],
    [
      "/connz?subs=maybe",
      `Error decoding boolean for 'subs': strconv.ParseBool: parsing "maybe": invalid syntax`,
    ],
    ["/connz?offset=x", `Error decoding int for 'offset': strconv.Atoi: parsing "x": invalid syntax`],
    ["/connz?limit=1.5", `Error decoding int for 'limit': strconv.Atoi: parsing "1.5": invalid syntax`],
    [
      "/connz?offset=99999999999999999999",
      `Error decoding int for 'offset': strconv.Atoi: parsing "99999999999999999999": value out of range`,
    ],
    ["/connz?cid=abc", `Error decoding uint64 for 'cid': strconv.ParseUint: parsing "abc": invalid syntax`],
    ["/connz?cid=-1", `Error decoding uint64 for 'cid': strconv.ParseUint: parsing "-1": invalid syntax`],
    ["/connz?state=foo", "Error decoding state for foo"],
    ["/connz?sort=bad", "invalid sorting option: bad"],
    ["/connz?sort=stop", "sort by stop only valid on closed connections"],
    ["/connz?sort=reason", "sort by reason only valid on closed connections"],
    ["/connz?sort=stop&state=all", "sort by stop only valid on closed connections"],
    ["/connz?sort=reason&state=any", "sort by reason only valid on closed connections"],
    [
      "/subsz?subs=detail",
      `Error decoding boolean for 'subs': strconv.ParseBool: parsing "detail": invalid syntax`,
    ],
    ["/subsz?limit=y", `Error decoding int for 'limit': strconv.Atoi: parsing "y": invalid syntax`],
    ["/subsz?subs=1&test=foo.*", "invalid test subject, must be valid publish subject: foo.*"],
    ["/routez?subs=x", `Error decoding boolean for 'subs': strconv.ParseBool: parsing "x": invalid syntax`],
    [
      "/leafz?subs=detail",
      `Error decoding boolean for 'subs': strconv.ParseBool: parsing "detail": invalid syntax`,
    ],
    [
      "/accstatz?unused=x",
      `Error decoding boolean for 'unused': strconv.ParseBool: parsing "x": invalid syntax`,
    ],
  ] as const) {
    const response = await server().http(path);
    expect([path, response.status, response.body]).toEqual([path, 400, message]);
    expect(response.headers.get("content-type")).toBe("text/plain; charset=utf-8");
  }
});

row("§1.2 booleans, empty, repeated and unknown parameters", async () => {
  for (const value of ["1", "t", "T", "TRUE", "true", "True", "0", "f", "F", "FALSE", "false", "False", ""]) {
    expect([value, (await server().http(`/connz?auth=${value}`)).status]).toEqual([value, 200]);
  }
  for (const value of ["yes", "on", "tRUE"]) {
    expect([value, (await server().http(`/connz?auth=${value}`)).status]).toEqual([value, 400]);
  }
  for (const value of ["detail", "DETAIL", "Detail"]) {
    expect([value, (await server().http(`/connz?subs=${value}`)).status]).toEqual([value, 200]);
  }
  expect((await server().http("/connz?limit=&offset=&sort=&state=&nonsense=1")).status).toBe(200);
  expect((await server().json<{ limit: number }>("/connz?limit=5&limit=7")).limit).toBe(5);
});

row("§12.34 healthz: ok, and bad parameter combinations", async () => {
  for (const path of [
    "/healthz",
    "/healthz?js-enabled-only=false",
    "/healthz?js-server-only=true",
    "/healthz?details=false",
  ]) {
    const response = await server().http(path);
    expect([path, response.status, JSON.parse(response.body).status]).toEqual([path, 200, "ok"]);
  }
  const stream = await server().http("/healthz?stream=S");
  expect([stream.status, stream.body]).toEqual([
    400,
    `{"status":"error","error":"\\"account\\" must not be empty when checking stream health"}`,
  ]);
  const consumer = await server().http("/healthz?account=A&consumer=C");
  expect(consumer.status).toBe(400);
  expect(JSON.parse(consumer.body)).toEqual({
    status: "error",
    error: `"stream" must not be empty when checking consumer health`,
  });
  const details = await server().http("/healthz?stream=S&details=true");
  expect(details.status).toBe(400);
  expect(JSON.parse(details.body).errors[0].type).toBe("BAD_REQUEST");
  expect((await server().http("/healthz?details=2")).status).toBe(400);
});

row("§9 ipqueuesz answers an object of queues", async () => {
  const queues = await server().json<Record<string, { pending: number }>>("/ipqueuesz");
  for (const queue of Object.values(queues)) expect(typeof queue.pending).toBe("number");
});

row("§12.28 §12.29 §12.30 pages of parts that are off", async () => {
  const routez = await server().json<Record<string, unknown>>("/routez");
  expect([routez.num_routes, routez.routes]).toEqual([0, []]);
  const gatewayz = await server().json<Record<string, unknown>>("/gatewayz");
  expect([gatewayz.outbound_gateways, gatewayz.inbound_gateways]).toEqual([{}, {}]);
  expect(Object.keys(gatewayz).sort()).toEqual(["inbound_gateways", "now", "outbound_gateways", "server_id"]);
  const leafz = await server().json<Record<string, unknown>>("/leafz");
  expect([leafz.leafnodes, leafz.leafs]).toEqual([0, []]);
});

row("§12.33 jsz of a server without JetStream", async () => {
  const jsz = await server().json<Record<string, unknown>>("/jsz");
  expect(jsz.disabled).toBe(true);
  expect(jsz.config).toEqual({ max_memory: 0, max_storage: 0 });
  expect(jsz.api).toEqual({ level: 0, total: 0, errors: 0 });
  for (const key of ["memory", "storage", "reserved_memory", "reserved_storage", "accounts", "ha_assets"]) {
    expect([key, jsz[key]]).toEqual([key, 0]);
  }
  for (const key of ["streams", "consumers", "messages", "bytes", "total"])
    expect([key, jsz[key]]).toEqual([key, 0]);
  const leader = await server().http("/jsz?leader-only=true");
  expect([leader.status, leader.body]).toEqual([400, "filtered response: not leader"]);
});

row("§12.32 accountz lists accounts and details one", async () => {
  const list = await server().json<{ accounts: string[]; system_account: string }>("/accountz");
  expect(list.accounts).toContain("$G");
  expect(list.accounts).toContain(list.system_account);
  const one = await server().json<{ account_detail: Record<string, unknown> }>("/accountz?acc=$G");
  expect(one.account_detail.account_name).toBe("$G");
  expect([
    one.account_detail.expired,
    one.account_detail.complete,
    one.account_detail.jetstream_enabled,
  ]).toEqual([false, true, false]);
  const unknown = await server().http("/accountz?acc=nobody");
  expect([unknown.status, unknown.body]).toEqual([400, "Account nobody does not exist"]);
});
