/** For threads that use the engine for its rings alone: nothing they do asks a host for anything. */
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
