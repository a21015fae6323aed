/** Announced to clients and tools, which compare it to know what a server can do. */
export const NATS_VERSION = "2.15.2";

/** Midge's own; the same as in package.json. */
export const MIDGE_VERSION = "0.1.0";
