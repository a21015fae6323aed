import { afterAll, beforeAll } from "bun:test";
import { existsSync } from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";

const natsServer = fileURLToPath(new URL("../../.cache/peers/bin/nats-server-2.15.2", import.meta.url));

/** The servers that this file's tests start are the newest nats-server. */
export function startNatsServers(): void {
  const commandBefore = process.env.CONFORMANCE_SERVER;

  beforeAll(() => {
    if (!existsSync(natsServer)) throw new Error(`${natsServer} is not there: run "npm run peers"`);
    process.env.CONFORMANCE_SERVER = natsServer;
  });

  afterAll(() => {
    if (commandBefore === undefined) delete process.env.CONFORMANCE_SERVER;
    else process.env.CONFORMANCE_SERVER = commandBefore;
  });
}
