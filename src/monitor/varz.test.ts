import { describe, expect, test } from "bun:test";
import { encodeGoJson } from "./go_json.ts";
import type { MonitoredOptions } from "./snapshots/options.ts";
import { COUNTERS, IDENTITY, OPTIONS, serverSnapshot } from "./testing/fake_source.ts";
import { varzReport } from "./varz.ts";

function withOptions(changes: Partial<MonitoredOptions>) {
  return varzReport(serverSnapshot({ options: { ...OPTIONS, ...changes } }));
}

describe("varz()", () => {
  test("shows an idle server with the defaults", () => {
    const httpRequestCounts = new Map([
      ["/varz", 1],
      ["/", 2],
    ]);
    const server = serverSnapshot({ httpRequestCounts, configDigest: "sha256:ab" });
    expect(encodeGoJson(varzReport(server))).toBe(`{
  "server_id": "NSERVER",
  "server_name": "midge",
  "version": "2.15.2",
  "proto": 1,
  "go": "bun 1.4.5",
  "host": "127.0.0.1",
  "port": 4222,
  "max_connections": 65536,
  "ping_interval": 120000000000,
  "ping_max": 2,
  "http_host": "127.0.0.1",
  "http_port": -1,
  "http_base_path": "",
  "https_port": 0,
  "auth_timeout": 2,
  "max_control_line": 4096,
  "max_payload": 1048576,
  "max_pending": 67108864,
  "cluster": {},
  "gateway": {},
  "leaf": {},
  "mqtt": {},
  "websocket": {},
  "jetstream": {},
  "tls_timeout": 2,
  "write_deadline": 10000000000,
  "start": "2026-03-02T09:15:04Z",
  "now": "2026-03-02T09:19:26.49Z",
  "uptime": "4m22s",
  "mem": 41000000,
  "cores": 2,
  "gomaxprocs": 3,
  "cpu": 0.5,
  "connections": 0,
  "total_connections": 0,
  "routes": 0,
  "remotes": 0,
  "leafnodes": 0,
  "in_msgs": 0,
  "in_bytes": 0,
  "in_client_msgs": 0,
  "in_client_bytes": 0,
  "out_msgs": 0,
  "out_bytes": 0,
  "out_client_msgs": 0,
  "out_client_bytes": 0,
  "slow_consumers": 0,
  "stale_connections": 0,
  "stalled_clients": 0,
  "subscriptions": 60,
  "http_req_stats": {
    "/": 2,
    "/varz": 1
  },
  "config_load_time": "2026-03-02T09:15:04Z",
  "config_digest": "sha256:ab",
  "system_account": "$SYS",
  "slow_consumer_stats": {
    "clients": 0,
    "routes": 0,
    "gateways": 0,
    "leafs": 0
  },
  "stale_connection_stats": {
    "clients": 0,
    "routes": 0,
    "gateways": 0,
    "leafs": 0
  },
  "disk_io_wait_stats": {
    "waiters": 0,
    "waits": 0,
    "wait_time": 0,
    "max_wait_time": 0
  }
}`);
  });

  test("keeps received and sent apart, and the clients' share of each", () => {
    const counters = {
      ...COUNTERS,
      traffic: { inMessages: 1, inBytes: 2, outMessages: 3, outBytes: 4 },
      clientTraffic: { inMessages: 5, inBytes: 6, outMessages: 7, outBytes: 8 },
      slowConsumersByKind: { clients: 1, routes: 2, gateways: 3, leafnodes: 4 },
      staleConnectionsByKind: { clients: 5, routes: 6, gateways: 7, leafnodes: 8 },
      pinnedAccountFailures: 9,
    };
    const text = encodeGoJson(varzReport(serverSnapshot({ counters })), 0);
    expect(text).toContain(
      '"in_msgs":1,"in_bytes":2,"in_client_msgs":5,"in_client_bytes":6,"out_msgs":3,"out_bytes":4,"out_client_msgs":7,"out_client_bytes":8,',
    );
    expect(text).toContain(
      '"pinned_account_fails":9,"slow_consumer_stats":{"clients":1,"routes":2,"gateways":3,"leafs":4},"stale_connection_stats":{"clients":5,"routes":6,"gateways":7,"leafs":8},',
    );
  });

  test("shows a commit, advertised addresses and no system account where that is so", () => {
    const shown = varzReport(
      serverSnapshot({
        identity: { ...IDENTITY, gitCommit: "abc", systemAccount: "" },
        connectUrls: ["a:1"],
        webSocketConnectUrls: ["a:2"],
      }),
    );
    expect([shown.git_commit, shown.connect_urls, shown.ws_connect_urls, shown.system_account]).toEqual([
      "abc",
      ["a:1"],
      ["a:2"],
      undefined,
    ]);
  });

  test("shows what is configured beyond the defaults", () => {
    const text = encodeGoJson(
      withOptions({
        isAuthRequired: true,
        isTlsRequired: true,
        isTlsVerified: true,
        subscriptionsMax: 10,
        authTimeoutMs: 500,
        writeTimeoutPolicy: "retry",
        tags: ["a"],
        metadata: new Map([
          ["z", "1"],
          ["b", "2"],
        ]),
        featureFlags: new Map([["js_ack_fc_v2", false]]),
        trustedOperatorJwts: ["ey"],
        trustedOperatorClaims: [{ iss: "O" }],
        trustedProxyKeys: ["U1"],
        tlsCertNotAfterMs: Date.UTC(2030, 0, 1),
      }),
      0,
    );
    expect(text).toContain('"port":4222,"auth_required":true,"tls_required":true,"tls_verify":true,');
    expect(text).toContain('"max_subscriptions":10,');
    expect(text).toContain('"auth_timeout":0.5,');
    expect(text).toContain('"write_timeout":"retry",');
    expect(text).toContain(
      '"tags":["a"],"metadata":{"b":"2","z":"1"},"feature_flags":{"js_ack_fc_v2":false},"trusted_operators_jwt":["ey"],"trusted_operators_claim":[{"iss":"O"}],',
    );
    expect(text).toMatch(
      /"proxies":\{"trusted":\[\{"key":"U1"\}\]\},"tls_cert_not_after":"2030-01-01T00:00:00Z"\}$/,
    );
  });

  test("shows the cluster, gateway and leaf blocks, the cluster's write limits in all three", () => {
    const shown = withOptions({
      cluster: {
        name: "c",
        host: "h",
        port: 6222,
        authTimeoutMs: 3_000,
        urls: ["a:1"],
        tlsTimeoutMs: 2_000,
        isTlsRequired: true,
        isTlsVerified: true,
        poolSize: -1,
        writeDeadlineMs: 2_000,
        writeTimeoutPolicy: "close",
        tlsCertNotAfterMs: Date.UTC(2030, 0, 1),
      },
      gateway: {
        name: "g",
        host: "h",
        port: 7222,
        authTimeoutMs: 2_000,
        advertise: "x:1",
        connectRetries: 3,
        remotes: [
          { name: "r", tlsTimeoutMs: 0, urls: ["b:1"] },
          { name: "s", tlsTimeoutMs: 1_500, urls: [] },
        ],
        rejectsUnknown: true,
      },
      leafnodes: {
        host: "h",
        port: 7422,
        authTimeoutMs: 2_000,
        remotes: [
          { localAccount: "$G", tlsTimeoutMs: 0, urls: ["l:1"], denyExports: ["e"], denyImports: [] },
          { localAccount: "A", tlsTimeoutMs: 2_000, urls: ["l:2"], denyExports: [], denyImports: [] },
        ],
      },
    });
    expect(encodeGoJson(shown.cluster, 0)).toBe(
      '{"name":"c","addr":"h","cluster_port":6222,"auth_timeout":3,"urls":["a:1"],"tls_timeout":2,"tls_required":true,"tls_verify":true,"pool_size":-1,"write_deadline":2000000000,"write_timeout":"close","tls_cert_not_after":"2030-01-01T00:00:00Z"}',
    );
    expect(encodeGoJson(shown.gateway, 0)).toBe(
      '{"name":"g","host":"h","port":7222,"auth_timeout":2,"advertise":"x:1","connect_retries":3,"gateways":[{"name":"r","urls":["b:1"]},{"name":"s","tls_timeout":1.5}],"reject_unknown":true,"write_deadline":2000000000,"write_timeout":"close"}',
    );
    expect(encodeGoJson(shown.leaf, 0)).toBe(
      '{"host":"h","port":7422,"auth_timeout":2,"remotes":[{"local_account":"$G","urls":["l:1"],"deny":{"exports":["e"]}},{"local_account":"A","tls_timeout":2,"urls":["l:2"]}],"write_deadline":2000000000,"write_timeout":"close"}',
    );
  });

  test("shows the websocket and mqtt blocks", () => {
    const shown = withOptions({
      webSocket: {
        host: "h",
        port: 8080,
        advertise: "w:1",
        noAuthUser: "u",
        jwtCookie: "j",
        handshakeTimeoutMs: 1_500,
        authTimeoutMs: 200,
        isTlsDisabled: true,
        mapsTlsIdentity: true,
        tlsPinnedCerts: ["ab"],
        isSameOrigin: true,
        allowedOrigins: ["http://a"],
        isCompressed: true,
      },
      mqtt: {
        host: "h",
        port: 1883,
        noAuthUser: "u",
        authTimeoutMs: 2_000,
        mapsTlsIdentity: true,
        tlsTimeoutMs: 2_000,
        tlsPinnedCerts: ["ab"],
        jetStreamDomain: "d",
        ackWaitMs: 30_000,
        acksPendingMax: 100,
      },
    });
    expect(encodeGoJson(shown.websocket, 0)).toBe(
      '{"host":"h","port":8080,"advertise":"w:1","no_auth_user":"u","jwt_cookie":"j","handshake_timeout":1500000000,"auth_timeout":0.2,"no_tls":true,"tls_map":true,"tls_pinned_certs":["ab"],"same_origin":true,"allowed_origins":["http://a"],"compression":true}',
    );
    expect(encodeGoJson(shown.mqtt, 0)).toBe(
      '{"host":"h","port":1883,"no_auth_user":"u","auth_timeout":2,"tls_map":true,"tls_timeout":2,"tls_pinned_certs":["ab"],"js_domain":"d","ack_wait":30000000000,"max_ack_pending":100}',
    );
  });
});
