import { describe, expect, test } from "bun:test";
import { CloseReason } from "../../protocol/close_reason.ts";
import { WOULD_BLOCK } from "../../runtime/poller.ts";
import { HANDSHAKE_DONE, HANDSHAKE_FAILED, type TlsLayer } from "../../runtime/tls.ts";
import { PHASE_HANDSHAKE, PHASE_SETTLED, STATE_CLOSING } from "../../shard/connection.ts";
import { FakeClock } from "../core/testing/fake_clock.ts";
import { LinkHandshakes, type SecurableLink } from "./link_handshakes.ts";
import { LinkTlsContexts } from "./link_tls.ts";
import { linkConnection } from "./testing/link_connection.ts";

const PIN = "00".repeat(32);

/** A link, and TLS that a test controls. */
function open(link: Partial<SecurableLink> = {}, pinnedCerts: readonly string[] = [], checksPeers = false) {
  const clock = new FakeClock();
  const done: string[] = [];
  const logged: string[] = [];
  const layer = { outcome: WOULD_BLOCK, problem: "", first: WOULD_BLOCK };
  const tls: TlsLayer = {
    useContext: () => {},
    hasContext: (name) => name === "cluster",
    peek: () => layer.first,
    startTls: (_slot, name, dialled) => done.push(`starts ${name} with ${dialled?.serverName ?? "a client"}`),
    handshake: () => layer.outcome,
    handshakeError: () => ({ text: layer.problem, isNoise: false }),
    session: () => ({
      version: "1.3",
      cipherSuite: "TLS_AES_128_GCM_SHA256",
      peerCertificates: [],
      verifiedChain: [],
    }),
  };
  const tlsContexts = new LinkTlsContexts(tls);
  const context = { kind: "openssl", contexts: [], clientContext: null } as const;
  tlsContexts.configure({ cluster: { context, pinnedCerts, checksPeers } });
  const connection = linkConnection();
  const handshakes = new LinkHandshakes({
    shard: {
      close(closed, reason) {
        if (closed.state >= STATE_CLOSING) return;
        closed.state = STATE_CLOSING;
        done.push(
          `closes: ${Object.keys(CloseReason).find((key) => CloseReason[key as keyof typeof CloseReason] === reason)}`,
        );
      },
      holdInput: () => done.push("holds input"),
      askAboutPeer: (_connection, name) => done.push(`asks about the peer of ${name}`),
      outbound: { flush: () => done.push("flushes") },
    },
    dialler: { localAddress: () => ({ ip: "10.0.0.1", port: 40000 }) },
    tls,
    tlsContexts,
    clock,
    log: (level, text) => logged.push(`${level} ${text}`),
  });
  const securable: SecurableLink = {
    kind: "route",
    label: `10.0.0.2:6222 - ${link.kind === "leaf" ? "lid" : "rid"}:7`,
    connection,
    remoteIp: "10.0.0.2",
    remotePort: 6222,
    isDialled: false,
    ...link,
  };
  const start = (more: object = {}) =>
    handshakes.start(securable, { context: "cluster", timeoutMs: 2000, ...more }, () => done.push("secured"));
  return { clock, done, logged, layer, tlsContexts, connection, handshakes, securable, start, context };
}

describe("LinkHandshakes", () => {
  test("begin behind what was sent in clear, and settle the link", () => {
    const { done, logged, layer, connection, handshakes, securable, start } = open();
    start();
    expect(done.splice(0)).toEqual(["flushes", "starts cluster with a client"]);
    expect(connection.phase).toBe(PHASE_HANDSHAKE);
    expect(handshakes.proceed(securable)).toBe(false);
    layer.outcome = HANDSHAKE_DONE;
    expect(handshakes.proceed(securable)).toBe(true);
    expect(done).toEqual(["secured"]);
    expect(connection.phase).toBe(PHASE_SETTLED);
    expect(connection.tls?.version).toBe("1.3");
    expect(logged).toEqual([
      "debug 10.0.0.2:6222 - rid:7 - Starting TLS route server handshake",
      "debug 10.0.0.2:6222 - rid:7 - TLS handshake complete",
      "debug 10.0.0.2:6222 - rid:7 - TLS version 1.3, cipher suite TLS_AES_128_GCM_SHA256",
    ]);
  });

  test("verify whom we dialled by the name, or by the address where that is all we know", () => {
    for (const [more, name] of [
      [{ serverName: "hub.example" }, "hub.example"],
      [{ serverName: "" }, "10.0.0.2"],
      [{}, "10.0.0.2"],
    ] as const) {
      const { done, start } = open({ isDialled: true });
      start(more);
      expect(done).toEqual(["flushes", `starts cluster with ${name}`]);
    }
  });

  test("close the link that fails, with nats-server's words", () => {
    const { done, logged, layer, handshakes, securable, start } = open({ kind: "leaf", isDialled: true });
    start();
    layer.outcome = HANDSHAKE_FAILED;
    layer.problem = "read: connection reset by peer";
    expect(handshakes.proceed(securable)).toBe(false);
    expect(done.at(-1)).toBe("closes: TlsHandshakeFailure");
    expect(logged.at(-1)).toBe(
      "error 10.0.0.2:6222 - lid:7 - TLS leafnode handshake error: " +
        "read tcp 10.0.0.1:40000->10.0.0.2:6222: connection reset by peer",
    );
  });

  test("have a time, which ends with them", () => {
    const late = open();
    late.start();
    late.clock.advance(2000);
    expect(late.done.at(-1)).toBe("closes: TlsHandshakeFailure");
    expect(late.logged.slice(1)).toEqual([
      "error 10.0.0.2:6222 - rid:7 - TLS route handshake error: read tcp 10.0.0.1:40000->10.0.0.2:6222: i/o timeout",
      "error 10.0.0.2:6222 - rid:7 - TLS handshake timeout",
    ]);
    const inTime = open();
    inTime.start();
    inTime.layer.outcome = HANDSHAKE_DONE;
    inTime.handshakes.proceed(inTime.securable);
    inTime.clock.advance(5000);
    expect(inTime.done.at(-1)).toBe("secured");
    const gone = open();
    gone.start();
    gone.handshakes.ended(gone.securable);
    gone.clock.advance(5000);
    expect(gone.done.at(-1)).toBe("starts cluster with a client");
  });

  test("a peer that begins within its moment is not spoken to before", () => {
    const { clock, done, layer, handshakes, securable, start } = open();
    start({ fallback: { afterMs: 50, send: () => done.push("sends INFO") } });
    expect(handshakes.proceed(securable)).toBe(false);
    expect(done).toEqual([]);
    layer.first = 0x16;
    handshakes.proceed(securable);
    clock.advance(50);
    expect(done).toEqual(["flushes", "starts cluster with a client"]);
  });

  test("a peer that waits is sent what it waits for, and has the whole time from then on", () => {
    const { clock, done, layer, handshakes, securable, start } = open();
    start({ fallback: { afterMs: 50, send: () => done.push("sends INFO") } });
    clock.advance(50);
    expect(done).toEqual(["sends INFO", "flushes", "starts cluster with a client"]);
    clock.advance(1999);
    layer.outcome = HANDSHAKE_DONE;
    expect(handshakes.proceed(securable)).toBe(true);
    expect(done.at(-1)).toBe("secured");
  });

  test("a key that is not pinned ends the link, at once or when a reload pins others", () => {
    const { done, logged, layer, start, handshakes, securable } = open({}, [PIN]);
    layer.outcome = HANDSHAKE_DONE;
    start();
    handshakes.proceed(securable);
    expect(done.at(-1)).toBe("closes: TlsHandshakeFailure");
    expect(logged.at(-1)).toBe(
      "error 10.0.0.2:6222 - rid:7 - TLS route handshake error: certificate not pinned",
    );
    const later = open();
    later.layer.outcome = HANDSHAKE_DONE;
    later.start();
    later.handshakes.proceed(later.securable);
    expect(later.handshakes.closeUnpinned()).toBe(0);
    later.tlsContexts.configure({
      cluster: { context: later.context, pinnedCerts: [PIN], checksPeers: false },
    });
    expect(later.handshakes.closeUnpinned()).toBe(1);
    expect(later.handshakes.closeUnpinned()).toBe(0);
    expect(later.done.at(-1)).toBe("closes: TlsHandshakeFailure");
  });

  test("are done once a certificate that must be asked about is said to be valid", () => {
    for (const isValid of [true, false]) {
      const { done, layer, logged, start, handshakes, securable } = open({}, [], true);
      start();
      layer.outcome = HANDSHAKE_DONE;
      expect(handshakes.proceed(securable)).toBe(false);
      expect(done.slice(-2)).toEqual(["holds input", "asks about the peer of cluster"]);
      expect(handshakes.peerChecked(securable, isValid)).toBe(isValid);
      expect(done.at(-1)).toBe(isValid ? "secured" : "closes: TlsHandshakeFailure");
      if (!isValid) expect(logged.at(-1)).toContain("client not OCSP valid");
    }
  });

  test("as a server wait for an event, in which what comes right behind is read", () => {
    const { connection, layer, start, handshakes, securable } = open();
    layer.outcome = HANDSHAKE_DONE;
    start();
    expect(connection.phase).toBe(PHASE_HANDSHAKE);
    expect(handshakes.proceed(securable)).toBe(true);
    expect(connection.phase).toBe(PHASE_SETTLED);
  });

  test("without a library for TLS there is none", () => {
    const { done, handshakes, securable, logged } = open();
    handshakes.start(securable, { context: "leaf:0", timeoutMs: 2000 }, () => done.push("secured"));
    expect(done).toEqual(["closes: TlsHandshakeFailure"]);
    expect(logged.length).toBe(1);
  });
});
