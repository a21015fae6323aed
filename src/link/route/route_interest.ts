import { isValidSubscriptionText } from "../../subject/text.ts";
import type { InterestKey } from "../core/link.ts";
import { errorLine } from "../core/link_fault.ts";
import type { InterestOperation } from "../core/operation_arguments.ts";
import { quoted } from "../core/quoted.ts";
import { InterestLines } from "./interest_lines.ts";
import { PeerInterest } from "./peer_interest.ts";
import type { RouteLink } from "./route_link.ts";
import type { RouteOwner } from "./route_owner.ts";
import type { RouteFilter } from "./route_permissions.ts";

/** Interest over one registered route, both ways, as far as permissions let it through. */
export class RouteInterest {
  readonly #route: RouteLink;
  readonly #owner: RouteOwner;
  readonly #lines: InterestLines;
  readonly #peer: PeerInterest;
  /** Lines that wait for the end of a burst; null outside one. */
  #burst: string[] | null = null;

  constructor(route: RouteLink, owner: RouteOwner) {
    this.#route = route;
    this.#owner = owner;
    this.#lines = new InterestLines(route.info, route.account === null);
    this.#peer = new PeerInterest(route.info.lnocu);
  }

  /** How much the peer wants. */
  get peerCount(): number {
    return this.#peer.size;
  }

  announce(key: InterestKey, weight: number): void {
    const line = this.#lines.change(key, weight);
    if (line !== "" && this.#owner.importFilter.passes(key.subject)) this.#say(line);
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
    for (const { key, weight } of this.#peer.take(operation)) {
      this.#owner.events.interest(this.#route, key, weight);
    }
  }

  /** Forgets, without a word, what both sides have said of an account. */
  forgetAccount(account: string): void {
    this.#lines.forgetAccount(account);
    for (const { key, weight } of this.#peer.forgetAccount(account)) {
      this.#owner.events.interest(this.#route, key, weight);
    }
  }

  /** This server's permissions have changed: says what may be said now, takes back what may not, drops what is not taken. */
  permissionsChanged(oldImport: RouteFilter): void {
    const { importFilter, exportFilter, events } = this.#owner;
    this.#repeat((subject, weight) => {
      const isPassed = importFilter.passes(subject);
      return isPassed === oldImport.passes(subject) ? null : isPassed ? weight : 0;
    });
    for (const { key, weight } of this.#peer.keepOnly((subject) => exportFilter.passes(subject))) {
      events.interest(this.#route, key, weight);
    }
  }

  /** The peer takes other interest than before: says what it did not take then. */
  peerPermissionsChanged(before: RouteFilter, now: RouteFilter): void {
    const { importFilter } = this.#owner;
    this.#repeat((subject, weight) =>
      now.passes(subject) && !before.passes(subject) && importFilter.passes(subject) ? weight : null,
    );
  }

  #mayWant({ account, subject }: InterestOperation): boolean {
    if (!this.#owner.hasAccount(account)) {
      this.#route.log("error", `Unknown account ${quoted(account)} for remote subject ${quoted(subject)}`);
      return false;
    }
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

  /** Goes through everything announced and says it again with the weight that `choose` gives; null for not at all. */
  #repeat(choose: (subject: string, weight: number) => number | null): void {
    const repeat = (key: InterestKey, weight: number) => {
      const chosen = choose(key.subject, weight);
      if (chosen !== null) this.#say(this.#lines.line(key, chosen));
    };
    this.inBurst(() => {
      for (const { key, weight } of this.#lines.shared()) repeat(key, weight);
      for (const { key, weight } of this.#owner.announced(this.#route)) {
        if (!this.#lines.isShared(key)) repeat(key, weight);
      }
    });
  }

  #say(line: string): void {
    if (this.#burst === null) this.#route.sendLine(line);
    else this.#burst.push(line);
  }
}
