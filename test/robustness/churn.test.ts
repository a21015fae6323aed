import { expect, test } from "bun:test";
import { until } from "../support/deadline.ts";
import { ServerProcess } from "../support/server_process.ts";
import { NumberedStream, numbered } from "./numbered_stream.ts";
import { inParallel, LIMIT_MS, scaled, tell } from "./scale.ts";
import { backTo, megabytes, residentBelow, serverState } from "./server_state.ts";
import { StreamClient } from "./stream_client.ts";

const MEGABYTE = 1024 * 1024;

test(
  "connections that come and go lose no message of a stream to those that stay, and memory stays flat",
  async () => {
    await using server = await ServerProcess.start({ monitoring: true });
    const { clientPort } = server;
    const churnCount = scaled(1000, 20_000);
    const before = await serverState(server);
    const streams = Array.from({ length: 6 }, () => new NumberedStream("stream"));
    const staying: StreamClient[] = [];
    for (const stream of streams) {
      const client = await StreamClient.open(clientPort, { message: stream.take });
      client.send("SUB stream 1\r\nSUB other.* 2\r\n");
      await client.roundTrip();
      staying.push(client);
    }
    const publisher = await StreamClient.open(clientPort);
    let sent = 0;
    const publishing = setInterval(() => {
      for (let left = 10; left > 0; left--) publisher.send(numbered("stream", sent++));
    }, 2);
    const churn = async (index: number) => {
      const client = await StreamClient.open(clientPort);
      client.send(
        `SUB stream 1\r\nSUB > 2\r\nSUB stream group${index % 7} 3\r\nSUB own.${index} 4\r\nPUB other.${index} 1\r\nx\r\n`,
      );
      await client.roundTrip();
      if (index % 3 === 0) client.reset();
      else if (index % 3 === 1) client.end();
      else client.destroy();
    };
    await inParallel(churnCount / 4, 10, churn);
    const warm = server.residentBytes();
    await inParallel(churnCount, 10, churn);
    clearInterval(publishing);
    await publisher.roundTrip();
    await until(
      () => streams.every(({ next }) => next === sent),
      () => `of ${sent} messages the readers have ${streams.map(({ next }) => next).join(", ")}`,
      60_000,
    );
    expect(streams.map(({ failure }) => failure).filter((failure) => failure !== undefined)).toEqual([]);
    for (const client of [...staying, publisher]) client.destroy();
    await backTo(before, server);
    const resident = await residentBelow(server, warm + 48 * MEGABYTE);
    tell(
      `${churnCount} connections beside ${sent} messages; resident ${megabytes(before.residentBytes)} at start, ` +
        `${megabytes(warm)} warm, ${megabytes(resident)} after`,
    );
  },
  LIMIT_MS,
);

test(
  "subscriptions that come and go do not make the index grow",
  async () => {
    await using server = await ServerProcess.start({ monitoring: true });
    const clients = [await StreamClient.open(server.clientPort), await StreamClient.open(server.clientPort)];
    const before = await serverState(server);
    const perRound = 2000;
    let next = 0;
    const round = async () => {
      for (const client of clients) {
        let text = "";
        for (let i = 0; i < perRound; i++) {
          const id = next++;
          const subject = i % 10 === 0 ? `churn.*.${id}.>` : `churn.${id}.inbox`;
          text += `SUB ${subject}${i % 7 === 0 ? ` q${id}` : ""} ${id}\r\n`;
        }
        const first = next - perRound;
        for (let id = first; id < next; id++) text += `UNSUB ${id}\r\n`;
        await client.sendAll(text);
        await client.roundTrip();
      }
    };
    const rounds = scaled(40, 500);
    for (let i = 0; i < rounds / 4; i++) await round();
    const warm = server.residentBytes();
    for (let i = 0; i < rounds; i++) await round();
    await backTo(before, server);
    const resident = await residentBelow(server, warm + 32 * MEGABYTE);
    tell(
      `${next} subscriptions made and removed; resident ${megabytes(before.residentBytes)} at start, ` +
        `${megabytes(warm)} warm, ${megabytes(resident)} after`,
    );
    for (const client of clients) client.destroy();
  },
  LIMIT_MS,
);

test(
  "answers to every message, of +OK or of no responders, leave no garbage that adds up",
  async () => {
    await using server = await ServerProcess.start();
    const client = await StreamClient.open(server.clientPort, {}, { verbose: true, no_responders: true });
    client.send("SUB _INBOX.garbage.* 1\r\n");
    await client.roundTrip();
    const before = server.residentBytes();
    let peak = before;
    const count = scaled(500_000, 10_000_000);
    const perWrite = 2000;
    const lines = "PUB nobody.home 4\r\nbody\r\nPUB nobody.home _INBOX.garbage.1 4\r\nbody\r\n".repeat(
      perWrite / 2,
    );
    for (let sent = 0; sent < count; sent += perWrite) {
      await client.sendAll(lines);
      if (sent % (perWrite * 10) === 0) await client.roundTrip();
      peak = Math.max(peak, server.residentBytes());
    }
    await client.roundTrip();
    expect(client.messages).toBe(count / 2);
    tell(`resident ${megabytes(before)} before, ${megabytes(peak)} at most`);
    expect(peak - before).toBeLessThan(300 * MEGABYTE);
    client.destroy();
  },
  LIMIT_MS,
);
