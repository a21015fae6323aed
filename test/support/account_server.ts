import { createServer, type RequestListener, type Server } from "node:http";
import { createServer as createSecureServer, type ServerOptions } from "node:https";
import type { AddressInfo } from "node:net";

/** An account server for the URL resolver: serves accounts by public key below `/accounts/`. */
export class AccountServer {
  /** Tokens by account key; what is not here is answered with 404. */
  readonly accounts = new Map<string, string>();
  /** Keys whose requests are never answered. */
  readonly silentAbout = new Set<string>();
  /** Paths that were asked for, in order. */
  readonly paths: string[] = [];
  readonly #server: Server;
  readonly #scheme: "http" | "https";

  private constructor(tls: ServerOptions | undefined) {
    const answer: RequestListener = (request, response) => {
      const path = request.url ?? "";
      this.paths.push(path);
      const key = path.slice("/accounts/".length);
      if (this.silentAbout.has(key)) return;
      const jwt = key === "" ? "" : this.accounts.get(key);
      response.statusCode = jwt === undefined ? 404 : 200;
      response.end(jwt);
    };
    this.#server = tls === undefined ? createServer(answer) : createSecureServer(tls, answer);
    this.#scheme = tls === undefined ? "http" : "https";
  }

  /** With `tls` it serves HTTPS. */
  static async start(tls?: ServerOptions): Promise<AccountServer> {
    const server = new AccountServer(tls);
    await new Promise<void>((resolve) => server.#server.listen(0, "127.0.0.1", resolve));
    return server;
  }

  /** Base that the resolver is configured with. */
  get url(): string {
    return `${this.#scheme}://127.0.0.1:${(this.#server.address() as AddressInfo).port}/accounts`;
  }

  /** How often this path was asked for. */
  count(path: string): number {
    return this.paths.filter((each) => each === path).length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}
