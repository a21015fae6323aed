import { LIBSSL_FUNCTIONS } from "../openssl/libssl.ts";
import { OpenSsl, type OpenSslFunctions } from "../openssl/openssl.ts";
import type { Posix } from "../posix/posix.ts";
import { coldFunctions, type DenoFunction, openDenoSymbols } from "./library.ts";

/** OpenSSL through `Deno.dlopen`. Throws if it cannot be opened. */
export function openDenoOpenSsl(file: string, posix: Posix): OpenSsl {
  const symbols = openDenoSymbols(file, LIBSSL_FUNCTIONS);
  return new OpenSsl({ ...coldFunctions(symbols, LIBSSL_FUNCTIONS), ...hotFunctions(symbols) }, posix);
}

/** The calls of the data plane. As in `deno/posix.ts`, addresses are passed through memory, not as new BigInts. */
function hotFunctions(symbols: Record<string, DenoFunction>): Partial<OpenSslFunctions> {
  type Fast<P extends (number | bigint)[]> = (...values: P) => number;
  const read = symbols.SSL_read as Fast<[bigint, bigint, number]>;
  const write = symbols.SSL_write as Fast<[bigint, bigint, number]>;
  const getError = symbols.SSL_get_error as Fast<[bigint, number]>;
  const hasPending = symbols.SSL_has_pending as Fast<[bigint]>;
  // Words 0 and 1 are the connection, words 2 and 3 the address of the bytes.
  const words = new Uint32Array(new ArrayBuffer(16));
  const wide = new BigUint64Array(words.buffer);
  return {
    SSL_read(ssl, address, lengthBytes) {
      words[0] = ssl >>> 0;
      words[1] = (ssl / 4294967296) >>> 0;
      words[2] = address >>> 0;
      words[3] = (address / 4294967296) >>> 0;
      return read(wide[0]!, wide[1]!, lengthBytes);
    },
    SSL_write(ssl, address, lengthBytes) {
      words[0] = ssl >>> 0;
      words[1] = (ssl / 4294967296) >>> 0;
      words[2] = address >>> 0;
      words[3] = (address / 4294967296) >>> 0;
      return write(wide[0]!, wide[1]!, lengthBytes);
    },
    SSL_get_error(ssl, result) {
      words[0] = ssl >>> 0;
      words[1] = (ssl / 4294967296) >>> 0;
      return getError(wide[0]!, result);
    },
    SSL_has_pending(ssl) {
      words[0] = ssl >>> 0;
      words[1] = (ssl / 4294967296) >>> 0;
      return hasPending(wide[0]!);
    },
  };
}
