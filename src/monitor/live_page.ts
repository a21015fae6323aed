import type { HttpReply } from "./http_routes.ts";

/**
 * Only the page's own files may run in it or be fetched by it, whatever clients call themselves, and no other page may
 * show it in a frame.
 */
const HEADERS: Readonly<Record<string, string>> = {
  "Content-Security-Policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "X-Content-Type-Options": "nosniff",
  "Referrer-Policy": "no-referrer",
  // Another version of the server may have other files under the same names.
  "Cache-Control": "no-cache",
};

/** One of the files of the live page, null if there is none of that name; they are loaded with the first one asked for. */
export async function livePageFile(path: string): Promise<HttpReply | null> {
  const { LIVE_ASSETS } = await import("./live/assets.js");
  const asset = LIVE_ASSETS.get(path);
  if (asset === undefined) return null;
  return { status: 200, contentType: asset.type, body: asset.text, allowsAnyOrigin: false, headers: HEADERS };
}
