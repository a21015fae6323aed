/**
 * What may cross one leaf link: announcements and messages, in both directions. Subjects are byte strings; patterns of
 * permissions are text, as in configuration and INFO.
 *
 * A leaf node has the permissions of the user it logged in as. The hub holds them as they are; the spoke is told them
 * in INFO, where `import` is what the user may subscribe to and `export` what it may publish. Seen from the hub, the
 * two directions are swapped. Source: nats-server leafnode.go, processLeafNodeConnect, leafMsgAllowed; client.go,
 * canSubscribe.
 */
import { UserPermissions } from "../../account/permissions.ts";
import type { Permissions, ResponsePermission, SubjectPermission } from "../../config/permissions.ts";
import { byteStringOfText } from "../../subject/byte_string.ts";
import { intersection } from "../../subject/subset.ts";
import { isLiteralText } from "../../subject/text.ts";

/** The subjects that a server without JetStream lets through no leaf link. */
export const JETSTREAM_DENIES: readonly string[] = ["$JS.API.>", "$KV.>", "$OBJ.>"];
/** The same for links of the system account, where it includes what JetStream servers say among themselves. */
export const SYSTEM_JETSTREAM_DENIES: readonly string[] = ["$JSC.>", "$NRG.>", ...JETSTREAM_DENIES];

/** Interest in these subjects is announced and taken whatever permissions say. */
const UNCHECKED_PREFIXES = ["$LDS.", "$GR.", "_GR_."];
const SERVICE_REPLY_PREFIX = "_R_.";
const ACK_PREFIX = "$JS.ACK.";
const GATEWAY_REPLY_PREFIX = "_GR_.";
/** The length of `_GR_.`, two hashes of six characters, and their dots. */
const GATEWAY_REPLY_BYTES = GATEWAY_REPLY_PREFIX.length + 14;

export interface LeafGrants {
  /** The messages that we may send to the peer; undefined for any. */
  readonly toPeer: SubjectPermission | undefined;
  /** The messages that we take from the peer; undefined for any. */
  readonly fromPeer: SubjectPermission | undefined;
  /** On a hub: lets the leaf node answer requests, whatever `fromPeer` says. */
  readonly responses: ResponsePermission | undefined;
  /** Subjects that are denied in both directions in addition. */
  readonly denies: readonly string[];
}

export class LeafPermissions {
  /** The rule by which our leaf node may answer requests whatever else holds; null for none. */
  readonly responses: ResponsePermission | null;
  readonly #isSpoke: boolean;
  readonly #send: Direction;
  readonly #receive: Direction;
  /** What the peer may publish, without the denies that we add. A hub judges messages from the peer by it. */
  readonly #receiveOfUser: Direction;
  /**
   * On a hub: the queue groups of the leaf node that are denied subjects it may otherwise have, as subscriptions would
   * be; null for none.
   */
  readonly #groups: UserPermissions | null;

  /** `isSpoke` says that this server is the leaf node. */
  constructor(isSpoke: boolean, { toPeer, fromPeer, responses, denies }: LeafGrants) {
    this.#isSpoke = isSpoke;
    this.responses = responses ?? null;
    this.#send = new Direction(toPeer, denies);
    this.#receive = new Direction(fromPeer, denies);
    this.#receiveOfUser = new Direction(fromPeer, []);
    const deny = (toPeer?.deny ?? []).filter(namesQueue);
    this.#groups =
      isSpoke || deny.length === 0
        ? null
        : new UserPermissions({ ...NOTHING_SAID, subscribe: { allow: undefined, deny } });
  }

  /** Whether the peer is told of interest here. We must be allowed to take what it would send for it. */
  mayAnnounce(subject: string): boolean {
    return isUnchecked(subject) || this.#receive.meets(subject);
  }

  /**
   * Whether the peer may be interested in the subject. A pattern always may, because each message for it is judged. If
   * the peer may not, a hub ends the connection, and a spoke ignores the interest.
   */
  mayTakeInterest(subject: string): boolean {
    return isUnchecked(subject) || !isLiteralText(subject) || this.#send.allows(subject);
  }

  /** Whether the lists allow sending a message to the peer. */
  maySend(subject: string): boolean {
    return this.#send.allows(withoutGatewayPrefix(subject));
  }

  /** Whether a queue group of the peer may serve a message that may be sent. */
  mayServe(subject: string, queue: string): boolean {
    return this.#groups?.canSubscribe(withoutGatewayPrefix(subject), queue) ?? true;
  }

  /**
   * Whether our leaf node is explicitly denied the subject. nats-server's hub notes that when the leaf node subscribes.
   */
  isDenied(subject: string): boolean {
    return !this.#isSpoke && this.#send.denies(withoutGatewayPrefix(subject));
  }

  /** Whether the lists allow a message from the peer. One-time permits for answers are not considered here. */
  mayReceive(subject: string): boolean {
    const bare = withoutGatewayPrefix(subject);
    if (bare.startsWith(SERVICE_REPLY_PREFIX) || bare.startsWith(ACK_PREFIX)) return true;
    if (!this.#isSpoke) return this.#receiveOfUser.allows(bare);
    return bare !== subject || this.#receive.meets(bare);
  }
}

/** The permission for one direction, compiled. */
class Direction {
  readonly #lists: UserPermissions;
  readonly #denies: UserPermissions;
  readonly #allow: readonly string[] | null;

  constructor(permission: SubjectPermission | undefined, denies: readonly string[]) {
    const allow = withoutQueues(permission?.allow);
    const deny = [...(withoutQueues(permission?.deny) ?? []), ...denies];
    this.#lists = new UserPermissions({ ...NOTHING_SAID, publish: { allow, deny } });
    this.#denies = new UserPermissions({ ...NOTHING_SAID, publish: { allow: undefined, deny } });
    this.#allow = allow === undefined ? null : allow.map(byteStringOfText);
  }

  allows(subject: string): boolean {
    return this.#lists.canPublish(subject);
  }

  denies(subject: string): boolean {
    return !this.#denies.canPublish(subject);
  }

  /**
   * Like `allows`. For a pattern it suffices that some of what it matches is allowed, because messages are judged one
   * by one.
   */
  meets(subject: string): boolean {
    if (this.allows(subject)) return true;
    if (this.#allow === null || isLiteralText(subject) || !this.#denies.canPublish(subject)) return false;
    return this.#allow.some((pattern) => intersection(pattern, subject) !== null);
  }
}

const NOTHING_SAID = { publish: undefined, subscribe: undefined, responses: undefined };

/** Removes entries about queue groups, which do not concern plain interest and its messages. */
function withoutQueues(list: readonly string[] | undefined): readonly string[] | undefined {
  return list?.filter((entry) => !namesQueue(entry));
}

/** Whether an entry of a list is about queue groups only. */
function namesQueue(entry: string): boolean {
  return /\s/.test(entry);
}

function isUnchecked(subject: string): boolean {
  return UNCHECKED_PREFIXES.some((prefix) => subject.startsWith(prefix));
}

/** The original subject of a mapped reply; any other subject unchanged. */
function withoutGatewayPrefix(subject: string): string {
  const isMapped = subject.startsWith(GATEWAY_REPLY_PREFIX) && subject.length > GATEWAY_REPLY_BYTES;
  return isMapped ? subject.slice(GATEWAY_REPLY_BYTES) : subject;
}

/**
 * Whether a leaf node keeps interest when the permissions of its user change. Existing interest is judged like a
 * client's subscriptions, patterns included.
 */
export function keepsInterest(user: UserPermissions, subject: string, queue: string): boolean {
  return isUnchecked(subject) || user.canSubscribe(subject, queue);
}

/** The grants of a hub for a leaf node that logged in with these permissions and asked not to be sent `denyPublish`. */
export function hubGrants(
  user: Permissions | null,
  denyPublish: readonly string[],
  denies: readonly string[],
): LeafGrants {
  return {
    toPeer: withDenied(user?.subscribe, denyPublish),
    fromPeer: user?.publish,
    responses: user?.responses,
    denies,
  };
}

/** The grants of a spoke: what INFO told, and what the remote's own configuration denies. */
export function spokeGrants(
  told: { readonly import: SubjectPermission | undefined; readonly export: SubjectPermission | undefined },
  own: { readonly denyImports: readonly string[]; readonly denyExports: readonly string[] },
  denies: readonly string[],
): LeafGrants {
  return {
    toPeer: withDenied(told.export, own.denyExports),
    fromPeer: withDenied(told.import, own.denyImports),
    responses: undefined,
    denies,
  };
}

function withDenied(
  permission: SubjectPermission | undefined,
  denied: readonly string[],
): SubjectPermission | undefined {
  if (denied.length === 0) return permission;
  return { allow: permission?.allow, deny: [...(permission?.deny ?? []), ...denied] };
}
