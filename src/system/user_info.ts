/** What a user is told of itself. Source: nats-server userInfoReq, publicPermissions. */
import type { ClientInfo } from "../account/client_info.ts";
import type { Permissions, SubjectPermission } from "../config/permissions.ts";
import { omitEmpty } from "../protocol/go_json.ts";

const NS_PER_MS = 1e6;
const NS_PER_S = 1e9;

/** What only a client's shard knows of its user. */
export interface UserTerms {
  /** Null permits everything. */
  readonly permissions: Permissions | null;
  readonly expiresAtMs: number | null;
}

export function userInfo(client: ClientInfo, accountNameTag: string, terms: UserTerms, nowMs: number) {
  const { permissions, expiresAtMs } = terms;
  return {
    user: client.user ?? "",
    account: client.account,
    account_name: omitEmpty(accountNameTag),
    user_name: omitEmpty(client.nameTag),
    permissions: permissions === null ? undefined : permissionsReport(permissions),
    // Whole seconds.
    expires:
      expiresAtMs === null ? undefined : omitEmpty(Math.trunc((expiresAtMs - nowMs) / 1000) * NS_PER_S),
  };
}

function permissionsReport({ publish, subscribe, responses }: Permissions) {
  return {
    publish: subjectsReport(publish),
    subscribe: subjectsReport(subscribe),
    responses:
      responses === undefined
        ? undefined
        : { max: responses.maxMessages, ttl: Math.round(responses.ttlMs * NS_PER_MS) },
  };
}

function subjectsReport(permission: SubjectPermission | undefined) {
  return { allow: omitEmpty(permission?.allow), deny: omitEmpty(permission?.deny) };
}
