import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { Buffer } from "node:buffer";
import { once } from "node:events";
import { createServer as createPlainServer, type Socket } from "node:net";
import { setImmediate } from "node:timers/promises";
import {
  type ConnectionOptions,
  connect as connectTls,
  createServer,
  type TlsOptions as ServerOptions,
  type TLSSocket,
} from "node:tls";
import { fileURLToPath } from "node:url";
import { CertificateMaker } from "../../test/support/certificates.ts";
import { nameText, parseCertificate } from "../base/x509.ts";
import { TLS_DEFAULTS, type TlsOptions } from "../config/tls.ts";
import { CONNECTED, type Dialler } from "./dialling.ts";
import { createClientContext } from "./openssl/client_context.ts";
import { createServerContexts } from "./openssl/server_context.ts";
import {
  type Poller,
  READ_FAILED,
  READABLE,
  WOULD_BLOCK,
  WRITABLE,
  WRITE_FAILED,
  writeOnce,
} from "./poller.ts";
import { writeIovec } from "./posix/posix.ts";
import { connectPeer } from "./testing/peer.ts";
import { openSslForTests, runtimeSubject, tlsSubject } from "./testing/poller_subjects.ts";
import { HANDSHAKE_DONE, HANDSHAKE_FAILED, type TlsContext, type TlsLayer } from "./tls.ts";
import { readTlsMaterial } from "./tls_material.ts";

const FIXTURES = fileURLToPath(new URL("../../test/conformance/fixtures/", import.meta.url));
const OPTIONS: TlsOptions = {
  ...TLS_DEFAULTS,
  certFile: `${FIXTURES}server_cert.pem`,
  keyFile: `${FIXTURES}server_key.pem`,
};
const SLOT = 5;
const CONTEXT = "client";
const IOVEC_OFFSET = 1024;
const DATA_OFFSET = 65536;
const MEMORY_PAGES = 64;

type SecurePoller = Poller & Dialler & TlsLayer;

/** Makes contexts for both sides. */
const contexts: Record<Poller["kind"], (options: TlsOptions) => TlsContext> = {
  epoll(options) {
    const server = createServerContexts(openSslForTests(), options);
    if (!server.ok) throw new Error(server.reason);
    const client = createClientContext(openSslForTests(), options);
    if (!client.ok) throw new Error(client.reason);
    return { kind: "openssl", contexts: server.contexts, clientContext: client.address };
  },
  runtime: (options) => ({ kind: "runtime", material: readTlsMaterial(options) }),
};

const certificates = new CertificateMaker();
const authority = certificates.makeAuthority("authority");
const stranger = certificates.makeAuthority("stranger");
const localhost = certificates.makeServer("server", authority);
const client = certificates.makeClient("/CN=client", authority);
const nameless = certificates.make({ subject: "/CN=nameless", issuer: authority });
const expired = certificates.make({
  subject: "/CN=expired",
  extensions: ["subjectAltName=DNS:localhost"],
  issuer: authority,
  days: -1,
});
const intermediate = certificates.make({
  subject: "/CN=intermediate",
  extensions: ["basicConstraints=critical,CA:TRUE"],
  issuer: authority,
});
const chained = certificates.makeServer("chained", intermediate);
/** The options with which we trust a server. */
const trusting = { caFile: authority.certFile };

afterAll(() => certificates.remove());

for (const subject of [tlsSubject, runtimeSubject]) {
  describe(`TlsLayer (${subject.kind})`, () => {
    const memory = new WebAssembly.Memory({ initial: MEMORY_PAGES, maximum: MEMORY_PAGES, shared: true });
    const bytes = new Uint8Array(memory.buffer);
    const iovecs = new Uint32Array(memory.buffer, IOVEC_OFFSET, 4 * 64);
    const cleanups: (() => void)[] = [];

    afterEach(() => {
      for (const cleanup of cleanups.splice(0).reverse()) cleanup();
    });

    /** A poller that holds the far end of a plain connection, on which it expects TLS. */
    async function connectPlain(): Promise<{ poller: SecurePoller; socket: Socket; received: Buffer[] }> {
      const poller = subject.open(memory);
      cleanups.push(() => poller.dispose());
      poller.useContext(CONTEXT, contexts[subject.kind](OPTIONS));
      const { socket, received } = await connectPeer(subject, (source) => poller.add(SLOT, source), cleanups);
      return { poller, socket, received };
    }

    /** Does the handshake, driven by events as in a shard. Returns the result. */
    async function shake(poller: SecurePoller): Promise<number> {
      for (;;) {
        await waitFor(poller, READABLE);
        const result = poller.handshake(SLOT);
        if (result !== WOULD_BLOCK) return result;
      }
    }

    async function connectSecure(
      options: ConnectionOptions = {},
    ): Promise<{ poller: SecurePoller; client: Socket; received: Buffer[]; socket: Socket }> {
      const { poller, socket } = await connectPlain();
      poller.startTls(SLOT, CONTEXT, null);
      const client = connectTls({ socket, rejectUnauthorized: false, ...options });
      client.on("error", () => {});
      cleanups.push(() => client.destroy());
      const received: Buffer[] = [];
      client.on("data", (chunk: Buffer) => received.push(chunk));
      expect(await shake(poller)).toBe(HANDSHAKE_DONE);
      return { poller, client, received, socket };
    }

    async function waitFor(poller: Poller, flags: number): Promise<void> {
      for (;;) {
        const events = poller.wait(0);
        for (let i = 0; i < events; i++) {
          if (poller.eventSlot(i) === SLOT && (poller.eventFlags(i) & flags) !== 0) return;
        }
        await setImmediate();
      }
    }

    /** Reads `count` bytes, at most `lengthBytes` at a time, or up to the end or a failure. */
    async function read(poller: Poller, count: number, lengthBytes = 4096) {
      const chunks: Buffer[] = [];
      let total = 0;
      let result = 1;
      while (total < count && result > 0) {
        await waitFor(poller, READABLE);
        result = poller.read(SLOT, DATA_OFFSET, lengthBytes);
        if (result === WOULD_BLOCK) result = 1;
        else if (result > 0) {
          chunks.push(Buffer.from(bytes.slice(DATA_OFFSET, DATA_OFFSET + result)));
          total += result;
        }
      }
      return { content: Buffer.concat(chunks), result };
    }

    async function until(isTrue: () => boolean): Promise<void> {
      while (!isTrue()) await setImmediate();
    }

    const length = (chunks: readonly Buffer[]) => chunks.reduce((sum, chunk) => sum + chunk.length, 0);

    test("text goes both ways, and the session says what was agreed on", async () => {
      const { poller, client, received } = await connectSecure();
      client.write("hello");
      expect((await read(poller, 5)).content.toString()).toBe("hello");
      expect(poller.write(SLOT, new Uint8Array(Buffer.from("xxworldyy")), 2, 7)).toBe(5);
      await until(() => length(received) === 5);
      expect(Buffer.concat(received).toString()).toBe("world");
      const { version, cipherSuite, peerCertificates } = poller.session(SLOT);
      expect(version).toBe("1.3");
      expect(cipherSuite).toMatch(/^TLS_[A-Z0-9_]+$/);
      expect(peerCertificates).toEqual([]);
    });

    test("an encrypted stream is handed to another poller, with what OpenSSL has read ahead", async () => {
      const { poller, client, received } = await connectSecure();
      const other = subject.open(memory);
      cleanups.push(() => other.dispose());
      client.write("one two");
      expect((await read(poller, 4, 4)).content.toString()).toBe("one ");
      other.add(SLOT, poller.handOver(SLOT));
      expect((await read(other, 3)).content.toString()).toBe("two");
      client.write("three");
      expect((await read(other, 5)).content.toString()).toBe("three");
      expect(writeOnce(other, SLOT, new TextEncoder().encode("four"))).toBe(true);
      await until(() => length(received) === 4);
      expect(Buffer.concat(received).toString()).toBe("four");
      other.close(SLOT);
      await once(client, "close");
    });

    test("what was sent in clear before the handshake stays in clear", async () => {
      const { poller, socket } = await connectPlain();
      expect(poller.write(SLOT, new Uint8Array(Buffer.from("INFO\r\n")), 0, 6)).toBe(6);
      const [info] = await once(socket, "data");
      expect(String(info)).toBe("INFO\r\n");
      poller.startTls(SLOT, CONTEXT, null);
      const client = connectTls({ socket, rejectUnauthorized: false });
      client.on("error", () => {});
      cleanups.push(() => client.destroy());
      expect(await shake(poller)).toBe(HANDSHAKE_DONE);
    });

    test("peek() shows the first byte and takes nothing", async () => {
      const { poller, socket } = await connectPlain();
      expect(poller.peek(SLOT)).toBe(WOULD_BLOCK);
      socket.write("PING");
      await waitFor(poller, READABLE);
      expect(poller.peek(SLOT)).toBe(0x50);
      expect((await read(poller, 4)).content.toString()).toBe("PING");
      socket.end();
      await waitFor(poller, READABLE);
      expect(poller.peek(SLOT)).toBe(READ_FAILED);
    });

    test("a handshake that has begun goes on when the listener's context is gone, and no other begins", async () => {
      const { poller, socket } = await connectPlain();
      poller.startTls(SLOT, CONTEXT, null);
      poller.useContext(CONTEXT, null);
      const client = connectTls({ socket, rejectUnauthorized: false });
      client.on("error", () => {});
      cleanups.push(() => client.destroy());
      expect(await shake(poller)).toBe(HANDSHAKE_DONE);
      expect(() => poller.startTls(SLOT, CONTEXT, null)).toThrow();
    });

    test("who does not speak TLS is told nothing", async () => {
      const { poller, socket, received } = await connectPlain();
      poller.startTls(SLOT, CONTEXT, null);
      socket.write("CONNECT {}\r\nPING\r\n");
      expect(await shake(poller)).toBe(HANDSHAKE_FAILED);
      expect(poller.handshakeError()).toEqual({
        text: "tls: first record does not look like a TLS handshake",
        isNoise: true,
      });
      poller.close(SLOT);
      await once(socket, "close");
      expect(length(received)).toBe(0);
    });

    test("an end in the handshake is an EOF", async () => {
      const { poller, socket } = await connectPlain();
      poller.startTls(SLOT, CONTEXT, null);
      socket.write(Buffer.from("1603010040", "hex"));
      await waitFor(poller, READABLE);
      expect(poller.handshake(SLOT)).toBe(WOULD_BLOCK);
      socket.end();
      expect(await shake(poller)).toBe(HANDSHAKE_FAILED);
      expect(poller.handshakeError().text).toBe("EOF");
    });

    test("the peer's end is read as the end", async () => {
      const { poller, client } = await connectSecure();
      client.end("bye");
      expect((await read(poller, 3)).content.toString()).toBe("bye");
      expect((await read(poller, 1)).result).toBe(0);
    });

    test("close() says goodbye after what was written", async () => {
      const { poller, client, received } = await connectSecure();
      poller.write(SLOT, new Uint8Array(Buffer.from("last")), 0, 4);
      const ended = once(client, "end");
      poller.close(SLOT);
      await ended;
      expect(Buffer.concat(received).toString()).toBe("last");
    });

    test("a flood that is read in small pieces comes whole, without a further event of the socket", async () => {
      const { poller, client } = await connectSecure();
      const sent = Buffer.alloc(300_000);
      for (let i = 0; i < sent.length; i++) sent[i] = (i * 7 + (i >> 9)) & 0xff;
      client.write(sent);
      const { content } = await read(poller, sent.length, 1000);
      expect(content.equals(sent)).toBe(true);
    });

    test("a slot that is not to be read is not reported, whatever waits for it", async () => {
      const { poller, client } = await connectSecure();
      client.write(Buffer.alloc(50_000, 1));
      await waitFor(poller, READABLE);
      expect(poller.read(SLOT, DATA_OFFSET, 10)).toBe(10);
      poller.setInterest(SLOT, false, false);
      for (let i = 0; i < 20; i++) {
        const events = poller.wait(0);
        for (let event = 0; event < events; event++) expect(poller.eventFlags(event) & READABLE).toBe(0);
        await setImmediate();
      }
      poller.setInterest(SLOT, true, false);
      expect((await read(poller, 49_990)).content.length).toBe(49_990);
    });

    test("gathered writes to a peer that reads late arrive whole and in order, however they are offered again", async () => {
      const { poller, client, received } = await connectSecure();
      client.pause();
      const total = 6_000_000;
      const at = (i: number) => (i * 31 + (i >> 13)) & 0xff;
      let taken = 0;
      let wasFull = false;
      let random = 1;
      const next = (bound: number) => {
        random = (random * 48271) % 2147483647;
        return random % bound;
      };
      while (taken < total) {
        // Offers some pieces of any length, from where the last write ended.
        let offered = 0;
        const count = 1 + next(20);
        for (let i = 0; i < count; i++) {
          const pieceBytes = Math.min(next(9000), total - taken - offered);
          for (let k = 0; k < pieceBytes; k++) bytes[DATA_OFFSET + offered + k] = at(taken + offered + k);
          writeIovec(iovecs, i, poller.memoryBase + DATA_OFFSET + offered, pieceBytes);
          offered += pieceBytes;
        }
        if (offered === 0) continue;
        const result = poller.writeGathered(SLOT, IOVEC_OFFSET, count);
        expect(result === WRITE_FAILED).toBe(false);
        if (result !== WOULD_BLOCK) {
          expect(result <= offered).toBe(true);
          taken += result;
          continue;
        }
        if (!wasFull) {
          wasFull = true;
          client.resume();
        }
        poller.setInterest(SLOT, true, true);
        await waitFor(poller, WRITABLE);
        poller.setInterest(SLOT, true, false);
      }
      expect(wasFull).toBe(true);
      await until(() => length(received) === total);
      const content = Buffer.concat(received);
      let firstWrong = -1;
      for (let i = 0; i < total && firstWrong < 0; i++) if (content[i] !== at(i)) firstWrong = i;
      expect(firstWrong).toBe(-1);
    }, 30_000);

    test("TLS 1.2 is there, too", async () => {
      const { poller, client } = await connectSecure({ maxVersion: "TLSv1.2" });
      client.write("old");
      expect((await read(poller, 3)).content.toString()).toBe("old");
      expect(poller.session(SLOT).version).toBe("1.2");
    });

    describe("as the client", () => {
      /** A server with the runtime's TLS that greets each client, and what it knows of the client that connected. */
      async function serve(options: ServerOptions) {
        const accepted = Promise.withResolvers<TLSSocket>();
        const server = createServer({ minVersion: "TLSv1.2", ...options }, (socket) => {
          socket.on("error", () => {});
          socket.write("INFO");
          accepted.resolve(socket);
        });
        server.on("tlsClientError", () => {});
        server.listen(0, "127.0.0.1");
        await once(server, "listening");
        cleanups.push(() => server.close());
        return { port: (server.address() as { port: number }).port, accepted: accepted.promise };
      }

      /** Connects and does a handshake with these options. Returns the result and the poller. */
      async function dial(port: number, serverName: string, options: Partial<TlsOptions>) {
        const poller = subject.open(memory);
        cleanups.push(() => poller.dispose());
        poller.useContext(CONTEXT, contexts[subject.kind]({ ...TLS_DEFAULTS, ...options }));
        expect(poller.connect(SLOT, "127.0.0.1", port)).toBe(WOULD_BLOCK);
        await waitFor(poller, WRITABLE);
        expect(poller.finishConnect(SLOT)).toBe(CONNECTED);
        poller.startTls(SLOT, CONTEXT, { serverName });
        const first = poller.handshake(SLOT);
        return { poller, result: first === WOULD_BLOCK ? await shake(poller) : first };
      }

      test("text goes both ways; the server hears the name, and shows its certificate", async () => {
        const { port, accepted } = await serve(localhost);
        const { poller, result } = await dial(port, "localhost", trusting);
        expect(result).toBe(HANDSHAKE_DONE);
        expect((await read(poller, 4)).content.toString()).toBe("INFO");
        const peer = await accepted;
        const received: Buffer[] = [];
        peer.on("data", (chunk: Buffer) => received.push(chunk));
        expect(poller.write(SLOT, new Uint8Array(Buffer.from("CONNECT")), 0, 7)).toBe(7);
        await until(() => length(received) === 7);
        expect(Buffer.concat(received).toString()).toBe("CONNECT");
        expect(peer.servername).toBe("localhost");
        const { version, peerCertificates } = poller.session(SLOT);
        expect(version).toBe("1.3");
        expect(nameText(parseCertificate(peerCertificates[0]!)!.subject)).toBe("CN=server");
        peer.end("bye");
        expect((await read(poller, 3)).content.toString()).toBe("bye");
        expect((await read(poller, 1)).result).toBe(0);
      });

      test("an address is looked for among the addresses", async () => {
        const { port, accepted } = await serve(localhost);
        expect((await dial(port, "127.0.0.1", trusting)).result).toBe(HANDSHAKE_DONE);
        // Each runtime has its own value for no name.
        expect((await accepted).servername || false).toBe(false);
      });

      test("a certificate shows who we are, to a server that asks", async () => {
        const asking = { ...localhost, ca: authority.cert, requestCert: true, rejectUnauthorized: true };
        const { port, accepted } = await serve(asking);
        const own = { certFile: client.certFile, keyFile: client.keyFile };
        expect((await dial(port, "localhost", { ...trusting, ...own })).result).toBe(HANDSHAKE_DONE);
        expect((await accepted).getPeerCertificate().subject.CN).toBe("client");
      });

      for (const [what, names, serverName, options, words] of [
        [
          "another name",
          localhost,
          "other.example",
          {},
          "certificate is valid for localhost, not other.example",
        ],
        ["another address", localhost, "127.0.0.2", {}, "certificate is valid for 127.0.0.1, not 127.0.0.2"],
        [
          "a common name only",
          nameless,
          "nameless",
          {},
          "certificate relies on legacy Common Name field, use SANs instead",
        ],
        [
          "another authority",
          localhost,
          "localhost",
          { caFile: stranger.certFile },
          "certificate signed by unknown authority",
        ],
        ["a time that is over", expired, "localhost", {}, "certificate has expired or is not yet valid"],
      ] as const) {
        test(`a server with ${what} is refused, unless we are not to look`, async () => {
          const { port } = await serve(names);
          const { poller, result } = await dial(port, serverName, { ...trusting, ...options });
          expect(result).toBe(HANDSHAKE_FAILED);
          const { text, isNoise } = poller.handshakeError();
          expect(text).toContain(`tls: failed to verify certificate: x509: ${words}`);
          expect(isNoise).toBe(false);
          const insecure = await dial(port, serverName, { ...trusting, ...options, insecure: true });
          expect(insecure.result).toBe(HANDSHAKE_DONE);
          expect((await read(insecure.poller, 4)).content.toString()).toBe("INFO");
        });
      }

      test("a server without a version that we take is refused", async () => {
        const { port } = await serve({ ...localhost, maxVersion: "TLSv1.2" });
        expect((await dial(port, "localhost", { ...trusting, minVersion: "1.3" })).result).toBe(
          HANDSHAKE_FAILED,
        );
        expect((await dial(port, "localhost", trusting)).result).toBe(HANDSHAKE_DONE);
      });

      test("a server without a name is not dialled: nothing would be verified", async () => {
        const { port } = await serve(localhost);
        await expect(dial(port, "", trusting)).rejects.toThrow("has a name to be verified");
      });

      test("a server that speaks no TLS, or says nothing and goes", async () => {
        const plain = createPlainServer((socket) => {
          socket.on("error", () => {});
          socket.write("INFO {}\r\n");
        });
        const silent = createPlainServer((socket) => {
          socket.on("error", () => {});
          socket.once("data", () => socket.end());
        });
        const said: string[] = [];
        for (const server of [plain, silent]) {
          server.listen(0, "127.0.0.1");
          await once(server, "listening");
          cleanups.push(() => server.close());
          const { poller, result } = await dial((server.address() as { port: number }).port, "localhost", {});
          expect(result).toBe(HANDSHAKE_FAILED);
          said.push(poller.handshakeError().text);
          poller.close(SLOT);
        }
        expect(said).toEqual(["tls: first record does not look like a TLS handshake", "EOF"]);
      });

      // node:tls has other texts for the end of a connection, and Bun's wants the root certificate.
      if (subject.kind !== "epoll") return;

      test("an authority between a root and the server is enough", async () => {
        const { port } = await serve(chained);
        const { result } = await dial(port, "localhost", { caFile: intermediate.certFile });
        expect(result).toBe(HANDSHAKE_DONE);
      });

      test("a server that asks in vain says so once the handshake is done", async () => {
        const { port } = await serve({ ...localhost, ca: authority.cert, requestCert: true });
        const { poller, result } = await dial(port, "localhost", trusting);
        expect(result).toBe(HANDSHAKE_DONE);
        expect((await read(poller, 1)).result).toBe(READ_FAILED);
        expect(poller.lastError()).toBe("remote error: tls: certificate required");
      });
    });

    // node:tls leaves the order to the client, and each runtime handles a broken record in its own way.
    if (subject.kind !== "epoll") return;

    test("AES-128 comes first, as with Go", async () => {
      const { poller } = await connectSecure();
      expect(poller.session(SLOT).cipherSuite).toBe("TLS_AES_128_GCM_SHA256");
    });

    test("a broken record is a failed read, and writes fail after it", async () => {
      const { poller, client, socket } = await connectSecure();
      client.write("x");
      await read(poller, 1);
      socket.write(Buffer.from("1703030014000102030405060708090a0b0c0d0e0f10111213", "hex"));
      expect((await read(poller, 1)).result).toBe(READ_FAILED);
      expect(poller.lastError()).toBe("local error: tls: bad record MAC");
      expect(poller.write(SLOT, new Uint8Array(8), 0, 8)).toBe(WRITE_FAILED);
    });
  });
}
