import { connect, headers, RequestError } from "@nats-io/transport-node";
import { runSteps } from "./steps.mjs";

await runSteps("nats_core", {
  connect,
  createHeaders: headers,
  isNoResponders: (error) => error instanceof RequestError && error.isNoResponders(),
});
