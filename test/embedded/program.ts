/** A program as others write them, checked with their options, which are fewer than ours: they compile the sources of Midge. */
import { Midge } from "../../src/mod.ts";

await using server = await Midge.start({
  host: "127.0.0.1",
  port: -1,
  maxPayloadBytes: 65_536,
  websocket: { port: -1, noTls: true },
});
const { connections } = await server.connz({ subscriptions: "subjects" });
console.log((await server.varz()).max_payload, connections?.length);
