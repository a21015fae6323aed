/** What a reload does with a change to `tls`. */
import { formatDuration } from "./duration.ts";
import type { ReloadStep } from "./option.ts";
import { isEqual } from "./reload.ts";
import { TLS_DEFAULTS, type TlsOptions } from "./tls.ts";

/** What the log says of other handshakes. */
export const TLS_CHANGED = "Reloaded: tls = enabled";

/** Whether certificates have changed, which are read again on every reload, is not for here to say. */
export function compareTls(
  before: TlsOptions | undefined,
  after: TlsOptions | undefined,
): readonly ReloadStep[] {
  if (before === undefined && after === undefined) return [];
  const step = (key: string, logLine: string): ReloadStep => ({
    kind: "change",
    key,
    old: before,
    new: after,
    logLine,
  });
  const refusal = (name: string, old: unknown, now: unknown): ReloadStep => ({
    kind: "refusal",
    name,
    old: String(old),
    new: String(now),
  });
  const steps: ReloadStep[] = [];
  if (after === undefined) steps.push(step("tls", "Reloaded: tls = disabled"));
  else if (before === undefined || mayHandshakeOtherwise(before, after)) steps.push(step("tls", TLS_CHANGED));
  const old = before ?? TLS_DEFAULTS;
  const now = after ?? TLS_DEFAULTS;
  if (old.timeoutMs !== now.timeoutMs)
    steps.push(step("tls.timeout", `Reloaded: tls timeout = ${now.timeoutMs / 1000}`));
  if (!isEqual(old.pinnedCerts, now.pinnedCerts))
    steps.push(step("tls.pinned_certs", `Reloaded: ${now.pinnedCerts.length} pinned_certs`));
  if (old.handshakeFirst.enabled !== now.handshakeFirst.enabled) {
    steps.push(
      step("tls.handshake_first", `Reloaded: Client TLS handshake first: ${now.handshakeFirst.enabled}`),
    );
  }
  const delayMs = now.handshakeFirst.fallbackDelayMs;
  if (old.handshakeFirst.fallbackDelayMs !== delayMs) {
    steps.push(
      step(
        "tls.handshake_first",
        `Reloaded: Client TLS handshake first fallback delay: ${formatDuration(delayMs)}`,
      ),
    );
  }
  if (old.verifyAndMap !== now.verifyAndMap)
    steps.push(refusal("TLSMap", old.verifyAndMap, now.verifyAndMap));
  if (old.connectionRateLimit !== now.connectionRateLimit) {
    steps.push(refusal("TLSRateLimit", old.connectionRateLimit, now.connectionRateLimit));
  }
  return steps;
}

/** Whether handshakes may go otherwise with the same certificates. Of authorities nats-server does not know whether they changed. */
function mayHandshakeOtherwise(before: TlsOptions, after: TlsOptions): boolean {
  return (
    after.caFile !== undefined ||
    after.ocspPeer?.verify === true ||
    !isEqual(handshakeOptions(before), handshakeOptions(after))
  );
}

/** Without what is told of otherwise. */
function handshakeOptions(options: TlsOptions): TlsOptions {
  const { certFile, keyFile, certs, timeoutMs, pinnedCerts, handshakeFirst, connectionRateLimit } =
    TLS_DEFAULTS;
  return {
    ...options,
    certFile,
    keyFile,
    certs,
    timeoutMs,
    pinnedCerts,
    handshakeFirst,
    connectionRateLimit,
  };
}
