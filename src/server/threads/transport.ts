/** How a server serves sockets: by an epoll loop over libc, or by the runtime. TLS comes from OpenSSL with the one, from the runtime with the other. */
import type { Options } from "../../config/option_table.ts";
import type { Posix } from "../../runtime/posix/posix.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import { usesTls } from "../settings/tls_contexts.ts";

export interface Transport {
  /** libc for the epoll transport; null for the runtime's sockets. */
  readonly posix: Posix | null;
  /** Why the runtime's sockets are used although nobody asked for them; "" otherwise. */
  readonly reason: string;
}

/** Throws if the options ask for a transport that is not available. */
export function chooseTransport(runtime: Runtime, options: Options): Transport {
  const wanted = options.midge.transport;
  if (wanted === "runtime") return { posix: null, reason: "" };
  const transport = openEpoll(runtime, options);
  if (wanted === "epoll" && transport.reason !== "") throw new Error(`transport epoll: ${transport.reason}`);
  return transport;
}

function openEpoll(runtime: Runtime, options: Options): Transport {
  const opened = runtime.openPosix();
  if (!opened.ok) return { posix: null, reason: opened.reason };
  const { posix } = opened;
  const library = usesTls(options) ? runtime.openOpenSsl(posix) : null;
  return library === null || library.ok ? { posix, reason: "" } : { posix: null, reason: library.reason };
}
