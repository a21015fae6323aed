import { describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { defaultOptions } from "../../config/option_table.ts";
import { TLS_DEFAULTS } from "../../config/tls.ts";
import { portsFilePath, portsOf, removePortsFile, toldListeners, writePortsFile } from "./ports_file.ts";

describe("portsOf()", () => {
  test("names the listeners there are, in nats-server's order", () => {
    const ports = portsOf({
      websocket: { scheme: "wss", host: "127.0.0.1", port: 9222 },
      nats: { scheme: "tls", host: "127.0.0.1", port: 4222 },
      monitoring: { scheme: "http", host: "::1", port: 8222 },
    });
    expect(JSON.stringify(ports)).toBe(
      '{"nats":["tls://127.0.0.1:4222"],"monitoring":["http://[::1]:8222"],"websocket":["wss://127.0.0.1:9222"]}',
    );
  });

  test("lists every address for a listener bound to all", () => {
    const listener = { scheme: "nats", host: "0.0.0.0", port: 4222 };
    expect(
      portsOf({ nats: listener, cluster: { ...listener, host: "::" } }, ["127.0.0.1", "fe80::1"]),
    ).toEqual({
      nats: ["nats://127.0.0.1:4222", "nats://[fe80::1]:4222"],
      cluster: ["nats://127.0.0.1:4222", "nats://[fe80::1]:4222"],
    });
  });

  test("finds this machine's addresses, loopback included", () => {
    const { nats } = portsOf({ nats: { scheme: "nats", host: "0.0.0.0", port: 4222 } });
    expect(nats).toContain("nats://127.0.0.1:4222");
  });
});

test("the ports file is written under executable and pid, and removed", () => {
  const directory = mkdtempSync(join(tmpdir(), "midge-ports-"));
  const path = portsFilePath(directory, "nats-server", 12);
  expect(path).toBe(join(directory, "nats-server_12.ports"));
  writePortsFile(path, { nats: ["nats://127.0.0.1:4222"] });
  expect(JSON.parse(readFileSync(path, "utf8"))).toEqual({ nats: ["nats://127.0.0.1:4222"] });
  removePortsFile(path);
  expect(existsSync(path)).toBe(false);
  expect(() => removePortsFile(path)).toThrow(`Error cleaning up ports file ${path}: `);
  rmSync(directory, { recursive: true });
  expect(() => writePortsFile(path, {})).toThrow(`Error writing ports file (${path}): `);
});

describe("toldListeners()", () => {
  const options = { ...defaultOptions(), host: "127.0.0.1", httpHost: "::1" };
  const ports = new Map([
    ["client", 4222],
    ["cluster", 6222],
  ] as const);

  test("tells what is open, monitoring where it listens", () => {
    expect(toldListeners(options, ports, { port: 8222, isSecure: true })).toEqual({
      nats: { scheme: "nats", host: "127.0.0.1", port: 4222 },
      monitoring: { scheme: "https", host: "::1", port: 8222 },
      cluster: { scheme: "nats", host: options.cluster.host, port: 6222 },
    });
  });

  test("says tls where clients must speak it", () => {
    const withTls = { ...options, tls: TLS_DEFAULTS };
    expect(toldListeners(withTls, ports, null).nats?.scheme).toBe("tls");
    expect(toldListeners({ ...withTls, allowNonTls: true }, ports, null).nats?.scheme).toBe("nats");
  });
});
