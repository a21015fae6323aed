import { expect, test } from "bun:test";
import { GATEWAY_DEFAULTS } from "../config/gateway.ts";
import { monitoredGateway } from "./monitored_gateway.ts";

test("monitoredGateway() is empty without gateways", () => {
  expect(monitoredGateway(GATEWAY_DEFAULTS, 0, null)).toEqual({});
});

test("monitoredGateway() shows the block without its secrets", () => {
  const gateways = [{ name: "GB", urls: ["nats://u:secret@gw.example.com:7222"], tls: undefined }];
  const options = { ...GATEWAY_DEFAULTS, name: "GA", port: -1, connectRetries: 3, gateways };
  expect(monitoredGateway(options, 4711, null)).toEqual({
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
});
