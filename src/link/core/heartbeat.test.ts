import { describe, expect, test } from "bun:test";
import { Heartbeat, linkPingIntervalMs } from "./heartbeat.ts";
import type { LinkFault } from "./link_fault.ts";
import { FakeClock } from "./testing/fake_clock.ts";
import { FakeConnection } from "./testing/fake_connection.ts";

function started(intervalMs: number, chance = 0) {
  const clock = new FakeClock();
  clock.chance = chance;
  const connection = new FakeConnection(1);
  const faults: LinkFault[] = [];
  const settings = { intervalMs, pingsOutMax: 2 };
  const heartbeat = new Heartbeat(
    connection,
    clock,
    () => settings,
    (fault) => {
      faults.push(fault);
    },
  );
  heartbeat.start();
  return { clock, connection, faults, heartbeat, settings };
}

describe("Heartbeat", () => {
  test("pings first after a second and up to a fifth more, then each interval", () => {
    const { clock, connection, heartbeat } = started(30_000, 0.5);
    clock.advance(1099);
    expect(connection.take()).toBe("");
    clock.advance(1);
    expect(connection.take()).toBe("PING\r\n");
    clock.advance(7);
    heartbeat.pong();
    expect(heartbeat.rttMs).toBe(7);
    clock.advance(29_992);
    expect(connection.take()).toBe("");
    clock.advance(1);
    expect(connection.take()).toBe("PING\r\n");
  });

  test("goes by another interval from the next ping on", () => {
    const { clock, connection, faults, settings } = started(30_000);
    clock.advance(1000);
    settings.intervalMs = 500;
    connection.take();
    clock.advance(30_000);
    expect(connection.take()).toBe("PING\r\n");
    expect(faults).toEqual([]);
    clock.advance(500);
    expect(faults).toHaveLength(1);
  });

  test("measures once an hour, however much the peer sends", () => {
    const { clock, connection, heartbeat } = started(60_000);
    clock.advance(1000);
    clock.advance(1);
    heartbeat.pong();
    connection.take();
    for (let minute = 0; minute < 59; minute++) {
      heartbeat.heard();
      clock.advance(60_000);
    }
    expect(connection.take()).toBe("");
    heartbeat.heard();
    clock.advance(120_000);
    expect(connection.take()).toBe("PING\r\n");
  });

  test("is stale when one more ping would be unanswered than may be", () => {
    const { clock, connection, faults } = started(100);
    clock.advance(200);
    expect(connection.take()).toBe("PING\r\nPING\r\n");
    expect(faults).toEqual([]);
    clock.advance(100);
    expect(faults).toEqual([{ logText: "", wireText: "Stale Connection", closeReason: 10 }]);
    clock.advance(1000);
    expect(faults).toHaveLength(1);
    expect(connection.take()).toBe("");
  });

  test("watch() pings nobody, and gives up on who is silent as long as one that answers no ping", () => {
    const { clock, connection, faults, heartbeat } = started(100);
    heartbeat.stop();
    heartbeat.watch();
    clock.advance(299);
    expect([connection.take(), faults.length]).toEqual(["", 0]);
    clock.advance(1);
    expect(faults.length).toBe(1);
    const other = started(100);
    other.heartbeat.stop();
    other.heartbeat.watch();
    clock.advance(250);
    other.heartbeat.start();
    other.clock.advance(250);
    expect(other.connection.take()).toBe("PING\r\nPING\r\n");
    expect(other.faults).toEqual([]);
  });

  test("spares a ping when the peer was heard and its round trip is known", () => {
    const { clock, connection, heartbeat } = started(100);
    clock.advance(50);
    heartbeat.heard();
    clock.advance(50);
    expect(connection.take()).toBe("PING\r\n");
    clock.advance(1);
    heartbeat.pong();
    heartbeat.heard();
    clock.advance(99);
    expect(connection.take()).toBe("");
    clock.advance(100);
    expect(connection.take()).toBe("PING\r\n");
  });

  test("stops", () => {
    const { clock, connection, heartbeat } = started(100);
    heartbeat.stop();
    clock.advance(1000);
    expect(connection.take()).toBe("");
  });
});

test("linkPingIntervalMs() caps routes at 30 s and gateways at 15 s", () => {
  expect(linkPingIntervalMs("route", 120_000)).toBe(30_000);
  expect(linkPingIntervalMs("gateway", 120_000)).toBe(15_000);
  expect(linkPingIntervalMs("leaf", 120_000)).toBe(120_000);
  expect(linkPingIntervalMs("route", 5_000)).toBe(5_000);
});
