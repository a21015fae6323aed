import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { HEADER_HANDSHAKES_REJECTED } from "../../memory/map.ts";
import type { ShardTls } from "../shard_options.ts";
import type { FakeSocket } from "../testing/fake_poller.ts";
import { BAD_HELLO, FakeTls, HELLO } from "../testing/fake_tls.ts";
import { OPTIONS, ShardHarness } from "../testing/shard_harness.ts";
import { standingClock } from "../testing/standing_clock.ts";

const TLS: ShardTls = {
  context: { kind: "openssl", contexts: [{ address: 1, names: [], staple: null }], clientContext: null },
  allowsPlain: false,
  isFirst: false,
  fallbackDelayMs: 0,
  timeoutMs: 60_000,
  pinnedCerts: [],
  connectionRateLimit: 0,
  checksPeers: false,
};
const CONNECT = 'CONNECT {"verbose":false}\r\nPING\r\n';
/** Longer than a tick of the timers. */
const SOON_MS = 30;

function harnessWith(tls: Partial<ShardTls>, shardCount = 1): ShardHarness {
  return new ShardHarness(shardCount, { tls: { ...TLS, ...tls }, logsDebug: true });
}

function open(harness: ShardHarness, index = 0): FakeSocket {
  const client = harness.open(index);
  harness.settle();
  return client;
}

const clock = standingClock();

function soon(harness: ShardHarness): void {
  clock.nowMs += SOON_MS;
  harness.settle();
}

/** DER of the certificate of the conformance suite's server. */
function fixtureCertificate(): Uint8Array {
  const path = new URL("../../../test/conformance/fixtures/server_cert.pem", import.meta.url);
  const base64 = readFileSync(path, "utf8").replace(/-----[A-Z ]+-----|\s/g, "");
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}

describe("Handshakes behind proxies", () => {
  const HEADER = "PROXY TCP4 192.0.2.7 10.0.0.1 4321 4222\r\n";

  function openBehindProxy(tls: Partial<ShardTls> | null): { harness: ShardHarness; client: FakeSocket } {
    const harness = new ShardHarness(1, {
      takesProxyHeaders: true,
      tls: tls === null ? null : { ...TLS, ...tls },
    });
    return { harness, client: open(harness) };
  }

  test("a header is taken wherever it is cut, and what follows is the client's", () => {
    for (const pieces of [
      [HEADER + CONNECT],
      [HEADER.slice(0, 3), HEADER.slice(3, 20), HEADER.slice(20, -1), HEADER.slice(-1) + CONNECT],
    ]) {
      const { harness, client } = openBehindProxy(null);
      client.take();
      for (const piece of pieces) {
        client.send(piece);
        harness.settle();
      }
      expect(client.take()).toBe("PONG\r\n");
    }
  });

  test("what begins as one and is none is the client's too, and needs no more bytes to be answered", () => {
    const { harness, client } = openBehindProxy(null);
    client.take();
    client.send("PING\r\n");
    harness.settle();
    // The input that was given back is taken in the next turn.
    harness.settle();
    expect(client.take()).toBe("PONG\r\n");
  });

  test("with TLS what follows it is the handshake; what is neither ends the connection", () => {
    const [secure, plain] = [openBehindProxy({}), openBehindProxy({})];
    for (const piece of [HEADER, HELLO, CONNECT]) secure.client.send(piece);
    secure.harness.settle();
    expect(secure.client.take()).toMatch(/^INFO .*\r\nPONG\r\n$/);
    plain.client.send("PING\r\n");
    plain.harness.settle();
    expect(plain.client.isClosed).toBe(true);
  });

  test("a broken one closes, and so does the end of the stream within it", () => {
    for (const [said, problem] of [
      ["PROXY TCP4 a b 1 2\r\n", "invalid PROXY protocol header: invalid address"],
      ["PROXY TCP4 1", "failed to read v1 line: EOF"],
    ] as const) {
      const { harness, client } = openBehindProxy(null);
      client.send(said);
      client.isEnded = true;
      harness.settle();
      expect(client.isClosed).toBe(true);
      expect(harness.logLines.join("\n")).toContain(problem);
    }
  });
});

describe("Handshakes", () => {
  test("INFO in clear, the handshake, then the protocol, which may come with its end", () => {
    const harness = harnessWith({});
    const client = open(harness);
    expect(client.take()).toMatch(/^INFO /);
    client.send(HELLO);
    client.send(CONNECT);
    harness.settle();
    expect(client.take()).toBe("PONG\r\n");
    expect(harness.logLines.join("\n")).toContain("TLS version 1.3, cipher suite TLS_FAKE");
  });

  test("a failed handshake closes without a word, and the log says why", () => {
    const harness = harnessWith({});
    const client = open(harness);
    client.take();
    client.send(BAD_HELLO);
    harness.settle();
    expect(client.isClosed).toBe(true);
    expect(client.take()).toBe("");
    expect(harness.logLines.join("\n")).toContain("TLS handshake error: tls: bad");
  });

  test("handshake_first: nothing before the handshake, INFO with tls_required after it", () => {
    const harness = harnessWith({ isFirst: true, allowsPlain: true });
    const client = open(harness);
    expect(client.take()).toBe("");
    client.send(HELLO);
    harness.settle();
    expect(client.take()).toContain('"tls_required":true');
  });

  test("handshake_first with a delay: INFO in clear once it is over, then as without", () => {
    const harness = harnessWith({ isFirst: true, fallbackDelayMs: 500 });
    const client = open(harness);
    expect(harness.tls[0]!.begun).toEqual([]);
    let said = "";
    for (let waits = 0; said === "" && waits < 200; waits++) {
      soon(harness);
      said = client.take();
    }
    expect(said).toMatch(/^INFO /);
    client.send(HELLO);
    client.send(CONNECT);
    harness.settle();
    expect(client.take()).toBe("PONG\r\n");
  });

  test("handshake_first with a delay: any byte within it begins the handshake", () => {
    const harness = harnessWith({ isFirst: true, fallbackDelayMs: 60_000 });
    const client = open(harness);
    client.send("PING\r\n");
    harness.settle();
    expect(harness.tls[0]!.begun.length).toBe(1);
    expect(client.isClosed).toBe(true);
  });

  test("allow_non_tls: the first byte decides", () => {
    const harness = harnessWith({ allowsPlain: true });
    const [plain, secure] = [open(harness), open(harness)];
    plain.take();
    secure.take();
    plain.send(CONNECT);
    secure.send(HELLO);
    secure.send(CONNECT);
    harness.settle();
    expect(plain.take()).toBe("PONG\r\n");
    expect(secure.take()).toBe("PONG\r\n");
    expect(harness.tls[0]!.begun.length).toBe(1);
  });

  test("allow_non_tls: silence for the time of a handshake means plain", () => {
    const harness = harnessWith({ allowsPlain: true, timeoutMs: 1 });
    const client = open(harness);
    client.take();
    soon(harness);
    client.send(CONNECT);
    harness.settle();
    expect(client.take()).toBe("PONG\r\n");
  });

  test("a handshake that takes too long is closed", () => {
    const harness = harnessWith({ timeoutMs: 1 });
    const client = open(harness);
    soon(harness);
    expect(client.isClosed).toBe(true);
    expect(harness.logLines.join("\n")).toContain("TLS handshake timeout");
  });

  test("one turn takes few steps of handshakes, and serves everybody else", () => {
    const harness = harnessWith({ allowsPlain: true });
    const other = open(harness);
    other.send(CONNECT);
    harness.settle();
    other.take();
    const crowd = Array.from({ length: 100 }, () => open(harness));
    for (const client of crowd) client.send(HELLO);
    other.send("PING\r\n");
    harness.turn();
    expect(harness.tls[0]!.steps).toBe(4);
    expect(other.take()).toBe("PONG\r\n");
    harness.settle();
    expect(harness.tls[0]!.steps).toBe(100);
  });

  test("connection_rate_limit counts the handshakes of all shards, and tells the surplus in clear", () => {
    const harness = harnessWith({ connectionRateLimit: 3 }, 2);
    const clients = [0, 1, 0, 1, 0].map((index) => open(harness, index));
    const refused = clients.filter((client) => client.take().includes("-ERR 'Connection throttling"));
    expect(refused.length).toBe(2);
    expect(refused.every((client) => client.isClosed)).toBe(true);
    expect(harness.shared.words[HEADER_HANDSHAKES_REJECTED]).toBe(2);
  });

  test("a client without a pinned certificate is closed after the handshake", () => {
    const harness = harnessWith({ pinnedCerts: ["00".repeat(32)] });
    const client = open(harness);
    client.take();
    client.send(HELLO);
    harness.settle();
    expect(client.isClosed).toBe(true);
    expect(harness.logLines.join("\n")).toContain("TLS handshake error: certificate not pinned");
  });

  test("closeUnpinned closes those whose key is pinned no more, and says how many", () => {
    const harness = harnessWith({});
    harness.tls[0]!.peerCertificates = [fixtureCertificate()];
    const client = open(harness);
    client.send(HELLO);
    client.send(CONNECT);
    harness.settle();
    const { info } = harness.shards[0]!;
    const pins = (pinnedCerts: string[]) => ({ ...OPTIONS, tls: { ...TLS, pinnedCerts } });
    const log = () => harness.logLines.join("\n");
    harness.control(0, { type: "options", options: { ...pins(["00".repeat(32)]), logsDebug: true }, info });
    harness.control(0, { type: "query", id: 7, query: { what: "closeUnpinned" } });
    harness.settle();
    expect(client.isClosed).toBe(true);
    expect(log()).toContain("Failed pinned cert test for key id: ");
    const answer = harness.reports.find((report) => report.type === "answer");
    expect(answer).toEqual({ type: "answer", id: 7, json: "1" });
  });

  test("options with another context are for handshakes from then on", () => {
    const harness = harnessWith({});
    const context = {
      kind: "openssl" as const,
      contexts: [{ address: 2, names: [], staple: null }],
      clientContext: null,
    };
    const { info } = harness.shards[0]!;
    harness.control(0, { type: "options", options: { ...OPTIONS, tls: { ...TLS, context } }, info });
    harness.settle();
    harness.control(0, { type: "options", options: OPTIONS, info });
    harness.settle();
    expect(harness.tls[0]!.contexts).toEqual([TLS.context, context, null]);
  });

  test("without a context that can be used clients are turned away, and the log has said why", () => {
    FakeTls.isBroken = true;
    const harness = harnessWith({});
    FakeTls.isBroken = false;
    const client = open(harness);
    expect(client.isClosed).toBe(true);
    expect(harness.logLines.join("\n")).toContain("TLS has no certificates: no such file");
  });

  test("too many connections: the error comes in clear, and no handshake begins", () => {
    const harness = new ShardHarness(1, { tls: TLS, maxConnections: 1 });
    open(harness);
    const second = open(harness);
    expect(second.take()).toContain("-ERR 'maximum connections exceeded'\r\n");
    expect(harness.tls[0]!.begun.length).toBe(1);
  });

  test("TLS is reloaded away while a client has its moment: INFO comes, after that or with its first byte", () => {
    for (const comesFirst of [true, false]) {
      const harness = harnessWith({ isFirst: true, fallbackDelayMs: SOON_MS / 2 });
      const client = open(harness);
      expect(client.take()).toBe("");
      const { info } = harness.shards[0]!;
      harness.control(0, { type: "options", options: { ...OPTIONS, tls: null }, info });
      harness.turn();
      if (comesFirst) {
        client.send(CONNECT);
        harness.settle();
        expect(client.take()).toMatch(/^INFO .*\r\nPONG\r\n$/);
      } else {
        soon(harness);
        expect(client.take()).toMatch(/^INFO .*\r\n$/);
        client.send(CONNECT);
        harness.settle();
        expect(client.take()).toBe("PONG\r\n");
      }
      expect(harness.tls[0]!.begun).toEqual([]);
    }
  });

  describe("with checks of the client's certificates", () => {
    const asked = (harness: ShardHarness) =>
      harness.reports.flatMap((report) => (report.type === "peer" ? [report] : []));

    /** A client that has made its handshake and has sent the rest. */
    function shaken(tls: Partial<ShardTls> = {}) {
      const harness = harnessWith({ checksPeers: true, ...tls });
      harness.tls[0]!.peerCertificates = [fixtureCertificate()];
      const client = open(harness);
      client.take();
      client.send(HELLO);
      harness.settle();
      client.send(CONNECT);
      harness.turn();
      const [question] = asked(harness);
      if (question === undefined) throw new Error("nobody was asked");
      return { harness, client, question };
    }

    test("it is not read before main has asked the authorities, and then at once", () => {
      const { harness, client, question } = shaken();
      expect(question.chain).toEqual([fixtureCertificate()]);
      expect(client.take()).toBe("");
      expect(client.wantsRead).toBe(false);
      const { slot, clientId } = question;
      harness.control(0, { type: "peer", slot, clientId, isValid: true });
      harness.settle();
      expect(client.take()).toBe("PONG\r\n");
      expect(asked(harness).length).toBe(1);
    });

    test("one that is not valid is closed without a word, and the log says why", () => {
      const { harness, client, question } = shaken();
      const { slot, clientId } = question;
      harness.control(0, { type: "peer", slot, clientId, isValid: false });
      harness.turn();
      expect(client.isClosed).toBe(true);
      expect(client.take()).toBe("");
      expect(harness.logLines.join("\n")).toContain("TLS handshake error: client not OCSP valid");
    });

    test("the time for the handshake is the time for this, too", () => {
      const { harness, client } = shaken({ timeoutMs: SOON_MS });
      clock.nowMs += 2 * SOON_MS;
      harness.turn();
      expect(client.isClosed).toBe(true);
      expect(harness.logLines.join("\n")).toContain("TLS handshake timeout");
    });

    test("an answer about a client that is gone does not touch the next one in its slot", () => {
      const { harness, client, question } = shaken();
      client.toServer.length = 0;
      client.isReset = true;
      harness.turn();
      harness.turn();
      expect(client.isClosed).toBe(true);
      const next = harness.open();
      next.send(HELLO);
      harness.settle();
      const [, second] = asked(harness);
      expect(second!.slot).toBe(question.slot);
      const { slot, clientId } = question;
      harness.control(0, { type: "peer", slot, clientId, isValid: true });
      next.send(CONNECT);
      harness.turn();
      expect(next.take()).not.toContain("PONG");
    });
  });
});
