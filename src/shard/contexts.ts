/**
 * What a shard's clients publish under: their account with their user's permissions. Says what becomes of a subject
 * before anybody's interest in it is asked. Once per plan, and once per message of subjects that the engine hands over.
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

/** Of subjects the host publishes, those whose way is remembered. */
const ROUTES_MAX = 1024;

interface ClientContext {
  readonly key: string;
  account: ShardAccount;
  /** As the first connection had them. */
  readonly given: Permissions | null;
  readonly permissions: UserPermissions | null;
  /** Connections that publish under it. */
  uses: number;
  /** The answer for subjects that nothing special happens to. */
  readonly plain: Resolution;
  /** What became of subjects that always go the same way, until the definition of the account changes. */
  readonly routes: Map<string, Route>;
}

/** What becomes of one message of a client; subjects are byte strings. */
export interface Route {
  /** After mapping; "" where the mapping has no destination for the message, which nobody gets then. */
  readonly subject: string;
  readonly bytes: Uint8Array;
  /** Whether nobody but servers may publish there. */
  readonly isReserved: boolean;
  /** Whether the lists of its user's permissions let it through. */
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
  /** Told when numbers are used again that plans may have been made for. */
  onStartOver: () => void = () => {};

  /** Numbers of contexts are below `idsEnd`. */
  constructor(accounts: ShardAccounts, replies: ReplySubjects, idsEnd = CONTEXT_IS_ANSWER) {
    this.#accounts = accounts;
    this.#replies = replies;
    this.#idsEnd = idsEnd;
  }

  /** The context of one more connection of that account with those permissions; given back with release(). */
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

  /** One that no plan names: those of a context that is gone stay what they are. */
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
    // That of an account without permissions is soon wanted again, and numbers are not.
    if (--context.uses > 0 || (context.permissions === null && this.#ids.get(context.key) === id)) return;
    this.#contexts.delete(id);
    if (this.#ids.get(context.key) === id) this.#ids.delete(context.key);
  }

  permissionsOf(id: number): UserPermissions | null {
    return this.#contexts.get(id)!.permissions;
  }

  /** What `take()` was given, or permissions equal to them. */
  givenPermissionsOf(id: number): Permissions | null {
    return this.#contexts.get(id)!.given;
  }

  accountOf(id: number): ShardAccount {
    return this.#contexts.get(id)!.account;
  }

  /** The definitions of accounts have changed. Under one that is gone there are only connections that are being closed. */
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
      // Of all answers to an account's services one plan says whether the engine may take them.
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

  /** Where the engine may send requests on `subject` on by itself; null where the host has more to do about them. */
  #forwardOf(account: ShardAccount, service: AppliedServiceImport, subject: string): Forward | null {
    const { latency, responseType, exporter: id, responseThresholdMs } = service.definition;
    const exporter = this.#accounts.byId(id);
    if (exporter === undefined || latency !== undefined || responseType !== "singleton") return null;
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
      replyHead: this.#replies.headOf(exporter.id),
    };
  }

  /** What becomes of a message published on this subject; a mapping with several destinations may decide otherwise the next time. */
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

  /** Two subjects: what is wanted, and what whoever gets it sees. */
  #resolveRenamed(context: number, bytes: Uint8Array, start: number, end: number): Resolution {
    const blank = bytes.subarray(start, end).indexOf(0x20) + start;
    const resolution = this.#resolveDelivery(context & ~CONTEXT_IS_RENAMED, bytes, start, blank);
    return { ...resolution, delivered: bytes.slice(start, blank), shown: bytes.slice(blank + 1, end) };
  }

  /** What the host publishes and what other nodes sent: mapped and permitted already. */
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
