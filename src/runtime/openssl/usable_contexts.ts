/** The contexts of a thread's handshakes, by name, and the choice of a listener's certificate. Cold. */
import { assert } from "../../base/assert.ts";
import { chooseByServerName, serverNameOf } from "../server_name.ts";
import type { DialledServer, TlsContext } from "../tls.ts";
import { setServerName } from "./dialled_name.ts";
import { BIO_C_SET_SSL, BIO_CLOSE } from "./libssl.ts";
import type { OpenSsl } from "./openssl.ts";
import { giveStaple } from "./stapling.ts";

interface UsableContext {
  /** For connections that are accepted: see `OpenSslContext`. */
  readonly contexts: readonly {
    readonly address: number;
    readonly names: readonly string[];
    readonly staple: Uint8Array<ArrayBuffer> | null;
  }[];
  /** The address of the `SSL_CTX` for connections that we open. */
  readonly clientContext: number | null;
}

/** What TLS works on: a socket, or other TLS, which is then freed with it. */
export type TlsStream = { readonly fd: number } | { readonly ssl: number };

export class UsableContexts {
  readonly #byName = new Map<string, UsableContext>();

  /** Sets the context of this name; with null there is none any more. */
  use(name: string, context: TlsContext | null): void {
    if (context === null) {
      this.#byName.delete(name);
      return;
    }
    assert(context.kind === "openssl", "TlsPoller.useContext: the context is not OpenSSL's");
    const contexts = context.contexts.map(({ address, names, staple }) => ({
      address,
      names,
      staple: staple === null ? null : Uint8Array.fromBase64(staple),
    }));
    this.#byName.set(name, { contexts, clientContext: context.clientContext });
  }

  has(name: string): boolean {
    return this.#byName.has(name);
  }

  /**
   * Makes a new `SSL` on a stream and returns its address. `needsName`: the client's first message must be looked at to
   * choose a certificate, see `choose`.
   */
  connectionFor(
    openSsl: OpenSsl,
    name: string,
    stream: TlsStream,
    dialled: DialledServer | null,
  ): { readonly connection: number; readonly needsName: boolean } {
    const { functions } = openSsl;
    const context = this.#byName.get(name);
    assert(context !== undefined, "TlsPoller.startTls: there is no context of that name");
    const [listening] = context.contexts;
    const address = dialled === null ? listening?.address : context.clientContext;
    assert(address != null, "TlsPoller.startTls: the context is for the other side");
    const connection = functions.SSL_new(address);
    assert(connection !== 0, "OpenSSL makes a connection");
    if ("fd" in stream) functions.SSL_set_fd(connection, stream.fd);
    else putInside(openSsl, connection, stream.ssl);
    if (dialled !== null) {
      setServerName(openSsl, connection, dialled.serverName);
      return { connection, needsName: false };
    }
    functions.SSL_set_accept_state(connection);
    if (context.contexts.length > 1) return { connection, needsName: true };
    if (listening?.staple != null) giveStaple(openSsl, connection, listening.staple);
    return { connection, needsName: false };
  }

  /** Chooses the certificate that the client's first bytes ask for, or the first one if they ask for none. */
  choose(openSsl: OpenSsl, name: string, connection: number, firstBytes: Uint8Array): void {
    const { contexts = [] } = this.#byName.get(name) ?? {};
    // The contexts were removed since this handshake began. It goes on with the one that it was given then.
    if (contexts.length === 0) return;
    const serverName = firstBytes.length > 0 ? serverNameOf(firstBytes) : "";
    const { address, staple } = chooseByServerName(contexts, serverName);
    openSsl.functions.SSL_set_SSL_CTX(connection, address);
    if (staple !== null) giveStaple(openSsl, connection, staple);
  }
}

/** Lets one connection read and write through another one. */
function putInside({ functions }: OpenSsl, connection: number, outer: number): void {
  const bio = functions.BIO_new(functions.BIO_f_ssl());
  assert(bio !== 0, "OpenSSL makes a BIO");
  functions.BIO_ctrl(bio, BIO_C_SET_SSL, BIO_CLOSE, outer);
  functions.SSL_set_bio(connection, bio, bio);
}
