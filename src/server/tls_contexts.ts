/** What TLS handshakes are made with: main makes it from the files, every shard uses it, a reload replaces it. */
import type { Options } from "../config/option_table.ts";
import { TLS_DEFAULTS, type TlsOptions } from "../config/tls.ts";
import { createClientContext } from "../runtime/openssl/client_context.ts";
import type { OpenSsl } from "../runtime/openssl/openssl.ts";
import { createServerContexts, freeContexts } from "../runtime/openssl/server_context.ts";
import type { Posix } from "../runtime/posix/posix.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { HandshakeRole, TlsContext } from "../runtime/tls.ts";
import type { LinkTlsBlock, LinkTlsBlocks } from "../shard/links_setup.ts";

export type TlsContextResult =
  | { readonly ok: true; readonly context: TlsContext | null }
  | { readonly ok: false; readonly reason: string };

export type LinkTlsResult =
  | { readonly ok: true; readonly blocks: LinkTlsBlocks }
  | { readonly ok: false; readonly reason: string };

type CreatedContext =
  | { readonly ok: true; readonly context: TlsContext }
  | { readonly ok: false; readonly reason: string };

/** A context that links need. */
export interface LinkContextPlan {
  readonly name: string;
  readonly options: TlsOptions;
  readonly roles: readonly HandshakeRole[];
  /** Nobody asked for TLS, but the other side may. */
  readonly isOptional: boolean;
}

/**
 * The contexts of a configuration's links: `cluster`, `gateway`, `gateway:<name>` of a remote with a block of its own,
 * `leafnodes`, and `leaf:<index>` of each remote, since a hub may want TLS that the remote does not know of.
 */
export function linkContextPlans({ cluster, gateway, leafnodes }: Options): LinkContextPlan[] {
  const plans: LinkContextPlan[] = [];
  const plan = (name: string, options: TlsOptions | undefined, roles: readonly HandshakeRole[]) => {
    if (options !== undefined) plans.push({ name, options, roles, isOptional: false });
  };
  plan("cluster", cluster.tls, ["server", "client"]);
  plan("gateway", gateway.tls, ["server", "client"]);
  for (const { name, tls } of gateway.gateways) plan(`gateway:${name}`, tls, ["client"]);
  plan("leafnodes", leafnodes.tls, ["server"]);
  for (const [index, { tls, urls }] of leafnodes.remotes.entries()) {
    const isOptional = tls === undefined && !urls.some((url) => /^(tls|wss):/i.test(url));
    plans.push({ name: `leaf:${index}`, options: tls ?? TLS_DEFAULTS, roles: ["client"], isOptional });
  }
  return plans;
}

/** Of leaf nodes that connect, or of one that is dialled. */
export function isLeafContext(name: string): boolean {
  return name === "leafnodes" || name.startsWith("leaf:");
}

/** Whether TLS is asked for at all. */
export function usesTls(options: Options): boolean {
  return options.tls !== undefined || linkContextPlans(options).some(({ isOptional }) => !isOptional);
}

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

  /** A context for clients with these options, null for none. Their files are read and nothing else changes. */
  create(options: TlsOptions | undefined): TlsContextResult {
    return options === undefined ? { ok: true, context: null } : this.#create(options, ["server"]);
  }

  /** The contexts of a configuration's links. */
  createForLinks(options: Options): LinkTlsResult {
    const blocks: Record<string, LinkTlsBlock> = {};
    for (const { name, options: tls, roles, isOptional } of linkContextPlans(options)) {
      const created = this.#create(tls, roles);
      if (created.ok) {
        const { pinnedCerts, ocspPeer } = tls;
        // Of servers nats-server wants staples instead (`ocsp`), and asks nobody.
        const checksPeers = ocspPeer?.verify === true && isLeafContext(name);
        blocks[name] = { context: created.context, pinnedCerts, checksPeers };
      } else if (!isOptional) {
        this.releaseLinks(blocks);
        return created;
      }
    }
    return { ok: true, blocks };
  }

  /** No new connection uses the context any more; those that do keep it alive. */
  release(context: TlsContext | null): void {
    if (context?.kind !== "openssl" || this.#openSsl === null) return;
    freeContexts(this.#openSsl, context.contexts);
    if (context.clientContext !== null) this.#openSsl.functions.SSL_CTX_free(context.clientContext);
  }

  releaseLinks(blocks: LinkTlsBlocks): void {
    for (const { context } of Object.values(blocks)) this.release(context);
  }

  #create(options: TlsOptions, roles: readonly HandshakeRole[]): CreatedContext {
    if (this.#posix === null) {
      const limit = this.#runtime.findTlsLimit(options, roles);
      if (limit !== undefined) return { ok: false, reason: limit };
      return { ok: true, context: { kind: "runtime", options } };
    }
    if (this.#openSsl === null) {
      const opened = this.#runtime.openOpenSsl(this.#posix);
      if (!opened.ok)
        return { ok: false, reason: `tls: ${opened.reason}; restart to use the runtime's own TLS` };
      this.#openSsl = opened.openSsl;
    }
    const openSsl = this.#openSsl;
    const server = roles.includes("server")
      ? createServerContexts(openSsl, options)
      : ({ ok: true, contexts: [] } as const);
    if (!server.ok) return server;
    const { contexts } = server;
    if (!roles.includes("client")) {
      return { ok: true, context: { kind: "openssl", contexts, clientContext: null } };
    }
    const client = createClientContext(openSsl, options);
    if (client.ok) return { ok: true, context: { kind: "openssl", contexts, clientContext: client.address } };
    freeContexts(openSsl, contexts);
    return client;
  }
}
