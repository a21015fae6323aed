import { isValidSubscriptionText } from "../../subject/text.ts";
import type { InterestKey } from "../core/link.ts";
import { errorLine } from "../core/link_fault.ts";
import type { InterestOperation } from "../core/operation_arguments.ts";
import { quoted } from "../core/quoted.ts";
import { InterestLines } from "./interest_lines.ts";
import { changeOf, PeerNames, type WishChange } from "./peer_names.ts";
import type { RouteLink } from "./route_link.ts";
import type { RouteOwner } from "./route_owner.ts";
import type { RouteFilter } from "./route_permissions.ts";

/** Interest over one registered route, both ways, as far as permissions let it through. */
export class RouteInterest {
  readonly #route: RouteLink;
  readonly #owner: RouteOwner;
  readonly #lines: InterestLines;
  /** Null for a peer that names all that it takes back. */
  readonly #names: PeerNames | null;
  /** Lines that wait for the end of a burst; null outside one. */
  #burst: string[] | null = null;

  constructor(route: RouteLink, owner: RouteOwner) {
    this.#route = route;
    this.#owner = owner;
    this.#lines = new InterestLines(route.info, route.account === null);
    this.#names = route.info.lnocu ? null : new PeerNames();
  }

  /** Whatever the peer wants plainly is taken as its lines say it. */
  get takesAllPlain(): boolean {
    return this.#names === null && this.#owner.exportFilter.passesAll;
  }

  announce(key: InterestKey, weight: number): void {
    const line = this.#lines.change(key, weight);
    if (line !== "" && this.#owner.importFilter.passes(key.subject)) this.#say(line);
  }

  /** The same for plain interest in many subjects that were not announced, of nobody's leaf nodes. */
  announcePlain(account: string, subjects: readonly string[]): void {
    const lines = this.#owner.importFilter.passesAll ? this.#lines.ofPlain(account, subjects) : null;
    if (lines !== null) this.#route.sendLine(lines);
    else for (const subject of subjects) this.announce({ account, subject, queue: "", origin: "" }, 1);
  }

  /** What is announced meanwhile leaves in one piece. */
  inBurst(announce: () => void): void {
    const lines: string[] = [];
    this.#burst = lines;
    announce();
    this.#burst = null;
    if (lines.length > 0) this.#route.sendLine(lines.join(""));
  }

  /** The peer's `RS+` and its kin. */
  take(operation: InterestOperation): void {
    if (operation.kind === "subscribe" && !this.#mayWant(operation)) return;
    this.#pass(this.#names?.take(operation) ?? [changeOf(operation)]);
  }

  /** Forgets, without a word, what both sides have said of an account. */
  forgetAccount(account: string): void {
    this.#lines.forgetAccount(account);
    this.#forget((key) => key.account === account);
  }

  /** This server's permissions have changed: says what may be said now, takes back what may not, drops what is not taken. */
  permissionsChanged(oldImport: RouteFilter): void {
    const { importFilter, exportFilter } = this.#owner;
    this.#repeat((subject, weight) => {
      const isPassed = importFilter.passes(subject);
      return isPassed === oldImport.passes(subject) ? null : isPassed ? weight : 0;
    });
    this.#forget(({ subject }) => !exportFilter.passes(subject));
  }

  /** The peer takes other interest than before: says what it did not take then. */
  peerPermissionsChanged(before: RouteFilter, now: RouteFilter): void {
    const { importFilter } = this.#owner;
    this.#repeat((subject, weight) =>
      now.passes(subject) && !before.passes(subject) && importFilter.passes(subject) ? weight : null,
    );
  }

  #mayWant({ account, subject }: InterestOperation): boolean {
    // It is kept, where nats-server forgets it: a reload may bring the account to this member later than to the other.
    if (!this.#owner.host.hasAccount(account))
      this.#route.log("error", `Unknown account ${quoted(account)} for remote subject ${quoted(subject)}`);
    if (!this.#owner.exportFilter.passes(subject)) {
      this.#route.log("debug", `Can not export ${quoted(subject)}, ignoring remote subscription request`);
      return false;
    }
    if (!isValidSubscriptionText(subject)) {
      this.#route.log("error", "Could not insert subscription: invalid subject");
      this.#route.sendLine(errorLine("Invalid Subscription"));
      return false;
    }
    return true;
  }

  #pass(changes: readonly WishChange[]): void {
    for (const { key, weight } of changes) this.#owner.host.events.interest(this.#route, key, weight);
  }

  /** Forgets some of what the peer wants. */
  #forget(isForgotten: (key: InterestKey) => boolean): void {
    for (const key of this.#owner.host.wanted(this.#route).filter(isForgotten)) {
      this.#names?.forget(key);
      this.#pass([{ key, weight: 0 }]);
    }
  }

  /** Goes through everything announced and says it again with the weight that `choose` gives; null for not at all. */
  #repeat(choose: (subject: string, weight: number) => number | null): void {
    const repeat = (key: InterestKey, weight: number) => {
      const chosen = choose(key.subject, weight);
      if (chosen !== null) this.#say(this.#lines.line(key, chosen));
    };
    this.inBurst(() => {
      for (const { key, weight } of this.#lines.shared()) repeat(key, weight);
      for (const { key, weight } of this.#owner.host.announced(this.#route)) {
        if (!this.#lines.isShared(key)) repeat(key, weight);
      }
    });
  }

  #say(line: string): void {
    if (this.#burst === null) this.#route.sendLine(line);
    else this.#burst.push(line);
  }
}
