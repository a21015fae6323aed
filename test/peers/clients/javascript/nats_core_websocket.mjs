import { headers, RequestError, wsconnect } from "@nats-io/nats-core";
import { runSteps } from "./steps.mjs";

await runSteps("nats_core_websocket", {
  connect: wsconnect,
  createHeaders: headers,
  isNoResponders: (error) => error instanceof RequestError && error.isNoResponders(),
});
