import type { RoutePermissions } from "../../config/cluster.ts";
import type { SubjectPermission } from "../../config/permissions.ts";
import { byteStringOfText } from "../../subject/byte_string.ts";
import { subjectMatchesText } from "../../subject/text.ts";
import type { LinkPermission } from "../core/link_info.ts";

/** The subjects whose interest one direction lets through. Subjects and patterns are byte strings. */
export class RouteFilter {
  readonly #allow: readonly string[] | null;
  readonly #deny: readonly string[];

  /** `allow` null lets everything through that is not denied. */
  constructor(allow: readonly string[] | null, deny: readonly string[]) {
    this.#allow = allow;
    this.#deny = deny;
  }

  /** Whether it lets everything through. */
  get passesAll(): boolean {
    return this.#allow === null && this.#deny.length === 0;
  }

  /**
   * Whether it lets a subject through. Wildcards in the subject are taken literally: `foo.*` passes if `foo.>` is
   * allowed.
   */
  passes(subject: string): boolean {
    const isMatch = (pattern: string) => subjectMatchesText(pattern, subject);
    return (this.#allow === null || this.#allow.some(isMatch)) && !this.#deny.some(isMatch);
  }
}

const OPEN_FILTER = new RouteFilter(null, []);

/** The filter for this server's interest: what is announced. */
export function importFilter(permissions: RoutePermissions | null): RouteFilter {
  return configuredFilter(permissions?.import);
}

/** The filter for a peer's interest: what is taken. */
export function exportFilter(permissions: RoutePermissions | null): RouteFilter {
  return configuredFilter(permissions?.export);
}

/** The filter that a peer says it applies. */
export function peerFilter(permission: LinkPermission | null): RouteFilter {
  if (permission === null) return OPEN_FILTER;
  return new RouteFilter(permission.allow.length === 0 ? null : permission.allow, permission.deny);
}

function configuredFilter(permission: SubjectPermission | undefined): RouteFilter {
  if (permission === undefined) return OPEN_FILTER;
  const { allow, deny = [] } = permission;
  return new RouteFilter(allow?.map(byteStringOfText) ?? null, deny.map(byteStringOfText));
}

/** Whether two servers' permissions are the same, list by list. */
export function isSamePermission(a: LinkPermission | null, b: LinkPermission | null): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
