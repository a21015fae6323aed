/** HTTP monitoring of a server. Its code is loaded only if the options ask for it. */
import { readFileSync } from "node:fs";
import type { Options } from "../../config/option_table.ts";
import type { Logger } from "../../log/logger.ts";
import type { HttpMonitor, MonitorTls } from "../../monitor/http_server.ts";
import type { MonitorSource } from "../../monitor/source.ts";
import { certificatePairs } from "../../runtime/tls_files.ts";

export class Monitoring {
  readonly #source: MonitorSource;
  readonly #requestCounts: Map<string, number>;
  readonly #logger: Logger;
  readonly #onRequest: () => void;
  #http: HttpMonitor | null = null;

  /** `requestCounts`: what HTTP monitoring counts its requests in, by path. `onRequest` is called for each. */
  constructor(
    source: MonitorSource,
    requestCounts: Map<string, number>,
    logger: Logger,
    onRequest: () => void,
  ) {
    this.#source = source;
    this.#requestCounts = requestCounts;
    this.#logger = logger;
    this.#onRequest = onRequest;
  }

  /** Its listener; null while there is none. */
  get listener(): { readonly port: number; readonly isSecure: boolean } | null {
    return this.#http;
  }

  /** Loads it, so that `start` takes no time. */
  async load(options: Options): Promise<void> {
    if (isAsked(options)) await import("../../monitor/http_server.ts");
  }

  /** Listens, if the options ask for it. Rejects with the text for the log. */
  async start(options: Options): Promise<void> {
    if (!isAsked(options)) return;
    const { httpPort, httpsPort, httpHost, httpBasePath, host } = options;
    const { HttpMonitor } = await import("../../monitor/http_server.ts");
    this.#http = await HttpMonitor.start(this.#source, {
      host: httpHost ?? host,
      httpPort,
      httpsPort,
      basePath: httpBasePath,
      tls: monitorTls(options),
      requestCounts: this.#requestCounts,
      onRequest: this.#onRequest,
      log: {
        notice: (text) => this.#logger.info(text),
        warn: (text) => this.#logger.warn(text),
        error: (text) => this.#logger.error(text),
      },
    });
  }

  /**
   * Prepares a reload: returns a function after which handshakes use the new certificate. Throws if the files cannot be
   * read or used.
   */
  prepare(options: Options): () => void {
    const tls = this.#http?.isSecure ? monitorTls(options) : null;
    return tls === null ? () => {} : this.#http!.prepareTls(tls);
  }

  async stop(): Promise<void> {
    await this.#http?.stop();
  }
}

function isAsked({ httpPort, httpsPort }: Options): boolean {
  return httpPort !== 0 || httpsPort !== 0;
}

/** The TLS of the client listener, without checks of client certificates. */
function monitorTls({ tls }: Options): MonitorTls | null {
  const [pair] = tls === undefined ? [] : certificatePairs(tls);
  if (pair === undefined) return null;
  const minVersion = tls?.minVersion === "1.3" ? "TLSv1.3" : "TLSv1.2";
  return { cert: readFileSync(pair.certFile, "utf8"), key: readFileSync(pair.keyFile, "utf8"), minVersion };
}
