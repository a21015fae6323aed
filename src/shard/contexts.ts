/**
 * The contexts that a shard's clients publish under: an account with a user's permissions. Decides what becomes of a
 * subject before interest is looked up: once per plan, and once per message on subjects that the engine hands over.
 */
import type { AppliedServiceImport } from "../account/applied_imports.ts";
import { UserPermissions } from "../account/permissions.ts";
import type { Permissions } from "../config/permissions.ts";
import {
  CONTEXT_ACCOUNTS,
  CONTEXT_CLIENTS,
  CONTEXT_IS_ANSWER,
  CONTEXT_IS_RENAMED,
  CONTEXT_IS_RESPONSE,
  CONTEXT_IS_STREAMLESS,
} from "../memory/layout.ts";
import { byteStringOf, bytesOf } from "../subject/byte_string.ts";
import { orLost, type ShardAccount, type ShardAccounts } from "./accounts.ts";
import { isReservedSubject, isResponseSubject } from "./client/reserved.ts";
import type { Forward, PlanRules, Resolution, StreamLeg } from "./plans/plan_rules.ts";
import { disclosureKind } from "./services/forwarded_requests.ts";
import type { ReplySubjects } from "./services/reply_subjects.ts";

const NO_LEGS: readonly StreamLeg[] = [];
const NO_SERVICES: readonly AppliedServiceImport[] = [];

/** The engine counts milliseconds in words that wrap. */
const FORWARDED_MS_MAX = 2 ** 30;

/** Subjects published by the host whose routes are remembered. */
const ROUTES_MAX = 1024;

interface ClientContext {
  readonly key: string;
  account: ShardAccount;
  /** The permissions as the first connection had them. */
  readonly given: Permissions | null;
  readonly permissions: UserPermissions | null;
  /** Number of connections that publish under this context. */
  uses: number;
  /** The resolution of subjects to which nothing special happens. */
  readonly plain: Resolution;
  /** The routes of subjects that always go the same way, until the definition of the account changes. */
  readonly routes: Map<string, Route>;
}

/** What becomes of one message of a client. Subjects are byte strings. */
export interface Route {
  /** The subject after mapping; "" if the mapping has no destination for the message, which then reaches nobody. */
  readonly subject: string;
  readonly bytes: Uint8Array;
  /** Whether only servers may publish on the subject. */
  readonly isReserved: boolean;
  /** Whether the user's permission lists allow the subject. */
  readonly isAllowed: boolean;
  readonly services: readonly AppliedServiceImport[];
  readonly isResponse: boolean;
}

export class Contexts implements PlanRules {
  readonly #accounts: ShardAccounts;
  readonly #replies: ReplySubjects;
  readonly #contexts = new Map<number, ClientContext>();
  readonly #ids = new Map<string, number>();
  readonly #idsEnd: number;
  #lastId = CONTEXT_CLIENTS;
  /** Called when context numbers begin to be used again, of which plans may exist. */
  onStartOver: () => void = () => {};

  /** The numbers of contexts are below `idsEnd`. */
  constructor(accounts: ShardAccounts, replies: ReplySubjects, idsEnd = CONTEXT_IS_ANSWER) {
    this.#accounts = accounts;
    this.#replies = replies;
    this.#idsEnd = idsEnd;
  }

  /** Returns the context for one more connection of that account with those permissions. release() gives it back. */
  take(account: ShardAccount, permissions: Permissions | null): number {
    const key = `${account.id} ${permissions === null ? "" : JSON.stringify(permissions)}`;
    let id = this.#ids.get(key);
    if (id === undefined) {
      id = this.#newId();
      this.#ids.set(key, id);
      this.#contexts.set(id, {
        key,
        account,
        given: permissions,
        permissions: permissions === null ? null : new UserPermissions(permissions),
        uses: 0,
        plain: { account: account.id, isForHost: false, delivered: null, imports: NO_LEGS },
        routes: new Map(),
      });
    }
    this.#contexts.get(id)!.uses++;
    return id;
  }

  /** Returns a number that no plan names: plans of a context that is gone keep their number. */
  #newId(): number {
    do {
      if (++this.#lastId < this.#idsEnd) continue;
      this.#lastId = CONTEXT_CLIENTS + 1;
      this.onStartOver();
    } while (this.#contexts.has(this.#lastId));
    return this.#lastId;
  }

  release(id: number): void {
    const context = this.#contexts.get(id)!;
    // The context without permissions of an account is kept: it is soon wanted again, and a new one would use up a
    // number.
    if (--context.uses > 0 || (context.permissions === null && this.#ids.get(context.key) === id)) return;
    this.#contexts.delete(id);
    if (this.#ids.get(context.key) === id) this.#ids.delete(context.key);
  }

  permissionsOf(id: number): UserPermissions | null {
    return this.#contexts.get(id)!.permissions;
  }

  /** The permissions that `take()` was given, or equal ones. */
  givenPermissionsOf(id: number): Permissions | null {
    return this.#contexts.get(id)!.given;
  }

  accountOf(id: number): ShardAccount {
    return this.#contexts.get(id)!.account;
  }

  /**
   * Adopts changed definitions of accounts. Contexts of an account that is gone are used only by connections that are
   * being closed.
   */
  refresh(): void {
    for (const [id, context] of this.#contexts) {
      const account = this.#accounts.byId(context.account.id);
      if (account === undefined) {
        this.#ids.delete(context.key);
        if (context.uses === 0) this.#contexts.delete(id);
        continue;
      }
      context.account = account;
      context.routes.clear();
    }
  }

  resolve(context: number, bytes: Uint8Array, start: number, end: number): Resolution {
    const client = this.#contexts.get(context);
    if (client === undefined) return this.#resolveDelivery(context, bytes, start, end);
    const { account, permissions, plain } = client;
    if (isReservedSubject(bytes, start, end, account.isSystem)) return { ...plain, isForHost: true };
    const isPlain = permissions === null && account.isPlainFor(bytes[start]!);
    if (isResponseSubject(bytes, start, end)) {
      // One plan stands for all answers to an account's services: it says whether the engine may take them.
      const isPrefix = isPlain && this.#replies.isPrefixOf(account.id, bytes, start, end);
      return { ...plain, isForHost: !isPrefix, isPrefix };
    }
    if (isPlain) return plain;
    const subject = byteStringOf(bytes, start, end);
    const mapped = account.constantMapping(subject);
    const delivered = mapped ?? subject;
    const deliveredBytes = delivered === subject ? null : bytesOf(delivered);
    const services = account.servicesFor(delivered);
    const forward = services.length === 1 ? this.#forwardOf(account, services[0]!, delivered) : null;
    const isForHost =
      mapped === null ||
      (deliveredBytes !== null && isReserved(account, deliveredBytes)) ||
      (permissions !== null && !permissions.canPublish(delivered)) ||
      (services.length > 0 && forward === null);
    return {
      account: account.id,
      isForHost,
      delivered: deliveredBytes,
      imports: isForHost ? NO_LEGS : account.legsOf(delivered),
      ...(isForHost || forward === null ? {} : { forward }),
    };
  }

  /** How the engine may forward requests on `subject` by itself; null if the host has more to do for them. */
  #forwardOf(account: ShardAccount, service: AppliedServiceImport, subject: string): Forward | null {
    const { latency, responseType, exporter: id, responseThresholdMs } = service.definition;
    const exporter = this.#accounts.byId(id);
    if (exporter === undefined || latency !== undefined || responseType !== "singleton") return null;
    // The account's mappings are for the answers, too, which the engine does not map.
    if (account.mapsInboxes) return null;
    if (responseThresholdMs > FORWARDED_MS_MAX) return null;
    const remote = orLost(service.remoteSubject(subject).text);
    const mapped = remote === null ? null : exporter.constantMapping(remote);
    if (mapped === null || exporter.servicesFor(mapped).length > 0) return null;
    return {
      context: exporter.id | CONTEXT_IS_STREAMLESS,
      subject: bytesOf(mapped),
      requestor: account.id,
      disclosure: disclosureKind(service.definition),
      thresholdMs: responseThresholdMs,
      inboxesOnly: account.hasMappings,
      replyHead: this.#replies.headOf(exporter.id),
    };
  }

  /**
   * What becomes of a message published on this subject. A mapping with several destinations may decide otherwise the
   * next time.
   */
  route(context: number, published: string): Route {
    const { account, permissions, routes } = this.#contexts.get(context)!;
    const known = routes.get(published);
    if (known !== undefined) return known;
    const subject = account.map(published) ?? "";
    const publishedBytes = bytesOf(published);
    const bytes = subject === published ? publishedBytes : bytesOf(subject);
    const isResponse = isResponseSubject(publishedBytes, 0, publishedBytes.length);
    const route: Route = {
      subject,
      bytes,
      isReserved: isReserved(account, bytes),
      isAllowed: permissions === null || permissions.canPublish(subject),
      services: account.hasServices && subject !== "" ? account.servicesFor(subject) : NO_SERVICES,
      isResponse,
    };
    if (!isResponse && account.constantMapping(published) !== null) {
      if (routes.size === ROUTES_MAX) routes.clear();
      routes.set(published, route);
    }
    return route;
  }

  /**
   * Resolves two subjects with a blank between them: the one that interest is looked up for, and the one that
   * subscribers see.
   */
  #resolveRenamed(context: number, bytes: Uint8Array, start: number, end: number): Resolution {
    const blank = bytes.subarray(start, end).indexOf(0x20) + start;
    const resolution = this.#resolveDelivery(context & ~CONTEXT_IS_RENAMED, bytes, start, blank);
    return { ...resolution, delivered: bytes.slice(start, blank), shown: bytes.slice(blank + 1, end) };
  }

  /**
   * Resolves subjects of messages that the host publishes or other nodes sent: they are mapped and permitted already.
   */
  #resolveDelivery(context: number, bytes: Uint8Array, start: number, end: number): Resolution {
    if ((context & CONTEXT_IS_RENAMED) !== 0) return this.#resolveRenamed(context, bytes, start, end);
    const id = context & (CONTEXT_ACCOUNTS - 1);
    const takesStreams = (context & (CONTEXT_IS_STREAMLESS | CONTEXT_IS_RESPONSE)) === 0;
    const account = takesStreams ? this.#accounts.byId(id) : undefined;
    return {
      account: id,
      isForHost: false,
      delivered: null,
      imports: account?.isImported ? account.legsOf(byteStringOf(bytes, start, end)) : NO_LEGS,
    };
  }
}

function isReserved({ isSystem }: ShardAccount, subject: Uint8Array): boolean {
  return isReservedSubject(subject, 0, subject.length, isSystem);
}
