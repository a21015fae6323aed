import type { Permissions } from "../config/permissions.ts";
import type { Permissions as ClaimedPermissions, SubjectPermission } from "./jwt/claims.ts";

const RESPONSE_MESSAGES_DEFAULT = 1;
const RESPONSE_TTL_MS_DEFAULT = 120_000;
const NS_PER_MS = 1e6;

/**
 * The permissions of a JWT as the configuration would have them; null if it names none. A user who may answer
 * requests may publish nothing else unless it is listed. Source: nats-server accounts.go, buildPermissionsFromJwt.
 */
export function permissionsOf({ publish, subscribe, responses }: ClaimedPermissions): Permissions | null {
  const listed = { publish: listedSubjects(publish), subscribe: listedSubjects(subscribe) };
  if (responses === undefined) {
    const { publish, subscribe } = listed;
    return publish === undefined && subscribe === undefined
      ? null
      : { publish, subscribe, responses: undefined };
  }
  return {
    publish: { allow: listed.publish?.allow ?? [], deny: listed.publish?.deny },
    subscribe: listed.subscribe,
    responses: {
      maxMessages: responses.maxMessages || RESPONSE_MESSAGES_DEFAULT,
      ttlMs: responses.ttlNs === 0 ? RESPONSE_TTL_MS_DEFAULT : responses.ttlNs / NS_PER_MS,
    },
  };
}

function listedSubjects({ allow, deny }: SubjectPermission) {
  if (allow.length === 0 && deny.length === 0) return undefined;
  return {
    allow: allow.length === 0 ? undefined : allow.filter(isSubject),
    deny: deny.length === 0 ? undefined : deny.filter(isSubject),
  };
}

/** Whether an entry, which validation has looked at, has its `>` at the end only. Others allow and deny nothing. */
function isSubject(entry: string): boolean {
  return !/(^|\.)>\./.test(entry);
}

/** The same permissions without the right to publish to `subject`; null permits everything. */
export function denyPublish(permissions: Permissions | null, subject: string): Permissions {
  const { publish, subscribe, responses } = permissions ?? {};
  return {
    publish: { allow: publish?.allow, deny: [...(publish?.deny ?? []), subject] },
    subscribe,
    responses,
  };
}
