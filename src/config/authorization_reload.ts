/** What a reload makes of changes of who may connect. */
import { type AuthorizationOptions, authorizationTimeoutMs } from "./authorization.ts";
import type { ReloadStep } from "./option.ts";
import { isEqual } from "./reload.ts";

/** Values of credentials are never shown. */
export function compareAuthorization(
  before: AuthorizationOptions | undefined,
  after: AuthorizationOptions | undefined,
): readonly ReloadStep[] {
  const steps: ReloadStep[] = [];
  const compare = (field: keyof AuthorizationOptions, logLine: string) => {
    const [old, now] = [before?.[field], after?.[field]];
    if (!isEqual(old, now))
      steps.push({ kind: "change", key: `authorization.${field}`, old, new: now, logLine });
  };
  compare("user", "Reloaded: authorization username");
  compare("password", "Reloaded: authorization password");
  compare("token", "Reloaded: authorization token");
  compare(
    "timeoutMs",
    `Reloaded: authorization timeout = ${authorizationTimeoutMs(after?.timeoutMs, undefined) / 1000}`,
  );
  compare("users", "Reloaded: authorization users");
  if (!isEqual(before?.authCallout, after?.authCallout)) {
    steps.push({
      kind: "refusal",
      name: "AuthCallout",
      old: presence(before?.authCallout),
      new: presence(after?.authCallout),
    });
  }
  const [wasRequired, isRequired] = [before?.proxyRequired ?? false, after?.proxyRequired ?? false];
  if (wasRequired !== isRequired) {
    steps.push({ kind: "refusal", name: "ProxyRequired", old: String(wasRequired), new: String(isRequired) });
  }
  return steps;
}

export function compareTrustedProxies(
  before: readonly string[],
  after: readonly string[],
): readonly ReloadStep[] {
  const show = (keys: readonly string[]) => `[${keys.map((key) => JSON.stringify(key)).join(" ")}]`;
  const removed = before.filter((key) => !after.includes(key));
  const added = after.filter((key) => !before.includes(key));
  const step = (logLine: string): ReloadStep => ({
    kind: "change",
    key: "proxies",
    old: before,
    new: after,
    logLine,
  });
  return [
    ...(removed.length > 0 ? [step(`Reloaded: proxies trusted keys ${show(removed)} were removed`)] : []),
    ...(added.length > 0 ? [step(`Reloaded: proxies trusted keys ${show(added)} were added`)] : []),
  ];
}

function presence(value: unknown): string {
  return value === undefined ? "absent" : "configured";
}
