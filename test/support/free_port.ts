import { freePorts } from "../../src/cli/demo/ports.ts";

/** A port of 127.0.0.1 that nobody listens on at the moment. */
export async function findFreePort(): Promise<number> {
  const [port] = await freePorts(1);
  return port!;
}
