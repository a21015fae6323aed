import { type IncomingMessage, request as plainRequest } from "node:http";
import { request as secureRequest } from "node:https";
import type { HttpAnswer } from "../auth/resolver/url_resolver.ts";
import { errorText } from "../base/error_text.ts";
import { dialOptions, tlsErrorText } from "../runtime/socket_tls.ts";
import type { TlsMaterial } from "../runtime/tls_material.ts";

/** The number of redirects that Go's client follows. */
const REDIRECTS_MAX = 10;
/** Enough for an account's JWT. It bounds what an account server, which need not be trusted, can make us hold. */
const ANSWER_CHARACTERS_MAX = 8 * 1024 * 1024;
const REDIRECT_STATUSES: ReadonlySet<number | undefined> = new Set([301, 302, 303, 307, 308]);

/**
 * Does one GET for a URL resolver. With HTTPS, `tls` has the trusted authorities and our certificate. Rejects with the
 * reason if there is no answer; the text never contains the URL, which may hold a password.
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
    // The runtime's text may quote the URL, as Deno's does.
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
  // Each request has a connection of its own: accounts are asked for once, and a reload may change whom to trust.
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
