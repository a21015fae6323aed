/** `midge { … }`: what other NATS servers do not have. */
import { block, blockReader, defaultsOf, type OptionsOf, option } from "./option.ts";
import { integer, oneOf } from "./readers.ts";
import { fixed, nested } from "./reload.ts";

/** How a shard talks to sockets: its own epoll loop, or the runtime's sockets. */
export type Transport = "auto" | "epoll" | "runtime";

/** As many as the shared memory is laid out for (`memory/map.ts`). */
export const SHARDS_MAX = 16;

const MIDGE_TABLE = {
  shards: option({
    key: "shards",
    reader: integer(0, SHARDS_MAX),
    default: 0,
    reload: fixed('field "Shards"'),
    doc: "Threads that serve clients, at most 16; 0, the default, is one.",
  }),
  transport: option<Transport>({
    key: "transport",
    reader: oneOf("auto", "epoll", "runtime"),
    default: "auto",
    reload: fixed('field "Transport"'),
    doc: "How sockets are served: by an epoll loop, by the runtime, or by what is there.",
  }),
};

export type MidgeOptions = OptionsOf<typeof MIDGE_TABLE>;

export const midge = blockReader(block("midge", MIDGE_TABLE));

export const MIDGE_DEFAULTS: MidgeOptions = defaultsOf(MIDGE_TABLE);

export const midgeReload = nested("midge", "Midge: ", MIDGE_TABLE);
