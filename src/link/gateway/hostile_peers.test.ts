import { describe, expect, test } from "bun:test";
import { CloseReason } from "../../protocol/close_reason.ts";
import type { LinkPeer } from "../core/link.ts";
import type { FakeConnection } from "../core/testing/fake_connection.ts";
import { feed, infoText, LoneGateways } from "./testing/gateway_world.ts";

const LINES = [
  "PING\r\n",
  "PONG\r\n",
  "+OK\r\n",
  "-ERR 'bye'\r\n",
  "CONNECT {}\r\n",
  'CONNECT {"gateway":"GB"}\r\n',
  'CONNECT {"gateway":""}\r\n',
  "INFO {}\r\n",
  'INFO {"gateway":1}\r\n',
  infoText({ gateway: "GB" }),
  infoText({ gateway: "GB", server_name: "B", gateway_urls: ["", "b:1", "[::1]:1", "b:99999"] }),
  infoText({ gateway: "GB", gateway_iom: true }),
  infoText({ gateway: "GC", gateway_urls: ["c:1"], gateway_cmd: 1 }),
  infoText({ gateway: "GA", gateway_cmd: 1 }),
  infoText({ gateway: "GB", gateway_cmd: 2, gateway_cmd_payload: "QUM=" }),
  infoText({ gateway: "GB", gateway_cmd: 3, gateway_cmd_payload: "QUM=" }),
  infoText({ gateway: "GB", gateway_cmd: 3 }),
  infoText({ gateway: "GB", gateway_cmd: 200, gateway_cmd_payload: "QUM=" }),
  "A+ AC\r\n",
  "A- AC\r\n",
  "A- \r\n",
  "RS+ AC a\r\n",
  "RS+ AC >\r\n",
  "RS+ AC a.* q 0\r\n",
  "RS- AC a\r\n",
  "RS- AC >\r\n",
  "RS- AC a.* q\r\n",
  "RS+ NO a\r\n",
  "RMSG AC a 2\r\nhi\r\n",
  "RMSG NO a + r q 2\r\nhi\r\n",
  "RMSG AC _GR_.F2cAWZ.abcdef.a 2\r\nhi\r\n",
];

/** A generator with a seed, so that a failing run can be repeated. */
function randomOf(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

/** Checks that what links report is consistent: interest does not go before it came, nor twice. */
function checkReports(events: readonly string[]): void {
  const wanted = new Set<string>();
  for (const event of events) {
    const match = /^outbound (.*) ([01])$/.exec(event);
    if (match === null) continue;
    const [, what, weight] = match;
    expect(wanted.has(what!)).toBe(weight === "0");
    if (weight === "0") wanted.delete(what!);
    else wanted.add(what!);
  }
}

function talk(server: LoneGateways, peer: LinkPeer, connection: FakeConnection, seed: number): void {
  const random = randomOf(seed);
  for (let i = 0; i < 40 && connection.closed === ""; i++) {
    feed(peer, LINES[random(LINES.length)]!);
    if (random(4) === 0) server.clock.advance(random(500));
    if (random(8) === 0) server.group.accountKnown("NO");
    if (random(8) === 0) server.group.accountGone("NO");
    if (random(8) === 0) server.group.memberUrlsChanged([`10.0.0.${random(3)}:1`]);
    for (const link of server.links) {
      if (random(4) > 0) continue;
      const message = {
        account: "AC",
        origin: "",
        subject: "a",
        reply: "",
        content: { bytes: new Uint8Array(0), headerBytes: 0 },
      };
      link.announce(
        { account: "AC", subject: "a", queue: random(2) === 0 ? "" : "q", origin: "" },
        random(2),
      );
      if (link.maySend("AC", "a")) link.sendMessage(message, random(2) === 0 ? [] : ["q"]);
    }
  }
  peer.ended((connection.closeReason ?? CloseReason.ClientClosed) as CloseReason);
}

describe("hostile peers", () => {
  test("do nothing to inbound gateways but lose their connection", () => {
    for (let seed = 1; seed <= 300; seed++) {
      const server = new LoneGateways();
      server.group.accountKnown("AC");
      const { connection, peer } = server.accept();
      // Half of the peers get past the handshake.
      if (seed % 2 === 0) feed(peer, `CONNECT {"gateway":"GB"}\r\n${infoText({ gateway: "GB" })}`);
      talk(server, peer, connection, seed);
      expect(server.group.status({ listsAccounts: true, listsSubscriptions: true }).inbound).toEqual([]);
    }
  });

  test("do nothing to outbound gateways but lose their connection", () => {
    for (let seed = 1; seed <= 300; seed++) {
      const server = new LoneGateways({ remotes: [{ name: "GB", urls: ["nats://b:1"], tls: null }] });
      server.group.accountKnown("AC");
      server.group.start();
      server.clock.advance(1000);
      const { connection, peer } = server.open();
      if (seed % 2 === 0) feed(peer, infoText({ gateway: "GB", gateway_iom: seed % 4 === 0 }));
      talk(server, peer, connection, seed);
      checkReports(server.events);
      expect(server.group.outbounds()).toEqual([]);
    }
  });
});
