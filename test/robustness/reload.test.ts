/**
 * Reloads under full load. Two configurations take turns: users come and go, permissions, imports and the certificate
 * change, and the stream that all of it has to do with goes on, to every client that may stay.
 */
import { afterAll, expect, test } from "bun:test";
import { Buffer } from "node:buffer";
import { CertificateMaker, type KeyPair } from "../support/certificates.ts";
import { until } from "../support/deadline.ts";
import { ServerProcess } from "../support/server_process.ts";
import { connectSecurely } from "../support/tls_client.ts";
import { NumberedStream, numbered } from "./numbered_stream.ts";
import { LIMIT_MS, scaled, tell } from "./scale.ts";
import { ServerOutput } from "./server_output.ts";
import { StreamClient } from "./stream_client.ts";

const SHARDS = 3;
const BATCH = 100;
/** How far the slowest subscriber may be behind: enough to keep the server busy, less than makes it slow. */
const WINDOW = 2_000;

const maker = new CertificateMaker();
afterAll(() => maker.remove());
const authority = maker.makeAuthority("CA");
const certificates = [
  maker.makeServer("localhost", authority),
  maker.makeServer("localhost", authority),
] as const;

/** With guests: the user `guest`, what `reader` may hear of `extra`, and its import by IMPORTER; without: neither. */
function config(withGuests: boolean, { certFile, keyFile }: KeyPair): string {
  const only = (text: string) => (withGuests ? text : "");
  return `
    allow_non_tls: true
    tls { cert_file: "${certFile}", key_file: "${keyFile}", timeout: 5 }
    accounts {
      EXPORTER {
        users: [
          { user: publisher, password: p, permissions { publish: [ load, work, extra ${only(", more")} ] } }
          { user: reader, password: p, permissions { subscribe: [ load, work ${only(", extra")} ] } }
          ${only("{ user: guest, password: p }")}
        ]
        exports: [ { stream: load }, { stream: extra } ]
        ${only("mappings: { mapped: extra }")}
      }
      IMPORTER {
        users: [ { user: importer, password: p } ]
        imports: [
          { stream: { account: EXPORTER, subject: load }, to: imported.load }
          ${only("{ stream: { account: EXPORTER, subject: extra } }")}
        ]
      }
    }`;
}

/** What a queue group got together: each number once, in any order. */
class SharedStream {
  readonly #seen = new Set<number>();
  failure: string | undefined;

  readonly take = (_subject: string, _sid: string, payload: Buffer): void => {
    const number = Number(payload.toString("latin1", 0, 10));
    if (this.#seen.has(number)) this.failure ??= `message ${number} came twice`;
    this.#seen.add(number);
  };

  /** How many came; they are all there are when they are as many as were sent. */
  get next(): number {
    return this.#seen.size;
  }
}

/** Everyone who must not notice, and what they got. */
class Load {
  readonly clients: StreamClient[] = [];
  readonly streams: { readonly name: string; readonly stream: NumberedStream | SharedStream }[] = [];
  #publisher!: StreamClient;
  sent = 0;
  isOver = false;
  secureFailure: string | undefined;

  static async start(server: ServerProcess): Promise<Load> {
    const load = new Load();
    for (let shard = 0; shard < SHARDS; shard++) {
      const { take } = load.#expect(`subscriber ${shard}`, new NumberedStream("load"));
      await load.#subscribe(server, "reader", "SUB load 1\r\n", take);
      const imported = load.#expect(`importer ${shard}`, new NumberedStream("imported.load"));
      await load.#subscribe(server, "importer", "SUB imported.* 1\r\n", imported.take);
    }
    const group = load.#expect("queue group", new SharedStream());
    for (let member = 0; member < SHARDS; member++) {
      await load.#subscribe(server, "reader", "SUB work workers 1\r\n", group.take);
    }
    await load.#subscribeSecurely(server);
    load.#publisher = await StreamClient.open(server.clientPort, {}, { user: "publisher", pass: "p" });
    load.clients.push(load.#publisher);
    return load;
  }

  #expect<Stream extends NumberedStream | SharedStream>(name: string, stream: Stream): Stream {
    this.streams.push({ name, stream });
    return stream;
  }

  async #subscribe(server: ServerProcess, user: string, line: string, take: NumberedStream["take"]) {
    const client = await StreamClient.open(server.clientPort, { message: take }, { user, pass: "p" });
    client.send(line);
    await client.roundTrip();
    this.clients.push(client);
  }

  /** The same over TLS. */
  async #subscribeSecurely(server: ServerProcess): Promise<void> {
    const stream = this.#expect("subscriber over TLS", new NumberedStream("load"));
    const client = await connectSecurely(server, { ca: authority.cert }, { user: "reader", pass: "p" });
    client.send("SUB load 1\r\n");
    await client.roundTrip();
    client.release();
    const output = new ServerOutput({
      message: stream.take,
      line: (text) => {
        if (text === "PING") client.socket.write("PONG\r\n");
        else if (!text.startsWith("INFO")) this.secureFailure ??= text;
      },
    });
    client.socket.on("data", (bytes: Buffer) => output.feed(bytes));
    client.socket.on("error", (error: Error) => {
      this.secureFailure ??= error.message;
    });
    client.socket.on("close", () => {
      if (!this.isOver) this.secureFailure ??= "closed";
    });
  }

  get slowest(): number {
    return Math.min(...this.streams.map(({ stream }) => stream.next));
  }

  /** Publishes as fast as the slowest subscriber takes it, until it is over. */
  async run(): Promise<void> {
    while (!this.isOver && !this.#publisher.isClosed) {
      const batch: Uint8Array[] = [];
      for (let i = 0; i < BATCH; i++, this.sent++) {
        batch.push(numbered("load", this.sent), numbered("work", this.sent));
      }
      await this.#publisher.sendAll(Buffer.concat(batch));
      while (this.sent - this.slowest > WINDOW && !this.isOver)
        await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** Waits for what is on its way. */
  async finish(): Promise<void> {
    this.isOver = true;
    await this.#publisher.roundTrip();
    await until(
      () => this.slowest === this.sent,
      () => this.streams.map(({ name, stream }) => `${name} has ${stream.next} of ${this.sent}`).join("\n"),
      20_000,
    );
  }
}

test(
  "a hundred reloads lose no message and disconnect nobody but the user who is gone",
  async () => {
    const rounds = scaled(50, 500);
    await using server = await ServerProcess.start({
      config: config(true, certificates[0]),
      flags: ["--shards", String(SHARDS)],
      monitoring: true,
    });
    const load = await Load.start(server);
    const extras = { reader: 0, importer: 0 };
    const open = (user: "guest" | "importer" | "reader") =>
      StreamClient.open(
        server.clientPort,
        {
          message: () => {
            if (user !== "guest") extras[user]++;
          },
        },
        { user, pass: "p" },
      );
    const [reader, importer] = [await open("reader"), await open("importer")];
    reader.send("SUB extra 1\r\n");
    importer.send("SUB extra 1\r\n");
    for (const client of [reader, importer]) await client.roundTrip();
    const extra = await StreamClient.open(server.clientPort, {}, { user: "publisher", pass: "p" });

    const running = load.run();
    const startMs = performance.now();
    let slowestMs = 0;
    const reload = async (text: string) => {
      const fromMs = performance.now();
      expect(await server.reload(text)).toContain("Reloaded server configuration");
      slowestMs = Math.max(slowestMs, performance.now() - fromMs);
    };
    for (let round = 1; round <= rounds; round++) {
      const guest = await open("guest");
      guest.send("SUB load 1\r\n");
      await guest.roundTrip();
      extra.send("PUB extra 2\r\nok\r\n");
      await until(
        () => extras.reader === round && extras.importer === round,
        () => `in round ${round} there are extras: ${JSON.stringify(extras)}`,
      );

      await reload(config(false, certificates[1]));
      await guest.waitForClose();
      expect(guest.errors).toEqual([]);
      await reader.waitFor(() => reader.errors.length === round, "word that it may not hear extra");
      extra.send("PUB extra 2\r\nno\r\n");
      await extra.roundTrip();

      await reload(config(true, certificates[0]));
      reader.send("SUB extra 1\r\n");
      await reader.roundTrip();
    }
    const seconds = (performance.now() - startMs) / 1000;
    await load.finish();
    await running;

    expect(
      load.streams.flatMap(({ name, stream }) => (stream.failure ? [`${name}: ${stream.failure}`] : [])),
    ).toEqual([]);
    expect(load.secureFailure).toBe(undefined);
    for (const client of [...load.clients, importer, extra]) {
      expect(client.failure).toBe(undefined);
      expect([client.isClosed, client.errors]).toEqual([false, []]);
    }
    expect(new Set(reader.errors)).toEqual(
      new Set([`-ERR 'Permissions Violation for Subscription to "extra" (sid "1")'`]),
    );
    expect(extras).toEqual({ reader: rounds, importer: rounds });
    const varz = await server.json<{ connections: number; slow_consumers: number }>("/varz");
    // Besides: the reader, the importer and the publisher of extras, and the one over TLS.
    expect(varz).toMatchObject({ connections: load.clients.length + 4, slow_consumers: 0 });
    const deliveries = load.sent * load.streams.length;
    tell(
      `${2 * rounds} reloads in ${seconds.toFixed(1)} s, the slowest took ${slowestMs.toFixed(0)} ms; ` +
        `${2 * load.sent} messages, ${deliveries} deliveries`,
    );
    for (const client of [...load.clients, reader, importer, extra]) client.destroy();
  },
  LIMIT_MS,
);
