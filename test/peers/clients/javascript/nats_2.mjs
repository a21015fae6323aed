import { connect, ErrorCode, headers } from "nats";
import { runSteps } from "./steps.mjs";

await runSteps("nats_2", {
  connect,
  createHeaders: headers,
  isNoResponders: (error) => error?.code === ErrorCode.NoResponders,
});
