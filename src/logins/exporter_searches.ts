/** Searches for accounts that others import from. A login waits for the accounts that its own may need. */
import type { AccountResult } from "../auth/jwt_login.ts";

export interface ExporterSources {
  /** Finds an account, wherever it is. Never rejects. */
  load(accountKey: string): Promise<AccountResult>;
  /** The keys of the accounts that an account imports from; empty for an unknown account. */
  exportersOf(accountKey: string): readonly string[];
}

export class ExporterSearches {
  readonly #sources: ExporterSources;
  /** The searches under way, by the key of the account. */
  readonly #running = new Map<string, Promise<AccountResult>>();

  constructor(sources: ExporterSources) {
    this.#sources = sources;
  }

  /** Looks for an account; callers that ask meanwhile share the search. */
  start(exporter: string): Promise<AccountResult> {
    return this.#running.getOrInsertComputed(exporter, () =>
      this.#sources.load(exporter).finally(() => this.#running.delete(exporter)),
    );
  }

  /** Resolves once no search is under way for an account that this one imports from, directly or through others. */
  async finish(accountKey: string): Promise<void> {
    await this.#finish(accountKey, new Set([accountKey]));
  }

  /** `seen` holds the accounts that are being waited for already, because accounts may import from one another. */
  async #finish(accountKey: string, seen: Set<string>): Promise<void> {
    await this.#running.get(accountKey);
    if (this.#running.size === 0) return;
    const exporters = this.#sources.exportersOf(accountKey).filter((exporter) => !seen.has(exporter));
    for (const exporter of exporters) seen.add(exporter);
    await Promise.all(exporters.map((exporter) => this.#finish(exporter, seen)));
  }
}
