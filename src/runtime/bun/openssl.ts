import { LIBSSL_FUNCTIONS } from "../openssl/libssl.ts";
import { OpenSsl } from "../openssl/openssl.ts";
import type { Posix } from "../posix/posix.ts";
import { openBunLibrary } from "./library.ts";

/** OpenSSL through `bun:ffi`. Throws if it cannot be opened. */
export function openBunOpenSsl(file: string, posix: Posix): OpenSsl {
  return new OpenSsl(openBunLibrary(file, LIBSSL_FUNCTIONS), posix);
}
