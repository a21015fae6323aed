import { type IncomingMessage, request as plainRequest } from "node:http";
import { request as secureRequest } from "node:https";
import type { HttpAnswer } from "../auth/resolver/url_resolver.ts";
import { errorText } from "../base/error_text.ts";
import { dialOptions, tlsErrorText } from "../runtime/socket_tls.ts";
import type { TlsMaterial } from "../runtime/tls_material.ts";

/** As many as Go's client follows. */
const REDIRECTS_MAX = 10;
/** Enough for an account's JWT. It bounds what an account server, which need not be trusted, can make us hold. */
const ANSWER_CHARACTERS_MAX = 8 * 1024 * 1024;
const REDIRECT_STATUSES: ReadonlySet<number | undefined> = new Set([301, 302, 303, 307, 308]);

/**
 * One GET for a URL resolver; with HTTPS `tls` says whom to trust and who we are. Rejects with why there is no answer; never
 * with the URL, which may hold a password.
 */
export async function httpGet(url: string, timeoutMs: number, tls: TlsMaterial): Promise<HttpAnswer> {
  const signal = AbortSignal.timeout(timeoutMs);
  try {
    let at = url;
    for (let count = 0; count <= REDIRECTS_MAX; count++) {
      const { answer, redirect } = await getOnce(at, signal, tls);
      if (redirect === undefined) return answer;
      at = new URL(redirect, at).href;
    }
    throw new Error(`stopped after ${REDIRECTS_MAX} redirects`);
  } catch (error) {
    if (signal.aborted) throw new Error("context deadline exceeded (Client.Timeout exceeded)");
    // What the runtime says may quote the URL, as Deno does.
    const text = (error instanceof Error ? tlsErrorText(error) : undefined) ?? errorText(error);
    throw new Error(text.replaceAll(url, "the URL").replace(/(\w+:\/\/)[^/\s]*@/g, "$1"));
  }
}

interface Got {
  readonly answer: HttpAnswer;
  /** The URL to ask instead. */
  readonly redirect: string | undefined;
}

function getOnce(url: string, signal: AbortSignal, tls: TlsMaterial): Promise<Got> {
  const scheme = /^([a-z][a-z\d+.-]*):/i.exec(url)?.[1] ?? "";
  if (!/^https?$/i.test(scheme)) throw new Error(`unsupported protocol scheme ${JSON.stringify(scheme)}`);
  const isSecure = scheme.toLowerCase() === "https";
  const { promise, resolve, reject } = Promise.withResolvers<Got>();
  const take = (response: IncomingMessage) => readAnswer(response).then(resolve, reject);
  // A connection of its own: accounts are asked for once, and a reload may change whom to trust.
  const options = { signal, agent: false };
  const serverName = new URL(url).hostname.replace(/^\[(.*)\]$/, "$1");
  const request = isSecure
    ? secureRequest(url, { ...options, ...dialOptions(tls, serverName) }, take)
    : plainRequest(url, options, take);
  request.on("error", reject);
  request.end();
  return promise;
}

function readAnswer(response: IncomingMessage): Promise<Got> {
  const { promise, resolve, reject } = Promise.withResolvers<Got>();
  const { statusCode, statusMessage, headers } = response;
  let body = "";
  response.setEncoding("utf8");
  response.on("data", (text: string) => {
    if (body.length + text.length > ANSWER_CHARACTERS_MAX)
      response.destroy(new Error("the answer is too long"));
    else body += text;
  });
  response.on("end", () => {
    const answer = { status: statusCode ?? 0, statusText: statusMessage ?? "", body };
    resolve({ answer, redirect: REDIRECT_STATUSES.has(statusCode) ? headers.location : undefined });
  });
  response.on("aborted", () => reject(new Error("unexpected EOF")));
  response.on("error", reject);
  return promise;
}
