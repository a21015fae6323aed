import { compareLoginTimeout } from "./authorization_reload.ts";
import type { ReloadStep } from "./option.ts";
import { OPTION_TABLE, type Options } from "./option_table.ts";
import { compareOptions } from "./reload.ts";

/** One option a reload changes. */
export interface OptionChange {
  /** The key in the file, blocks separated by points: `cluster.pool_size`. */
  readonly key: string;
  readonly old: unknown;
  readonly new: unknown;
  /** The line for the log; absent if there is none, or if another change of this reload logs it already. */
  readonly logLine?: string;
}

export type OptionsDifference =
  | { readonly ok: true; readonly changes: readonly OptionChange[] }
  /** The first option that cannot change in a running server: nothing at all is to be applied. */
  | { readonly ok: false; readonly reason: string };

/**
 * The changes that a reload has to make, in the order of the option table; those that depend on several options come
 * last.
 *
 * Both sides already carry the command line's flags. A port of -1 in the new options keeps the port there is.
 * Source: nats-server reload.go (diffOptions).
 */
export function diffOptions(before: Options, after: Options): OptionsDifference {
  const noAuthUser = isGone(before.noAuthUser, after) ? undefined : before.noAuthUser;
  const steps = [
    ...compareOptions(OPTION_TABLE, { ...before, noAuthUser }, after),
    ...compareLoginTimeout(before, after),
  ];
  const refusal = steps.find((step) => step.kind === "refusal");
  if (refusal !== undefined) return { ok: false, reason: refusalText(refusal) };
  const said = new Set<string>();
  const changes: OptionChange[] = [];
  for (const step of steps) {
    if (step.kind === "refusal") continue;
    const { key, old, new: now, logLine } = step;
    const isNews = logLine !== undefined && !said.has(logLine);
    if (isNews) said.add(logLine);
    changes.push({ key, old, new: now, ...(isNews ? { logLine } : {}) });
  }
  return { ok: true, changes };
}

/**
 * Whether the user of clients without credentials is gone: `no_auth_user` may be removed together with that user, and
 * only so.
 */
function isGone(
  noAuthUser: string | undefined,
  { authorization, accounts, noAuthUser: now }: Options,
): boolean {
  const users = [...(authorization?.users ?? []), ...accounts.flatMap((account) => account.users)];
  return !now && !users.some(({ user }) => user === noAuthUser);
}

function refusalText({ name, old, new: now }: Extract<ReloadStep, { kind: "refusal" }>): string {
  if (name === "AccountResolver")
    return "config reload does not support moving to or from an account resolver";
  return `config reload not supported for ${name}: old=${old}, new=${now}`;
}
