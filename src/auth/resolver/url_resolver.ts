import { errorText } from "../../base/error_text.ts";
import { withoutPassword } from "../../base/redacted_url.ts";
import { goQuoteText } from "../../protocol/go_quote.ts";
import type { FetchResult, Resolver } from "./resolver.ts";

/** One HTTP GET. Rejects where no answer came, in time or at all, with an error whose message says why. */
export type HttpGet = (url: string, timeoutMs: number) => Promise<HttpAnswer>;

export interface HttpAnswer {
  readonly status: number;
  /** `Not Found`; empty where the server sent none. */
  readonly statusText: string;
  readonly body: string;
}

const TIMEOUT_MS = 1900;

/**
 * `resolver: URL("http://…")`: asks an account server, once for each account; failures are not remembered.
 * Source: nats-server accounts.go, URLAccResolver; nats-account-server.
 */
export class UrlResolver implements Resolver {
  readonly kind = "url";
  /** Ends in a slash: what is asked for is put after it. */
  readonly #base: string;
  readonly #get: HttpGet;

  constructor(url: string, get: HttpGet) {
    this.#base = url.endsWith("/") ? url : `${url}/`;
    this.#get = get;
  }

  /** Whether the account server is there: a server does not start without it. Returns what is wrong. */
  async probe(): Promise<string | undefined> {
    const answer = await this.fetch("");
    return answer.ok ? undefined : answer.problem;
  }

  async fetch(accountKey: string): Promise<FetchResult> {
    const url = this.#base + accountKey;
    try {
      const { status, statusText, body } = await this.#get(url, TIMEOUT_MS);
      if (status === 200) return { ok: true, jwt: body };
      return { ok: false, problem: problemOf(url, `${status} ${statusText}`.trim()) };
    } catch (error) {
      const why = errorText(error);
      return { ok: false, problem: problemOf(url, `Get ${goQuoteText(withoutPassword(url))}: ${why}`) };
    }
  }
}

function problemOf(url: string, what: string): string {
  return `could not fetch <${goQuoteText(withoutPassword(url))}>: ${what}`;
}
