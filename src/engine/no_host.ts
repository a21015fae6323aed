/** The host of threads that use the engine only for its rings, which never call a host. */
import { AssertionError } from "../base/assert.ts";
import type { EngineHost } from "./engine.ts";

const refuse = () => {
  throw new AssertionError("this thread delivers no messages");
};

export const NO_HOST: EngineHost = {
  flush: refuse,
  reclaim: refuse,
  flushAll: refuse,
  attach: refuse,
  sendLarge: refuse,
  note: refuse,
};
