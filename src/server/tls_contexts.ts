/** What TLS handshakes are made with: main makes it from the files, every shard uses it, a reload replaces it. */
import type { TlsOptions } from "../config/tls.ts";
import type { OpenSsl } from "../runtime/openssl/openssl.ts";
import { createServerContexts, freeContexts } from "../runtime/openssl/server_context.ts";
import type { Posix } from "../runtime/posix/posix.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { TlsContext } from "../runtime/tls.ts";

export type TlsContextFailure = { readonly ok: false; readonly reason: string };

export type TlsContextResult = { readonly ok: true; readonly context: TlsContext | null } | TlsContextFailure;

export class TlsContexts {
  readonly #runtime: Runtime;
  readonly #posix: Posix | null;
  /** Opened with the first context: most servers have no TLS. */
  #openSsl: OpenSsl | null = null;

  /** `posix` is null where sockets are the runtime's own, and so is TLS. */
  constructor(runtime: Runtime, posix: Posix | null) {
    this.#runtime = runtime;
    this.#posix = posix;
  }

  /** A context for these options, null for none. Their files are read and nothing else changes. */
  create(options: TlsOptions | undefined): TlsContextResult {
    if (options === undefined) return { ok: true, context: null };
    if (this.#posix === null) {
      const limit = this.#runtime.findTlsLimit(options);
      if (limit !== undefined) return { ok: false, reason: limit };
      return { ok: true, context: { kind: "runtime", options } };
    }
    if (this.#openSsl === null) {
      const opened = this.#runtime.openOpenSsl(this.#posix);
      if (!opened.ok)
        return { ok: false, reason: `tls: ${opened.reason}; restart to use the runtime's own TLS` };
      this.#openSsl = opened.openSsl;
    }
    const created = createServerContexts(this.#openSsl, options);
    return created.ok ? { ok: true, context: { kind: "openssl", contexts: created.contexts } } : created;
  }

  /** One for each of several options, or what is wrong with the first that is wrong; then nothing is kept. */
  createAll<Name extends string>(
    all: Readonly<Record<Name, TlsOptions | undefined>>,
  ): { readonly ok: true; readonly contexts: Record<Name, TlsContext | null> } | TlsContextFailure {
    const contexts: [name: string, context: TlsContext | null][] = [];
    for (const [name, options] of Object.entries<TlsOptions | undefined>(all)) {
      const result = this.create(options);
      if (!result.ok) {
        for (const [, context] of contexts) this.release(context);
        return result;
      }
      contexts.push([name, result.context]);
    }
    return { ok: true, contexts: Object.fromEntries(contexts) as Record<Name, TlsContext | null> };
  }

  /** No new connection uses the context any more; those that do keep it alive. */
  release(context: TlsContext | null): void {
    if (context?.kind === "openssl" && this.#openSsl !== null) freeContexts(this.#openSsl, context.contexts);
  }
}
