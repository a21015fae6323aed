import { describe, expect, test } from "bun:test";
import { CloseReason } from "../../protocol/close_reason.ts";
import { LinkChannel } from "./link_channel.ts";
import { AUTHENTICATION_TIMEOUT } from "./link_fault.ts";
import { FakeConnection } from "./testing/fake_connection.ts";

function setUp() {
  const connection = new FakeConnection(7, "::1", 4000);
  const logs: string[] = [];
  let closedCount = 0;
  const log = (level: string, text: string, limit?: object) =>
    void logs.push(`${level} ${text}${limit === undefined ? "" : " (limited)"}`);
  const channel = new LinkChannel("gateway", connection, log, () => void closedCount++);
  return { channel, connection, logs, closedCount: () => closedCount };
}

describe("LinkChannel", () => {
  test("refuses once, and says and sends nothing of a second fault", () => {
    const { channel, connection, logs, closedCount } = setUp();
    channel.send("PING\r\n");
    channel.send("");
    channel.fail("no \u{e9}", CloseReason.WrongGateway, { logText: "not wanted" });
    channel.refuse(AUTHENTICATION_TIMEOUT);
    channel.close(CloseReason.ClientClosed);
    channel.send("PONG\r\n");
    expect(connection.take()).toBe("PING\r\n-ERR 'no \xc3\xa9'\r\n");
    expect(connection.closeReason).toBe(CloseReason.WrongGateway);
    expect([channel.isClosed, closedCount(), logs]).toEqual([
      true,
      1,
      ["error [::1]:4000 - gid:7 - not wanted"],
    ]);
  });

  test("says what is limited so, and at the end whose connection it was", () => {
    const { channel, connection, logs, closedCount } = setUp();
    channel.refuse(AUTHENTICATION_TIMEOUT);
    channel.serverName = "A";
    channel.ended(CloseReason.AuthenticationTimeout);
    expect(connection.take()).toBe("-ERR 'Authentication Timeout'\r\n");
    expect(closedCount()).toBe(1);
    expect(logs).toEqual([
      "debug [::1]:4000 - gid:7 - Authentication Timeout (limited)",
      "info [::1]:4000 - gid:7 - Gateway connection closed: Authentication Timeout - Remote: A",
    ]);
  });

  test("is closed when the connection is gone, too", () => {
    const { channel, closedCount } = setUp();
    channel.ended(CloseReason.ReadError);
    channel.send("PING\r\n");
    expect([channel.isClosed, closedCount()]).toEqual([true, 1]);
  });
});
