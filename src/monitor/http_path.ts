import { unescapePercent } from "./parameters.ts";

/**
 * A path without `.`, `..` and empty segments, always with a leading slash. A slash at the end stays
 * if `keepsTrailingSlash`. Source: Go path, `Clean`, and net/http, `ServeMux`.
 */
function cleanPath(path: string, keepsTrailingSlash: boolean): string {
  const clean: string[] = [];
  for (const segment of path.split("/")) {
    if (segment === "..") clean.pop();
    else if (segment !== "" && segment !== ".") clean.push(segment);
  }
  const joined = `/${clean.join("/")}`;
  return keepsTrailingSlash && path.endsWith("/") && joined !== "/" ? `${joined}/` : joined;
}

/** `http_base_path` as a clean path: `nats/mon/` → `/nats/mon`, empty → `/`. */
export function normalizeBasePath(configured: string): string {
  return cleanPath(configured, false);
}

export type RequestTarget =
  | { readonly kind: "path"; readonly path: string; readonly query: string }
  /** The path was not clean; the browser should ask for `location`. */
  | { readonly kind: "redirect"; readonly location: string }
  /** `OPTIONS *`. */
  | { readonly kind: "server" }
  | { readonly kind: "invalid" };

/**
 * Takes the target of a request line apart: `/varz?x=1`, or with scheme and host as a proxy gets it.
 * `path` is decoded, `query` stays raw.
 */
export function parseTarget(target: string): RequestTarget {
  if (target === "*") return { kind: "server" };
  const relative = target.replace(/^https?:\/\/[^/?]*/i, "");
  const mark = relative.indexOf("?");
  const path = (mark < 0 ? relative : relative.slice(0, mark)) || "/";
  const query = mark < 0 ? "" : relative.slice(mark + 1);

  const decoded = unescapePercent(path);
  if (decoded === null || !path.startsWith("/")) return { kind: "invalid" };
  const clean = cleanPath(path, true);
  if (clean !== path) return { kind: "redirect", location: query === "" ? clean : `${clean}?${query}` };
  return { kind: "path", path: decoded, query };
}
