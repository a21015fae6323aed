/**
 * What may cross one leaf link: announcements and messages, both ways. Subjects are byte strings, patterns of
 * permissions text as configuration and INFO have them.
 *
 * What a leaf may do is the permissions of the user it logged in as. The hub holds them as they are, the spoke is told
 * them in INFO: `import` is what the user may subscribe to, `export` what it may publish. From where the hub stands the
 * two change places. Source: nats-server leafnode.go, processLeafNodeConnect, leafMsgAllowed; client.go, canSubscribe.
 */
import { UserPermissions } from "../../account/permissions.ts";
import type { Permissions, ResponsePermission, SubjectPermission } from "../../config/permissions.ts";
import { byteStringOfText } from "../../subject/byte_string.ts";
import { intersection } from "../../subject/subset.ts";
import { isLiteralText } from "../../subject/text.ts";

/** What a server without JetStream keeps on its side of every leaf link. */
export const JETSTREAM_DENIES: readonly string[] = ["$JS.API.>", "$KV.>", "$OBJ.>"];
/** In the system account also what JetStream servers say among themselves. */
export const SYSTEM_JETSTREAM_DENIES: readonly string[] = ["$JSC.>", "$NRG.>", ...JETSTREAM_DENIES];

/** Announced, and taken, whatever permissions say. */
const UNCHECKED_PREFIXES = ["$LDS.", "$GR.", "_GR_."];
const SERVICE_REPLY_PREFIX = "_R_.";
const ACK_PREFIX = "$JS.ACK.";
const GATEWAY_REPLY_PREFIX = "_GR_.";
/** `_GR_.`, two hashes of six characters, and their dots. */
const GATEWAY_REPLY_BYTES = GATEWAY_REPLY_PREFIX.length + 14;

export interface LeafGrants {
  /** What messages we may send to the peer; undefined for any. */
  readonly toPeer: SubjectPermission | undefined;
  /** What messages we take from it. */
  readonly fromPeer: SubjectPermission | undefined;
  /** Of a hub: lets the leaf answer what it was asked, whatever `fromPeer` says. */
  readonly responses: ResponsePermission | undefined;
  /** Added to what is denied in both directions. */
  readonly denies: readonly string[];
}

export class LeafPermissions {
  /** How a leaf of ours may answer whatever else holds; null where it may not. */
  readonly responses: ResponsePermission | null;
  readonly #isSpoke: boolean;
  readonly #send: Direction;
  readonly #receive: Direction;
  /** What the peer may publish, without what we add: what a message is judged by that reached us all the same. */
  readonly #receiveOfUser: Direction;
  /** Of a hub: which queue groups of the leaf are denied what it may have otherwise, as subscriptions would be; null for none. */
  readonly #groups: UserPermissions | null;

  /** `isSpoke`: this server is the leaf node. */
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

  /** Whether the peer is told of interest here: we must be allowed to take what it would send for it. */
  mayAnnounce(subject: string): boolean {
    return isUnchecked(subject) || this.#receive.meets(subject);
  }

  /**
   * Whether the peer may be interested in the subject. A pattern may always: each message for it is judged. A hub ends the
   * connection of a leaf that may not; a spoke takes no notice of what it may not send.
   */
  mayTakeInterest(subject: string): boolean {
    return isUnchecked(subject) || !isLiteralText(subject) || this.#send.allows(subject);
  }

  /** Whether lists allow sending a message; a leaf of ours may also be due an answer. */
  maySend(subject: string): boolean {
    return this.#send.allows(withoutGatewayPrefix(subject));
  }

  /** Whether a group of the peer's may serve a message that may be sent. */
  mayServe(subject: string, queue: string): boolean {
    return this.#groups?.canSubscribe(withoutGatewayPrefix(subject), queue) ?? true;
  }

  /** Whether it is denied a leaf of ours by name, which a hub notes when the leaf subscribes. */
  isDenied(subject: string): boolean {
    return !this.#isSpoke && this.#send.denies(withoutGatewayPrefix(subject));
  }

  /** Whether lists allow a message from the peer; answers permitted for once are not asked after here. */
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

  /** As `allows`; of a pattern also whether some of what it matches is allowed, for messages are judged one by one. */
  meets(subject: string): boolean {
    if (this.allows(subject)) return true;
    if (this.#allow === null || isLiteralText(subject) || !this.#denies.canPublish(subject)) return false;
    return this.#allow.some((pattern) => intersection(pattern, subject) !== null);
  }
}

const NOTHING_SAID = { publish: undefined, subscribe: undefined, responses: undefined };

/** Entries about queue groups say nothing about plain interest and messages for it. */
function withoutQueues(list: readonly string[] | undefined): readonly string[] | undefined {
  return list?.filter((entry) => !namesQueue(entry));
}

/** Whether an entry of a list is about queue groups alone. */
function namesQueue(entry: string): boolean {
  return /\s/.test(entry);
}

function isUnchecked(subject: string): boolean {
  return UNCHECKED_PREFIXES.some((prefix) => subject.startsWith(prefix));
}

/** The subject of which a gateway made a reply to itself; the subject itself if it is none. */
function withoutGatewayPrefix(subject: string): string {
  const isMapped = subject.startsWith(GATEWAY_REPLY_PREFIX) && subject.length > GATEWAY_REPLY_BYTES;
  return isMapped ? subject.slice(GATEWAY_REPLY_BYTES) : subject;
}

/**
 * Whether a leaf node keeps interest under other permissions of its user: what it has is judged as a client's subscriptions are,
 * patterns too.
 */
export function keepsInterest(user: UserPermissions, subject: string, queue: string): boolean {
  return isUnchecked(subject) || user.canSubscribe(subject, queue);
}

/** The grants of a hub for a leaf that logged in with these permissions and asked not to be sent `denyPublish`. */
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

/** The grants of a spoke: what INFO said, and what the remote's own configuration adds. */
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
