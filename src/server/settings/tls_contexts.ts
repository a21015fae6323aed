/** The TLS contexts of a server: main makes them from the files, every shard uses them, a reload replaces them. */
import { errorText } from "../../base/error_text.ts";
import { isHttps } from "../../config/leaf_proxy.ts";
import type { Options } from "../../config/option_table.ts";
import { TLS_DEFAULTS, type TlsOptions } from "../../config/tls.ts";
import { createClientContext } from "../../runtime/openssl/client_context.ts";
import type { OpenSsl } from "../../runtime/openssl/openssl.ts";
import { createServerContexts, freeContexts } from "../../runtime/openssl/server_context.ts";
import type { Posix } from "../../runtime/posix/posix.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import type { HandshakeRole, TlsContext } from "../../runtime/tls.ts";
import { certificatesDigest } from "../../runtime/tls_files.ts";
import { readTlsMaterial } from "../../runtime/tls_material.ts";
import {
  type LinkTlsBlock,
  type LinkTlsBlocks,
  leafProxyContext,
  leafRemoteContext,
} from "../../shard/links/links_setup.ts";
import { hasWebSocket } from "./websocket_settings.ts";

/** The contexts of all handshakes of a server; null for a client port without TLS. */
export interface ServerContexts {
  readonly client: TlsContext | null;
  readonly webSocket: TlsContext | null;
  readonly links: LinkTlsBlocks;
  /** Tells the certificates of `client` from others; "" for none. */
  readonly clientDigest: string;
}

/** What to do instead if the runtime's own TLS cannot do something; the other runtime, or OpenSSL, can. */
const INSTEAD = "serve with OpenSSL (Linux, --allow-ffi), or run on Bun";

type Failure = { readonly ok: false; readonly reason: string };
type Created = { readonly ok: true; readonly context: TlsContext } | Failure;

/** A context that links need. */
export interface LinkContextPlan {
  readonly name: string;
  readonly options: TlsOptions;
  readonly roles: readonly HandshakeRole[];
  /** TLS is not configured, but the other side may ask for it. */
  readonly isOptional: boolean;
}

/**
 * The contexts of a configuration's links: `cluster`, `gateway`, `gateway:<name>` of a remote with a block of its own,
 * `leafnodes`, and `leaf:<index>` of each remote, since a hub may want TLS that the remote does not know of, and
 * `leaf:<index>:proxy` where a proxy does.
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
  for (const [index, { tls, urls, proxy }] of leafnodes.remotes.entries()) {
    const name = leafRemoteContext(index);
    const isOptional = tls === undefined && !urls.some((url) => /^(tls|wss):/i.test(url));
    plans.push({ name, options: tls ?? TLS_DEFAULTS, roles: ["client"], isOptional });
    if (isHttps(proxy)) plan(leafProxyContext(name), proxy?.tls ?? TLS_DEFAULTS, ["client"]);
  }
  return plans;
}

/** Whether the context is that of leaf nodes that connect, or of one that is dialled. */
export function isLeafContext(name: string): boolean {
  return name === "leafnodes" || name.startsWith("leaf:");
}

/** The TLS options of the ports for clients, undefined for none. */
function clientTlsOptions(
  options: Options,
): Readonly<Record<"client" | "webSocket", TlsOptions | undefined>> {
  return { client: options.tls, webSocket: hasWebSocket(options) ? options.websocket.tls : undefined };
}

/** All TLS blocks of a configuration that are in use. */
export function tlsBlocks(options: Options): TlsOptions[] {
  const { client, webSocket } = clientTlsOptions(options);
  const links = linkContextPlans(options).filter(({ isOptional }) => !isOptional);
  return [client, webSocket, ...links.map((plan) => plan.options)].filter((block) => block !== undefined);
}

/** Whether TLS is asked for at all. */
export function usesTls(options: Options): boolean {
  return tlsBlocks(options).length > 0;
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

  /** The contexts of a configuration, or what is wrong with the first that is wrong. Files are read, nothing else changes. */
  create(options: Options): { readonly ok: true; readonly contexts: ServerContexts } | Failure {
    const made: Record<"client" | "webSocket", TlsContext | null> & {
      links: Record<string, LinkTlsBlock>;
      clientDigest: string;
    } = { client: null, webSocket: null, links: {}, clientDigest: "" };
    const { client, webSocket } = clientTlsOptions(options);
    for (const [name, tls] of [["client", client] as const, ["webSocket", webSocket] as const]) {
      if (tls === undefined) continue;
      const created = this.#create(tls, ["server"]);
      if (!created.ok) return this.#giveUp(made, created);
      made[name] = created.context;
    }
    try {
      if (client !== undefined) made.clientDigest = certificatesDigest(client);
    } catch (error) {
      return this.#giveUp(made, { ok: false, reason: errorText(error) });
    }
    for (const { name, options: tls, roles, isOptional } of linkContextPlans(options)) {
      const created = this.#create(tls, roles);
      if (created.ok) {
        const { pinnedCerts, ocspPeer } = tls;
        // Of servers nats-server wants staples instead (`ocsp`), and asks nobody.
        const checksPeers = ocspPeer?.verify === true && isLeafContext(name);
        made.links[name] = { context: created.context, pinnedCerts, checksPeers };
      } else if (!isOptional) return this.#giveUp(made, created);
    }
    return { ok: true, contexts: made };
  }

  /** No new connection uses the contexts any more; those that do keep them alive. */
  release({ client, webSocket, links }: ServerContexts): void {
    for (const context of [client, webSocket, ...Object.values(links).map((block) => block.context)]) {
      if (context?.kind !== "openssl" || this.#openSsl === null) continue;
      freeContexts(this.#openSsl, context.contexts);
      if (context.clientContext !== null) this.#openSsl.functions.SSL_CTX_free(context.clientContext);
    }
  }

  #giveUp(made: ServerContexts, failure: Failure): Failure {
    this.release(made);
    return failure;
  }

  #create(options: TlsOptions, roles: readonly HandshakeRole[]): Created {
    if (this.#posix === null) {
      const limit = this.#runtime.findTlsLimit(options, roles);
      if (limit !== undefined) return { ok: false, reason: `${limit}; ${INSTEAD}` };
      try {
        return { ok: true, context: { kind: "runtime", material: readTlsMaterial(options) } };
      } catch (error) {
        return { ok: false, reason: errorText(error) };
      }
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
