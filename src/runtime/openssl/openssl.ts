import type { Callable, Posix } from "../posix/posix.ts";
import { type LIBSSL_FUNCTIONS, OPENSSL_INIT_NO_ATEXIT, OPENSSL_VERSION_STRING } from "./libssl.ts";

export type OpenSslFunctions = Callable<typeof LIBSSL_FUNCTIONS>;

/**
 * OpenSSL for one thread. Its functions return what they do in C.
 *
 * Errors wait in a queue of the thread. `SSL_get_error` looks at the queue, so it must be empty before each call on a
 * connection. The caller that meets a failure empties it with `takeErrors`.
 */
export class OpenSsl {
  readonly functions: OpenSslFunctions;
  readonly posix: Posix;
  /** Hot. `read(ssl, address, lengthBytes)`: bytes read, or ≤ 0 and `getError` says why. */
  readonly read: OpenSslFunctions["SSL_read"];
  /** Hot. `write(ssl, address, lengthBytes)`: bytes taken, or ≤ 0 and `getError` says why. */
  readonly write: OpenSslFunctions["SSL_write"];
  /** `getError(ssl, result)`, to be called directly after the call that gave `result`. */
  readonly getError: OpenSslFunctions["SSL_get_error"];
  /** Hot. Whether bytes are buffered, whole records or not. */
  readonly hasPending: OpenSslFunctions["SSL_has_pending"];
  /** By the addresses of suites, which stay where they are. */
  readonly #cipherNames = new Map<number, string>();
  /** Keeps the text of `addressOfText` alive. */
  #text = new Uint8Array(new ArrayBuffer(1));

  constructor(functions: OpenSslFunctions, posix: Posix) {
    this.functions = functions;
    this.posix = posix;
    this.read = functions.SSL_read;
    this.write = functions.SSL_write;
    this.getError = functions.SSL_get_error;
    this.hasPending = functions.SSL_has_pending;
    functions.OPENSSL_init_ssl(OPENSSL_INIT_NO_ATEXIT, 0);
  }

  /** OpenSSL's version, such as `3.0.19`. */
  get version(): string {
    return this.posix.textAt(this.functions.OpenSSL_version(OPENSSL_VERSION_STRING));
  }

  /** The IANA name of the suite that a connection uses. */
  cipherNameOf(connection: number): string {
    const { SSL_get_current_cipher, SSL_CIPHER_standard_name } = this.functions;
    const suite = SSL_get_current_cipher(connection);
    return this.#cipherNames.getOrInsertComputed(suite, () =>
      this.posix.textAt(SSL_CIPHER_standard_name(suite)),
    );
  }

  /** Empties the thread's queue of errors and returns their codes, the first cause first. */
  takeErrors(): number[] {
    const codes: number[] = [];
    for (let code = this.functions.ERR_get_error(); code !== 0; code = this.functions.ERR_get_error()) {
      codes.push(code);
    }
    return codes;
  }

  /** OpenSSL's words for a code, such as `no shared cipher`. */
  reasonText(code: number): string {
    return this.posix.textAt(this.functions.ERR_reason_error_string(code)) || `error ${code.toString(16)}`;
  }

  /** The address of a C string with this text. It is valid until the next call. */
  addressOfText(text: string): number {
    const encoded = new TextEncoder().encode(text);
    this.#text = new Uint8Array(new ArrayBuffer(encoded.length + 1));
    this.#text.set(encoded);
    return this.posix.addressOf(this.#text);
  }
}
