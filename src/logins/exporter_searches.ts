/** Searches for accounts that others import from: a login waits for those that its account may need. */
import type { AccountResult } from "../auth/jwt_login.ts";

export interface ExporterSources {
  /** Finds an account, wherever it is. Never rejects. */
  load(accountKey: string): Promise<AccountResult>;
  /** Keys of the accounts that an account imports from; none for one that is not known. */
  exportersOf(accountKey: string): readonly string[];
}

export class ExporterSearches {
  readonly #sources: ExporterSources;
  /** By the key of the account that is looked for. */
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

  /** `seen` holds the accounts that are waited for already: accounts may import from one another. */
  async #finish(accountKey: string, seen: Set<string>): Promise<void> {
    await this.#running.get(accountKey);
    if (this.#running.size === 0) return;
    const exporters = this.#sources.exportersOf(accountKey).filter((exporter) => !seen.has(exporter));
    for (const exporter of exporters) seen.add(exporter);
    await Promise.all(exporters.map((exporter) => this.#finish(exporter, seen)));
  }
}
