import { findFolderProblem } from "../../auth/resolver/jwt_store.ts";
import { formatProblem } from "../../config/config_tree.ts";
import type { LoadResult } from "../../config/load.ts";
import { findTlsFileProblem } from "../../runtime/tls_files.ts";
import { checkAccounts } from "./load_accounts.ts";
import { tlsBlocks } from "./tls_contexts.ts";

/**
 * Checks a configuration that was read; refuses it, with the place of each problem, if its parts do not fit together.
 */
export function checkLoaded(loaded: LoadResult): LoadResult {
  return checkCertificates(checkResolver(checkAccounts(loaded)));
}

/** Refuses it if the resolver cannot keep accounts in its folder. */
function checkResolver(loaded: LoadResult): LoadResult {
  if (!loaded.ok) return loaded;
  const { resolver } = loaded.options;
  const problem = resolver !== undefined && "dir" in resolver ? findFolderProblem(resolver.dir) : undefined;
  if (problem === undefined) return loaded;
  const text = `dir needs to point to an accessible directory: ${problem}`;
  const line = formatProblem({ text, at: loaded.places.get(resolver!) });
  return { ok: false, lines: [...loaded.warnings, line] };
}

/** Refuses it if certificates, keys or authorities that `tls` blocks name cannot be used; opens the files. */
function checkCertificates(loaded: LoadResult): LoadResult {
  if (!loaded.ok) return loaded;
  const { options, places, warnings } = loaded;
  const blocks = [...tlsBlocks(options), ...(options.resolverTls === undefined ? [] : [options.resolverTls])];
  const lines = blocks.flatMap((block) => {
    const text = findTlsFileProblem(block);
    return text === undefined ? [] : formatProblem({ text, at: places.get(block) });
  });
  return lines.length === 0 ? loaded : { ok: false, lines: [...warnings, ...lines] };
}
