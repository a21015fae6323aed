import { expect, test } from "bun:test";
import { GATEWAY_DEFAULTS } from "../../config/gateway.ts";
import { defaultOptions } from "../../config/option_table.ts";
import { type MonitoredState, monitoredOptions } from "./monitored_options.ts";

const DEFAULT_OPTIONS = defaultOptions();

const STATE: MonitoredState = {
  info: {
    serverId: "NA",
    serverName: "a",
    version: "2.15.2",
    goVersion: "bun",
    host: "127.0.0.1",
    port: 4222,
    headers: true,
    maxPayloadBytes: 1,
    jetStreamApiLevel: 0,
    xkey: "",
  },
  operators: [],
  ocspPeers: null,
  ports: new Map([["client", 4222]]),
  links: null,
  certificates: { client: null, cluster: null, gateway: null, leafnodes: null, webSocket: null },
};

test("monitoredOptions() shows no address of what is off", () => {
  const { cluster, gateway, leafnodes, webSocket } = monitoredOptions(DEFAULT_OPTIONS, STATE);
  expect(gateway).toEqual({});
  for (const block of [cluster, leafnodes, webSocket]) {
    expect([block.host, block.port, block.authTimeoutMs || undefined]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
  }
});

test("monitoredOptions() shows the gateway without its secrets, and where it is known to reach others", () => {
  const gateways = [{ name: "GB", urls: ["nats://u:secret@gw.example.com:7222"], tls: undefined }];
  const options = {
    ...DEFAULT_OPTIONS,
    gateway: { ...GATEWAY_DEFAULTS, name: "GA", port: -1, connectRetries: 3, gateways },
  };
  const ports = new Map([["gateway", 4711]] as const);
  const shown = monitoredOptions(options, { ...STATE, ports });
  expect(shown.cluster).toMatchObject({ name: "GA", urls: [] });
  expect(shown.gateway).toEqual({
    name: "GA",
    host: "0.0.0.0",
    port: 4711,
    authTimeoutMs: 2000,
    tlsTimeoutMs: 2000,
    isTlsRequired: false,
    isTlsVerified: false,
    tlsCertNotAfterMs: null,
    connectRetries: 3,
    remotes: [{ name: "GB", tlsTimeoutMs: 0, urls: ["gw.example.com:7222"] }],
    rejectsUnknown: false,
  });
  const links = {
    routes: 0,
    routePeers: 0,
    leafnodes: 0,
    slowConsumers: { routes: 0, gateways: 0, leafnodes: 0 },
    staleConnections: { routes: 0, gateways: 0, leafnodes: 0 },
    remoteGateways: [{ name: "GB", urls: ["10.0.0.1:7222", "10.0.0.2:7222"] }],
  };
  const known = monitoredOptions(options, { ...STATE, ports, links });
  expect(known.gateway.remotes?.[0]?.urls).toEqual(["10.0.0.1:7222", "10.0.0.2:7222"]);
});

test("monitoredOptions() shows cluster and leaf nodes as they listen", () => {
  const { cluster, leafnodes } = DEFAULT_OPTIONS;
  const options = {
    ...DEFAULT_OPTIONS,
    cluster: { ...cluster, name: "C1", host: "127.0.0.1", routes: ["nats-route://u:p@h:6222"], poolSize: -1 },
    leafnodes: { ...leafnodes, host: "127.0.0.1" },
  };
  const ports = new Map([
    ["cluster", 1],
    ["leafnodes", 2],
  ] as const);
  const shown = monitoredOptions(options, { ...STATE, ports, info: { ...STATE.info, cluster: "C1" } });
  expect(shown.cluster).toMatchObject({
    name: "C1",
    host: "127.0.0.1",
    port: 1,
    urls: ["h:6222"],
    poolSize: -1,
  });
  expect(shown.leafnodes).toMatchObject({ host: "127.0.0.1", port: 2, authTimeoutMs: 2000 });
});
