/** A server that has as many descriptors as it may: whoever is there stays and is served, others are once there is room. */
import { expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { RawClient } from "../support/raw_client.ts";
import { ServerProcess } from "../support/server_process.ts";
import { beside } from "./beside.ts";
import { StreamClient } from "./stream_client.ts";

/** Descriptors that the server may still open, and clients that come for them. */
const ROOM = 20;
const CLIENTS = 40;

test("without a free descriptor clients keep their connections, and what is told of the server goes on", async () => {
  await using server = await ServerProcess.start({
    config: `accounts { SYS { users: [ {user: sys, password: p} ] }, APP { users: [ {user: app, password: p} ] } }
      system_account: SYS`,
  });
  const summaries = await server.connectAs({ user: "sys", pass: "p" });
  summaries.send("SUB $SYS.SERVER.*.STATSZ 1\r\n");
  await summaries.roundTrip();
  const app = { user: "app", pass: "p" };
  const { delayMaxMs } = await beside(server, app, async () => {
    limitDescriptors(server, descriptors(server) + ROOM);
    const crowd: RawClient[] = [];
    while (crowd.length < CLIENTS) crowd.push(await RawClient.open(server.clientPort));
    await server.waitForLog("Cannot accept connections: too many open files; trying again in 640 ms");
    summaries.send("PUB $SYS.REQ.SERVER.PING 0\r\n\r\n");
    await summaries.readUntil(".STATSZ ");
    for (const client of crowd) client.destroy();
    const late = await StreamClient.open(server.clientPort, {}, app);
    late.destroy();
  });
  expect(delayMaxMs).toBeLessThan(2000);
  expect(server.log).not.toMatch(/failed|Uncaught|FTL/);
});

function descriptors(server: ServerProcess): number {
  return readdirSync(`/proc/${server.processId}/fd`).length;
}

function limitDescriptors(server: ServerProcess, count: number): void {
  execFileSync("prlimit", [`--pid=${server.processId}`, `--nofile=${count}:4096`]);
}
