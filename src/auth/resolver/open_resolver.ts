import { errorText } from "../../base/error_text.ts";
import type { ResolverOptions } from "../../config/operator.ts";
import { decodeAs } from "../jwt/decode.ts";
import { areBlocking } from "../jwt/issues.ts";
import { validate } from "../jwt/validate.ts";
import { type AskServers, DirectoryResolver } from "./directory_resolver.ts";
import { JwtStore } from "./jwt_store.ts";
import { MemoryResolver } from "./memory_resolver.ts";
import type { Resolver } from "./resolver.ts";
import { type HttpGet, UrlResolver } from "./url_resolver.ts";

/** What resolvers do to the world. */
export interface ResolverEffects {
  readonly get: HttpGet;
  readonly ask: AskServers;
  /** Unix milliseconds. */
  readonly nowMs: () => number;
}

export interface OpenResolver {
  readonly resolver: Resolver;
  /** The folder of a full resolver or of a cache: to be watched, and swept every `checkIntervalMs`. */
  readonly store: JwtStore | undefined;
  /** Whether requests to delete are obeyed. */
  readonly canDelete: boolean;
}

export type OpenResolverResult =
  | ({ readonly ok: true } & OpenResolver)
  /** The text a server refuses to start with. */
  | { readonly ok: false; readonly problem: string };

/**
 * Why these accounts cannot be put into such a resolver; undefined if they can. The server refuses to start, or to
 * reload, with this text.
 */
export function findPreloadProblem(
  { kind }: ResolverOptions,
  preload: ReadonlyMap<string, string>,
): string | undefined {
  const problem = findTokenProblem(preload);
  if (problem !== undefined) return problem;
  return kind === "url" && preload.size > 0
    ? "resolver preloads only available for writeable resolver types MEM/DIR/CACHE_DIR"
    : undefined;
}

/** What is wrong with the first of these accounts' JWTs that is none; undefined for nothing. */
export function findTokenProblem(preload: ReadonlyMap<string, string>): string | undefined {
  for (const [accountKey, jwt] of preload) {
    const decoded = decodeAs("account", jwt);
    if (!decoded.ok) return `preload account error for ${JSON.stringify(accountKey)}: ${decoded.text}`;
  }
  return undefined;
}

/**
 * Makes the resolver of a configuration and puts the preloaded accounts into it, where they are newer;
 * `findPreloadProblem` has found nothing.
 */
export function openResolver(
  options: ResolverOptions,
  preload: ReadonlyMap<string, string>,
  effects: ResolverEffects,
): OpenResolverResult {
  const withoutFolder = { store: undefined, canDelete: false };
  switch (options.kind) {
    case "memory":
      return { ok: true, resolver: new MemoryResolver(preload), ...withoutFolder };
    case "url":
      return { ok: true, resolver: new UrlResolver(options.url, effects.get), ...withoutFolder };
    default:
      return openDirectory(options, preload, effects);
  }
}

type DirectoryOptions = Extract<ResolverOptions, { readonly kind: "full" | "cache" }>;

function openDirectory(
  options: DirectoryOptions,
  preload: ReadonlyMap<string, string>,
  { ask, nowMs }: ResolverEffects,
): OpenResolverResult {
  const isCache = options.kind === "cache";
  const deletes = isCache ? "remove" : options.deletes;
  let store: JwtStore;
  try {
    const { dir, limit } = options;
    const ttlMs = isCache ? options.ttlMs : 0;
    store = new JwtStore({ dir, limit, evicts: isCache, ttlMs, deletes, nowMs });
  } catch (error) {
    return { ok: false, problem: errorText(error) };
  }
  const resolver = new DirectoryResolver(options.kind, store, ask);
  for (const [accountKey, jwt] of preload) resolver.store(accountKey, jwt);
  return { ok: true, resolver, store, canDelete: deletes !== "no" };
}

/** What the log says at start of preloaded accounts that nobody can log in to: one that has expired, for instance. */
export function findPreloadWarnings(preload: ReadonlyMap<string, string>, nowMs: number): readonly string[] {
  return [...preload].flatMap(([accountKey, jwt]) => {
    const decoded = decodeAs("account", jwt);
    if (!decoded.ok) return [];
    const issues = validate(decoded.claims, nowMs / 1000);
    if (!areBlocking(issues, { withTimeChecks: true })) return [];
    return [`Account [${accountKey}] has validation issues:`, ...issues.map(({ text }) => `  - ${text}`)];
  });
}
