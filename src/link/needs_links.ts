import { type LoginRules, needsHashComparison } from "../auth/login_rules.ts";

/** Whether there is something for the links thread to do: logins that shards cannot judge by themselves. */
export function needsLinks(rules: LoginRules): boolean {
  return (
    rules.isOperatorMode ||
    rules.nkeys.length > 0 ||
    rules.leafCredentials?.kind === "nkey" ||
    rules.trustedProxies.length > 0 ||
    rules.callout !== null ||
    needsHashComparison(rules)
  );
}
