import { expect } from "bun:test";
import { expectRefused, login } from "../support/login.ts";
import { row, sharedServer } from "../support/row.ts";
import { startFailure } from "../support/start_failure.ts";

const server = sharedServer({
  config: `authorization { users: [
    { user: standard, password: p, allowed_connection_types: ["STANDARD"] }
    { user: lower, password: p, allowed_connection_types: ["standard", "websocket"] }
    { user: websocket, password: p, allowed_connection_types: ["WEBSOCKET"] }
    { user: mqtt, password: p, connection_types: ["MQTT", "MQTT_WS"] }
    { user: leaf, password: p, clients: ["LEAFNODE", "LEAFNODE_WS", "IN_PROCESS"] }
    { user: any, password: p, allowed_connection_types: [] }
  ] }`,
});

row("§8.24 who may connect over TCP does, however the type is written", async () => {
  for (const user of ["standard", "lower", "any"]) (await login(server(), { user, pass: "p" })).destroy();
});

row("§8.24 who may not connect over TCP is refused like anyone", async () => {
  for (const user of ["websocket", "mqtt", "leaf"]) await expectRefused(server(), { user, pass: "p" });
});

row("§8.24 an unknown connection type keeps the server from starting", async () => {
  expect(
    await startFailure(
      `authorization { users: [ {user: a, password: p, allowed_connection_types: ["foo"]} ] }`,
    ),
  ).toContain(`invalid connection types ["FOO"]`);
});
