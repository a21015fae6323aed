import type { HttpAnswer } from "../auth/resolver/url_resolver.ts";
import { errorText } from "../base/error_text.ts";

/** One GET for a URL resolver. Rejects with why there is no answer; never with the URL, which may hold a password. */
export async function httpGet(url: string, timeoutMs: number): Promise<HttpAnswer> {
  const scheme = /^([a-z][a-z\d+.-]*):/i.exec(url)?.[1] ?? "";
  if (!/^https?$/i.test(scheme)) {
    throw new Error(`unsupported protocol scheme ${JSON.stringify(scheme)}`);
  }
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(timeoutMs) });
    const { status, statusText } = response;
    return { status, statusText, body: await response.text() };
  } catch (error) {
    // What the runtime says may quote the URL, as Deno does.
    const text = errorText(error);
    throw new Error(text.replaceAll(url, "the URL").replace(/(\w+:\/\/)[^/\s]*@/g, "$1"));
  }
}
