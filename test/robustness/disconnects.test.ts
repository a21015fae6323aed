import { expect, test } from "bun:test";
import { Buffer } from "node:buffer";
import { ServerProcess } from "../support/server_process.ts";
import { inParallel, LIMIT_MS, scaled, tell } from "./scale.ts";
import { backTo, megabytes, residentBelow, serverState } from "./server_state.ts";
import { StreamClient } from "./stream_client.ts";

const DISCONNECTS = scaled(1000, 10_000);
const AT_ONCE = 25;
/**
 * Allocators and collectors keep some of what they got: V8, which nobody can ask to collect, most. On Deno 2.9 it settles
 * 100 to 150 MiB above the warm figure and stays there, whether 10,000 connections came or 120,000. The buffers of 10,000
 * alone would be 350 MB.
 */
const GROWTH_MAX_BYTES = scaled(96, 192) * 1024 * 1024;

/** Where the last message is cut: in its verb, its line, a small, a middle and a large payload. */
function unfinished(index: number): Buffer {
  switch (index % 6) {
    case 0:
      return Buffer.from("PU");
    case 1:
      return Buffer.from("PUB half.a.line 12");
    case 2:
      return Buffer.from("PUB half.a.payload 1000\r\nabc");
    case 3:
      return Buffer.concat([Buffer.from("PUB half.a.payload 90000\r\n"), Buffer.alloc(60_000, 0x79)]);
    case 4:
      return Buffer.concat([Buffer.from("PUB half.a.payload 1000000\r\n"), Buffer.alloc(150_000, 0x7a)]);
    default:
      return Buffer.from("SUB half.a.sub");
  }
}

test(
  `${DISCONNECTS} clients that vanish in the middle of a message leave nothing behind`,
  async () => {
    await using server = await ServerProcess.start({ monitoring: true });
    const { clientPort } = server;
    const vanish = async (index: number) => {
      const client = await StreamClient.open(clientPort);
      client.send(
        `SUB vanish.${index} 1\r\nSUB vanish.*.${index} 2\r\nSUB vanish.> group 3\r\nSUB vanish.shared 4\r\n` +
          "PUB vanish.shared 5\r\nhello\r\n",
      );
      // The server is in the middle of it, too: it has answered, and its answer is not read.
      await client.roundTrip();
      client.send(unfinished(index));
      if (index % 2 === 0) await client.sendAll("x");
      client.reset();
    };
    const before = await serverState(server);
    await inParallel(DISCONNECTS / 5, AT_ONCE, vanish);
    const warm = await backTo(before, server);
    await inParallel(DISCONNECTS, AT_ONCE, vanish);
    await backTo(before, server);
    const resident = await residentBelow(server, warm.residentBytes + GROWTH_MAX_BYTES);
    tell(
      `resident: ${megabytes(before.residentBytes)} at start, ${megabytes(warm.residentBytes)} warm, ${megabytes(resident)} after`,
    );

    let heard = 0;
    const client = await StreamClient.open(clientPort, { message: () => heard++ });
    client.send("SUB vanish.> 1\r\nPUB vanish.shared 2\r\nok\r\n");
    await client.roundTrip();
    expect(heard).toBe(1);
    client.destroy();
  },
  LIMIT_MS,
);
