/** What a reload does with changes to who may connect. */
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

/** How long a login may take. Unless configured, that depends on how long a TLS handshake may take. */
export function compareLoginTimeout(before: TimedOptions, after: TimedOptions): readonly ReloadStep[] {
  const [old, now] = [before, after].map(({ authorization, tls }) =>
    authorizationTimeoutMs(authorization?.timeoutMs, tls),
  );
  if (old === now) return [];
  const logLine = `Reloaded: authorization timeout = ${now! / 1000}`;
  return [{ kind: "change", key: "authorization.timeout", old, new: now, logLine }];
}

interface TimedOptions {
  readonly authorization: AuthorizationOptions | undefined;
  readonly tls: { readonly timeoutMs: number } | undefined;
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
