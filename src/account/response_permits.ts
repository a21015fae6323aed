/**
 * The reply subjects that one client may publish to because it was sent them: its user has `allow_responses`.
 * Source: nats-server `setResponsePermissionIfNeeded`, `responseAllowed`.
 */
import type { ResponsePermission } from "../config/permissions.ts";

/** Permits kept before those that ran out are looked for. */
const PERMITS_MAX = 1000;
/** Past this number the older half goes, however few have run out. */
const PERMITS_KEPT_MAX = 262_144;

interface Permit {
  readonly fromMs: number;
  count: number;
}

export class ResponsePermits {
  readonly #rule: ResponsePermission;
  readonly #permits = new Map<string, Permit>();
  #pruneAt = PERMITS_MAX;

  constructor(rule: ResponsePermission) {
    this.#rule = rule;
  }

  /**
   * Notes that the client was sent a request with this reply subject. If it has a permit for that already, the request
   * uses it up by one.
   */
  add(reply: string, nowMs: number): void {
    if (this.use(reply, nowMs)) return;
    if (this.#permits.size >= this.#pruneAt) this.#prune(nowMs);
    this.#permits.set(reply, { fromMs: nowMs, count: 0 });
  }

  /** Whether the client may publish to the subject once more; a permit that is used up is gone. */
  use(subject: string, nowMs: number): boolean {
    const permit = this.#permits.get(subject);
    if (permit === undefined) return false;
    permit.count++;
    const { maxMessages } = this.#rule;
    if (this.#isOver(permit, nowMs) || (maxMessages > 0 && permit.count > maxMessages)) {
      this.#permits.delete(subject);
      return false;
    }
    return true;
  }

  #isOver({ fromMs }: Permit, nowMs: number): boolean {
    return this.#rule.ttlMs > 0 && nowMs - fromMs > this.#rule.ttlMs;
  }

  /**
   * Forgets permits that have run out. If many are left, it looks again only once there are twice as many, within the
   * limit.
   */
  #prune(nowMs: number): void {
    const { maxMessages } = this.#rule;
    for (const [reply, permit] of this.#permits) {
      if (this.#isOver(permit, nowMs) || (maxMessages > 0 && permit.count >= maxMessages))
        this.#permits.delete(reply);
    }
    if (this.#permits.size >= PERMITS_KEPT_MAX) {
      for (const reply of this.#permits.keys().take(PERMITS_KEPT_MAX / 2)) this.#permits.delete(reply);
    }
    this.#pruneAt = Math.min(Math.max(PERMITS_MAX, this.#permits.size * 2), PERMITS_KEPT_MAX);
  }
}
