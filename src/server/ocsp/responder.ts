/** Asks OCSP responders, over HTTP. Source: RFC 6960, appendix A. */
import { errorText } from "../../base/error_text.ts";

/** What a responder may send; responses have some hundred bytes, a few thousand with certificates. */
const RESPONSE_BYTES_MAX = 256 * 1024;

/** The bytes of a response, or why there are none. */
export type Answer =
  | { readonly ok: true; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly ok: false; readonly reason: string };

/** Asks one responder after the other until one answers. */
export type Ask = (urls: readonly string[], request: Uint8Array, timeoutMs: number) => Promise<Answer>;

/** As proxies can cache it. Source: nats-server `FetchOCSPResponse`. */
export const askByGet: Ask = (urls, request, timeoutMs) =>
  askEach(urls, (url) => get(url, encodeURIComponent(base64(request)), timeoutMs));

/** With what every responder understands first. Source: nats-server `getRemoteStatus`. */
export const askByPost: Ask = (urls, request, timeoutMs) =>
  askEach(urls, async (url) => {
    const headers = { "content-type": "application/ocsp-request", accept: "application/ocsp-response" };
    const body = Uint8Array.from(request);
    const posted = await send("POST", url, { method: "POST", headers, body }, timeoutMs);
    if (posted.ok) return posted;
    const got = await get(url, encodeURIComponent(base64(request)), timeoutMs);
    return got.ok ? got : { ok: false, reason: `${posted.reason}; ${got.reason}` };
  });

async function askEach(urls: readonly string[], ask: (url: string) => Promise<Answer>): Promise<Answer> {
  let reason = "no available ocsp servers";
  for (const url of urls) {
    const answer = await ask(url.replace(/\/$/, ""));
    if (answer.ok) return answer;
    reason = `exhausted ocsp servers: ${answer.reason}`;
  }
  return { ok: false, reason };
}

function get(url: string, request: string, timeoutMs: number): Promise<Answer> {
  return send("GET", `${url}/${request}`, {}, timeoutMs);
}

async function send(method: string, url: string, init: RequestInit, timeoutMs: number): Promise<Answer> {
  const refuse = (reason: string): Answer => ({ ok: false, reason: `${method} ${origin(url)}: ${reason}` });
  try {
    const response = await fetch(url, { ...init, signal: AbortSignal.timeout(timeoutMs) });
    if (response.status !== 200) {
      await response.body?.cancel();
      return refuse(`bad OCSP responder http status: [${response.status}]`);
    }
    const bytes = await readAll(response);
    return bytes === null ? refuse(`more than ${RESPONSE_BYTES_MAX} bytes`) : { ok: true, bytes };
  } catch (error) {
    return refuse(errorText(error));
  }
}

/** Null for more than may come. */
async function readAll(response: Response): Promise<Uint8Array<ArrayBuffer> | null> {
  const pieces: Uint8Array[] = [];
  let length = 0;
  for await (const piece of response.body ?? []) {
    length += piece.length;
    // Leaving the loop ends the transfer.
    if (length > RESPONSE_BYTES_MAX) return null;
    pieces.push(piece);
  }
  const whole = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}

function base64(bytes: Uint8Array): string {
  return Uint8Array.from(bytes).toBase64();
}

/** A URL without what may be secret or long. */
function origin(url: string): string {
  return URL.canParse(url) ? new URL(url).origin : "";
}
